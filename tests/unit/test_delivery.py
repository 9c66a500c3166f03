"""The fold of receipts into a delivery: over generated traces, and naive folds that these must catch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import permutations
from random import Random
from typing import NamedTuple

import pytest

from shared.domain.delivery import (
    FINAL_STATES,
    Delivery,
    DeliveryReport,
    FoldedDelivery,
    ReceiptState,
    UndeliveredReason,
    fold,
    status_after,
)
from shared.domain.statuses import MessageStatus
from shared.domain.transitions import MessageCause, message_sources

ACCEPTED, UNKNOWN = ReceiptState.ACCEPTED, ReceiptState.UNKNOWN
DELIVERED, UNDELIVERED = ReceiptState.DELIVERED, ReceiptState.UNDELIVERED

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
TIMES = [
    None,
    NOON,
    NOON.replace(tzinfo=None),
    NOON.astimezone(timezone(timedelta(hours=3))),
    *(NOON + timedelta(seconds=seconds) for seconds in range(1, 6)),
]
"""Three of them are the same moment."""

TRACES = 10_000

Reports = Sequence[DeliveryReport]
Fold = Callable[[Reports, int | None], FoldedDelivery]


class Trace(NamedTuple):
    """The receipts of a message, in the order in which they came."""

    reports: Reports
    segments: int | None


def about(
    state: ReceiptState, second: int | None = None, part: str | None = None, parts: int | None = None
) -> DeliveryReport:
    """A receipt from some second after noon."""
    at = None if second is None else NOON + timedelta(seconds=second)
    return DeliveryReport(state, at=at, part=part, parts=parts)


def made_up(random: Random) -> Trace:
    """Receipts of a message in one to three parts, or of the whole one, or of both; most agree, many do not."""
    parts = random.randint(1, 3)
    told_by_receipts, whole = random.random() < 0.5, random.choice((0.0, 0.0, 0.3, 1.0))
    states = random.choice(([DELIVERED], [ACCEPTED, DELIVERED], [UNDELIVERED, ACCEPTED], list(ReceiptState)))
    reports = []
    for _ in range(random.randint(1, 6)):
        state = random.choice(states)
        reports.append(
            DeliveryReport(
                state,
                random.choice(list(UndeliveredReason)) if state is UNDELIVERED else None,
                random.choice((None, "", "1", "2")),
                random.choice(TIMES),
                None if random.random() < whole else str(random.randint(1, parts)),
                random.choice((parts, parts, parts, None, parts + 1)) if told_by_receipts else None,
            )
        )
    return Trace(reports, random.choice((parts, parts, parts, None, 1)))


@cache
def made_up_traces() -> list[Trace]:
    random = Random(11)
    return [made_up(random) for _ in range(TRACES)]


# What holds for every trace


def check_order_and_repeats(folding: Fold, trace: Trace, random: Random) -> None:
    """All orders of up to four receipts, and a sample of those of more, each with some receipts twice."""
    reports, segments = trace
    expected = folding(reports, segments)
    orders = permutations(reports) if len(reports) <= 4 else (random.sample(reports, len(reports)) for _ in range(8))
    for order in orders:
        repeated = [*order, *random.choices(reports, k=random.randint(0, 3))]
        assert folding(repeated, segments) == expected


def check_nothing_is_taken_back(folding: Fold, trace: Trace, random: Random) -> None:
    """Each further receipt leaves a final delivery final, and one that nothing is known of not awaited again."""
    reports, segments = trace
    order = random.sample(reports, len(reports))
    reached = [_decided(folding(order[:count], segments)) for count in range(1, len(order) + 1)]
    assert reached == sorted(reached)


def _decided(folded: FoldedDelivery) -> int:
    return 2 if folded.state in FINAL_STATES else 1 if folded.state is UNKNOWN else 0


def check_parts(folding: Fold, trace: Trace, _: Random) -> None:
    """Delivered when all parts are, undelivered when one is: said again without the fold's own terms."""
    reports, segments = trace
    folded = folding(reports, segments)
    if any(report.part is None for report in reports):
        return
    told = {count for count in (segments, *(report.parts for report in reports)) if count}
    said = {state: {report.part for report in reports if report.state is state} for state in ReceiptState}
    if folded.state is DELIVERED:
        assert told
        assert len(said[DELIVERED]) >= min(told)
    assert (folded.state in FINAL_STATES) or not said[UNDELIVERED]
    seen = {report.part for report in reports}
    if len(told) == 1 and len(seen) <= max(told) and not said[DELIVERED] & said[UNDELIVERED]:
        [count] = told
        assert (folded.state is UNDELIVERED) == bool(said[UNDELIVERED])
        assert (folded.state is DELIVERED) == (len(said[DELIVERED]) == count and not said[UNDELIVERED])
        assert folded.parts_delivered == len(said[DELIVERED])
        assert folded.parts == count
        assert not folded.conflicting


