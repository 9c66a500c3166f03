"""How much a worker may ask of the gateway: the limit, the breaker and the probe, by a clock of the tests' own."""

from __future__ import annotations

from random import Random

import pytest

from shared.ledger import Outcome
from worker.answers import Answer
from worker.breaker import PAUSE_BASE, PAUSE_CAP, TROUBLES_IN_A_ROW, Breaker, State

ACCEPTED = Answer(Outcome.ACCEPTED, 200)
REFUSED = Answer(Outcome.REFUSED, 400, final=True)
GARBAGE = Answer(Outcome.AMBIGUOUS, 200)
THROTTLED = Answer(Outcome.THROTTLED, 429, retry_after=0.0)
ERROR = Answer(Outcome.AMBIGUOUS, 500)
TIMEOUT = Answer(Outcome.AMBIGUOUS)
UNREACHABLE = Answer(Outcome.UNREACHABLE)
UNAUTHORIZED = Answer(Outcome.UNAUTHORIZED, 401)

TROUBLES = pytest.mark.parametrize("trouble", [ERROR, TIMEOUT, UNREACHABLE, THROTTLED])
NO_TROUBLES = pytest.mark.parametrize("answer", [ACCEPTED, REFUSED, GARBAGE])


def breaker(concurrency: int = 16, seed: int = 1) -> Breaker:
    return Breaker(concurrency, Random(seed))


def learn(breaker: Breaker, *answers: Answer, now: float = 0.0) -> None:
    for answer in answers:
        breaker.learn(answer, now)


def opened(answer: Answer = ERROR, now: float = 0.0, **given: int) -> Breaker:
    made = breaker(**given)
    learn(made, *[answer] * TROUBLES_IN_A_ROW, now=now)
    return made


def fail_probe(breaker: Breaker, answer: Answer, now: float) -> float:
    """Lets the pause that is on at `now` pass, tries one message, and gets this answer; tells when that was."""
    now += breaker.seconds_until_probe(now)
    assert breaker.room(now, 0) == 1
    breaker.probe()
    breaker.learn(answer, now)
    return now


def take_stock(breaker: Breaker, answers: int, now: float) -> None:
    learn(breaker, *[ACCEPTED] * answers, now=now)
    breaker.take_stock(now, full=True)


@pytest.mark.parametrize(("in_hand", "room"), [(0, 32), (10, 22), (32, 0), (40, 0)])
def test_to_begin_with_as_many_again_may_wait_as_are_on_their_way(in_hand: int, room: int) -> None:
    assert breaker(16).room(0.0, in_hand) == room


def test_what_gets_its_turn_within_a_tenth_of_a_second_may_wait_in_hand() -> None:
    one = breaker(16)
    for step in range(30):
        take_stock(one, 1000, step / 10)

    assert one.limit == 16
    assert one.room(3.0, 0) == pytest.approx(16 + 1000, abs=10)


def test_what_waits_is_little_again_once_answers_are_slow_to_come() -> None:
    one = breaker(16)
    for step in range(5):
        take_stock(one, 1000, step / 10)
    assert one.room(0.4, 0) > 500

    for step in range(20):
        take_stock(one, 0, 1.0 + step / 10)
    assert one.room(3.0, 0) == 16


def test_after_a_silence_as_many_again_may_wait_as_to_begin_with() -> None:
    one = breaker(16)
    for step in range(5):
        take_stock(one, 1000, step / 10)
    for step in range(5):
        take_stock(one, 0, 5.0 * step)

    assert one.room(25.0, 0) == 32


def test_slots_of_the_fleet_s_pace_may_be_taken_ahead() -> None:
    assert Breaker(16, Random(1), ahead=50).room(0.0, 0) == 66


@TROUBLES
def test_troubles_in_a_row_open_it(trouble: Answer) -> None:
    one = breaker()
    learn(one, *[trouble] * (TROUBLES_IN_A_ROW - 1))
    assert one.room(0.0, 0) > 0

    learn(one, trouble)

    assert one.state is State.OPEN
    assert one.room(0.0, 0) == 0


@NO_TROUBLES
def test_an_answer_about_the_message_itself_breaks_the_row(answer: Answer) -> None:
    one = breaker()
    for _ in range(3):
        learn(one, *[ERROR] * (TROUBLES_IN_A_ROW - 1), answer)

    assert one.state is State.CLOSED


