"""Whether a refusal of our account or address is the message's own, and what else the context of a result tells.

Pure: times are in seconds since 1970 by the database's clock, so that workers can compare them.

Gateways refuse the account, which concerns every message, with the same codes as one recipient (Kannel's 403 is
"Authorization failed" or "Not routable. Do not try again."). One result does not tell which it is. The results of other
messages do: a message that was refused, while requests that started after its own were accepted
within `WINDOW_SECONDS`, and that is refused again, is refused itself. During a fault of the account nothing is
accepted, so one that lasts longer than the window ends no message, not even if it comes back.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from shared.domain.reasons import ReasonCode
from shared.domain.results import OF_THE_ACCOUNT, TAKEN, Result
from shared.gateways.base import SubmitResult
from shared.gateways.words import reason_of
from worker.claimed_message import AttemptResult

WINDOW_SECONDS = 3.0
"""How long after a refused request has ended the start of an accepted one still tells that the account was well then.
The first two probes after a stop fit into it; a person who replaces a token or pays takes longer."""

MAX_SERIES = 1000
"""Series of acceptances at most, of which there is one in `WINDOW_SECONDS` at most: more than an hour."""

FEW_MESSAGES = 5
REFUSALS_OF_FEW = 3
"""Fewer messages than FEW_MESSAGES, refused REFUSALS_OF_FEW times and nothing else with them, are refused themselves:
the last ones of a mailing, after which no other message can be accepted."""


class EarlierRefusals(NamedTuple):
    """The earlier attempts of a message that refused the account: when the first and the last one started.

    `longest` is the seconds that the longest one took.
    """

    first: float
    last: float
    longest: float


class AccountRefusals:
    """What the results of one worker's messages at one gateway tell of each other. For one thread."""

    def __init__(self) -> None:
        self._first_starts: deque[float] = deque(maxlen=MAX_SERIES)
        self._last_starts: deque[float] = deque(maxlen=MAX_SERIES)
        """Series of accepted requests, between whose starts the window never passed: the first and the last start."""
        self._last = self._last_ended = -math.inf
        self._refused: dict[int, list[float]] = {}
        """When requests started that refused the account since the last acceptance, by message; no more than matter."""

    def put_in_context(self, attempted: Sequence[AttemptResult], earlier: Mapping[int, EarlierRefusals]) -> None:
        """Changes those results, in the order in which they came, that mean something else in their context.

        `earlier` is by message, for the messages of this batch whose account was refused.
        """
        for attempt in attempted:
            if attempt.submitted.result not in TAKEN:
                attempt.submitted = self._in_context(attempt, earlier.get(attempt.message.message_id))
            if attempt.submitted.result in TAKEN:
                self._record_acceptance(attempt.started_at, attempt.duration or 0.0)

    def _in_context(self, attempt: AttemptResult, earlier: EarlierRefusals | None) -> SubmitResult:
        submitted = attempt.submitted
        if submitted.perhaps_duplicate and attempt.message.in_doubt:
            # An earlier request, whose response was lost, got there.
            reason = reason_of(ReasonCode.ALREADY_ACCEPTED, submitted.words)
            return replace(submitted, result=Result.DUPLICATE, reason=reason)
        if submitted.result not in OF_THE_ACCOUNT:
            return submitted
        message_id = attempt.message.message_id
        if len(self._refused) < FEW_MESSAGES or message_id in self._refused:
            self._refused.setdefault(message_id, []).append(attempt.started_at)
        if earlier is None or not self._is_own(submitted, earlier, self._refused.get(message_id, [])):
            return submitted
        self._refused.pop(message_id, None)
        # What can only be said of an account is inconsistent if it is said of single messages: those are tried as often
        # as after any refusal.
        result = Result.REFUSED if submitted.perhaps_recipient else Result.RETRIABLE
        reason = reason_of(ReasonCode.ONLY_THIS_MESSAGE_REFUSED, submitted.words)
        return replace(submitted, result=result, reason=reason)

    def _is_own(self, submitted: SubmitResult, earlier: EarlierRefusals, since: Sequence[float]) -> bool:
        """`since` is when this message's requests started since the last acceptance, this one included."""
        window = earlier.longest + WINDOW_SECONDS
        if self._accepted_after(earlier.first, window) or self._accepted_after(earlier.last, window):
            return True
        return (
            submitted.perhaps_recipient
            and len(self._refused) < FEW_MESSAGES
            and len(since) >= REFUSALS_OF_FEW
            and since[0] <= self._last_ended + WINDOW_SECONDS
        )

    def _accepted_after(self, moment: float, window: float) -> bool:
        """Whether a request was accepted that started after that moment, and within so many seconds."""
        series = bisect_right(self._last_starts, moment)
        return series < len(self._last_starts) and self._first_starts[series] - window <= moment

    def _record_acceptance(self, started: float, duration: float) -> None:
        if started > self._last + WINDOW_SECONDS:
            self._first_starts.append(started)
            self._last_starts.append(started)
        elif started > self._last:
            self._last_starts[-1] = started
        self._last = max(self._last, started)
        self._last_ended = max(self._last_ended, started + duration)
        if self._refused:
            self._refused.clear()
