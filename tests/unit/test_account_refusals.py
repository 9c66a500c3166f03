"""Whether a refusal of the account is a message's own: told by the results of other messages."""

from __future__ import annotations

import json

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import OF_THE_ACCOUNT, Result
from shared.domain.statuses import OnUnknown
from shared.gateways.base import SubmitResult
from tests.gateway_accounts import gonets_adapter
from tests.submit_results import Answer, submitted
from tests.unit.test_attempt_decision import delivery
from worker.claimed_message import AttemptResult, Claim, ClaimedMessage
from worker.lanes.account_refusals import (
    FEW_MESSAGES,
    REFUSALS_OF_FEW,
    WINDOW_SECONDS,
    AccountRefusals,
    EarlierRefusals,
)

ACCEPTED = submitted(Result.ACCEPTED, 200)
OWN = ReasonCode.ONLY_THIS_MESSAGE_REFUSED


def refused(status: int = 403, message: str = "") -> SubmitResult:
    """As the specification's gateway refuses the account."""
    body = json.dumps({"code": 4, "message": message}).encode() if message else b""
    return gonets_adapter().read(Answer(status, {}, body), delivery())


def attempted(
    message_id: int, answer: SubmitResult, at: float, *, in_doubt: bool = False, takes: float = 0.0
) -> AttemptResult:
    claim = Claim(1, at, at)
    message = ClaimedMessage(message_id, 1, 1, 1, 79001234567, "", 0, in_doubt, OnUnknown.RESEND, "w", claim, 0.0, 0.0)
    return AttemptResult(message, answer, at, takes)


class Worker:
    """Keeps the attempts that refused the account, as the ledger does."""

    def __init__(self) -> None:
        self.refusals = AccountRefusals()
        self.ledger: dict[int, EarlierRefusals] = {}
        self.takes = 0.0
        """Seconds that each request takes."""

    def gets(self, message_id: int, answer: SubmitResult, at: float) -> SubmitResult:
        """The answer to a request that started then, in its context."""
        one = attempted(message_id, answer, at, takes=self.takes)
        self.refusals.reinterpret([one], self.ledger)
        if one.submitted.result in OF_THE_ACCOUNT:
            earlier = self.ledger.get(message_id)
            self.ledger[message_id] = EarlierRefusals(earlier.first if earlier else at, at, self.takes)
        return one.submitted

    def sends_all_well(self, since: float, until: float) -> None:
        """Requests of other messages, accepted, one a second."""
        at = since
        while at <= until:
            self.gets(1_000_000, ACCEPTED, at)
            at += 1.0


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 402, 403, 404, 405, 407, 421, 426])
def test_a_first_refusal_counts_as_one_of_the_account(status: int, worker: Worker) -> None:
    worker.sends_all_well(0.0, 5.0)

    assert worker.gets(1, refused(status), 5.0).result in OF_THE_ACCOUNT


@pytest.mark.parametrize("status", [402, 403, 404])
def test_a_second_refusal_is_the_message_s_own_when_others_were_accepted_after_the_first(
    status: int, worker: Worker
) -> None:
    worker.sends_all_well(-5.0, -0.5)
    worker.gets(1, refused(status), 0.0)
    worker.sends_all_well(0.1, 3.0)

    assert worker.gets(1, refused(status, "blocked"), 3.0) == submitted(
        Result.REFUSED, status, "code 4: blocked", OWN, perhaps_recipient=True
    )


@pytest.mark.parametrize("status", [301, 401, 405, 407, 421, 426])
def test_what_is_said_of_accounts_alone_may_be_repeated_even_so(status: int, worker: Worker) -> None:
    worker.gets(1, refused(status), 0.0)
    worker.sends_all_well(0.1, 3.0)

    assert worker.gets(1, refused(status), 3.0) == submitted(Result.RETRIABLE, status, reason=OWN)


def test_acceptances_of_requests_that_started_before_the_refused_one_tell_nothing(worker: Worker) -> None:
    worker.gets(1, refused(), 5.0)
    worker.sends_all_well(0.0, 5.0)

    assert worker.gets(1, refused(), 6.0).result in OF_THE_ACCOUNT


@pytest.mark.parametrize(("after", "own"), [(WINDOW_SECONDS, True), (WINDOW_SECONDS + 0.1, False)])
def test_an_acceptance_long_after_a_refusal_tells_nothing_of_it(after: float, own: bool, worker: Worker) -> None:
    worker.sends_all_well(-5.0, -1.0)
    worker.gets(1, refused(), 0.0)
    worker.sends_all_well(after, after + 5.0)

    assert (worker.gets(1, refused(), after + 5.0).result is Result.REFUSED) is own


def test_it_does_not_matter_how_long_requests_take_if_they_go_one_by_one(worker: Worker) -> None:
    worker.takes = 30.0
    worker.gets(1, refused(), 0.0)
    worker.gets(2, ACCEPTED, 30.1)

    assert worker.gets(1, refused(), 60.2).result is Result.REFUSED


@pytest.mark.parametrize("accepted_at", [1.0, 21.0])
def test_an_acceptance_after_the_first_refusal_or_after_the_last_one_tells_as_much(
    accepted_at: float, worker: Worker
) -> None:
    worker.ledger[1] = EarlierRefusals(first=0.0, last=20.0, longest=0.0)  # of other workers
    worker.gets(2, ACCEPTED, accepted_at)

    assert worker.gets(1, refused(), 24.0).result is Result.REFUSED


