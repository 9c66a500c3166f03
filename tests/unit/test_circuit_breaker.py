"""How much a worker may ask of the gateway: the limit, the breaker and the probe, by a clock of the tests' own."""

from __future__ import annotations

from random import Random

import pytest

from shared.domain.results import Result
from shared.domain.worker_status import GatewayHealth
from shared.gateways.base import SubmitResult
from tests.submit_results import submitted
from worker.lanes.circuit_breaker import (
    ACCOUNT_REFUSAL_THRESHOLD,
    FAILURE_THRESHOLD,
    NOT_UNDERSTOOD_PAUSE_CAP,
    NOT_UNDERSTOOD_THRESHOLD,
    PAUSE_BASE,
    PAUSE_CAP,
    UNKNOWN_AFTER,
    CircuitBreaker,
    Pick,
    State,
)
from worker.lanes.concurrency_limit import INITIAL_LIMIT

ACCEPTED = submitted(Result.ACCEPTED, 200)
REFUSED = submitted(Result.REFUSED, 400)
GARBAGE = submitted(Result.AMBIGUOUS, 200, not_understood=True)
THROTTLED = submitted(Result.THROTTLED, 429, retry_after=0.0)
ERROR = submitted(Result.AMBIGUOUS, 500)
TIMEOUT = submitted(Result.AMBIGUOUS)
UNREACHABLE = submitted(Result.UNREACHABLE)
UNAUTHORIZED = submitted(Result.MISCONFIGURED, 401)

FAILURES = pytest.mark.parametrize("failure", [ERROR, TIMEOUT, UNREACHABLE, THROTTLED])
NO_TROUBLES = pytest.mark.parametrize("answer", [ACCEPTED, REFUSED])
NO_CREDIT = submitted(Result.NO_CREDIT, 402)
FORBIDDEN = submitted(Result.MISCONFIGURED, 403)

STRIKES_ALL = pytest.mark.parametrize(
    ("answer", "in_a_row", "health"),
    [
        (UNAUTHORIZED, ACCOUNT_REFUSAL_THRESHOLD, GatewayHealth.MISCONFIGURED),
        (FORBIDDEN, ACCOUNT_REFUSAL_THRESHOLD, GatewayHealth.MISCONFIGURED),
        (NO_CREDIT, ACCOUNT_REFUSAL_THRESHOLD, GatewayHealth.NO_CREDIT),
        (GARBAGE, NOT_UNDERSTOOD_THRESHOLD, GatewayHealth.NOT_UNDERSTOOD),
    ],
)


def breaker(concurrency: int = 16, seed: int = 1) -> CircuitBreaker:
    return CircuitBreaker(concurrency, Random(seed))


def known() -> CircuitBreaker:
    """One whose gateway has answered well."""
    made = breaker()
    made.record(ACCEPTED, 0.0)
    return made


def learn(breaker: CircuitBreaker, *answers: SubmitResult, now: float = 0.0) -> None:
    for answer in answers:
        breaker.record(answer, now)


def opened(answer: SubmitResult = ERROR, now: float = 0.0, **given: int) -> CircuitBreaker:
    made = breaker(**given)
    learn(made, *[answer] * FAILURE_THRESHOLD, now=now)
    return made


def fail_probe(breaker: CircuitBreaker, answer: SubmitResult, now: float) -> float:
    """Lets the pause that is on at `now` pass, tries one message, and gets this answer; tells when that was."""
    now += breaker.seconds_until_probe(now)
    assert breaker.capacity(now, 0) == 1
    breaker.start_probe()
    breaker.record(answer, now)
    return now


def end_batch(breaker: CircuitBreaker, answers: int, now: float) -> None:
    learn(breaker, *[ACCEPTED] * answers, now=now)
    breaker.end_batch(now, full=True)


@pytest.mark.parametrize(("in_flight", "room"), [(0, 32), (10, 22), (32, 0), (40, 0)])
def test_once_it_has_answered_as_many_again_may_wait_as_are_in_flight(in_flight: int, room: int) -> None:
    assert known().capacity(0.0, in_flight) == room


def test_to_begin_with_one_message_goes_alone() -> None:
    one = breaker()

    assert [one.capacity(0.0, in_flight) for in_flight in (0, 1, 0)] == [1, 0, 1]
    assert (one.state, one.health, one.pick) == (State.CLOSED, GatewayHealth.OK, Pick.FIRST)


