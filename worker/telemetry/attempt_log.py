"""What the log says of attempts: enough to find a mailing, a message or a client in it. The ledger says the rest."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from shared.domain.statuses import Outcome
from worker.delivery import AttemptResult

log = logging.getLogger(__name__)

TOLD = frozenset({Outcome.REFUSED, Outcome.AMBIGUOUS})
"""Outcomes that speak of the message. Of the others, those that speak of the gateway are the breaker's to tell."""

MOST = 100
"""Lines a second: a gateway that refuses everything must not fill the disk."""


class AttemptLog:
    """A line for each attempt that did not end well; for every attempt at level DEBUG. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock = clock
        self._second = clock()
        self._told = 0
        self._left_out = 0

    def tell(self, attempted: Sequence[AttemptResult]) -> None:
        """Takes in a batch of recorded attempts."""
        self._begin_second()
        everything = log.isEnabledFor(logging.DEBUG)
        for one in attempted:
            if everything:
                log.debug("an attempt", extra=_said(one))
            elif one.answer.outcome in TOLD:
                self._tell(one)

    def _tell(self, one: AttemptResult) -> None:
        if self._told < MOST:
            self._told += 1
            log.info("an attempt did not end well", extra=_said(one))
        else:
            self._left_out += 1

    def _begin_second(self) -> None:
        now = self._clock()
        if now - self._second < 1.0:
            return
        if self._left_out:
            log.info("more attempts did not end well: see the ledger", extra={"left_out": self._left_out})
        self._second, self._told, self._left_out = now, 0, 0


def _said(one: AttemptResult) -> dict[str, object]:
    return {
        **one.delivery.named(),
        "outcome": one.answer.outcome.value,
        "http_status": one.answer.http_status,
    }