def test_one_refusal_of_our_token_opens_it() -> None:
    one = breaker()
    learn(one, UNAUTHORIZED)

    assert one.state is State.OPEN
    assert one.unauthorized


def test_after_the_pause_one_message_is_tried_once_nothing_else_is_in_hand() -> None:
    one = opened(now=100.0)
    over = 100.0 + one.seconds_until_probe(100.0)

    assert one.room(over - 0.01, 0) == 0
    assert one.room(over, 1) == 0
    assert one.room(over, 0) == 1
    one.probe()
    assert one.state is State.PROBING
    assert one.room(over + 1000, 0) == 0


def test_asking_for_room_alone_starts_no_probe() -> None:
    one = opened()

    assert one.room(1000.0, 0) == 1
    assert one.room(1000.0, 0) == 1
    assert one.state is State.OPEN


@NO_TROUBLES
def test_a_good_probe_closes_it(answer: Answer) -> None:
    one = opened()
    fail_probe(one, answer, 0.0)

    assert one.state is State.CLOSED
    assert one.seconds_until_probe(0.0) == 0.0


def test_a_gateway_that_has_come_back_is_not_hit_with_everything_at_once() -> None:
    one = opened()
    now = fail_probe(one, ACCEPTED, 0.0)
    one.take_stock(now, full=True)

    assert one.room(now, 0) == one.limit == 2
    take_stock(one, 200, now)
    assert one.limit == 16


@pytest.mark.parametrize("answer", [ERROR, TIMEOUT, UNREACHABLE, THROTTLED, UNAUTHORIZED])
def test_a_bad_probe_opens_it_again(answer: Answer) -> None:
    one = opened()
    now = fail_probe(one, answer, 0.0)

    assert one.state is State.OPEN
    assert one.room(now, 0) == 0
    assert one.unauthorized == (answer is UNAUTHORIZED)


def test_a_probe_that_came_back_unattempted_is_tried_again_at_once() -> None:
    one = opened()
    one.probe()
    one.unprobed()

    assert one.state is State.OPEN
    assert one.room(1000.0, 0) == 1


def test_what_comes_back_unattempted_while_all_is_well_changes_nothing() -> None:
    one = breaker()
    one.unprobed()
    one.probe()

    assert one.state is State.CLOSED


def test_answers_to_what_was_under_way_before_the_pause_change_nothing() -> None:
    one = opened()
    pause = one.seconds_until_probe(0.0)
    learn(one, ACCEPTED, UNAUTHORIZED, *[ERROR] * 20)

    assert one.state is State.OPEN
    assert not one.unauthorized
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
    learn(one, *[ERROR] * TROUBLES_IN_A_ROW, now=now)

    assert one.seconds_until_probe(now) <= PAUSE_BASE


@pytest.mark.parametrize(("asked", "least"), [(0.0, 0.5), (7.0, 7.0), (900.0, PAUSE_CAP)])
def test_the_pause_lasts_as_long_as_the_gateway_asks_within_reason(asked: float, least: float) -> None:
    one = opened(Answer(Outcome.THROTTLED, 503, retry_after=asked))

    assert least <= one.seconds_until_probe(0.0) <= max(least, PAUSE_BASE)


def test_after_slower_nothing_waits_beyond_the_limit_until_it_has_come_back() -> None:
    one = breaker(16)
    for step in range(30):
        take_stock(one, 1000, step / 10)
    learn(one, THROTTLED)
    assert one.room(3.0, 0) == one.limit == 8

    take_stock(one, 50, 3.0)
    assert one.room(3.0, 0) == one.limit == 12
    take_stock(one, 1000, 3.05)
    assert one.limit == 16
    assert one.room(3.1, 0) > 16


@pytest.mark.parametrize("answer", [ERROR, TIMEOUT, UNREACHABLE, REFUSED])
def test_only_slower_lowers_the_limit(answer: Answer) -> None:
    one = breaker(16)
    learn(one, answer, answer)
    one.take_stock(0.0, full=True)

    assert one.limit == 16


def test_the_token_is_right_again_after_a_good_answer() -> None:
    one = breaker()
    learn(one, UNAUTHORIZED)
    fail_probe(one, ACCEPTED, 0.0)

    assert not one.unauthorized


def test_there_is_no_pause_while_all_is_well() -> None:
    assert breaker().seconds_until_probe(0.0) == 0.0
