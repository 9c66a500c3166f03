"""What RECORD is given to read of attempts."""

from __future__ import annotations

import json

import pytest

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.domain.statuses import MessageStatus
from shared.gateways.base import SubmitResult
from tests.submit_results import submitted
from tests.unit.test_attempt_decision import delivery
from worker.attempt_decision import SENT, SENT_IN_DOUBT, Transition
from worker.attempt_payload import entries
from worker.claimed_message import AttemptResult

NOW = 1000.0
WORKER = 'a "quoted" name'
ACCEPTED = submitted(Result.ACCEPTED, 200)
CLAIMED = {"worker": WORKER, "number": 3, "started_at": 1_700_000_000_250_000}
ACCEPTED_200 = {"gateway": "default", "result": "accepted", "provider_code": "200"}
TIMES = {"ago": 2_000_001, "duration": 1_500_000}


def attempted(answer: SubmitResult = ACCEPTED, *, message_id: int = 7, seen: bool = True) -> AttemptResult:
    claimed = delivery(3, message_id=message_id, worker=WORKER)
    return AttemptResult(claimed, answer, 1_700_000_000.25, *((1.5, NOW - 2.000001) if seen else (None, None)))


@pytest.mark.parametrize(
    ("one", "verdict", "entry"),
    [
        (attempted(), SENT, {**TIMES, **ACCEPTED_200, "status": "sent"}),
        (
            attempted(),
            SENT_IN_DOUBT,
            {**TIMES, **ACCEPTED_200, "status": "sent", "delay": 0.0, "in_doubt": True},
        ),
        (
            attempted(submitted(Result.DUPLICATE, 409, "said more", provider_message_id="m-1")),
            SENT,
            {
                **TIMES,
                "gateway": "default",
                "result": "duplicate",
                "provider_code": "409",
                "reason_code": "provider_said",
                "reason_params": {"words": "said more"},
                "provider_message_id": "m-1",
                "status": "sent",
                "delay": 0.0,
            },
        ),
        (
            attempted(submitted(Result.RETRIABLE, 200, "code 5")),
            Transition(
                MessageStatus.PENDING, Reason(ReasonCode.PROVIDER_SAID, {"words": "code 5"}), 2.5, uncounted=True
            ),
            {
                **TIMES,
                "gateway": "default",
                "result": "retriable",
                "provider_code": "200",
                "reason_code": "provider_said",
                "reason_params": {"words": "code 5"},
                "status": "pending",
                "status_reason_code": "provider_said",
                "status_reason_params": {"words": "code 5"},
                "delay": 2.5,
                "uncounted": True,
            },
        ),
        (
            attempted(submitted(Result.AMBIGUOUS), seen=False),
            Transition(MessageStatus.UNKNOWN, in_doubt=True),
            {"gateway": "default", "result": "ambiguous", "status": "unknown", "delay": 0.0, "in_doubt": True},
        ),
    ],
)
def test_an_attempt_is_logged_with_what_became_of_its_message(
    one: AttemptResult, verdict: Transition, entry: dict[str, object]
) -> None:
    [part] = entries([(one, verdict)], NOW)

    assert json.loads(part) == [{"message_id": 7, **CLAIMED, **entry}]


def test_no_part_has_a_message_twice_and_the_order_is_kept() -> None:
    judged = [(attempted(message_id=message_id), SENT) for message_id in (1, 2, 1, 3, 1)]

    parts = [[entry["message_id"] for entry in json.loads(part)] for part in entries(judged, NOW)]

    assert parts == [[1, 2, 3], [1], [1]]
