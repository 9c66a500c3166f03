"""Many requests at once from one thread, over libcurl's multi interface and kept connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pycurl


class Request(NamedTuple):
    """What is sent."""

    method: str
    url: str
    body: bytes | None = None


class CurlMulti:
    """So many handles with the same headers."""

    def __init__(self, handles: int, headers: Mapping[str, str]) -> None:
        self._multi = pycurl.CurlMulti()
        self._handles = [new_handle(headers) for _ in range(handles)]

    def send(self, next_request: Callable[[], Request | None], answered: Callable[[pycurl.Curl], None]) -> None:
        """Sends on each handle one request after another until there is none; returns when all have been answered.

        Raises RuntimeError when one has no answer.
        """
        under_way = sum(self._begin(curl, next_request()) for curl in self._handles)
        while under_way:
            self._multi.perform()
            left = 1
            while left:
                left, done, failed = self._multi.info_read()
                if failed:
                    raise RuntimeError(failed[0][2])
                for curl in done:
                    answered(curl)
                    self._multi.remove_handle(curl)
                    under_way -= not self._begin(curl, next_request())
            self._multi.select(0.1)

    def _begin(self, curl: pycurl.Curl, request: Request | None) -> bool:
        if request is None:
            return False
        prepare(curl, request)
        self._multi.add_handle(curl)
        return True


def new_handle(headers: Mapping[str, str]) -> pycurl.Curl:
    """A libcurl handle that throws answers away."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
    curl.setopt(pycurl.WRITEFUNCTION, lambda _answer: None)
    return curl


def prepare(curl: pycurl.Curl, request: Request) -> None:
    """Gives a handle a request."""
    curl.setopt(pycurl.URL, request.url)
    curl.setopt(pycurl.CUSTOMREQUEST, request.method)
    if request.body is not None:
        curl.setopt(pycurl.POSTFIELDS, request.body)


def expect_status(curl: pycurl.Curl, status: int = 200) -> None:
    """Raises RuntimeError unless the answer has that status."""
    if (found := curl.getinfo(pycurl.RESPONSE_CODE)) != status:
        raise RuntimeError(f"{curl.getinfo(pycurl.EFFECTIVE_URL)} was answered with {found}")
