"""Waiting for file descriptors, with each of the system's calls."""

from __future__ import annotations

import math
import select
import socket

import pytest

from worker.http.poller import Poller


@pytest.fixture(params=["epoll", "poll"])
def poller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Poller:
    if request.param == "poll":
        monkeypatch.delattr(select, "epoll", raising=False)
    elif not hasattr(select, "epoll"):
        pytest.skip("this system has no epoll")
    return Poller()


def test_events_are_reported_once_there_is_one(poller: Poller) -> None:
    own, other = socket.socketpair()
    with own, other:
        poller.register(own.fileno(), select.POLLIN)
        other.send(b"1")

        assert poller.wait(math.inf, 1) == [(own.fileno(), select.POLLIN)]

        poller.modify(own.fileno(), select.POLLIN | select.POLLOUT)
        assert poller.wait(math.inf, 1) == [(own.fileno(), select.POLLIN | select.POLLOUT)]

        poller.unregister(own.fileno())
        assert poller.wait(0.01, 1) == []


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.001])
def test_without_an_event_the_wait_ends_in_time(poller: Poller, seconds: float) -> None:
    own, other = socket.socketpair()
    with own, other:
        poller.register(own.fileno(), select.POLLIN)

        assert poller.wait(seconds, 1) == []
