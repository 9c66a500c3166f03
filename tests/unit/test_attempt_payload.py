"""What RECORD is given to read of attempts."""

from __future__ import annotations

import json

import pytest

from shared.domain.statuses import MessageStatus, Outcome
from tests.unit.test_delivery import delivery
from worker.answers import SubmitResult
from worker.attempt_payload import entries
from worker.delivery import SENT, SENT_IN_DOUBT, AttemptResult, Transition

NOW = 1000.0
WORKER = 'a "quoted" name'
ACCEPTED = SubmitResult(Outcome.ACCEPTED, 200)
CLAIMED = {"worker": WORKER, "number": 3, "started_at": 1_700_000_000_250_000}
TIMES = {"ago": 2_000_001, "duration": 1_500_000}


def attempted(answer: SubmitResult = ACCEPTED, *, message_id: int = 7, seen: bool = True) -> AttemptResult:
    claimed = delivery(3, message_id=message_id, worker=WORKER)
    return AttemptResult(claimed, answer, 1_700_000_000.25, *((1.5, NOW - 2.000001) if seen else (None, None)))


@pytest.mark.parametrize(
    ("one", "verdict", "entry"),
    [
        (attempted(), SENT, {**TIMES, "outcome": "accepted", "http_status": 200, "status": "sent"}),
        (
            attempted(),
            SENT_IN_DOUBT,
            {**TIMES, "outcome": "accepted", "http_status": 200, "status": "sent", "delay": 0.0, "in_doubt": True},
        ),
        (
            attempted(SubmitResult(Outcome.ACCEPTED, 201, "said more")),
            SENT,
            {
                **TIMES,
                "outcome": "accepted",
                "http_status": 201,
                "detail": "said more",
                "status": "sent",
                "delay": 0.0,
            },
        ),
        (
            attempted(SubmitResult(Outcome.REFUSED, 200, "code 5")),
            Transition(MessageStatus.PENDING, "code 5", 2.5, spared=True),
            {
                **TIMES,
                "outcome": "refused",
                "http_status": 200,
                "detail": "code 5",
                "status": "pending",
                "reason": "code 5",
                "delay": 2.5,
                "spared": True,
            },
        ),
        (
            attempted(SubmitResult(Outcome.AMBIGUOUS), seen=False),
            Transition(MessageStatus.UNKNOWN, in_doubt=True),
            {"outcome": "ambiguous", "status": "unknown", "delay": 0.0, "in_doubt": True},
        ),
    ],
)
def test_an_attempt_is_told_with_what_became_of_its_message(
    one: AttemptResult, verdict: Transition, entry: dict[str, object]
) -> None:
    [part] = entries([(one, verdict)], NOW)

    assert json.loads(part) == [{"message_id": 7, **CLAIMED, **entry}]


def test_no_part_has_a_message_twice_and_the_order_is_kept() -> None:
    judged = [(attempted(message_id=message_id), SENT) for message_id in (1, 2, 1, 3, 1)]

    parts = [[entry["message_id"] for entry in json.loads(part)] for part in entries(judged, NOW)]

    assert parts == [[1, 2, 3], [1], [1]]
