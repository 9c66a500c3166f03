"""Callers of an API: each has a connection of its own, and sends its next request as soon as one is answered."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pycurl

from benchmarks.benchmark import Discrepancy
from benchmarks.curl import CurlMulti, Request, expect_status

TURN, WARM_UP = 2.0, 0.5
"""Seconds of one application's turn, and those at its beginning that do not count: the queue fills."""
NEW_PHONES = itertools.count(79_900_000_000)


class Call(NamedTuple):
    """A request to measure; `body` makes another one each time."""

    title: str
    method: str
    path: str
    status: int = 200
    body: Callable[[], dict[str, Any]] | None = None


def new_client() -> dict[str, Any]:
    """A client that there is not yet."""
    return {"phone_number": next(NEW_PHONES), "operator_code": "79", "tag": "vip", "timezone": "Europe/Moscow"}


def changed_client() -> dict[str, Any]:
    """The first client, different each time."""
    return new_client() | {"phone_number": 79_000_000_000, "tag": str(next(NEW_PHONES))}


CALLS = (
    Call("POST client/create/", "POST", "/v1/client/create/", 201, new_client),
    Call("GET client/{id}/", "GET", "/v1/client/1/"),
    Call("PUT client/{id}/", "PUT", "/v1/client/1/", 200, changed_client),
    Call("GET mailing/{id}/", "GET", "/v1/mailing/1/"),
    Call("GET mailing/ (100 of them)", "GET", "/v1/mailing/"),
)


def take_turn(port: int, headers: Mapping[str, str], call: Call, callers: int) -> list[float]:
    """Lets so many callers call for one turn; returns the seconds that each answer took which counts.

    Raises Discrepancy when an answer has another status than it should, or there is none.
    """
    took: list[float] = []
    began = time.monotonic()

    def next_request() -> Request | None:
        if time.monotonic() > began + TURN:
            return None
        body = json.dumps(call.body()).encode() if call.body else None
        return Request(call.method, f"http://127.0.0.1:{port}{call.path}", body)

    def answered(curl: pycurl.Curl) -> None:
        expect_status(curl, call.status)
        if began + WARM_UP < time.monotonic() < began + TURN:
            took.append(curl.getinfo(pycurl.TOTAL_TIME))

    # Without "Expect" libcurl would ask first whether it may send a body.
    multi = CurlMulti(callers, {**headers, "Content-Type": "application/json", "Expect": ""})
    try:
        multi.send(next_request, answered)
    except RuntimeError as error:
        raise Discrepancy(f"{call.title}: {error}") from error
    if not took:
        raise Discrepancy(f"{call.title}: no request was answered.")
    return took


def speed(took: list[list[float]]) -> float:
    """Requests a second of some turns."""
    return sum(map(len, took)) / (len(took) * (TURN - WARM_UP))
