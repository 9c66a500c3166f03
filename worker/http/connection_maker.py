"""Makes any number of connections at once, for the loop of one thread."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from worker.http.connection import HttpConnection
from worker.http.connector import Connecting, Connector, Wait
from worker.http.poller import Poller
from worker.http.response_reader import LastResponse

Request = TypeVar("Request")


class Attempt(Generic[Request]):
    """A connection that is being made for a request."""

    __slots__ = ("connecting", "request", "wait")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.connecting: Connecting | None = None
        """None while the gateway's name is being resolved."""
        self.wait: Wait | None = None
        """What it waits for in the network."""


class ConnectionMaker(Generic[Request]):
    """Makes the connections of one gateway. For one thread; only resolving the name has another one."""

    def __init__(
        self,
        connector: Connector,
        poller: Poller,
        wake: Callable[[], None],
        on_made: Callable[[Request, HttpConnection], None],
        on_failed: Callable[[Request, Exception], None],
    ) -> None:
        """Waits with `poller`; events of it for a descriptor in `self` are to be given to `advance`.

        `wake` is called, by another thread, when `finish_resolving` has something to do. For each request either
        `on_made` or `on_failed` is called once.
        """
        self._connector = connector
        self._poller = poller
        self._wake = wake
        self._on_made = on_made
        self._on_failed = on_failed
        self._last_response = LastResponse()
        self._attempts: set[Attempt[Request]] = set()
        self._waiting: dict[int, Attempt[Request]] = {}
        """Those that wait for the network, by the file descriptors."""
        self._deadlines: list[tuple[float, int, Attempt[Request], Wait | None]] = []
        """A heap: until when they may wait. An entry is obsolete once the attempt waits for something else."""
        self._serial = itertools.count()
        self._is_resolving = False
        self._resolved: deque[Exception | None] = deque()
        """What the thread that resolves the gateway's name brings: an error, or nothing else."""

    def __len__(self) -> int:
        return len(self._attempts)

    def __contains__(self, fd: int) -> bool:
        return fd in self._waiting

    def begin(self, request: Request, now: float) -> None:
        """Begins to make a connection for a request, at that monotonic time."""
        attempt = Attempt(request)
        self._attempts.add(attempt)
        if self._connector.is_resolved:
            self._step(attempt, partial(self._begin_to_connect, attempt))
            return
        self._add_deadline(now + min(self._connector.timeouts), attempt)
        if not self._is_resolving:
            self._is_resolving = True
            try:
                threading.Thread(target=self._resolve, name="resolver", daemon=True).start()
            except RuntimeError as error:  # the system gives no more threads
                self._after_resolving(OSError(str(error)))

    def advance(self, fd: int) -> None:
        """To be called when what the descriptor waits for has happened."""
        attempt = self._waiting[fd]
        if attempt.connecting is not None:
            self._step(attempt, partial(next, attempt.connecting))

    def finish_resolving(self) -> None:
        """To be called in each round of the loop: continues what has waited for the name."""
        while self._resolved:
            self._after_resolving(self._resolved.popleft())

    def end_late(self, now: float) -> float:
        """Ends what has taken too long. Returns the monotonic time at which something may have again: `now` after
        something has ended.
        """
        next_at = math.inf
        while self._deadlines:
            late_at, _, attempt, wait = self._deadlines[0]
            is_current = attempt in self._attempts and attempt.wait is wait
            if is_current and late_at > now:
                return min(next_at, late_at)
            heapq.heappop(self._deadlines)
            if is_current and attempt.connecting is not None:
                self._step(attempt, partial(attempt.connecting.throw, TimeoutError("timed out")))
            elif is_current:
                self._fail(attempt, TimeoutError("timed out"))
            next_at = now if is_current else next_at
        return next_at

    def close(self) -> None:
        """Ends all attempts, and calls nothing."""
        for attempt in self._attempts:
            if attempt.connecting is not None:
                attempt.connecting.close()

    def _resolve(self) -> None:
        error = None
        try:
            self._connector.resolve()
        except Exception as caught:  # noqa: BLE001  `on_failed` tells errors of our own
            error = caught
        self._resolved.append(error)
        self._wake()

    def _after_resolving(self, error: Exception | None) -> None:
        self._is_resolving = False
        for attempt in [attempt for attempt in self._attempts if attempt.connecting is None]:
            if error is None:
                self._step(attempt, partial(self._begin_to_connect, attempt))
            else:
                self._fail(attempt, error)

    def _begin_to_connect(self, attempt: Attempt[Request]) -> Wait:
        attempt.connecting = connecting = self._connector.connect()
        return next(connecting)

    def _step(self, attempt: Attempt[Request], step: Callable[[], Wait]) -> None:
        """Continues until the attempt waits for the network, or ends."""
        if attempt.wait is not None:
            self._poller.unregister(attempt.wait.fd)
            del self._waiting[attempt.wait.fd]
            attempt.wait = None
        try:
            wait = step()
            self._poller.register(wait.fd, wait.events)
        except StopIteration as made:
            self._attempts.remove(attempt)
            self._on_made(attempt.request, HttpConnection(made.value, last=self._last_response))
        except Exception as error:  # noqa: BLE001  `on_failed` tells errors of our own
            self._fail(attempt, error)
        else:
            attempt.wait = wait
            self._waiting[wait.fd] = attempt
            self._add_deadline(wait.until, attempt)

    def _add_deadline(self, until: float, attempt: Attempt[Request]) -> None:
        heapq.heappush(self._deadlines, (until, next(self._serial), attempt, attempt.wait))

    def _fail(self, attempt: Attempt[Request], error: Exception) -> None:
        self._attempts.remove(attempt)
        if attempt.connecting is not None:
            attempt.connecting.close()
        self._on_failed(attempt.request, error)