def test_acceptances_may_become_known_in_any_order(worker: Worker) -> None:
    worker.gets(1, refused(), 4.5)
    for at in (5.0, 0.0, 4.0):
        worker.gets(2, ACCEPTED, at)

    assert worker.gets(1, refused(), 6.0).result is Result.REFUSED


def test_an_account_refusal_that_comes_back_ends_no_message(worker: Worker) -> None:
    for begin in (10.0, 40.0, 70.0):
        worker.sends_all_well(begin - 10.0, begin - 0.5)
        for message_id in range(300):
            assert worker.gets(message_id, refused(), begin).result in OF_THE_ACCOUNT


def test_a_later_pause_takes_nothing_back_of_what_was_known(worker: Worker) -> None:
    worker.gets(1, refused(), 0.0)
    worker.sends_all_well(1.0, 3.0)
    worker.sends_all_well(500.0, 503.0)

    assert worker.gets(1, refused(), 504.0).result is Result.REFUSED


def test_many_messages_that_are_refused_again_after_all_else_was_sent_are_refused_themselves(worker: Worker) -> None:
    for message_id in range(100):
        worker.gets(message_id, refused(), message_id / 100)
    worker.sends_all_well(1.5, 3.0)

    assert {worker.gets(message_id, refused(), 4.0).result for message_id in range(100)} == {Result.REFUSED}


def test_the_last_messages_of_all_are_refused_themselves_if_they_are_few_and_refused_often_enough(
    worker: Worker,
) -> None:
    worker.sends_all_well(0.0, 5.0)
    outcomes = [worker.gets(1, refused(404), 5.5 + at).result for at in range(REFUSALS_OF_FEW)]

    assert outcomes == [Result.MISCONFIGURED] * (REFUSALS_OF_FEW - 1) + [Result.REFUSED]


def test_a_refusal_of_the_last_messages_may_be_long_after_the_last_acceptance_began(worker: Worker) -> None:
    worker.takes = 30.0
    worker.gets(2, ACCEPTED, 0.0)
    outcomes = [worker.gets(1, refused(404), 31.0 + 31.0 * at).result for at in range(REFUSALS_OF_FEW)]

    assert outcomes == [Result.MISCONFIGURED] * (REFUSALS_OF_FEW - 1) + [Result.REFUSED]


def test_a_message_that_has_ended_is_no_longer_one_of_the_last(worker: Worker) -> None:
    worker.sends_all_well(0.0, 5.0)
    for message_id in range(FEW_MESSAGES + 1):
        outcomes = [worker.gets(message_id, refused(404), 5.1 + message_id / 10).result for _ in range(REFUSALS_OF_FEW)]
        assert outcomes[-1] is Result.REFUSED


def test_the_last_messages_are_refused_if_the_first_refusal_was_before_anything_was_accepted(worker: Worker) -> None:
    worker.gets(1, refused(404), 0.0)
    worker.sends_all_well(20.0, 21.0)
    outcomes = [worker.gets(1, refused(404), 21.5 + at).result for at in range(REFUSALS_OF_FEW)]

    assert outcomes == [Result.MISCONFIGURED] * (REFUSALS_OF_FEW - 1) + [Result.REFUSED]


def test_the_last_messages_of_all_may_be_waiting_for_the_account_if_they_are_more_than_a_few(worker: Worker) -> None:
    worker.sends_all_well(0.0, 5.0)
    for at in range(10):
        for message_id in range(FEW_MESSAGES):
            assert worker.gets(message_id, refused(402), 5.5 + at).result in OF_THE_ACCOUNT


@pytest.mark.parametrize("status", [401, 407])
def test_a_token_that_is_refused_to_the_last_message_ends_it_not(status: int, worker: Worker) -> None:
    worker.sends_all_well(0.0, 5.0)

    assert {worker.gets(1, refused(status), 5.5 + at).result for at in range(20)} == {Result.MISCONFIGURED}


def test_nothing_is_a_message_s_own_while_nothing_has_been_accepted(worker: Worker) -> None:
    assert {worker.gets(1, refused(404), float(at)).result for at in range(20)} == {Result.MISCONFIGURED}


@pytest.mark.parametrize("in_doubt", [True, False])
def test_the_same_id_is_an_acceptance_of_messages_in_doubt_and_of_no_others(in_doubt: bool) -> None:
    conflict = submitted(Result.REFUSED, 409, "same id", perhaps_duplicate=True)
    one = attempted(1, conflict, 0.0, in_doubt=in_doubt)
    AccountRefusals().reinterpret([one], {})

    known = submitted(Result.DUPLICATE, 409, "same id", ReasonCode.ALREADY_ACCEPTED, perhaps_duplicate=True)
    assert one.submitted == (known if in_doubt else conflict)


@pytest.mark.parametrize(
    "answer",
    [
        ACCEPTED,
        submitted(Result.REFUSED, 400),
        submitted(Result.RETRIABLE, 200, "code 7"),
        submitted(Result.AMBIGUOUS, 200, not_understood=True),
        submitted(Result.AMBIGUOUS),
        submitted(Result.THROTTLED, 429),
        submitted(Result.UNREACHABLE),
    ],
)
def test_all_other_answers_mean_what_they_mean(answer: SubmitResult, worker: Worker) -> None:
    worker.sends_all_well(0.0, 5.0)

    assert worker.gets(1, answer, 5.0) is answer
