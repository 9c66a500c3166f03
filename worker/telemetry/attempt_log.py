"""Log records of attempts: enough to find a mailing, a message or a client. The ledger has the details."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from shared.domain.results import Result
from worker.claimed_message import AttemptResult

log = logging.getLogger(__name__)

LOGGED = frozenset({Result.REFUSED, Result.RETRIABLE, Result.OPTED_OUT, Result.AMBIGUOUS})
"""Results that concern the message. Those that concern the gateway are logged when its circuit breaker opens."""

LINES_PER_SECOND = 100
"""Lines at most: a gateway that refuses everything must not fill the disk."""


class AttemptLog:
    """A line for each attempt whose result concerns the message; at level DEBUG, for every attempt. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._clock = clock
        self._second = clock()
        self._lines = 0
        self._suppressed = 0

    def write(self, gateway: str, attempted: Sequence[AttemptResult]) -> None:
        """Logs a batch of recorded attempts at a gateway."""
        self._begin_second()
        everything = log.isEnabledFor(logging.DEBUG)
        for attempt in attempted:
            if everything:
                log.debug("attempt.ended", extra=_fields(gateway, attempt))
            elif attempt.submitted.result in LOGGED:
                self._write(gateway, attempt)

    def _write(self, gateway: str, attempt: AttemptResult) -> None:
        if self._lines < LINES_PER_SECOND:
            self._lines += 1
            log.info("attempt.failed", extra=_fields(gateway, attempt))
        else:
            self._suppressed += 1

    def _begin_second(self) -> None:
        now = self._clock()
        if now - self._second < 1.0:
            return
        if self._suppressed:
            log.info("attempt.log_suppressed", extra={"attempts": self._suppressed})  # the ledger has them
        self._second, self._lines, self._suppressed = now, 0, 0


def _fields(gateway: str, attempt: AttemptResult) -> dict[str, object]:
    # Not the gateway's message: it may contain personal data.
    result = attempt.submitted.log_fields()
    del result["detail"]
    return {**attempt.message.log_fields(), "gateway": gateway, **result}