def check_whole(folding: Fold, trace: Trace, _: Random) -> None:
    """Of final states the last one by the provider's time decides, then the higher one; of others the higher one."""
    reports, segments = trace
    if any(report.part is not None for report in reports):
        return
    folded = folding(reports, segments)
    final = [report for report in reports if report.state in FINAL_STATES]
    assert folded.conflicting == (len({report.state for report in final}) == 2)
    if not final:
        assert folded.state is max((report.state for report in reports), key=list(ReceiptState).index)
        return
    last = max(_moment(report) for report in final)
    latest = [report for report in final if _moment(report) == last]
    assert folded.state is (DELIVERED if any(report.state is DELIVERED for report in latest) else UNDELIVERED)


def _moment(report: DeliveryReport) -> float:
    """Seconds since 1970; without a time it is earlier than all others."""
    return report.at.replace(tzinfo=report.at.tzinfo or UTC).timestamp() if report.at else 0.0


Check = Callable[[Fold, Trace, Random], None]
CHECKS = [check_order_and_repeats, check_nothing_is_taken_back, check_parts, check_whole]


@pytest.mark.parametrize("check", CHECKS)
def test_every_trace_is_folded_to_the_one_delivery_that_it_describes(check: Check) -> None:
    random = Random(7)
    for trace in made_up_traces():
        check(fold, trace, random)


# Naive folds


def last_one_wins(reports: Reports, segments: int | None) -> FoldedDelivery:
    return fold(reports[-1:], segments)


def first_one_wins(reports: Reports, segments: int | None) -> FoldedDelivery:
    return fold(reports[:1], segments)


def first_final_one_wins(reports: Reports, segments: int | None) -> FoldedDelivery:
    return fold([report for report in reports if report.state in FINAL_STATES][:1] or reports, segments)


def forget_a_part(reports: Reports, segments: int | None) -> FoldedDelivery:
    """One that no receipt has come about."""
    seen = len({report.part for report in reports} - {None})
    return fold([report._replace(parts=None) for report in reports], seen or segments)


def take_a_part_for_the_whole(reports: Reports, segments: int | None) -> FoldedDelivery:
    return fold([report._replace(part=None) for report in reports], segments)


def count_repeats_as_parts(reports: Reports, segments: int | None) -> FoldedDelivery:
    numbered = [report._replace(part=report.part and f"{report.part}-{at}") for at, report in enumerate(reports)]
    return fold(numbered, segments)


def believe_the_greatest_count(reports: Reports, segments: int | None) -> FoldedDelivery:
    counts = [report.parts for report in reports if report.parts] or [segments or 1]
    return fold([report._replace(parts=max(counts)) for report in reports], None)


def ignore_times(reports: Reports, segments: int | None) -> FoldedDelivery:
    return fold([report._replace(at=None) for report in reports], segments)


def one_delivered_part_is_enough(reports: Reports, segments: int | None) -> FoldedDelivery:
    folded = fold(reports, segments)
    return folded._replace(state=DELIVERED) if folded.parts_delivered and folded.state is ACCEPTED else folded


def overlook_what_failed(reports: Reports, segments: int | None) -> FoldedDelivery:
    return fold([report for report in reports if report.state is not UNDELIVERED] or reports, segments)


MUTANTS: list[tuple[Fold, Check]] = [
    (last_one_wins, check_order_and_repeats),
    (last_one_wins, check_nothing_is_taken_back),
    (first_one_wins, check_order_and_repeats),
    (first_one_wins, check_whole),
    (first_final_one_wins, check_order_and_repeats),
    (forget_a_part, check_parts),
    (forget_a_part, check_nothing_is_taken_back),
    (take_a_part_for_the_whole, check_parts),
    (count_repeats_as_parts, check_order_and_repeats),
    (count_repeats_as_parts, check_parts),
    (believe_the_greatest_count, check_nothing_is_taken_back),
    (ignore_times, check_whole),
    (one_delivered_part_is_enough, check_parts),
    (overlook_what_failed, check_parts),
]


@pytest.mark.parametrize(("mutant", "check"), MUTANTS)
def test_a_naive_fold_is_caught(mutant: Fold, check: Check) -> None:
    random = Random(7)

    def caught(trace: Trace) -> bool:
        try:
            check(mutant, trace, random)
        except AssertionError:
            return True
        return False

    assert any(caught(trace) for trace in made_up_traces())


# Single cases


FAILED_FIRST = about(UNDELIVERED, 1, "1")._replace(reason=UndeliveredReason.EXPIRED, code="9")

