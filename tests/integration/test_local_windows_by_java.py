"""Local windows compared with java.time: a third implementation, with files of time zones of its own."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.local_windows import (
    DAY,
    MICROSECOND,
    MINUTE,
    START,
    ZONES,
    Case,
    asked_of_python,
    cases_anywhere,
    cases_around,
    changes_of,
)
from tests.required_tools import JDK, need

pytestmark = pytest.mark.long

PROGRAM = Path(__file__).with_name("LocalWindows.java")
COUNT = 12
"""Cases around each change of offset, and anywhere in each zone."""

Offsets = list[tuple[datetime, timedelta]]
"""The instants from which on a zone has an offset, from START on."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def java(lines: Iterable[str]) -> list[list[str]]:
    """The answers to these lines: see LocalWindows.java."""
    run = subprocess.run(
        [Path(need(JDK)).with_name("java"), PROGRAM],
        input="".join(f"{line}\n" for line in lines),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [line.split("\t") for line in run.stdout.splitlines()]


@pytest.fixture(scope="module")
def offsets_of_java() -> dict[str, Offsets]:
    """Without the zones that Java does not know."""
    return {
        name: [(START, timedelta(seconds=int(first))), *map(read_change, changes)]
        for name, first, *changes in java(f"zone\t{zone}" for zone in ZONES)
        if first != "unknown"
    }


def read_change(written: str) -> tuple[datetime, timedelta]:
    at, offset = map(int, written.split(":"))
    return EPOCH + timedelta(seconds=at), timedelta(seconds=offset)


def offsets_of_python(zone: str) -> Offsets:
    first = START.astimezone(ZoneInfo(zone)).utcoffset()
    assert first is not None
    changes = changes_of(zone)
    return [(START, first), *((change.at, change.local_after - change.at.replace(tzinfo=None)) for change in changes)]


def between(offsets: Offsets, start: datetime, end: datetime) -> Offsets:
    """Those of a time."""
    return [
        (max(at, start), offset)
        for (at, offset), (until, _) in pairwise([*offsets, (datetime.max.replace(tzinfo=UTC), timedelta())])
        if at < end and until > start
    ]


def test_java_has_the_same_offsets(offsets_of_java: dict[str, Offsets]) -> None:
    """Where it does not, the other test can't compare what is permitted. Its files are of another version then."""
    different = [zone for zone in ZONES if offsets_of_java.get(zone) != offsets_of_python(zone)]
    if different:
        pytest.skip(f"Java and Python have different offsets from UTC: {', '.join(different)}")


def test_java_knows_whole_minutes_and_no_two_changes_within_24_hours(offsets_of_java: dict[str, Offsets]) -> None:
    """The one is what the walk relies on, the other what `next_permitted` does."""
    for zone, offsets in offsets_of_java.items():
        assert not any((at - EPOCH) % MINUTE or offset % MINUTE for at, offset in offsets), zone
        assert all(later - earlier > DAY for (earlier, _), (later, _) in pairwise(offsets[1:])), zone


def test_a_walk_over_all_minutes_by_java_permits_the_same(offsets_of_java: dict[str, Offsets]) -> None:
    chosen = random.Random(0)
    cases = [
        case
        for zone in offsets_of_java
        for case in (
            *(case for change in changes_of(zone) for case in cases_around(change, COUNT, chosen)),
            *cases_anywhere(zone, COUNT, chosen),
        )
        if have_same_offsets(case, offsets_of_java[zone])
    ]
    asked = [(case, *asked_of_python(case)) for case in cases]
    answers = java(case_line(case, end) for case, _, end in asked)
    expected = [[microseconds(first), "true"] for _, first, _ in asked]

    different = [one for one in zip(asked, expected, answers, strict=True) if one[1] != one[2]]

    assert different == []
    assert {first is None for _, first, _ in asked} == {True, False}


def have_same_offsets(case: Case, of_java: Offsets) -> bool:
    """From its first instant to a day after its last one, up to which it may stay permitted."""
    end = case.before + DAY
    return between(of_java, case.after, end) == between(offsets_of_python(case.zone), case.after, end)


def case_line(case: Case, end: datetime | None) -> str:
    window = case.window
    instants = map(microseconds, (case.after, case.before))
    numbers = map(str, (window.local_from, window.local_until, window.weekdays))
    return "\t".join(["case", case.zone, *instants, *numbers, ",".join(map(str, window.holidays)), microseconds(end)])


def microseconds(at: datetime | None) -> str:
    """Since 1970."""
    return str((at - EPOCH) // MICROSECOND) if at else "-"