@pytest.mark.parametrize("answer", [ACCEPTED, REFUSED, THROTTLED, ERROR, TIMEOUT, UNREACHABLE])
def test_any_answer_that_is_not_about_all_messages_ends_the_failures_in_a_row(answer: SubmitResult) -> None:
    one = breaker()
    one.capacity(0.0, 0)
    learn(one, answer)

    assert one.state is State.CLOSED
    assert one.capacity(0.0, 0) > 1


@STRIKES_ALL
@pytest.mark.parametrize("first", [ACCEPTED, ERROR])
def test_only_the_answer_to_the_one_that_went_alone_opens_it_at_once(
    answer: SubmitResult, in_a_row: int, health: GatewayHealth, first: SubmitResult
) -> None:
    one = breaker()
    one.capacity(0.0, 0)
    learn(one, first, *[answer] * (in_a_row - 1))

    assert one.state is State.CLOSED


@pytest.mark.parametrize(("silence", "alone"), [(UNKNOWN_AFTER, False), (UNKNOWN_AFTER + 1.0, True)])
def test_after_a_long_time_without_answers_one_message_goes_alone_again(silence: float, alone: bool) -> None:
    one = known()

    assert (one.capacity(silence, 0) == 1) is alone


def test_a_request_in_flight_for_long_is_no_time_without_answers() -> None:
    assert known().capacity(1000.0, 3) == 29


def test_messages_that_start_within_a_tenth_of_a_second_may_be_claimed_in_advance() -> None:
    one = breaker(16)
    for step in range(30):
        end_batch(one, 1000, step / 10)

    assert one.limit == 16
    assert one.capacity(3.0, 0) == pytest.approx(16 + 1000, abs=10)


def test_what_waits_is_little_again_once_answers_are_slow_to_come() -> None:
    one = breaker(16)
    for step in range(5):
        end_batch(one, 1000, step / 10)
    assert one.capacity(0.4, 0) > 500

    for step in range(20):
        end_batch(one, 0, 1.0 + step / 10)
    assert one.capacity(3.0, 0) == 16


def test_while_a_step_of_the_limit_is_not_decided_no_more_than_as_many_again_wait_for_it() -> None:
    one = breaker(1000)
    for step in range(3):
        end_batch(one, INITIAL_LIMIT, step / 100)

    assert one.limit == 1000
    assert one.allowed() == 2 * one.limit


def test_after_a_time_without_answers_as_many_again_may_wait_as_to_begin_with() -> None:
    one = breaker(16)
    for step in range(5):
        end_batch(one, 1000, step / 10)
    for step in range(5):
        end_batch(one, 0, 5.0 * step)

    assert one.capacity(25.0, 0) == 32


def test_slots_of_the_fleet_s_rate_limit_may_be_taken_ahead() -> None:
    one = CircuitBreaker(16, Random(1), prefetch=50)
    learn(one, ACCEPTED)

    assert one.capacity(0.0, 0) == 66


@pytest.mark.parametrize(("prefetch", "starting"), [(None, True), (50, False)])
def test_results_are_not_recorded_sooner_for_the_first_steps_while_messages_wait_for_slots(
    prefetch: int | None, starting: bool
) -> None:
    one = CircuitBreaker(1000, Random(1), prefetch=prefetch)
    end_batch(one, INITIAL_LIMIT, 0.0)

    assert one.is_starting is starting


@FAILURES
def test_failures_in_a_row_open_it(failure: SubmitResult) -> None:
    one = breaker()
    learn(one, *[failure] * (FAILURE_THRESHOLD - 1))
    assert one.capacity(0.0, 0) > 0

    learn(one, failure)

    assert one.state is State.OPEN
    assert one.capacity(0.0, 0) == 0


@NO_TROUBLES
def test_an_answer_about_the_message_itself_ends_the_failures_in_a_row(answer: SubmitResult) -> None:
    one = breaker()
    for _ in range(3):
        learn(one, *[ERROR] * (FAILURE_THRESHOLD - 1), answer)

    assert one.state is State.CLOSED


@STRIKES_ALL
def test_a_failure_of_all_messages_opens_it_at_the_first_that_went_alone(
    answer: SubmitResult, in_a_row: int, health: GatewayHealth
) -> None:
    one = breaker()
    one.capacity(0.0, 0)
    learn(one, answer)

    assert (one.state, one.health) == (State.OPEN, health)
    assert one.account_refused == (answer is not GARBAGE)


