"""Attempts as JSON for RECORD, in parts that one statement accepts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache

from shared.domain.results import Result
from shared.gateways.base import SubmitResult
from worker.attempt_decision import SENT, Transition
from worker.claimed_message import AttemptResult

# Nearly all entries have this form, and json.dumps of a dict takes four times as long.
_ACCEPTED = (
    '{"message_id":%d,"number":%d,"started_at":%d,"ago":%d,"duration":%d,"gateway":%s,"result":"accepted",'
    '"provider_code":%s,"worker":%s,"status":"sent"}'
)


def entries(decided: Iterable[tuple[AttemptResult, Transition]], now: float) -> list[str]:
    """The attempts in order, as JSON arrays without duplicate messages: rarely more than one array.

    `now` is the monotonic time. A worker has two attempts of one message if it stalled until the lease expired, and
    then claimed the message again.
    """
    parts: list[dict[int, str]] = []
    for attempt, transition in decided:
        message_id = attempt.message.message_id
        for part in parts:
            if message_id not in part:
                break
        else:
            parts.append(part := {})
        part[message_id] = _entry(attempt, transition, now)
    return [f"[{','.join(part.values())}]" for part in parts]


def _entry(attempt: AttemptResult, transition: Transition, now: float) -> str:
    """Times are in whole microseconds; null and false values are left out (see RECORD for the reason)."""
    message, submitted = attempt.message, attempt.submitted
    started_at = round(attempt.started_at * 1e6)
    ago = None if attempt.started is None else round((now - attempt.started) * 1e6)
    duration = None if attempt.duration is None else round(attempt.duration * 1e6)
    if transition is SENT and _is_plain(submitted) and None not in (ago, duration):
        claim = message.message_id, message.number
        quoted = _quoted(message.gateway), _quoted(submitted.code or ""), _quoted(message.worker)
        return _ACCEPTED % (*claim, started_at, ago, duration, *quoted)
    entry = {
        "message_id": message.message_id,
        "number": message.number,
        "started_at": started_at,
        "ago": ago,
        "duration": duration,
        "gateway": message.gateway,
        "result": submitted.result,
        "provider_code": submitted.code,
        "reason_code": submitted.reason and submitted.reason.code,
        "reason_params": (submitted.reason and submitted.reason.parameters) or None,
        "provider_message_id": submitted.provider_message_id,
        "worker": message.worker,
        "status": transition.status,
        "status_reason_code": transition.reason and transition.reason.code,
        "status_reason_params": (transition.reason and transition.reason.parameters) or None,
        "delay": transition.delay,
        "in_doubt": transition.in_doubt or None,
        "uncounted": transition.uncounted or None,
    }
    return json.dumps({key: value for key, value in entry.items() if value is not None})


def _is_plain(submitted: SubmitResult) -> bool:
    """Whether it is an acceptance with a code and nothing else."""
    return (
        submitted.result is Result.ACCEPTED
        and submitted.code is not None
        and submitted.reason is None
        and submitted.provider_message_id is None
    )


@lru_cache(maxsize=100)
def _quoted(word: str) -> str:
    return json.dumps(word)
