"""What RECORD_ACCEPTED and RECORD are given to read of attempts."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.domain.statuses import MessageStatus
from shared.gateways.base import SubmitResult
from tests.submit_results import submitted
from tests.unit.test_attempt_decision import delivery
from worker.attempt_decision import SENT, SENT_IN_DOUBT, Transition
from worker.attempt_payload import (
    accepted_parameters,
    attempted_parameters,
    has_details,
    is_dense,
    parts_of,
    plain_acceptances,
    range_parameters,
)
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
    """The attempts of one statement."""
    said: list[dict[str, Any]] = json.loads(given["attempted"])
    assert str(given["ids"]) == str(bigints(entry["message_id"] for entry in said))
    return said


@pytest.mark.parametrize(
    ("one", "verdict", "entry"),
    [
        (attempted(), SENT, {**TIMES, **ACCEPTED_200, "status": "sent", "delay": 0.0}),
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
    assert entries(attempted_parameters([(one, verdict)], NOW)) == [{"message_id": 7, **CLAIMED, **entry}]


def test_acceptances_are_recorded_together_that_have_the_gateway_worker_and_code_of_the_first() -> None:
    decided = [
        (attempted(submitted(Result.RETRIABLE, 200, "code 5"), message_id=1), Transition(MessageStatus.PENDING)),
        (attempted(message_id=2), SENT),
        (attempted(message_id=3), SENT),
        (attempted(message_id=4, worker="another"), SENT),
        (attempted(message_id=5, gateway=MessageGateway("another")), SENT),
        (attempted(submitted(Result.ACCEPTED, 202), message_id=6), SENT),
        (attempted(message_id=7), SENT_IN_DOUBT),
        (attempted(submitted(Result.DUPLICATE, 200), message_id=8), SENT),
        (attempted(submitted(Result.ACCEPTED, 200, "with a remark"), message_id=9), SENT),
        (attempted(message_id=10, seen=False), SENT),
        (attempted(submitted(Result.ACCEPTED, 200, provider_message_id="half a \ud83d"), message_id=11), SENT),
        (attempted(message_id=12), SENT),
    ]

    assert [attempt.message.message_id for attempt in plain_acceptances(decided)] == [2, 3, 12]


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
def test_acceptances_of_claims_before_and_after_a_step_of_the_clock_are_not_recorded_together(seconds: float) -> None:
    first, later = attempted(message_id=1), attempted(message_id=2)
    later.started_at += seconds

    assert plain_acceptances([(first, SENT), (later, SENT)]) == [first]


@pytest.mark.parametrize("code", ["nul \x00", "half a \ud83d"])
def test_a_code_that_no_parameter_can_carry_stays_in_its_own_entry(code: str) -> None:
    decided = [
        (attempted(replace(ACCEPTED, code=code), message_id=1), SENT),
        (attempted(message_id=2), SENT),
    ]

    assert [attempt.message.message_id for attempt in plain_acceptances(decided)] == [2]


def test_acceptances_are_arrays_of_what_differs() -> None:
    plain = [attempted(message_id=1), attempted(message_id=2)]

    assert {name: str(given) for name, given in accepted_parameters(plain, NOW, details=False).items()} == {
        "ids": "'{1,2}'::bigint[]",
        "first": "1",
        "last": "2",
        "numbers": "{3,3}",
        "ago": "{2015625,2015625}",
        "duration": "{1500000,1500000}",
        "clock": "1700000002265625",
        **{"gateway": "default", "worker": WORKER, "provider_code": "200"},
    }


def test_acceptances_of_messages_that_follow_each_other_have_an_element_for_each_id_of_the_range() -> None:
    given = range_parameters([attempted(message_id=3), attempted(message_id=6)], NOW)

    assert {name: given[name] for name in ("first", "last", "numbers", "ago", "duration")} == {
        "first": 3,
        "last": 6,
        "numbers": "{3,0,0,3}",
        "ago": "{2015625,0,0,2015625}",
        "duration": "{1500000,0,0,1500000}",
    }
    assert "ids" not in given


@pytest.mark.parametrize(("ids", "dense"), [([7], True), ([1, 4], True), ([1, 5], False), ([1, 2, 3, 900], False)])
def test_acceptances_are_dense_if_their_range_has_at_most_twice_as_many_ids(ids: list[int], dense: bool) -> None:
    assert is_dense([attempted(message_id=one) for one in ids]) is dense


def test_the_clock_is_that_of_the_claim_by_which_the_time_is_earliest() -> None:
    late = AttemptResult(delivery(1, message_id=8), ACCEPTED, 1_700_000_000.5, 1.5, NOW - 2.0)

    assert accepted_parameters([attempted(), late], NOW, details=False)["clock"] == 1_700_000_002_265_625
    assert accepted_parameters([late], NOW, details=False)["clock"] == 1_700_000_002_500_000


def test_details_are_arrays_too() -> None:
    awaiting = MessageGateway("default", receipts=True, no_receipt_prefixes=("7916",))
    first = replace(ACCEPTED, provider_message_id='a "b" \\ {c,d} NULL', segments=2, price=Decimal("0.0125"))
    plain = [attempted(first, gateway=awaiting, phone_number=79170000000), attempted(message_id=2)]

    given = accepted_parameters(plain, NOW, details=True)

    assert {name: given[name] for name in ("provider_message_ids", "segments", "prices", "awaiting")} == {
        "provider_message_ids": r"""{"a \"b\" \\ {c,d} NULL",NULL}""",
        "segments": "{2,NULL}",
        "prices": "{0.0125,NULL}",
        "awaiting": "{True,False}",
    }


@pytest.mark.parametrize(
    ("one", "has"),
    [
        (attempted(), False),
        (attempted(replace(ACCEPTED, provider_message_id="a")), True),
        (attempted(replace(ACCEPTED, segments=1)), True),
        (attempted(replace(ACCEPTED, price=Decimal(0))), True),
        (attempted(gateway=MessageGateway("default", receipts=True)), True),
    ],
)
def test_an_attempt_has_details_if_the_provider_named_an_id_or_segments_or_will_report(
    one: AttemptResult, has: bool
) -> None:
    assert has_details(one) is has


def test_no_part_has_a_message_twice_and_the_order_is_kept() -> None:
    judged = [(attempted(message_id=message_id), SENT) for message_id in (1, 2, 1, 3, 1)]

    parts = [[attempt.message.message_id for attempt, _ in part] for part in parts_of(judged)]

    assert parts == [[1, 2, 3], [1], [1]]
