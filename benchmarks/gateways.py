"""What a benchmark needs of a gateway, whichever it is."""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol

import requests

from benchmarks.processes import Child

PATIENCE = 60.0
"""Seconds until a gateway must have answered once."""


class Served(NamedTuple):
    """What a gateway has served; moments are seconds since the epoch, when a request was answered."""

    requests: int
    distinct: int
    """Message ids among them: fewer than requests when something was sent twice."""
    first: float
    last: float


class Gateway(Protocol):
    """A gateway that counts. Its answer is always success, after `latency` seconds."""

    name: str
    url: str
    token: str
    pid: int
    latency: float

    def requests(self) -> int:
        """Requests since the start: for progress bars."""

    def forget(self) -> None:
        """Leaves out of `served` what has been served until now."""

    def served(self) -> Served:
        """The messages served since `forget`."""


def wait_until_it_answers(child: Child, url: str) -> None:
    """Waits for a server that was just started. Raises GonetsError with its own words when it has ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            requests.get(url, timeout=1).raise_for_status()
        except requests.RequestException:
            child.check()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