@STRIKES_ALL
def test_failures_of_all_messages_open_it_after_a_few_in_a_row(
    answer: SubmitResult, in_a_row: int, health: GatewayHealth
) -> None:
    one = breaker()
    learn(one, *[answer] * (in_a_row - 1), ACCEPTED, *[answer] * (in_a_row - 1))
    assert one.state is State.CLOSED

    learn(one, answer)
    assert (one.state, one.health) == (State.OPEN, health)


@STRIKES_ALL
def test_after_a_successful_probe_the_failures_in_a_row_are_counted_anew(
    answer: SubmitResult, in_a_row: int, health: GatewayHealth
) -> None:
    one = opened(answer)
    now = fail_probe(one, ACCEPTED, 0.0)

    learn(one, *[answer] * (in_a_row - 1), now=now)
    assert (one.state, one.health) == (State.CLOSED, GatewayHealth.SLOWING if answer is GARBAGE else GatewayHealth.OK)

    learn(one, answer, now=now)
    assert (one.state, one.health) == (State.OPEN, health)


def test_a_refusal_of_one_message_says_nothing_of_the_account() -> None:
    one = known()
    learn(one, *[UNAUTHORIZED, REFUSED] * ACCOUNT_REFUSAL_THRESHOLD)

    assert one.health is GatewayHealth.MISCONFIGURED


def test_pauses_are_long_while_answers_are_not_understood() -> None:
    one = known()
    learn(one, *[GARBAGE] * NOT_UNDERSTOOD_THRESHOLD)
    now, probes = 0.0, 0
    while now < 3600.0:
        now = fail_probe(one, GARBAGE, now)
        probes += 1

    assert NOT_UNDERSTOOD_PAUSE_CAP / 2 <= one.seconds_until_probe(now) <= NOT_UNDERSTOOD_PAUSE_CAP
    assert probes <= 30


def test_a_probe_of_the_account_takes_any_message() -> None:
    one = known()
    learn(one, *[UNAUTHORIZED] * ACCOUNT_REFUSAL_THRESHOLD)

    picks = [one.pick]
    fail_probe(one, ACCEPTED, 0.0)
    picks.append(one.pick)

    assert picks == [Pick.ANY, Pick.FIRST]


@pytest.mark.parametrize("answer", [ERROR, TIMEOUT, GARBAGE])
def test_probes_that_may_put_a_message_in_doubt_take_one_that_is_and_the_first_one_by_turns(
    answer: SubmitResult,
) -> None:
    one = opened(answer)
    picks, now = [], 0.0
    for _ in range(2000):  # hours of it, in which no pause may overflow
        picks.append(one.pick)
        now = fail_probe(one, answer, now)

    assert picks == [Pick.LAST, Pick.FIRST] * 1000


@pytest.mark.parametrize(("answer", "limit"), [(GARBAGE, 1), (UNAUTHORIZED, 16)])
def test_an_account_that_has_recovered_is_sent_as_much_as_before(answer: SubmitResult, limit: int) -> None:
    one = opened(answer)
    fail_probe(one, ACCEPTED, 0.0)

    assert one.limit == limit


def test_after_the_pause_one_message_is_tried_once_nothing_else_is_in_flight() -> None:
    one = opened(now=100.0)
    over = 100.0 + one.seconds_until_probe(100.0)

    assert one.capacity(over - 0.01, 0) == 0
    assert one.capacity(over, 1) == 0
    assert one.capacity(over, 0) == 1
    one.start_probe()
    assert (one.state, one.health) == (State.HALF_OPEN, GatewayHealth.CIRCUIT_OPEN)
    assert one.capacity(over + 1000, 0) == 0


def test_reading_the_capacity_starts_no_probe() -> None:
    one = opened()

    assert one.capacity(1000.0, 0) == 1
    assert one.capacity(1000.0, 0) == 1
    assert one.seconds_until_probe(1000.0) == 0.0
    assert one.state is State.OPEN


@NO_TROUBLES
def test_a_successful_probe_closes_it(answer: SubmitResult) -> None:
    one = opened()
    fail_probe(one, answer, 0.0)

    assert one.state is State.CLOSED
    assert one.seconds_until_probe(0.0) == 0.0


def test_the_load_on_a_gateway_that_has_recovered_rises_gradually() -> None:
    one = opened()
    now = fail_probe(one, ACCEPTED, 0.0)
    one.end_batch(now, full=True)

    assert one.capacity(now, 0) == one.limit == 2
    end_batch(one, 200, now)
    assert one.limit == 16


