"""Whether a refusal of our account or address is the message's own, and what else the context of an answer tells.

Pure: times are in seconds since 1970 by the database's clock, so that workers can compare them.

Gateways answer 401 to 404 when they refuse the account, which strikes every message, and also when they refuse one
recipient (Kannel's 403 is "Authorization failed" or "Not routable. Do not try again."). One answer does not tell which.
The answers to other messages do: a message that was refused, while requests that started after its own were accepted
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

from shared.domain.statuses import Outcome
from worker.answers import SubmitResult, with_words
from worker.delivery import AttemptResult

WINDOW_SECONDS = 3.0
"""How long after a refused request has ended the start of an accepted one still tells that the account was well then.
The first two probes after a stop fit into it; a person who replaces a token or pays takes longer."""

REMEMBERED = 1000
"""Series of acceptances at most, of which there is one in `WINDOW_SECONDS` at most: more than an hour."""

RECIPIENT_TOO = frozenset({402, 403, 404})
"""Statuses that are final if they are the message's own. The others (401, 405, 407, 421, 426 and redirects) are said of
an account or an address by RFC 9110: a gateway that says one to single messages is inconsistent, and they are tried as
often as after any refusal."""

FEW = 5
"""Fewer messages than this, refused `TIMES` times and nothing else with them, are refused themselves: the last ones of
a mailing, after which no other message can be accepted."""

TIMES = 3

OWN = "the gateway refuses this message and accepts others"
KNOWN = "the gateway has this message already"


class Earlier(NamedTuple):
    """The earlier attempts of a message that refused the account: when the first and the last one started.

    `longest` is the seconds that the longest one took.
    """

    first: float
    last: float
    longest: float


class Refusals:
    """What the answers to one worker's messages tell of each other. For one thread."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque(maxlen=REMEMBERED)
        self._ended: deque[float] = deque(maxlen=REMEMBERED)
        """Series of accepted requests, between whose starts the window never passed: the first and the last start."""
        self._last = self._last_ended = -math.inf
        self._refused: dict[int, list[float]] = {}
        """When requests started that refused the account since the last acceptance, by message; no more than matter."""

    def put_in_context(self, attempted: Sequence[AttemptResult], earlier: Mapping[int, Earlier]) -> None:
        """Changes those answers, in the order in which they came, that mean something else in their context.

        `earlier` is by message, for the messages of this batch whose account was refused.
        """
        for one in attempted:
            if one.answer.outcome is not Outcome.ACCEPTED:
                one.answer = self._in_context(one, earlier.get(one.delivery.message_id))
            if one.answer.outcome is Outcome.ACCEPTED:
                self._accept(one.started_at, one.duration or 0.0)

    def _in_context(self, one: AttemptResult, earlier: Earlier | None) -> SubmitResult:
        answer = one.answer
        if answer.http_status == 409 and one.delivery.in_doubt:
            # "Message with the same ID already exists" (android-sms-gateway/server, handlers/messages/3rdparty.go): an
            # earlier request, whose answer was lost, got there.
            return replace(answer, outcome=Outcome.ACCEPTED, final=False, detail=with_words(KNOWN, answer.detail))
        if answer.outcome is not Outcome.UNAUTHORIZED:
            return answer
        message_id = one.delivery.message_id
        if len(self._refused) < FEW or message_id in self._refused:
            self._refused.setdefault(message_id, []).append(one.started_at)
        if earlier is None or not self._is_own(answer, earlier, self._refused.get(message_id, [])):
            return answer
        self._refused.pop(message_id, None)
        final = answer.http_status in RECIPIENT_TOO
        return replace(answer, outcome=Outcome.REFUSED, final=final, detail=with_words(OWN, answer.words))

    def _is_own(self, answer: SubmitResult, earlier: Earlier, since: Sequence[float]) -> bool:
        """`since` is when this message's requests started since the last acceptance, this one included."""
        window = earlier.longest + WINDOW_SECONDS
        if self._was_well(earlier.first, window) or self._was_well(earlier.last, window):
            return True
        return (
            answer.http_status in RECIPIENT_TOO
            and len(self._refused) < FEW
            and len(since) >= TIMES
            and since[0] <= self._last_ended + WINDOW_SECONDS
        )

    def _was_well(self, moment: float, window: float) -> bool:
        """Whether a request was accepted that started after that moment, and within so many seconds."""
        series = bisect_right(self._ended, moment)
        return series < len(self._ended) and self._begun[series] - window <= moment

    def _accept(self, started: float, duration: float) -> None:
        if started > self._last + WINDOW_SECONDS:
            self._begun.append(started)
            self._ended.append(started)
        elif started > self._last:
            self._ended[-1] = started
        self._last = max(self._last, started)
        self._last_ended = max(self._last_ended, started + duration)
        if self._refused:
            self._refused.clear()