CASES: list[tuple[str, Reports, int | None, ReceiptState, tuple[int | None, int | None], bool]] = [
    ("two of three parts", [about(DELIVERED, 1, "1"), about(DELIVERED, 2, "2")], 3, ACCEPTED, (3, 2), False),
    ("one part of a number that nobody says", [about(DELIVERED, 1, "a")], None, ACCEPTED, (1, 1), False),
    ("the receipts say more parts than we counted", [about(DELIVERED, 1, "1", parts=3)], 1, ACCEPTED, (3, 1), False),
    ("and fewer", [about(DELIVERED, 1, "1", parts=1)], 4, DELIVERED, (1, 1), False),
    (
        "a number that grows after all had arrived",
        [about(DELIVERED, 1, "1"), about(DELIVERED, 2, "2"), about(ACCEPTED, 3, "3", parts=3)],
        2,
        DELIVERED,
        (3, 2),
        True,
    ),
    ("a further part fails", [about(DELIVERED, 1, "1"), about(UNDELIVERED, 2, "2")], 1, UNDELIVERED, (2, 1), False),
    (
        "a part that failed arrives after all, and another is awaited",
        [FAILED_FIRST, about(DELIVERED, 5, "1")],
        2,
        UNDELIVERED,
        (2, 1),
        True,
    ),
    (
        "and then the other one arrives too",
        [FAILED_FIRST, about(DELIVERED, 5, "1"), about(DELIVERED, 3, "2")],
        2,
        DELIVERED,
        (2, 2),
        True,
    ),
    (
        "the whole arrived, one part is known",
        [about(DELIVERED, 2), about(DELIVERED, 1, "1")],
        3,
        DELIVERED,
        (3, 1),
        False,
    ),
    (
        "the whole failed, its part arrived",
        [about(UNDELIVERED, 2), about(DELIVERED, 1, "1")],
        1,
        UNDELIVERED,
        (1, 1),
        True,
    ),
    ("the whole is on its way", [about(ACCEPTED, 9), about(DELIVERED, 1, "1")], 1, DELIVERED, (1, 1), False),
    ("the same time", [about(UNDELIVERED, 1), about(DELIVERED, 1)], None, DELIVERED, (None, None), True),
    ("a time beats none", [about(UNDELIVERED, 1), about(DELIVERED)], None, UNDELIVERED, (None, None), True),
    ("not known of one part", [about(UNKNOWN, 1, "1"), about(DELIVERED, 1, "2")], 2, UNKNOWN, (2, 1), False),
    ("not known of one, nothing of another", [about(UNKNOWN, 1, "1")], 2, ACCEPTED, (2, 0), False),
    (
        "what is not known is not on its way again",
        [about(UNKNOWN, 1), about(ACCEPTED, 2)],
        1,
        UNKNOWN,
        (None, None),
        False,
    ),
]


@pytest.mark.parametrize(
    ("reports", "segments", "state", "parts", "conflicting"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_hostile_trace(
    reports: Reports, segments: int | None, state: ReceiptState, parts: tuple[int | None, int | None], conflicting: bool
) -> None:
    folded = fold(reports, segments)

    assert (folded.state, (folded.parts, folded.parts_delivered), folded.conflicting) == (state, parts, conflicting)


def test_the_first_part_that_failed_says_why() -> None:
    later = about(UNDELIVERED, 2, "2")._replace(reason=UndeliveredReason.BLOCKED, code="7")
    folded = fold([later, FAILED_FIRST], 2)

    assert (folded.reason, folded.code, folded.at) == (UndeliveredReason.EXPIRED, "9", FAILED_FIRST.at)


def test_a_time_without_an_offset_is_utc() -> None:
    local = about(DELIVERED)._replace(at=NOON.replace(tzinfo=None, hour=13))

    assert fold([local, about(UNDELIVERED, 1)]).at == NOON.replace(hour=13)


def test_the_delivery_is_that_of_the_state() -> None:
    deliveries = {state: fold([about(state)]).delivery for state in ReceiptState}

    assert deliveries == {
        ACCEPTED: None,
        UNKNOWN: Delivery.NO_RECEIPT,
        UNDELIVERED: Delivery.UNDELIVERED,
        DELIVERED: Delivery.DELIVERED,
    }


# The status

STATUSES_AFTER = """
              in doubt  pending  sending  sent  failed  expired  cancelled  unknown
accepted      no        sent     -        sent  failed  sent     sent       sent
accepted      yes       sent     -        sent  sent    sent     sent       sent
unknown       no        pending  -        sent  failed  expired  cancelled  sent
unknown       yes       sent     -        sent  sent    sent     sent       sent
undelivered   no        pending  -        sent  failed  expired  cancelled  sent
undelivered   yes       sent     -        sent  sent    sent     sent       sent
delivered     no        sent     -        sent  sent    sent     sent       sent
delivered     yes       sent     -        sent  sent    sent     sent       sent
"""


def test_the_status_after_receipts_is_that_of_the_table() -> None:
    head, *rows = (line.split() for line in STATUSES_AFTER.strip().splitlines())
    statuses = [MessageStatus(name) for name in head[2:]]

    assert {*statuses} == {*MessageStatus}
    assert [(row[0], row[1]) for row in rows] == [
        (str(state), doubt) for state in ReceiptState for doubt in ("no", "yes")
    ]
    for state, doubt, *after in rows:
        folded = fold([about(ReceiptState(state))])
        given = [status_after(folded, status, in_doubt=doubt == "yes") for status in statuses]
        assert [status or "-" for status in given] == after, (state, doubt)


def test_a_receipt_makes_only_legal_moves() -> None:
    moved = {
        status
        for state in ReceiptState
        for status in MessageStatus
        for doubt in (True, False)
        if status_after(fold([about(state)]), status, in_doubt=doubt) not in (None, status)
    }

    assert moved <= message_sources(MessageCause.ACCEPTED_LATE)
