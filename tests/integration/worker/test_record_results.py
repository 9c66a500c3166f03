"""What becomes of a message when its answer is recorded: the design's table, down to the rows."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from tests.conftest import Connect
from tests.factories import (
    FIRST_PHONE,
    add_running_mailing,
    attempts_of,
    change_message,
    execute,
    expire_leases,
    make_due,
    message,
    rows,
    value,
)
from tests.integration.worker.attempt_results import ANSWERS, answer, claimed_at
from tests.integration.worker.conftest import OpenQueue
from tests.integration.worker.leases import reclaim
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.claimed_message import AttemptResult, ClaimedMessage, MessageGateway
from worker.maintenance.lease_reclaimer import LEASE_EXPIRED
from worker.queue import Queue

RETRY_SECONDS = 300.0


def claim(queue: Queue) -> ClaimedMessage:
    [delivery] = queue.claim(1)
    return delivery


def attempt(connection: Connection, queue: Queue, *names: str) -> dict[str, Any]:
    """Claims the one message again and again, each time to this answer; tells how it stands at the end."""
    for name in names:
        make_due(connection)
        queue.record([answer(claim(queue), name)])
    return message(connection, 1)


@pytest.mark.parametrize(
    ("name", "status", "in_doubt", "uncounted", "waits"),
    [
        ("accepted", "sent", False, 0, None),
        ("refused", "pending", False, 0, (0.0, RETRY_SECONDS)),
        ("refused for good", "failed", False, 0, None),
        ("throttled", "pending", False, 1, (60.0, 60.0 + RETRY_SECONDS)),
        ("unreachable", "pending", False, 1, (0.0, RETRY_SECONDS)),
        ("unauthorized", "pending", False, 1, (0.0, RETRY_SECONDS)),
        ("ambiguous", "pending", True, 0, (0.0, RETRY_SECONDS)),
        ("lost", "pending", True, 0, (0.0, RETRY_SECONDS)),
    ],
)
def test_what_an_answer_means(
    name: str,
    status: str,
    in_doubt: bool,
    uncounted: int,
    waits: tuple[float, float] | None,
    connection: Connection,
    open_queue: OpenQueue,
) -> None:
    add_running_mailing(connection)
    before = value(connection, "SELECT now()")

    now = attempt(connection, open_queue(retry_seconds=RETRY_SECONDS), name)

    assert (now["status"], now["in_doubt"]) == (status, in_doubt)
    assert (now["attempts"], now["uncounted_attempts"]) == (1, uncounted)
    reason = ANSWERS[name].reason
    expected = (None, None) if reason is None else (reason.code, reason.parameters or None)
    assert (now["reason_code"], now["reason_params"]) == expected
    assert (now["claimed_at"], now["lease_until"], now["lease_worker"]) == (None, None, None)
    assert (now["sent_at"] is not None) == (status == "sent")
    assert (now["ended_at"] is not None) == (waits is None)
    if waits is not None:
        least, most = waits
        after = value(connection, "SELECT now()")
        assert before + timedelta(seconds=least) <= now["due_at"] <= after + timedelta(seconds=most)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_attempt_is_written_down(name: str, connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    delivery = claim(queue)

    one = answer(delivery, name)
    one.started = time.monotonic() + 10.0  # so that the start by the claim is the earlier one
    queue.record([one])

    said = ANSWERS[name]
    assert attempts_of(connection, 1) == [
        {
            "message_id": 1,
            "number": 1,
            "started_at": claimed_at(delivery) + timedelta(seconds=0.5),
            "duration": 0.25,
            "gateway": "default",
            "result": said.result,
            "provider_code": said.code,
            "reason_code": said.reason and said.reason.code,
            "reason_params": (said.reason and said.reason.parameters) or None,
            "provider_message_id": None,
            "segments": None,
            "price": None,
            "reason": said.reason and said.reason.sentence,
            "worker": "left",
        }
    ]


def test_a_start_longer_ago_than_the_claim_says_is_dated_by_that(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    delivery = claim(queue)
    before = value(connection, "SELECT now()")

    queue.record([replace(answer(delivery, "accepted"), started=time.monotonic() - 60)])

    after = value(connection, "SELECT now()")
    [written] = attempts_of(connection, 1)
    assert before <= written["started_at"] + timedelta(seconds=60) <= after


def test_no_start_is_earlier_because_another_claim_came_before_the_clock_was_set_forward(
    connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 2)
    earlier, later = answer(claim(queue), "accepted"), answer(claim(queue), "accepted")
    earlier.started_at -= 3600.0

    queue.record([earlier, later])

    first, second = attempts_of(connection, 1) + attempts_of(connection, 2)
    assert first["started_at"] < claimed_at(earlier.message) < claimed_at(later.message) < second["started_at"]


@pytest.mark.parametrize("name", ["accepted", "refused"])
def test_no_start_is_earlier_than_the_request_because_the_transaction_waited_for_a_lock(
    name: str, connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 2)
    holder = connect()
    holder.autocommit = False
    execute(holder, "SELECT FROM client WHERE id = 1 FOR UPDATE")
    waits, other = queue.claim(2)
    before = value(connection, "SELECT clock_timestamp()")
    batch = [answer(waits, "refused"), replace(answer(other, name), started=time.monotonic())]

    recorded = in_background(lambda: queue.record(batch))
    wait_for_lock_waiter(connection)
    time.sleep(0.2)  # longer than from `before` to the beginning of the transaction
    holder.commit()

    recorded.result(PATIENCE)
    assert attempts_of(connection, 2)[0]["started_at"] >= before


@pytest.mark.parametrize(
    ("names", "status", "in_doubt"),
    [
        (["refused", "refused", "refused"], "failed", False),
        (["ambiguous", "ambiguous", "ambiguous"], "unknown", True),
        (["refused", "ambiguous", "refused"], "unknown", True),
        (["ambiguous", "refused for good"], "unknown", True),
        (["ambiguous", "accepted"], "sent", True),
        (["refused", "refused", "accepted"], "sent", False),
        (["unauthorized", "throttled", "unreachable", "refused", "refused"], "pending", False),
        (["unauthorized", "throttled", "unreachable", "refused", "refused", "refused"], "failed", False),
        (["refused", "refused", "unreachable"], "pending", False),
    ],
)
def test_what_three_attempts_at_most_end_in(
    names: list[str], status: str, in_doubt: bool, connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection)

    now = attempt(connection, open_queue(max_attempts=3), *names)

    assert (now["status"], now["in_doubt"], now["attempts"]) == (status, in_doubt, len(names))
    assert [one["number"] for one in attempts_of(connection, 1)] == list(range(1, len(names) + 1))
    assert [one["result"] for one in attempts_of(connection, 1)] == [ANSWERS[name].result for name in names]


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (["ambiguous"], "unknown"),
        (["lost"], "unknown"),
        (["refused"], "pending"),
        (["throttled", "unreachable", "unauthorized"], "pending"),
        (["unreachable", "accepted"], "sent"),
    ],
)
def test_a_mailing_on_hold_after_doubt_repeats_only_what_was_certainly_not_delivered(
    names: list[str], status: str, connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, on_unknown="hold")

    assert attempt(connection, queue, *names)["status"] == status


def test_a_reason_is_that_of_the_last_attempt(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)

    assert attempt(connection, queue, "refused")["reason_params"] == {"words": "code 7: blocked"}
    assert attempt(connection, queue, "ambiguous")["reason_params"] == {"words": "oops"}
    accepted = attempt(connection, queue, "accepted")
    assert (accepted["reason_code"], accepted["reason_params"]) == (None, None)


def test_an_acceptance_after_a_refusal_has_no_reason_and_is_due_no_more(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    attempt(connection, queue, "refused")
    make_due(connection)
    again = claim(queue)
    change_message(connection, 1, "due_at = now() + interval '1 hour'")  # the clock was set back

    queue.record([answer(again, "accepted")])

    now = message(connection, 1)
    assert (now["status"], now["reason_code"], now["reason_params"]) == ("sent", None, None)
    assert now["due_at"] == now["sent_at"]


def test_a_batch_is_recorded_whole(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 200)

    queue.record([answer(one, "accepted" if one.message_id % 2 else "refused for good") for one in queue.claim(200)])

    assert value(connection, "SELECT count(*) FROM message WHERE status = 'sent'") == 100
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'failed'") == 100
    assert value(connection, "SELECT count(*) FROM attempt") == 200
    assert queue._open.ids() == []  # or it would grow with each claim
    assert value(connection, "SELECT count(*) FROM claim") == 0


@pytest.mark.parametrize("given", [{}, {"segments": 2}], ids=["plain", "with details"])
@pytest.mark.parametrize("step", [1, 2, 5], ids=["all in a row", "with gaps", "far apart"])
def test_acceptances_are_recorded_of_the_messages_that_have_them_and_of_no_others(
    given: dict[str, int], step: int, connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 200)
    claimed = [one for one in queue.claim(200) if one.message_id % step == 0]
    now = time.monotonic()
    accepted = [
        replace(answer(one, "accepted", **given), started=now - one.message_id, duration=one.message_id / 1000)
        for one in claimed
    ]

    queue.record(accepted)

    ids = list(range(step, 201, step))
    assert [found for (found,) in rows(connection, "SELECT id FROM message WHERE status = 'sent' ORDER BY id")] == ids
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'sending'") == 200 - len(ids)
    recorded = rows(
        connection,
        "SELECT message_id, number, round(duration * 1000)::int, "
        "round(extract(epoch FROM max(started_at) OVER () - started_at))::int FROM attempt ORDER BY message_id",
    )
    assert recorded == [(one, 1, one, one - step) for one in ids]
    assert rows(connection, "SELECT DISTINCT segments FROM attempt") == [(given.get("segments"),)]


def test_nothing_is_recorded_of_nothing(connection: Connection, queue: Queue) -> None:
    queue.record([])

    assert value(connection, "SELECT count(*) FROM attempt") == 0


@pytest.mark.parametrize("name", ANSWERS)
def test_a_record_that_is_repeated_changes_nothing(name: str, connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    attempted = answer(claim(queue), name)
    queue.record([attempted])
    before = message(connection, 1), attempts_of(connection, 1)

    queue.record([attempted])

    assert (message(connection, 1), attempts_of(connection, 1)) == before


def test_a_lease_that_ran_out_and_is_recorded_again_changes_nothing(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    delivery = claim(queue)
    lost = AttemptResult(delivery, LEASE_EXPIRED, started_at=delivery.claim.at, duration=None)
    queue.record([lost])
    before = message(connection, 1), attempts_of(connection, 1)

    queue.record([lost])

    assert (message(connection, 1), attempts_of(connection, 1)) == before


@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - {"accepted", "refused for good"}))
def test_a_record_that_is_repeated_does_not_touch_the_claim_that_came_after_it(
    name: str, connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection)
    left, right = open_queue("left"), open_queue("right")
    attempted = answer(claim(left), name)
    left.record([attempted])
    make_due(connection)
    claim(right)
    before = message(connection, 1), attempts_of(connection, 1)

    left.record([attempted])

    assert (message(connection, 1), attempts_of(connection, 1)) == before


def claim_and_expire(connection: Connection, open_queue: OpenQueue) -> ClaimedMessage:
    """A claim of worker `left` whose lease runs out, so that worker `right` takes the message back."""
    add_running_mailing(connection)
    delivery = claim(open_queue("left"))
    expire_leases(connection)
    assert reclaim(open_queue("right")) == 1
    return delivery


@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - {"accepted"}))
def test_an_answer_that_comes_after_the_lease_only_completes_its_attempt(
    name: str, connection: Connection, open_queue: OpenQueue
) -> None:
    delivery = claim_and_expire(connection, open_queue)
    before = message(connection, 1)

    open_queue("left").record([answer(delivery, name)])

    assert message(connection, 1) == before
    [lost] = attempts_of(connection, 1)
    assert (lost["result"], lost["duration"], lost["provider_code"]) == ("ambiguous", 0.25, ANSWERS[name].code)
    assert lost["reason_code"] == "lease_expired"
    late = {"late_result": ANSWERS[name].result, "late_words": ANSWERS[name].words}
    assert lost["reason_params"] == {key: value for key, value in late.items() if value}


@pytest.mark.parametrize(
    "since",
    [
        "status = 'pending'",
        "status = 'unknown', ended_at = now(), reason_code = 'window_closed'",
        "status = 'expired', ended_at = now(), reason_code = 'window_closed'",
        "status = 'cancelled', ended_at = now(), reason_code = 'mailing_cancelled'",
        "status = 'failed', ended_at = now(), reason_code = 'provider_said'",
        "status = 'sending', attempts = 2, claim_id = 2",
    ],
)
def test_a_success_is_recorded_whatever_has_happened_since(
    since: str, connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = claim_and_expire(connection, open_queue)
    change_message(connection, 1, since)

    open_queue("left").record([answer(delivery, "accepted")])

    now = message(connection, 1)
    assert (now["status"], now["reason_code"], now["lease_until"]) == ("sent", None, None)
    assert now["sent_at"] == now["ended_at"]
    lost = attempts_of(connection, 1)[0]
    assert (lost["result"], lost["provider_code"], lost["duration"]) == ("ambiguous", "200", 0.25)
    assert lost["reason_params"] == {"late_result": "accepted"}
    assert "attempts.batch_split" not in caplog.messages


def test_the_repeat_of_what_turned_out_to_be_sent_is_written_down_and_moves_nothing(
    connection: Connection, open_queue: OpenQueue
) -> None:
    delivery = claim_and_expire(connection, open_queue)
    make_due(connection)
    left, right = open_queue("left"), open_queue("right")
    repeat = claim(right)
    left.record([answer(delivery, "accepted")])
    before = message(connection, 1)

    right.record([answer(repeat, "ambiguous")])

    assert message(connection, 1) == before
    assert [(one["number"], one["result"]) for one in attempts_of(connection, 1)] == [
        (1, "ambiguous"),
        (2, "ambiguous"),
    ]


def test_a_success_does_not_move_the_moment_at_which_the_message_was_sent(
    connection: Connection, open_queue: OpenQueue
) -> None:
    delivery = claim_and_expire(connection, open_queue)
    make_due(connection)
    right = open_queue("right")
    right.record([answer(claim(right), "accepted")])
    before = message(connection, 1)

    open_queue("left").record([answer(delivery, "accepted")])

    assert message(connection, 1) == before


def test_an_attempt_that_was_written_down_is_never_rewritten(connection: Connection, open_queue: OpenQueue) -> None:
    delivery = claim_and_expire(connection, open_queue)
    left = open_queue("left")
    left.record([answer(delivery, "lost")])
    before = attempts_of(connection, 1)

    left.record([answer(delivery, "accepted")])

    assert attempts_of(connection, 1) == before


@pytest.mark.parametrize(
    "bad",
    [
        {"reason": Reason(ReasonCode.PROVIDER_SAID, {"words": "nul \x00"})},
        {"code": "nul \x00"},
    ],
)
def test_what_cannot_be_recorded_holds_up_nothing_else_and_is_left_to_its_lease(
    bad: dict[str, Any], connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 20)

    def result_of(delivery: ClaimedMessage) -> AttemptResult:
        return answer(delivery, "accepted", **(bad if delivery.message_id == 13 else {}))

    queue.record([result_of(delivery) for delivery in queue.claim(20)])

    assert value(connection, "SELECT count(*) FROM message WHERE status = 'sent'") == 19
    assert value(connection, "SELECT count(*) FROM attempt") == 19
    assert message(connection, 13)["status"] == "sending"
    expire_leases(connection)
    assert reclaim(queue) == 1
    assert message(connection, 13)["status"] == "pending"


def test_late_acceptances_are_recorded_with_the_others_of_their_batch(
    connection: Connection, open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    late = claim_and_expire(connection, open_queue)
    left = open_queue("left")
    make_due(connection)
    repeat = claim(open_queue("right"))
    add_running_mailing(connection, 3)
    second, third, fourth = sorted(left.claim(10), key=lambda one: one.message_id)
    batch = [*(answer(one, "accepted") for one in (late, second, third)), answer(fourth, "refused for good")]

    left.record(batch)

    statuses = rows(connection, "SELECT id, status::text, attempts FROM message ORDER BY id")
    assert statuses == [(1, "sent", 2), (2, "sent", 1), (3, "sent", 1), (4, "failed", 1)]
    recorded = rows(connection, "SELECT message_id, number, result::text, worker FROM attempt ORDER BY 1, 2")
    assert recorded == [
        (1, 1, "ambiguous", "left"),
        (1, repeat.number, "ambiguous", "right"),
        (2, 1, "accepted", "left"),
        (3, 1, "accepted", "left"),
        (4, 1, "refused", "left"),
    ]
    assert "attempts.batch_split" not in caplog.messages


@pytest.mark.parametrize(
    ("before", "name", "given"),
    [
        ([], "accepted", {}),
        ([], "accepted", {"result": Result.DUPLICATE}),
        ([], "accepted", {"code": "принято"}),
        (["ambiguous"], "accepted", {}),
    ],
    ids=["accepted", "duplicate", "a code that is not ASCII", "in doubt"],
)
def test_whatever_says_that_the_gateway_has_a_message_lets_it_await_its_receipt(
    before: list[str], name: str, given: dict[str, Any], connection: Connection, open_queue: OpenQueue
) -> None:
    reporting = MessageGateway("default", receipts=True, no_receipt_prefixes=(str(FIRST_PHONE + 2),))
    queue = open_queue(gateway=reporting)
    add_running_mailing(connection, 2)
    for earlier in before:
        queue.record([answer(one, earlier) for one in queue.claim(2)])
        make_due(connection)

    queue.record([answer(one, name, **given) for one in queue.claim(2)])

    assert rows(connection, "SELECT id, status::text, delivery::text FROM message ORDER BY id") == [
        (1, "sent", "awaiting"),
        (2, "sent", None),
    ]
    assert rows(connection, "SELECT message_ids FROM receipt_wait") == [([1],)]


def test_a_refusal_by_a_gateway_with_receipts_awaits_none(connection: Connection, open_queue: OpenQueue) -> None:
    add_running_mailing(connection)
    queue = open_queue(gateway=MessageGateway("default", receipts=True))

    queue.record([answer(claim(queue), "refused for good")])

    now = message(connection, 1)
    assert (now["status"], now["delivery"]) == ("failed", None)


@pytest.mark.parametrize(
    "text", ["", " ", "a 'b' \\", '"\\"{a,b}', "NULL", "null", "%(ids)s", "{}", "$1", "\t", "код", "x" * 2000]
)
def test_ids_and_codes_are_written_down_as_the_provider_wrote_them(
    text: str, connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 3)
    first, second, third = queue.claim(3)
    answers = [answer(one, "accepted", provider_message_id=text, code=text) for one in (first, second)]

    queue.record([*answers, answer(third, "accepted", code=text)])

    found = rows(connection, "SELECT provider_message_id, provider_code FROM attempt ORDER BY message_id")
    assert found == [(text, text), (text, text), (None, text)]


@pytest.mark.parametrize("messages", [1, 20])
def test_an_acceptance_is_recorded_although_there_is_another_result_of_its_attempt(
    messages: int, connection: Connection, queue: Queue
) -> None:
    """A failover can lose the commit of a claim. Its result is recorded without it; the next claim has its number."""
    add_running_mailing(connection, messages)
    claimed = queue.claim(messages)
    execute(
        connection,
        "INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, worker) "
        "VALUES (1, 1, now(), 0.5, 'default', 'retriable', 'right')",
    )
    before = attempts_of(connection, 1)

    queue.record([answer(delivery, "accepted") for delivery in claimed])

    assert value(connection, "SELECT count(*) FROM message WHERE status = 'sent'") == messages
    assert value(connection, "SELECT count(*) FROM attempt") == messages
    assert attempts_of(connection, 1) == before


@pytest.mark.parametrize(("theirs", "kept"), [(None, "by a receipt"), ("by the response", "by the response")])
def test_a_late_response_without_the_id_of_the_provider_keeps_the_one_that_a_receipt_has_named(
    theirs: str | None, kept: str, connection: Connection, open_queue: OpenQueue
) -> None:
    delivery = claim_and_expire(connection, open_queue)
    execute(connection, "UPDATE attempt SET provider_message_id = 'by a receipt'")

    open_queue("left").record([answer(delivery, "lost", provider_message_id=theirs)])

    assert value(connection, "SELECT provider_message_id FROM attempt") == kept


def test_segments_and_prices_are_written_down_where_they_are_known(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection, 3)
    first, second, third = (answer(claimed, "accepted") for claimed in queue.claim(3))
    first.submitted = replace(first.submitted, segments=2, price=Decimal("0.125"))
    second.submitted = replace(second.submitted, segments=1)

    queue.record([first, second, third])

    written = rows(connection, "SELECT segments, price FROM attempt ORDER BY message_id")
    assert written == [(2, Decimal("0.125")), (1, None), (None, None)]


def test_the_price_of_a_late_acceptance_completes_its_attempt(connection: Connection, queue: Queue) -> None:
    add_running_mailing(connection)
    [claimed] = queue.claim(1)
    expire_leases(connection)
    reclaim(queue)
    late = answer(claimed, "accepted")
    late.submitted = replace(late.submitted, segments=3, price=Decimal(1))

    queue.record([late])

    assert rows(connection, "SELECT result::text, segments, price FROM attempt") == [("ambiguous", 3, Decimal(1))]
