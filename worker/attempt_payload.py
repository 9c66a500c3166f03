"""What RECORD reads of attempts: JSON, in parts that one statement can take."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache

from shared.domain.results import Result
from shared.gateways.base import SubmitResult
from worker.claimed_message import AttemptResult
from worker.decision import SENT, Transition

# Nearly all entries are of this kind, and what json.dumps makes of a dict takes four times as long.
_ACCEPTED = (
    '{"message_id":%d,"number":%d,"started_at":%d,"ago":%d,"duration":%d,"gateway":%s,"result":"accepted",'
    '"provider_code":%s,"worker":%s,"status":"sent"}'
)


def entries(judged: Iterable[tuple[AttemptResult, Transition]], now: float) -> list[str]:
    """The attempts in order, as JSON arrays in which no message is twice: seldom more than one.

    `now` is the monotonic time. A worker has two attempts of one message in hand when it claims again what it lost
    while it stood still.
    """
    parts: list[dict[int, str]] = []
    for attempted, verdict in judged:
        message_id = attempted.message.message_id
        for part in parts:
            if message_id not in part:
                break
        else:
            parts.append(part := {})
        part[message_id] = _entry(attempted, verdict, now)
    return [f"[{','.join(part.values())}]" for part in parts]


def _entry(attempted: AttemptResult, verdict: Transition, now: float) -> str:
    """Times are in whole microseconds; what is null or false is left out (RECORD says why)."""
    delivery, answer = attempted.message, attempted.submitted
    started_at = round(attempted.started_at * 1e6)
    ago = None if attempted.started is None else round((now - attempted.started) * 1e6)
    duration = None if attempted.duration is None else round(attempted.duration * 1e6)
    if verdict is SENT and _is_plain(answer) and None not in (ago, duration):
        claim = delivery.message_id, delivery.number
        quoted = _quoted(delivery.gateway), _quoted(answer.code or ""), _quoted(delivery.worker)
        return _ACCEPTED % (*claim, started_at, ago, duration, *quoted)
    entry = {
        "message_id": delivery.message_id,
        "number": delivery.number,
        "started_at": started_at,
        "ago": ago,
        "duration": duration,
        "gateway": delivery.gateway,
        "result": answer.result,
        "provider_code": answer.code,
        "reason_code": answer.reason and answer.reason.code,
        "reason_params": (answer.reason and answer.reason.parameters) or None,
        "provider_message_id": answer.provider_message_id,
        "worker": delivery.worker,
        "status": verdict.status,
        "status_reason_code": verdict.reason and verdict.reason.code,
        "status_reason_params": (verdict.reason and verdict.reason.parameters) or None,
        "delay": verdict.delay,
        "in_doubt": verdict.in_doubt or None,
        "uncounted": verdict.uncounted or None,
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
