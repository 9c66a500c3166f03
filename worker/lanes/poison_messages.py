"""Sending poison messages: those whose last two attempts both ended with an expired lease, so that they may crash their
workers.

A poison message is sent alone, so that a crash affects no other message; one at a time in the whole fleet, so that it
crashes at most one worker per lease time. A worker that has claimed one finishes its other messages first, then sends
it, and claims nothing else meanwhile. Any response makes it an ordinary message again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from worker.claimed_message import ClaimedMessage
from worker.lanes.message_sender import MessageSender
from worker.queue import Queue

log = logging.getLogger(__name__)

TIME_SHARE = 0.2
"""Share of a worker's time for poison messages while there are others to send."""

TURN_SECONDS = 1.0
"""Seconds for which a worker with other messages to send sends poison messages, one after the other, once its other
claims have ended."""

CHECK_INTERVAL = 1.0
"""Seconds until the next check for poison messages after one that has found none to claim."""


class PoisonMessages:
    """The poison messages of one lane. For one thread."""

    def __init__(self, queue: Queue, sender: MessageSender, claimed_elsewhere: Callable[[], int]) -> None:
        """`claimed_elsewhere`: messages that the worker has claimed in other lanes."""
        self._claimed_elsewhere = claimed_elsewhere
        self._queue = queue
        self._sender = sender
        self._claimed: ClaimedMessage | None = None
        """Not submitted yet: messages claimed before are finished first."""
        self._submitted = False
        self._turn_began_at: float | None = None
        """When this turn began."""
        self._drained_at: float | None = None
        """When the last other claim of the worker ended."""
        self._next_check_at = 0.0
        self._next_turn_at = time.monotonic() + CHECK_INTERVAL

    @property
    def active(self) -> bool:
        """Whether one is claimed and has no result yet. Meanwhile nothing else may be claimed."""
        return self._claimed is not None or (self._submitted and self._sender.in_flight > 0)

    def submit_claimed(self) -> bool:
        """Submits the claimed one once the worker has no other claim left. Returns whether it did."""
        if self._claimed is None or self._sender.in_flight or self._claimed_elsewhere():
            return False
        if not self._queue.take_slot(self._claimed):
            return False
        if self._drained_at is None:
            self._drained_at = time.monotonic()
        log.warning("poison_message.submitted", extra=self._claimed.log_fields())
        self._sender.submit([self._claimed])
        self._claimed, self._submitted = None, True
        return True

    def claim(self, *, idle: bool) -> bool:
        """Claims one if it is due; `idle` means that there is nothing else to send. Not while one is active."""
        now = time.monotonic()
        self._submitted = False
        if self._drained_at is not None and now - self._drained_at >= TURN_SECONDS:
            self._end_turn(now)
        if now < self._next_check_at or not (idle or now >= self._next_turn_at):
            return False
        self._claimed = self._queue.claim_poison_message()
        if self._claimed is None:
            self._next_check_at = now + CHECK_INTERVAL
            self._end_turn(now)
        elif self._turn_began_at is None:
            self._turn_began_at = now
        return self._claimed is not None

    def remove_queued(self) -> list[ClaimedMessage]:
        """Removes and returns the claimed one, if it has not been submitted."""
        taken, self._claimed = self._claimed, None
        return [] if taken is None else [taken]

    def _end_turn(self, now: float) -> None:
        if self._turn_began_at is not None:
            self._next_turn_at = now + (now - self._turn_began_at) * (1 / TIME_SHARE - 1)
        self._turn_began_at = self._drained_at = None
