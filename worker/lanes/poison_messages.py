"""Sending suspects: messages whose last two attempts both ended with a lapsed lease, so that one of them may be what
ends its workers.

A suspect is sent alone, so that it takes no other message down with it; one at a time in the whole fleet, so that it
ends one worker at most in the time of a lease. A worker that has claimed one finishes what it has claimed before, sends
it, and claims nothing else meanwhile. An answer, whatever it says, clears the suspicion.
"""

from __future__ import annotations

import logging
import time

from worker.delivery import ClaimedMessage
from worker.lanes.message_sender import MessageSender
from worker.queue import Queue

log = logging.getLogger(__name__)

SHARE = 0.2
"""How much of a worker's time may go into suspects while there are other messages to send."""

TURN_SECONDS = 1.0
"""How long a worker with other messages to send sends one suspect after another, once its other claims are finished."""

LOOK_SECONDS = 1.0
"""Until the next look for suspects after one that has found none that may be claimed."""


class PoisonMessages:
    """One worker's part in it. For one thread."""

    def __init__(self, queue: Queue, senders: MessageSender) -> None:
        self._queue = queue
        self._senders = senders
        self._claimed: ClaimedMessage | None = None
        """Not submitted yet: what was claimed before is finished first."""
        self._submitted = False
        self._began: float | None = None
        """When the turn under way began."""
        self._drained: float | None = None
        """When nothing else that the worker had claimed was left."""
        self._look_at = 0.0
        self._turn_at = time.monotonic() + LOOK_SECONDS

    @property
    def under_way(self) -> bool:
        """Whether a suspect is claimed and not answered yet: nothing else may be claimed."""
        return self._claimed is not None or (self._submitted and self._senders.in_hand > 0)

    def go_on(self) -> bool:
        """Submits the claimed suspect once nothing else that the worker has claimed is left. Returns whether it has."""
        if self._claimed is None or self._senders.in_hand or not self._queue.take_slot(self._claimed):
            return False
        if self._drained is None:
            self._drained = time.monotonic()
        log.warning("a message is sent alone: its last two leases lapsed", extra=self._claimed.named())
        self._senders.submit([self._claimed])
        self._claimed, self._submitted = None, True
        return True

    def claim(self, *, idle: bool) -> bool:
        """Claims a suspect if it is time for one; `idle` says that there is nothing else to send.

        Not while one is under way.
        """
        now = time.monotonic()
        self._submitted = False
        if self._drained is not None and now - self._drained >= TURN_SECONDS:
            self._end_turn(now)
        if now < self._look_at or not (idle or now >= self._turn_at):
            return False
        self._claimed = self._queue.claim_poison_message()
        if self._claimed is None:
            self._look_at = now + LOOK_SECONDS
            self._end_turn(now)
        elif self._began is None:
            self._began = now
        return self._claimed is not None

    def recall(self) -> list[ClaimedMessage]:
        """Takes back the claimed suspect, if it has not been submitted."""
        recalled, self._claimed = self._claimed, None
        return [] if recalled is None else [recalled]

    def _end_turn(self, now: float) -> None:
        if self._began is not None:
            self._turn_at = now + (now - self._began) * (1 / SHARE - 1)
        self._began = self._drained = None
