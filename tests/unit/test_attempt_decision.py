"""What is decided about a message when its answer is in: the design's table, and the arithmetic of retries."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.domain.statuses import MessageStatus, OnUnknown
from shared.gateways.base import SubmitResult
from shared.gateways.code_meanings import ID_KNOWN, result_of
from tests.gateway_accounts import gonets_adapter
from tests.submit_results import Answer, submitted
from worker.attempt_decision import Retries, Transition, decide
from worker.claimed_message import AttemptResult, Claim, ClaimedMessage
from worker.lanes.account_refusals import AccountRefusals

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RETRIES = Retries(max_attempts=3, base=2.0, cap=300.0)

ACCEPTED = submitted(Result.ACCEPTED, 200)
REFUSED = submitted(Result.RETRIABLE, 200, "code 7: blocked")
REFUSED_FOR_GOOD = submitted(Result.REFUSED, 400, "no such phone")
THROTTLED = submitted(Result.THROTTLED, 429, "slower", retry_after=40.0)
UNREACHABLE = submitted(Result.UNREACHABLE, words="Connection refused")
UNAUTHORIZED = submitted(Result.MISCONFIGURED, 401, "who are you?")
NOT_UNDERSTOOD = submitted(Result.AMBIGUOUS, 200, not_understood=True)
AMBIGUOUS = submitted(Result.AMBIGUOUS, 500, "oops")


def delivery(number: int = 1, **given: Any) -> ClaimedMessage:
    fields: dict[str, Any] = {
        "message_id": 1,
        "mailing_id": 1,
        "client_id": 1,
        "phone_number": 79001234567,
        "text": "Hello",
        "uncounted": 0,
        "in_doubt": False,
        "on_unknown": OnUnknown.RESEND,
        "worker": "somebody",
        "claim": Claim(1, NOON.timestamp(), 100.0),
        "start_from": 100.0,
        "start_by": 110.0,
    }
    return ClaimedMessage(number=number, **{**fields, **given})


def verdict(answer: SubmitResult, number: int = 1, **given: Any) -> Transition:
    return decide(delivery(number, **given), answer, RETRIES, Random(1))


@pytest.mark.parametrize(
    ("answer", "status", "in_doubt", "uncounted"),
    [
        (ACCEPTED, "sent", False, False),
        (REFUSED, "pending", False, False),
        (REFUSED_FOR_GOOD, "failed", False, False),
        (THROTTLED, "pending", False, True),
        (UNREACHABLE, "pending", False, True),
        (UNAUTHORIZED, "pending", False, True),
        (AMBIGUOUS, "pending", True, False),
    ],
)
def test_a_first_attempt(answer: SubmitResult, status: str, in_doubt: bool, uncounted: bool) -> None:
    came = verdict(answer)

    assert (came.status, came.in_doubt, came.uncounted) == (status, in_doubt, uncounted)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (ACCEPTED, "sent"),
        (REFUSED, "failed"),
        (REFUSED_FOR_GOOD, "failed"),
        (THROTTLED, "pending"),
        (UNREACHABLE, "pending"),
        (UNAUTHORIZED, "pending"),
        (AMBIGUOUS, "unknown"),
    ],
)
def test_the_last_attempt_that_the_limit_allows(answer: SubmitResult, status: str) -> None:
    assert verdict(answer, RETRIES.max_attempts).status == status


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (ACCEPTED, "sent"),
        (REFUSED, "unknown"),
        (REFUSED_FOR_GOOD, "unknown"),
        (THROTTLED, "pending"),
        (UNREACHABLE, "pending"),
        (UNAUTHORIZED, "pending"),
        (AMBIGUOUS, "unknown"),
    ],
)
def test_a_message_that_may_have_been_delivered_does_not_end_as_failed(answer: SubmitResult, status: str) -> None:
    came = verdict(answer, RETRIES.max_attempts, in_doubt=True)

    assert (came.status, came.in_doubt) == (status, True)


@pytest.mark.parametrize(
    "conflict",
    [
        gonets_adapter().read(Answer(409, {}, b'{"code": 9, "message": "duplicate"}'), delivery()),
        result_of(ID_KNOWN, "23", "REJECTED_DUPLICATE_MESSAGE_ID"),
    ],
    ids=["409", "a code of a provider"],
)
def test_a_known_id_in_the_repeat_of_a_message_in_doubt_is_an_acceptance(conflict: SubmitResult) -> None:
    # "I have had this id already", says a gateway that remembers ids.
    first = AttemptResult(delivery(1), conflict, NOON.timestamp(), 0.1)
    repeat = AttemptResult(delivery(2, in_doubt=True), conflict, NOON.timestamp(), 0.1)
    AccountRefusals().reinterpret([first, repeat], {})

    assert verdict(first.submitted).status == "failed"
    assert verdict(repeat.submitted, 2, in_doubt=True) == Transition(MessageStatus.SENT, in_doubt=True)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (ACCEPTED, "sent"),
        (REFUSED, "pending"),
        (REFUSED_FOR_GOOD, "failed"),
        (THROTTLED, "pending"),
        (UNREACHABLE, "pending"),
        (UNAUTHORIZED, "pending"),
        (AMBIGUOUS, "unknown"),
    ],
)
def test_hold_ends_a_message_after_any_doubt_and_changes_nothing_else(answer: SubmitResult, status: str) -> None:
    assert verdict(answer, on_unknown=OnUnknown.HOLD).status == status


@pytest.mark.parametrize(
    ("number", "uncounted", "status"),
    [(2, 0, "pending"), (3, 0, "failed"), (3, 1, "pending"), (4, 1, "failed"), (50, 48, "pending"), (50, 47, "failed")],
)
def test_uncounted_attempts_do_not_count_towards_the_limit(number: int, uncounted: int, status: str) -> None:
    assert verdict(REFUSED, number, uncounted=uncounted).status == status


def test_what_the_gateway_said_becomes_the_reason() -> None:
    assert verdict(REFUSED).reason == Reason(ReasonCode.PROVIDER_SAID, {"words": "code 7: blocked"})
    assert verdict(REFUSED_FOR_GOOD).reason == Reason(ReasonCode.PROVIDER_SAID, {"words": "no such phone"})
    assert verdict(ACCEPTED).reason is None


@pytest.mark.parametrize(("number", "ceiling"), [(1, 2.0), (2, 4.0), (3, 8.0), (8, 256.0), (9, 300.0), (5000, 300.0)])
def test_the_delay_doubles_up_to_its_cap(number: int, ceiling: float) -> None:
    delays = [RETRIES.delay(number, Random(seed)) for seed in range(500)]

    assert 0.95 * ceiling < max(delays) <= ceiling


def test_the_jitter_is_full() -> None:
    delays = [RETRIES.delay(4, Random(seed)) for seed in range(500)]

    assert min(delays) < 0.05 * 16
    assert 0.4 * 16 < sum(delays) / 500 < 0.6 * 16


@pytest.mark.parametrize(
    ("answer", "uncounted", "least", "most"),
    [
        (REFUSED, 0, 0.0, 2.0 * 2**9),
        (AMBIGUOUS, 0, 0.0, 2.0 * 2**9),
        (REFUSED, 7, 0.0, 2.0 * 2**2),  # the third that counts
        (AMBIGUOUS, 9, 0.0, 2.0),
        (submitted(Result.THROTTLED, 429), 9, 0.0, 2.0 * 2**9),
        (submitted(Result.THROTTLED, 429), 2, 0.0, 2.0 * 2**2),  # the third that the gateway is to blame for
        (THROTTLED, 9, 40.0, 42.0),
        (submitted(Result.THROTTLED, 429, retry_after=0.0), 9, 0.0, 2.0),
        (UNREACHABLE, 9, 0.0, 2.0),
        (UNAUTHORIZED, 9, 0.0, 2.0 * 2**3),
        (NOT_UNDERSTOOD, 7, 0.0, 2.0 * 2**8),  # the third that counts, as if it were the ninth
    ],
)
def test_the_delay_after_the_tenth_attempt(answer: SubmitResult, uncounted: int, least: float, most: float) -> None:
    patient = Retries(max_attempts=20, base=2.0, cap=100_000.0)

    delays = [decide(delivery(10, uncounted=uncounted), answer, patient, Random(seed)).delay for seed in range(300)]

    assert least <= min(delays) <= least + 0.05 * (most - least)
    assert most - 0.05 * (most - least) <= max(delays) <= most


@pytest.mark.parametrize("answer", [ACCEPTED, REFUSED_FOR_GOOD])
def test_an_end_has_no_delay(answer: SubmitResult) -> None:
    assert verdict(answer).delay == 0.0


def test_the_same_seed_gives_the_same_result() -> None:
    assert verdict(AMBIGUOUS) == verdict(AMBIGUOUS)
    assert verdict(AMBIGUOUS).status is MessageStatus.PENDING


@pytest.mark.parametrize(("monotonic", "second"), [(100.0, 0), (102.5, 2.5), (99.0, -1)])
def test_a_claim_tells_the_database_time_of_a_monotonic_time(monotonic: float, second: float) -> None:
    assert Claim(1, 5000.0, 100.0).database_time(monotonic) == 5000 + second
