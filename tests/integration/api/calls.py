"""What a caller sends and what an answer says, in few words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, cast

from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812
from werkzeug.datastructures import Headers

from api.auth.authentication import EnvironmentKey
from tests.factories import value
from tests.waiting import PATIENCE

CLIENT = {"phone_number": 79161234567, "operator_code": "916", "tag": "vip", "timezone": "Europe/Moscow"}
MAILING = {
    "start_datetime": "2032-06-02T18:25:43.511Z",
    "text": "Привет!",
    "mark": "vip",
    "end_datetime": "2032-06-03T18:25:43.511Z",
}
API_KEY = "the-key-of-an-admin-in-tests"


class Answer(Protocol):
    """What Flask's test client answers, whose JSON may be looked into without asking first whether there is any."""

    status_code: int
    headers: Headers
    mimetype: str
    data: bytes
    text: str
    json: Any

    def close(self) -> None: ...


class Caller(Protocol):
    """Flask's test client."""

    def open(self, path: str, **options: Any) -> Answer: ...
    def get(self, path: str, **options: Any) -> Answer: ...
    def head(self, path: str, **options: Any) -> Answer: ...
    def post(self, path: str, **options: Any) -> Answer: ...
    def put(self, path: str, **options: Any) -> Answer: ...
    def delete(self, path: str, **options: Any) -> Answer: ...


Call = Callable[[], Answer]


def caller(app: Flask, key: str | None = API_KEY) -> Caller:
    """Sends the key with every request: unless told otherwise, an admin's that the application then knows."""
    if key == API_KEY:
        app.extensions["authenticator"].environment_key = EnvironmentKey.of(API_KEY)
    client = app.test_client()
    if key is not None:
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    return cast(Caller, client)


def client_body(**changes: Any) -> dict[str, Any]:
    return CLIENT | changes


def mailing_body(**changes: Any) -> dict[str, Any]:
    return MAILING | changes


def add_client(api: Caller, **changes: Any) -> int:
    return _added(api.post("/v1/client/create/", json=client_body(**changes)))


def add_mailing(api: Caller, **changes: Any) -> int:
    return _added(api.post("/v1/mailing/create/", json=mailing_body(**changes)))


def wrong_fields(response: Answer, place: str = "json") -> set[str]:
    """The fields that an error names; the error has the one format that all have."""
    error = response.json
    assert error["code"] == response.status_code
    assert error["status"]
    assert error["message"]
    return set(error.get("errors", {}).get(place, {}))


def at_once(*requests: Call) -> list[Answer]:
    """The answers to requests that are sent at the same moment."""
    barrier = threading.Barrier(len(requests))

    def send(request: Call) -> Answer:
        barrier.wait(PATIENCE)
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def once_blocked(watcher: Connection, then: Callable[[], object], *requests: Call) -> list[Answer]:
    """The answers to requests that all wait for a lock somewhere; `then` is what is done when they do."""
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = [pool.submit(request) for request in requests]
        wait_until_blocked(watcher, len(requests))
        then()
        return [answer.result(PATIENCE) for answer in answers]


def wait_until_blocked(watcher: Connection, count: int) -> None:
    """Returns when that many connections of this database wait for a lock."""
    deadline = time.monotonic() + PATIENCE
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while value(watcher, waiting) < count:
        assert time.monotonic() < deadline, "nobody waits for the lock"
        time.sleep(0.01)


def _added(response: Answer) -> int:
    assert response.status_code == 201, response.text
    return int(response.json["id"])
