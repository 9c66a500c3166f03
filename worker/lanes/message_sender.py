"""Those who make the requests, and nothing else: the database is the daemon's business.

Two kinds of them: threads, each with one request at a time (here), and a loop that keeps many requests on their way in
one thread (worker/lanes/curl_sender.py).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from shared.domain.statuses import Outcome
from worker.answers import SubmitResult
from worker.delivery import AttemptResult, ClaimedMessage
from worker.lanes.circuit_breaker import NOT_UNDERSTOOD_IN_A_ROW

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class MessageSender(ABC):
    """What the daemon hands deliveries to, and those that it has handed over. Any thread may put back what it took.

    A delivery that may not leave any more when its turn comes, or when its connection stands, or whose turn comes while
    they are being stopped, is not attempted: it comes back as it was, and its request certainly never left.
    """

    limit: int
    """How many requests may be on their way at once."""

    def __init__(self, something_done: threading.Event) -> None:
        """`something_done` is set whenever there is something to collect."""
        self._something_done = something_done
        self._waiting: deque[ClaimedMessage] = deque()
        self._attempted: deque[AttemptResult] = deque()
        self._unstarted: deque[ClaimedMessage] = deque()
        self._in_hand = 0
        self._not_understood = 0
        """Successes in a row that nobody understands: from NOT_UNDERSTOOD_IN_A_ROW on nothing starts."""

    @property
    def in_hand(self) -> int:
        """Deliveries submitted and not collected yet. Only the daemon's thread changes it."""
        return self._in_hand

    @property
    def waiting(self) -> int:
        """Those of them that have not begun."""
        return len(self._waiting)

    def submit(self, deliveries: Iterable[ClaimedMessage]) -> None:
        """Takes deliveries, first come, first served."""
        before = list(deliveries)
        self._in_hand += len(before)
        self._waiting.extend(before)

    def collect(self) -> tuple[list[AttemptResult], list[ClaimedMessage]]:
        """What has been attempted, and what came back unattempted, since the last time. Does not wait."""
        attempted, unstarted = _drain(self._attempted), _drain(self._unstarted)
        self._in_hand -= len(attempted) + len(unstarted)
        return attempted, unstarted

    def recall(self, most: int | None = None) -> list[ClaimedMessage]:
        """Takes back what has not begun: all of it, or at most so many of those that came last."""
        recalled = _drain(self._waiting) if most is None else _drain(self._waiting, most, last=True)
        self._in_hand -= len(recalled)
        return recalled

    def recall_forbidden(self) -> list[ClaimedMessage]:
        """Takes back what has not begun and may not leave any more."""
        now = time.monotonic()
        recalled = self.recall()
        self.submit([one for one in recalled if one.may_leave(now)])
        return [one for one in recalled if not one.may_leave(now)]

    def allow_probe(self) -> None:
        """The breaker has opened: what is submitted from now on is a probe, and may start."""
        self._not_understood = 0

    def _note(self, answer: SubmitResult) -> None:
        self._not_understood = self._not_understood + 1 if answer.not_understood else 0

    @abstractmethod
    def stop(self) -> list[ClaimedMessage]:
        """Starts no more requests, and takes back what has not begun. Those in flight go on."""


class SendsMessages(Protocol):
    """What sending threads need of a gateway. It must not raise, and must be safe to call from many threads."""

    def send(self, message_id: int, phone_number: int, text: str, may_leave: Callable[[], bool]) -> SubmitResult:
        """`may_leave` is asked right before the request leaves; if it may not, any answer will do."""


class Start:
    """Decides right before a request leaves whether it still may, and notes when it left."""

    __slots__ = ("_delivery", "at", "refused")

    def __init__(self, delivery: ClaimedMessage, now: float) -> None:
        """`now` is the monotonic time at which it begins, perhaps with a connection."""
        self._delivery = delivery
        self.at = now
        """Monotonic time at which the request left; until then, at which it began."""
        self.refused = False
        """Whether it was too late: the request has not left, and does not leave."""

    def __call__(self) -> bool:
        now = time.monotonic()
        if self._delivery.may_leave(now):
            self.at = now
        else:
            self.refused = True
        return not self.refused


