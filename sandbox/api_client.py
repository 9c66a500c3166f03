"""The API as a client sees it, over one connection that is kept alive."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import requests

from shared.errors import GonetsError

TIMEOUT = 10.0
"""Seconds for an answer."""


class ApiError(GonetsError):
    """The API said no; with what it said."""


class ApiAway(ApiError):
    """The API doesn't answer, or can't just now: try again."""


class ApiClient:
    """Requests to the API at `url` with a key; close it, or use it as a context manager."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        self._session.trust_env = False  # no proxy between two processes of one machine

    def get(self, path: str) -> Any:
        """The JSON of a resource. Raises ApiAway, and ApiError with what the API said."""
        return self._ask("GET", path)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON of what was added. Raises as `get`."""
        return self._ask("POST", path, json=body)

    def post_lines(self, path: str, rows: Iterable[Mapping[str, Any]]) -> Any:
        """The JSON that answers many bodies, one a line. Raises as `get`."""
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        return self._ask("POST", path, data=lines, headers={"Content-Type": "application/x-ndjson"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.close()

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        try:
            response = self._session.request(method, self._url + path, timeout=TIMEOUT, **content)
        except requests.RequestException as error:
            raise ApiAway(f"The API does not answer: {error}.") from error
        if response.status_code >= 500:
            raise ApiAway(f"The API can't answer just now: {response.status_code} to {method} {path}.")
        if not response.ok:
            raise ApiError(f"The API answered {response.status_code} to {method} {path}: {response.text.strip()}")
        return response.json()
