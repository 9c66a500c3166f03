"""Attempts as parameters of RECORD_ACCEPTED and RECORD (shared/sql/messages.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from shared.domain.results import Result
from shared.json_parameter import json_parameter
from worker.attempt_decision import SENT, Transition
from worker.claimed_message import AttemptResult
from worker.parameters import array_literal, bigints, bounded, nullable_array_literal

Decided = tuple[AttemptResult, Transition]

NO_ATTEMPT = 0
"""The element of a message of the range that is not recorded: no attempt has the number 0."""

SAME_CLOCK = 1.0
"""Seconds by which the clocks of the claims may differ whose acceptances are recorded together. The earliest one counts
for all: if the database's clock was set forward meanwhile, or this system was suspended, it is wrong for later claims.
"""

MAX_RANGE = 2
"""How many messages a statement that reads a range may read for each that it moves: to leave one out costs much less
than to find one."""


def parts_of(decided: Iterable[Decided]) -> list[list[Decided]]:
    """The attempts in order, in parts without duplicate messages: rarely more than one.

    A worker has two attempts of one message if it stalled until the lease expired, and then claimed the message again.
    """
    parts: list[dict[int, Decided]] = []
    for one in decided:
        message_id = one[0].message.message_id
        for part in parts:
            if message_id not in part:
                break
        else:
            parts.append(part := {})
        part[message_id] = one
    return [list(part.values()) for part in parts]


def plain_acceptances(part: Iterable[Decided]) -> list[AttemptResult]:
    """The attempts that RECORD_ACCEPTED can record: acceptances with nothing to explain, which have the gateway, the
    worker, the code and the clock of the first one.
    """
    plain: list[AttemptResult] = []
    common: tuple[str, str, str | None] | None = None
    clock = 0.0
    for attempt, transition in part:
        message, submitted = attempt.message, attempt.submitted
        if (
            transition is SENT
            and submitted.result is Result.ACCEPTED
            and submitted.reason is None
            and _is_plain(submitted.provider_message_id)
            and attempt.started is not None
            and attempt.duration is not None
        ):
            own = message.gateway.name, message.worker, submitted.code
            own_clock = attempt.started_at - attempt.started
            if common is None and _is_plain(submitted.code):
                common, clock = own, own_clock
            if own == common and -SAME_CLOCK < own_clock - clock < SAME_CLOCK:
                plain.append(attempt)
    return plain


def has_details(attempt: AttemptResult) -> bool:
    """Whether RECORD_ACCEPTED_WITH_DETAILS is needed."""
    submitted = attempt.submitted
    named = submitted.provider_message_id, submitted.segments, submitted.price
    return named != (None, None, None) or attempt.message.gateway.receipts


def accepted_parameters(plain: Sequence[AttemptResult], now: float, *, details: bool) -> dict[str, Any]:
    """Parameters of RECORD_ACCEPTED, or RECORD_ACCEPTED_WITH_DETAILS. `now` is the monotonic time."""
    parameters = {"ids": bigints(attempt.message.message_id for attempt in plain), **_common(plain, now, list)}
    if details:
        parameters |= {
            "provider_message_ids": nullable_array_literal(attempt.submitted.provider_message_id for attempt in plain),
            "segments": nullable_array_literal(attempt.submitted.segments for attempt in plain),
            "prices": nullable_array_literal(attempt.submitted.price for attempt in plain),
            "awaiting": array_literal(attempt.message.awaits_receipt for attempt in plain),
        }
    return parameters


def is_dense(plain: Sequence[AttemptResult]) -> bool:
    """Whether the range of their messages has few others. The attempts are in the order of their messages."""
    return plain[-1].message.message_id - plain[0].message.message_id < MAX_RANGE * len(plain)


def range_parameters(plain: Sequence[AttemptResult], now: float) -> dict[str, Any]:
    """Parameters of RECORD_ACCEPTED_RANGE. `now` is the monotonic time."""
    first, last = plain[0].message.message_id, plain[-1].message.message_id
    size = last + 1 - first

    def place(values: list[int]) -> list[int]:
        if len(values) == size:
            return values
        placed = [NO_ATTEMPT] * size
        for attempt, value in zip(plain, values, strict=True):
            placed[attempt.message.message_id - first] = value
        return placed

    return _common(plain, now, place)


def _common(plain: Sequence[AttemptResult], now: float, place: Callable[[list[int]], list[int]]) -> dict[str, Any]:
    """Parameters that all statements for acceptances have: the numbers of the attempts, and in microseconds how long
    ago they started, their durations, and the time now since 1970 by the clock of the earliest claim.

    `plain` is in the order of the messages; `place` makes the elements of an array of the values of each.
    """
    first, last = plain[0], plain[-1]
    agos = [int((now - (attempt.started or now)) * 1e6) for attempt in plain]
    return {
        "first": first.message.message_id,
        "last": last.message.message_id,
        "numbers": array_literal(place([attempt.message.number for attempt in plain])),
        "ago": array_literal(place(agos)),
        "duration": array_literal(place([int((attempt.duration or 0.0) * 1e6) for attempt in plain])),
        "clock": min(int(attempt.started_at * 1e6) + ago for attempt, ago in zip(plain, agos, strict=True)),
        "gateway": first.message.gateway.name,
        "worker": first.message.worker,
        "provider_code": first.submitted.code,
    }


def attempted_parameters(part: Sequence[Decided], now: float) -> dict[str, Any]:
    """Parameters of RECORD. `now` is the monotonic time."""
    return {
        **bounded([attempt.message.message_id for attempt, _ in part]),
        "attempted": f"[{','.join(_entry(*one, now) for one in part)}]",
    }


def _is_plain(text: str | None) -> bool:
    """Whether every database takes it as text. (The JSON of an entry is the database's to reject.)"""
    return text is None or (text.isascii() and text.isprintable())


def _entry(attempt: AttemptResult, transition: Transition, now: float) -> str:
    """Times are in whole microseconds; null and false values are left out."""
    message, submitted = attempt.message, attempt.submitted
    entry = {
        "message_id": message.message_id,
        "number": message.number,
        "started_at": round(attempt.started_at * 1e6),
        "ago": None if attempt.started is None else round((now - attempt.started) * 1e6),
        "duration": None if attempt.duration is None else round(attempt.duration * 1e6),
        "gateway": message.gateway.name,
        "result": submitted.result,
        "provider_code": submitted.code,
        "reason_code": submitted.reason and submitted.reason.code,
        "reason_params": (submitted.reason and submitted.reason.parameters) or None,
        "provider_message_id": submitted.provider_message_id,
        "segments": submitted.segments,
        "awaiting": message.awaits_receipt or None,
        "price": None if submitted.price is None else str(submitted.price),
        "worker": message.worker,
        "status": transition.status,
        "status_reason_code": transition.reason and transition.reason.code,
        "status_reason_params": (transition.reason and transition.reason.parameters) or None,
        "delay": transition.delay,
        "in_doubt": transition.in_doubt or None,
        "uncounted": transition.uncounted or None,
    }
    return json_parameter({key: value for key, value in entry.items() if value is not None})
