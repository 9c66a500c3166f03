"""Makes the callbacks of the simulated providers, in threads of its own, and repeats them until they are taken."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from sandbox.simulated_gateway.callbacks import CallbackAnswer, CallbackLedger, CallbackRequest, MadeCallback
from sandbox.simulated_gateway.receipt_plan import ReceiptPlan

THREADS = 4
TIMEOUT = 5.0
"""Seconds to wait for an answer."""

Sign = Callable[[MadeCallback], Mapping[str, str]]
"""The headers of a callback with which its provider signs, at the moment when it is made."""


class CallbackSender:
    """Makes callbacks at their times. A forged one is made once; any other until it is answered with a success.

    The waits between the calls grow, and there are `ReceiptPlan.calls` of each at most.
    """

    def __init__(self, ledger: CallbackLedger, sign: Sign) -> None:
        self.ledger = ledger
        self.plan = ReceiptPlan()
        """Its settings of repeats apply from the next answer on."""
        self._sign = sign
        self._due: list[tuple[float, int, MadeCallback, int]] = []
        self._count = itertools.count()
        self._busy = 0
        self._changed = threading.Condition()
        self._started = False

    @property
    def waiting(self) -> int:
        """How many are to be made, or are being made."""
        with self._changed:
            return len(self._due) + self._busy

    def forget(self) -> None:
        """Makes none of those that wait."""
        with self._changed:
            self._due.clear()
        self.ledger.forget()

    def send(self, callback: MadeCallback, after: float) -> None:
        """Makes a callback in so many seconds."""
        self.ledger.add(callback)
        self.repeat(callback, after)

    def repeat(self, callback: MadeCallback, after: float, calls: int = 0) -> None:
        """Makes a callback that the ledger has already."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + after, next(self._count), callback, calls))
            self._changed.notify()
            if not self._started:
                self._started = True
                for number in range(THREADS):
                    threading.Thread(target=self._run, name=f"callbacks-{number}", daemon=True).start()

    def _run(self) -> None:
        while True:
            callback, calls = self._take()
            try:
                answer = self._call(callback)
                known, plan = self.ledger.answered(answer), self.plan
                if known and not answer.is_success and callback.about != "forged" and calls + 1 < plan.calls:
                    wait = min(plan.repeat_after * 2.0 ** min(calls, 30), plan.repeat_at_most)
                    self.repeat(callback, wait, calls + 1)
            finally:
                with self._changed:
                    self._busy -= 1

    def _take(self) -> tuple[MadeCallback, int]:
        """Waits for the next one that is due."""
        with self._changed:
            while True:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    _, _, callback, calls = heapq.heappop(self._due)
                    self._busy += 1
                    return callback, calls
                self._changed.wait(wait)

    def _call(self, callback: MadeCallback) -> CallbackAnswer:
        try:
            status = _status_of(callback.request, {**self._sign(callback), **callback.headers})
        except (OSError, HTTPException, ValueError):  # ValueError: an address that is none
            status = None
        return CallbackAnswer(callback.sequence, status, time.time())


def _status_of(request: CallbackRequest, headers: Mapping[str, str]) -> int:
    url = urlsplit(request.url)
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=TIMEOUT)
    given = {"Content-Type": request.content_type} if request.content_type else {}
    try:
        path = f"{url.path}?{url.query}" if url.query else url.path
        connection.request(request.method, path, request.body.encode() or None, {**given, **headers})
        response = connection.getresponse()
        response.read(1)  # an answer that was not sent whole is none
        return response.status
    finally:
        connection.close()
