"""Several users of the API at once. Every call is recorded, with its times and its answer."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import requests

from tests.chaos.facts import Call

TIMEOUT = 10.0
"""Seconds for an answer."""
API_KEY = "the-api-key-of-the-chaos-tests"
MAX_REPEATS = 4
"""How often a call with an Idempotency-Key is repeated while it gets no answer."""


class ApiUsers:
    """Calls the API in the background, `count` calls at a time."""

    def __init__(self, url: str, count: int = 3) -> None:
        self._url = url
        self._pool = ThreadPoolExecutor(count)
        self._own = threading.local()
        self.calls: list[Call] = []

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        then: Callable[[Call], None] = lambda call: None,
        key: str | None = None,
    ) -> Future[Call]:
        """Makes a call; `then` gets it in another thread once it is over. With an Idempotency-Key, it is
        repeated while it gets no answer."""

        def work() -> Call:
            call = self._call(method, path, body, key)
            for _ in range(MAX_REPEATS if key else 0):
                if call.status is not None and call.status < 500:
                    break
                time.sleep(0.3)
                call = self._call(method, path, body, key)
            then(call)
            return call

        return self._pool.submit(work)

    def close(self) -> None:
        """Returns when every call is over."""
        self._pool.shutdown()

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None, key: str | None) -> Call:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.trust_env = False
            self._own.session.headers["Authorization"] = f"Bearer {API_KEY}"
        headers = {"Idempotency-Key": key} if key else {}
        status, said = None, None
        sent_at = time.time()
        with contextlib.suppress(requests.RequestException, ValueError):
            url = self._url + path
            response = self._own.session.request(method, url, json=body, headers=headers, timeout=TIMEOUT)
            said = response.json() if response.content else None
            status = response.status_code
        call = Call(method, path, body, sent_at, time.time(), status, said, key)
        self.calls.append(call)
        return call


def moment(seconds: float) -> str:
    """A time as the API takes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
