"""The interface of senders, which submit claimed messages and collect the results. They use no database.

worker/lanes/http_sender.py is the sender for gateways over HTTP.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.gateways.base import SubmitResult
from shared.gateways.sanitize import reason_of
from worker.claimed_message import AttemptResult, ClaimedMessage

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class MessageSender(ABC):
    """Submits messages, at most `limit` at once, and keeps the results until they are collected.

    Before a request starts, and again once its connection is established, it is checked whether it may still leave. If
    not, or after `stop`, the message is returned without an attempt: its request certainly never left.
    """

    limit: int
    """Requests that may be in flight at the gateway at once."""

    def __init__(self, results_ready: threading.Event) -> None:
        """`results_ready` is set whenever there is something to collect."""
        self._results_ready = results_ready
        self._waiting: deque[ClaimedMessage] = deque()
        self._attempted: deque[AttemptResult] = deque()
        self._unstarted: deque[ClaimedMessage] = deque()
        self._in_flight = 0
        self._not_understood = 0
        """Consecutive results that were not understood: from NOT_UNDERSTOOD_THRESHOLD on nothing starts."""

    @property
    def in_flight(self) -> int:
        """Messages submitted and not collected yet. Only the loop's thread changes it."""
        return self._in_flight

    @property
    def has_unanswered(self) -> bool:
        """Whether some of them have no result yet."""
        return self._in_flight > len(self._attempted) + len(self._unstarted)

    @property
    def waiting(self) -> int:
        """Those in flight whose submission has not begun."""
        return len(self._waiting)

    def submit(self, messages: Iterable[ClaimedMessage]) -> None:
        """Queues messages, in the order of submission."""
        added = list(messages)
        self._in_flight += len(added)
        self._waiting.extend(added)

    def collect(self) -> tuple[list[AttemptResult], list[ClaimedMessage]]:
        """The attempts and the unattempted messages since the last call. Does not wait."""
        attempted, unstarted = _drain(self._attempted), _drain(self._unstarted)
        self._in_flight -= len(attempted) + len(unstarted)
        return attempted, unstarted

    def remove_queued(self, limit: int | None = None) -> list[ClaimedMessage]:
        """Removes and returns waiting messages: all of them, or at most `limit`, the last ones first."""
        taken = _drain(self._waiting) if limit is None else _drain(self._waiting, limit, last=True)
        self._in_flight -= len(taken)
        return taken

    def remove_forbidden(self) -> list[ClaimedMessage]:
        """Removes and returns waiting messages that may not leave any more."""
        now = time.monotonic()
        taken = self.remove_queued()
        self.submit([message for message in taken if message.may_leave(now)])
        return [message for message in taken if not message.may_leave(now)]

    def allow_probe(self) -> None:
        """To be called once the circuit breaker has opened: the next message is a probe, and may start."""
        self._not_understood = 0

    @abstractmethod
    def stop(self) -> list[ClaimedMessage]:
        """Starts no more requests, and returns the waiting messages. Those in flight continue."""

    def _count_not_understood(self, result: SubmitResult) -> None:
        self._not_understood = self._not_understood + 1 if result.not_understood else 0


def attempt(message: ClaimedMessage, result: SubmitResult, started: float) -> AttemptResult:
    """The attempt that has just ended; `started` is its monotonic start."""
    return AttemptResult(message, result, message.claim.database_time(started), time.monotonic() - started, started)


def internal_error_result(message: ClaimedMessage, error: Exception) -> SubmitResult:
    """The result after an error in our own code: the request may have been sent."""
    # Only the traceback: the message of an error may quote the text or the token.
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("attempt.internal_error", extra={**message.log_fields(), "error": type(error).__name__, "where": where})
    return SubmitResult(Result.AMBIGUOUS, reason=reason_of(ReasonCode.INTERNAL_ERROR, type(error).__name__))


def _drain(items: deque[Item], limit: int | None = None, *, last: bool = False) -> list[Item]:
    drained: list[Item] = []
    with contextlib.suppress(IndexError):
        while limit is None or len(drained) < limit:
            drained.append(items.pop() if last else items.popleft())
    return drained