class SendingThreads(MessageSender):
    """A pool of threads that take deliveries and make attempts of them."""

    def __init__(self, gateway: SendsMessages, limit: int, something_done: threading.Event) -> None:
        """`something_done` is set whenever there is something to collect."""
        super().__init__(something_done)
        self._gateway = gateway
        self._turn = threading.Condition()
        self._stopped = threading.Event()
        self._busy = 0
        self._threads = 0
        self._limit = 0
        self.limit = limit

    @property
    def limit(self) -> int:
        """How many requests may be on their way at once."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        with self._turn:
            self._limit = limit
            self._turn.notify_all()
        while self._threads < limit:
            self._threads += 1
            threading.Thread(target=self._send_on, name=f"sender-{self._threads}", daemon=True).start()

    def allow_probe(self) -> None:
        """The breaker has opened: what is submitted from now on is a probe, and may start."""
        if self._not_understood:
            with self._turn:
                super().allow_probe()
                self._turn.notify_all()

    def submit(self, deliveries: Iterable[ClaimedMessage]) -> None:
        """Hands deliveries to the threads, first come, first served."""
        with self._turn:
            super().submit(deliveries)
            self._turn.notify_all()

    def stop(self) -> list[ClaimedMessage]:
        """Starts no more requests, and takes back what no thread has begun. Those in flight go on."""
        self._stopped.set()
        with self._turn:
            self._turn.notify_all()
        return self.recall()

    def _send_on(self) -> None:
        while (delivery := self._take()) is not None:
            now = self._wait_for(delivery.start_from)
            if self._stopped.is_set() or not may_begin(delivery, now):
                self._unstarted.append(delivery)
            else:
                self._attempt(delivery, Start(delivery, now))
            del delivery  # its permit lives as long as it does
            with self._turn:
                self._busy -= 1
                self._turn.notify()
            self._something_done.set()

    def _take(self) -> ClaimedMessage | None:
        with self._turn:
            while not self._stopped.is_set():
                if self._busy < self._limit and self._waiting and self._not_understood < NOT_UNDERSTOOD_IN_A_ROW:
                    self._busy += 1
                    return self._waiting.popleft()
                self._turn.wait()
        return None

    def _attempt(self, delivery: ClaimedMessage, start: Start) -> None:
        try:
            answer = self._gateway.send(delivery.message_id, delivery.phone_number, delivery.text, start)
        except Exception as error:  # noqa: BLE001  a bug: one message may meet it, and the thread is there for all
            answer = internal_error_result(delivery, error)
        if start.refused:
            self._unstarted.append(delivery)
        else:
            with self._turn:  # the daemon counts them in the order in which they are noted
                self._note(answer)
                self._attempted.append(attempt(delivery, answer, start.at))

    def _wait_for(self, moment: float) -> float:
        """Waits for that monotonic time, or until the pool is stopped; answers what time it is then."""
        while (now := time.monotonic()) < moment and not self._stopped.is_set():
            self._stopped.wait(moment - now)
        return now


def may_begin(delivery: ClaimedMessage, now: float) -> bool:
    """Whether a delivery may begin at that monotonic time, be it with a connection."""
    return now < delivery.begin_by and delivery.may_leave(now)


def attempt(delivery: ClaimedMessage, answer: SubmitResult, started: float) -> AttemptResult:
    """The attempt that has just ended, having started at that monotonic time."""
    return AttemptResult(delivery, answer, delivery.claim.database_time(started), time.monotonic() - started, started)


def internal_error_result(delivery: ClaimedMessage, error: Exception) -> SubmitResult:
    """Tells of a message that our own code trips over; nobody can say how far its request got."""
    # Only where it was: an error's own words may quote the text or the token.
    where = "".join(traceback.format_tb(error.__traceback__))
    extra = {**delivery.named(), "trouble": type(error).__name__, "where": where}
    log.error("a message can't be handled", extra=extra)
    return SubmitResult(Outcome.AMBIGUOUS, detail=f"could not be handled: {type(error).__name__}")


def _drain(items: deque[Item], most: int | None = None, *, last: bool = False) -> list[Item]:
    drained: list[Item] = []
    with contextlib.suppress(IndexError):
        while most is None or len(drained) < most:
            drained.append(items.pop() if last else items.popleft())
    return drained