@pytest.mark.parametrize("answer", [ERROR, TIMEOUT, UNREACHABLE, THROTTLED, UNAUTHORIZED, GARBAGE])
def test_a_failed_probe_opens_it_again(answer: SubmitResult) -> None:
    one = opened()
    now = fail_probe(one, answer, 0.0)

    assert one.state is State.OPEN
    assert one.capacity(now, 0) == 0
    assert one.account_refused == (answer is UNAUTHORIZED)


def test_a_probe_that_came_back_unattempted_is_tried_again_at_once() -> None:
    one = opened()
    one.start_probe()
    one.cancel_probe()

    assert one.state is State.OPEN
    assert one.capacity(1000.0, 0) == 1


def test_what_comes_back_unattempted_while_all_is_well_changes_nothing() -> None:
    one = breaker()
    one.cancel_probe()
    one.start_probe()

    assert one.state is State.CLOSED


def test_answers_to_what_was_under_way_before_the_pause_change_nothing() -> None:
    one = opened()
    pause = one.seconds_until_probe(0.0)
    learn(one, ACCEPTED, UNAUTHORIZED, *[ERROR] * 20)

    assert one.state is State.OPEN
    assert not one.account_refused
    assert one.seconds_until_probe(0.0) == pause


def test_pauses_double_up_to_their_cap() -> None:
    for seed in range(50):
        one = opened(seed=seed)
        now = 0.0
        for pause in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, *[30.0] * 20]:
            assert pause / 2 <= one.seconds_until_probe(now) <= pause
            now = fail_probe(one, ERROR, now)


def test_pauses_are_spread() -> None:
    pauses = [opened(seed=seed).seconds_until_probe(0.0) for seed in range(200)]

    assert min(pauses) < 0.55 * PAUSE_BASE
    assert max(pauses) > 0.95 * PAUSE_BASE


def test_a_good_answer_makes_the_next_pause_short_again() -> None:
    one = opened()
    now = 0.0
    for _ in range(4):
        now = fail_probe(one, ERROR, now)
    now = fail_probe(one, ACCEPTED, now)
    learn(one, *[ERROR] * FAILURE_THRESHOLD, now=now)

    assert one.seconds_until_probe(now) <= PAUSE_BASE


@pytest.mark.parametrize(("asked", "least"), [(0.0, 0.5), (7.0, 7.0), (900.0, PAUSE_CAP)])
def test_the_pause_lasts_as_long_as_the_gateway_asks_within_reason(asked: float, least: float) -> None:
    one = opened(submitted(Result.THROTTLED, 503, retry_after=asked))

    assert least <= one.seconds_until_probe(0.0) <= max(least, PAUSE_BASE)


def test_after_throttling_nothing_waits_beyond_the_limit_until_it_has_recovered() -> None:
    one = breaker(16)
    for step in range(30):
        end_batch(one, 1000, step / 10)
    learn(one, THROTTLED)
    assert one.capacity(3.0, 0) == one.limit == 8
    assert (one.limit, one.health) == (8, GatewayHealth.SLOWING)

    end_batch(one, 50, 3.0)
    assert one.capacity(3.0, 0) == one.limit == 12
    end_batch(one, 1000, 3.05)
    assert (one.limit, one.health) == (16, GatewayHealth.OK)
    assert one.capacity(3.1, 0) > 16


@pytest.mark.parametrize("answer", [ERROR, TIMEOUT, UNREACHABLE, REFUSED])
def test_only_throttling_lowers_the_limit(answer: SubmitResult) -> None:
    one = breaker(16)
    learn(one, answer, answer)
    one.end_batch(0.0, full=True)

    assert one.limit == 16


@pytest.mark.parametrize(("full", "limit"), [(True, 256), (False, 64)])
def test_the_limit_is_raised_only_while_as_many_are_in_flight_as_may_be(full: bool, limit: int) -> None:
    one = breaker(256)
    for step in range(30):
        learn(one, *[ACCEPTED] * 100 * one.limit)
        one.end_batch(step / 10, full=full)

    assert one.limit == limit


def test_the_token_is_right_again_after_a_good_answer() -> None:
    one = opened(UNAUTHORIZED)
    fail_probe(one, ACCEPTED, 0.0)

    assert not one.account_refused


def test_there_is_no_pause_without_failures() -> None:
    assert breaker().seconds_until_probe(0.0) == 0.0
