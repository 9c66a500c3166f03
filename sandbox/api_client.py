"""A client of the API, over one kept-alive connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import requests

from shared.errors import GonetsError

TIMEOUT = 10.0
"""Seconds to wait for a response."""


class ApiError(GonetsError):
    """The API rejected a request; the message is the API's own."""


class ApiUnavailable(ApiError):
    """The API does not respond, or responds with a 5xx: retry."""


class ApiClient:
    """Requests to the API at `url` with a key; close it, or use it as a context manager."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        self._session.trust_env = False  # no proxy between two processes of one machine

    def get(self, path: str) -> Any:
        """The JSON of a resource. Raises ApiUnavailable, and ApiError with the API's message."""
        return self._request("GET", path)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON of the created resource. Raises as `get`."""
        return self._request("POST", path, json=body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON of the changed resource. Raises as `get`."""
        return self._request("PUT", path, json=body)

    def post_lines(self, path: str, rows: Iterable[Mapping[str, Any]]) -> Any:
        """Sends one JSON object a line and returns the JSON of the response. Raises as `get`."""
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        return self._request("POST", path, data=lines, headers={"Content-Type": "application/x-ndjson"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.close()

    def _request(self, method: str, path: str, **content: Any) -> Any:
        try:
            response = self._session.request(method, self._url + path, timeout=TIMEOUT, **content)
        except requests.RequestException as error:
            raise ApiUnavailable(f"The API does not respond: {error}.") from error
        if response.status_code >= 500:
            raise ApiUnavailable(f"The API is unavailable: {response.status_code} for {method} {path}.")
        if not response.ok:
            raise ApiError(f"The API returned {response.status_code} for {method} {path}: {response.text.strip()}")
        return response.json()
