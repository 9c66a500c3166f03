"""Distinguishes refusals of the account from refusals of one message, by the context of a result.

Pure: times are in seconds since 1970 by the database's clock, so that workers can compare them.

Gateways use the same codes to refuse the account, which concerns every message, and to refuse one recipient (Kannel's
403 is "Authorization failed" or "Not routable. Do not try again."). One result does not show which it is. The results
of other messages do: if requests were accepted that started after a refused one, and within `WINDOW_SECONDS` of its
end, and its message is refused again, the refusal concerns the message. During a fault of the account nothing is
accepted, so a fault that lasts longer than the window ends no message, not even if it recurs.
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
from shared.gateways.sanitize import reason_of
from worker.claimed_message import AttemptResult

WINDOW_SECONDS = 3.0
"""Seconds after the end of a refused request in which the start of an accepted one still shows that the account was in
order. The first two probes after a stop fit into it; replacing a token or paying takes longer."""

MAX_SERIES = 1000
"""Series of acceptances that are kept at most. One begins per `WINDOW_SECONDS` at most, so they cover at
least 50 minutes."""

FEW_MESSAGES = 5
REFUSALS_OF_FEW = 3
"""If fewer than FEW_MESSAGES messages are refused REFUSALS_OF_FEW times, with no other results in between, the refusals
concern the messages: they are the last ones of a mailing, after which no other message can be accepted."""


class EarlierRefusals(NamedTuple):
    """The earlier attempts of a message whose result was a refusal of the account.

    `first` and `last` are their starts, `longest` is the longest duration in seconds.
    """

    first: float
    last: float
    longest: float


class AccountRefusals:
    """The recent results of one worker at one gateway, as context for further ones. For one thread."""

    def __init__(self) -> None:
        self._first_starts: deque[float] = deque(maxlen=MAX_SERIES)
        self._last_starts: deque[float] = deque(maxlen=MAX_SERIES)
        """Series of accepted requests with no gap longer than the window between starts: the first and the last
        start."""
        self._last = self._last_ended = -math.inf
        self._refused: dict[int, list[float]] = {}
        """By message, the starts of requests refused since the last acceptance; at most FEW_MESSAGES messages."""

    def reinterpret(self, attempted: Sequence[AttemptResult], earlier: Mapping[int, EarlierRefusals]) -> None:
        """Replaces the results that have another meaning in their context, in the order in which they came.

        `earlier` is by message id, for the messages of this batch with a refusal of the account.
        """
        for attempt in attempted:
            if attempt.submitted.result not in TAKEN:
                attempt.submitted = self._in_context(attempt, earlier.get(attempt.message.message_id))
                if attempt.submitted.result not in TAKEN:
                    continue
            self._record_acceptance(attempt.started_at, attempt.duration or 0.0)

    def _in_context(self, attempt: AttemptResult, earlier: EarlierRefusals | None) -> SubmitResult:
        submitted = attempt.submitted
        if submitted.perhaps_duplicate and attempt.message.in_doubt:
            # An earlier request, whose response was lost, was accepted.
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
        # A code that can only concern the account is inconsistent if it is used for single messages: those are retried,
        # up to the limit of attempts.
        result = Result.REFUSED if submitted.perhaps_recipient else Result.RETRIABLE
        reason = reason_of(ReasonCode.ONLY_THIS_MESSAGE_REFUSED, submitted.words)
        return replace(submitted, result=result, reason=reason)

    def _is_own(self, submitted: SubmitResult, earlier: EarlierRefusals, since: Sequence[float]) -> bool:
        """`since`: the starts of this message's requests since the last acceptance, this one included."""
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
        """Whether a request was accepted that started within `window` seconds after `moment`."""
        series = bisect_right(self._last_starts, moment)
        return series < len(self._last_starts) and self._first_starts[series] - window <= moment

    def _record_acceptance(self, started: float, duration: float) -> None:
        if started > self._last:
            if started > self._last + WINDOW_SECONDS:
                self._first_starts.append(started)
                self._last_starts.append(started)
            else:
                self._last_starts[-1] = started
            self._last = started
        if started + duration > self._last_ended:
            self._last_ended = started + duration
        if self._refused:
            self._refused.clear()
