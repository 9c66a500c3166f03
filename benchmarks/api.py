"""The API's common calls, beside a bare flask-smorest with one query a call on the same PostgreSQL.

    python -m benchmarks.api [--seconds 5]

Requests a second of one thread that calls the WSGI application, without a server and sockets. The two take turns, so
that what else the machine does hits both. `python -m benchmarks.api_profile CALL` says where a call's time goes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from api import create_app
from api.database_url import database_url
from api.settings import ApiSettings
from benchmarks.bare_api import create_bare
from benchmarks.ledger import Discrepancy
from benchmarks.postgres import connect
from benchmarks.progress import Progress
from benchmarks.result import Result, ratio
from benchmarks.stage import Stage, command

API_KEY = "a-key-of-this-benchmark"
TURN = 0.25
"""Seconds of one application's turn."""
CLIENTS, MAILINGS = 10_000, 100
NEW_PHONES = itertools.count(79_900_000_000)

Body = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """A request to measure; `body` makes another one each time."""

    title: str
    method: str
    path: str
    status: int
    body: Body = field(default=dict)


def new_client() -> dict[str, Any]:
    """A client that there is not yet."""
    return {"phone_number": next(NEW_PHONES), "operator_code": "79", "tag": "vip", "timezone": "Europe/Moscow"}


def changed_client() -> dict[str, Any]:
    """The first client, different each time."""
    return new_client() | {"phone_number": 79_000_000_001, "tag": str(next(NEW_PHONES))}


CALLS = (
    Call("POST client/create/", "POST", "/v1/client/create/", 201, new_client),
    Call("GET client/{id}/", "GET", "/v1/client/1/", 200),
    Call("PUT client/{id}/", "PUT", "/v1/client/1/", 200, changed_client),
    Call("GET mailing/{id}/", "GET", "/v1/mailing/1/", 200),
    Call("GET mailing/ (100 of them)", "GET", "/v1/mailing/", 200),
)


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Requests a second of either, call by call."""
    with stage.server.database("api") as url:
        ours, bare = gonets(url), create_bare(url)
        speeds = {call.title: compare(ours, bare, call, options.seconds, stage.progress(call.title)) for call in CALLS}
    return Result(
        "api",
        ("", "Gonets, requests/s", "bare flask-smorest, requests/s", "× bare"),
        [(title, f"{mine:,.0f}", f"{theirs:,.0f}", ratio(mine, theirs)) for title, (mine, theirs) in speeds.items()],
        notes=[
            f"One thread that calls the application, without a server; in turns of {TURN} s, {options.seconds:g} s for "
            f"each call and application. {CLIENTS:,} clients, {MAILINGS} mailings."
        ],
        readme=[
            (
                "the API, one thread",
                ", ".join(
                    f"{title} {mine:,.0f} requests/s ({ratio(mine, theirs)})"
                    for title, (mine, theirs) in speeds.items()
                )
                + "; in brackets, beside bare flask-smorest with one query",
            )
        ],
    )


def gonets(url: str) -> Flask:
    """Our application on a directory and mailings, with texts and counts, that are made for it."""
    fill(url)
    return create_app(ApiSettings(database_url=database_url(url), api_key=API_KEY, rate=0))


def compare(ours: Flask, bare: Flask, call: Call, seconds: float, progress: Progress) -> tuple[float, float]:
    """Requests a second of either."""
    for app in (ours, bare):
        send(app, call)
    done = [0, 0]
    turns = max(1, round(seconds / TURN))
    for turn in range(turns):
        for place, app in enumerate((ours, bare)):
            end = time.perf_counter() + TURN
            while time.perf_counter() < end:
                send(app, call)
                done[place] += 1
        progress.show(turn + 1, turns, "turns")
    return done[0] / (turns * TURN), done[1] / (turns * TURN)


def send(app: Flask, call: Call) -> None:
    """One request, as a WSGI server hands it over."""
    body = json.dumps(call.body()).encode() if call.method in ("POST", "PUT") else b""
    environ = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": call.path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json" if body else "",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost:8000",
        "HTTP_AUTHORIZATION": f"Bearer {API_KEY}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    answered: list[str] = []

    def start(status: str, _headers: Any, _trouble: Any = None, /) -> Callable[[bytes], object]:
        answered.append(status)
        return lambda _: None

    answer: Any = app(environ, start)
    text = b"".join(answer)
    answer.close()
    if not answered[0].startswith(str(call.status)):
        raise Discrepancy(f"{call.title} answered {answered[0]}: {text.decode()}")


def fill(url: str) -> None:
    """A directory, and mailings with texts and counts."""
    with contextlib.closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO client (phone_number, operator_code, tag, timezone)
            SELECT 79000000000 + n, '900', 'vip', 'Europe/Moscow' FROM generate_series(1, %s) AS n;
            INSERT INTO mailing (mark, start_datetime, end_datetime, status, launch_started_at, max_client_id)
            SELECT 'vip', now(), now() + interval '1 hour', 'running', now(), 1 FROM generate_series(1, %s);
            INSERT INTO mailing_text (mailing_id, revision, text) SELECT id, 1, 'Hello!' FROM mailing;
            INSERT INTO message_count_delta (mailing_id, status, delta)
            SELECT id, one, 1000 FROM mailing, unnest('{pending,sending,sent}'::message_status[]) AS one
            """,
            (CLIENTS, MAILINGS),
        )
        cursor.execute("ANALYZE")


def main() -> None:
    parser = argparse.ArgumentParser(description="The API's common calls, beside a bare flask-smorest.")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each call and application")
    command("api", measure, parser)


if __name__ == "__main__":
    main()
