"""What RECORD is given to read of attempts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.domain.statuses import MessageStatus
from shared.gateways.base import SubmitResult
from tests.submit_results import submitted
from tests.unit.test_attempt_decision import delivery
from worker.attempt_decision import SENT, SENT_IN_DOUBT, Transition
from worker.attempt_payload import payloads
from worker.claimed_message import AttemptResult, MessageGateway
from worker.parameters import bigints

NOW = 1000.0
WORKER = 'a "quoted" name'
ACCEPTED = submitted(Result.ACCEPTED, 200)
CLAIMED = {"number": 3, "started_at": 1_700_000_000_250_000}
FROM_HERE = {"gateway": "default", "worker": WORKER}
ACCEPTED_200 = {**FROM_HERE, "result": "accepted", "provider_code": "200"}
TIMES = {"ago": 2_015_625, "duration": 1_500_000}


def attempted(
    answer: SubmitResult = ACCEPTED, *, message_id: int = 7, seen: bool = True, **claimed: Any
) -> AttemptResult:
    message = delivery(3, message_id=message_id, **{"worker": WORKER, **claimed})
    return AttemptResult(message, answer, 1_700_000_000.25, *((1.5, NOW - 2.015625) if seen else (None, None)))


def entries(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The attempts of one statement, each with all that it says: its own, or that of the statement."""
    common = {"gateway": given["gateway"], "worker": given["worker"]}
    said = [
        {**common, "result": "accepted", "status": "sent", "provider_code": given["provider_code"], **entry}
        if "result" not in entry
        else entry
        for entry in json.loads(given["attempted"])
    ]
    assert str(given["ids"]) == str(bigints(entry["message_id"] for entry in said))
    return said


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
                **FROM_HERE,
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
                **FROM_HERE,
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
            {**FROM_HERE, "result": "ambiguous", "status": "unknown", "delay": 0.0, "in_doubt": True},
        ),
    ],
)
def test_an_attempt_is_logged_with_what_became_of_its_message(
    one: AttemptResult, verdict: Transition, entry: dict[str, object]
) -> None:
    [given] = payloads([(one, verdict)], NOW)

    assert entries(given) == [{"message_id": 7, **CLAIMED, **entry}]


def test_an_acceptance_like_the_first_names_only_itself_and_another_all_that_it_is() -> None:
    decided = [
        (attempted(message_id=1), SENT),
        (attempted(message_id=2), SENT),
        (attempted(message_id=3, worker="another"), SENT),
        (attempted(message_id=4, gateway=MessageGateway("another")), SENT),
        (attempted(submitted(Result.ACCEPTED, 202), message_id=5), SENT),
    ]

    [given] = payloads(decided, NOW)

    assert [sorted(entry) for entry in json.loads(given["attempted"])[:2]] == [
        ["ago", "duration", "message_id", "number", "started_at"]
    ] * 2
    assert [(entry["worker"], entry["gateway"], entry["provider_code"]) for entry in entries(given)] == [
        (WORKER, "default", "200"),
        (WORKER, "default", "200"),
        ("another", "default", "200"),
        (WORKER, "another", "200"),
        (WORKER, "default", "202"),
    ]


@pytest.mark.parametrize(("code", "kept"), [("nul \x00", "nul \x00"), ("half a \ud83d", "half a ?")])
def test_a_code_that_no_parameter_can_carry_stays_in_its_own_entry(code: str, kept: str) -> None:
    decided = [
        (attempted(replace(ACCEPTED, code=code), message_id=1), SENT),
        (attempted(message_id=2), SENT),
    ]

    [given] = payloads(decided, NOW)

    assert given["provider_code"] == ""
    assert [entry["provider_code"] for entry in entries(given)] == [kept, "200"]


def test_no_part_has_a_message_twice_and_the_order_is_kept() -> None:
    judged = [(attempted(message_id=message_id), SENT) for message_id in (1, 2, 1, 3, 1)]

    parts = [[entry["message_id"] for entry in entries(given)] for given in payloads(judged, NOW)]

    assert parts == [[1, 2, 3], [1], [1]]
