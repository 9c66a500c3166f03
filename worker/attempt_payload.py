"""Attempts as JSON for RECORD, in parts that one statement accepts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.domain.results import Result
from shared.json_parameter import json_parameter
from worker.attempt_decision import SENT, Transition
from worker.claimed_message import AttemptResult
from worker.parameters import bigints

Decided = tuple[AttemptResult, Transition]

# Nearly all entries have this form. What it leaves out is the same for all of them, and a separate parameter: that
# saves half of the time that the server needs to read them.
_ACCEPTED = '{"message_id":%d,"number":%d,"started_at":%d,"ago":%d,"duration":%d}'


def payloads(decided: Iterable[Decided], now: float) -> list[dict[str, Any]]:
    """The attempts in order, as parameters of RECORD without duplicate messages: rarely more than one part.

    `now` is the monotonic time. A worker has two attempts of one message if it stalled until the lease expired, and
    then claimed the message again.
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
    return [_parameters(part, now) for part in parts]


def _parameters(part: dict[int, Decided], now: float) -> dict[str, Any]:
    first, _ = next(iter(part.values()))
    common = first.message.gateway.name, first.message.worker, _code(first)
    entries = [_accepted(one, common, now) or _entry(*one, now) for one in part.values()]
    return {
        "ids": bigints(part),
        "attempted": f"[{','.join(entries)}]",
        **dict(zip(("gateway", "worker", "provider_code"), common, strict=True)),
    }


def _code(attempt: AttemptResult) -> str:
    """Its code, if any text parameter can carry it. (The JSON of an entry is the database's to reject.)"""
    code = attempt.submitted.code or ""
    return code if code.isascii() and code.isprintable() else ""


def _accepted(decided: Decided, common: tuple[str, str, str], now: float) -> str | None:
    """The entry of an acceptance with the gateway, worker and code of the others; None if there is more to say.

    Times are in whole microseconds.
    """
    attempt, transition = decided
    message, submitted, started, duration = attempt.message, attempt.submitted, attempt.started, attempt.duration
    if (
        transition is not SENT
        or submitted.result is not Result.ACCEPTED
        or submitted.reason is not None
        or submitted.provider_message_id is not None
        or submitted.segments is not None
        or message.gateway.receipts
        or (message.gateway.name, message.worker, submitted.code) != common
        or started is None
        or duration is None
    ):
        return None
    times = attempt.started_at * 1e6, (now - started) * 1e6, duration * 1e6
    return _ACCEPTED % (message.message_id, message.number, *times)


def _entry(attempt: AttemptResult, transition: Transition, now: float) -> str:
    """Times are in whole microseconds; null and false values are left out (see RECORD for the reason)."""
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
