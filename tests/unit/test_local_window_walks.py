"""Local windows compared with a walk over all minutes, and what the rule expects of time zones."""

from __future__ import annotations

import random
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from shared.domain.local_windows import WEEKDAYS, format_weekdays, next_permitted, permitted_until
from tests.local_windows import (
    DAY,
    MINUTE,
    ZONES,
    Case,
    Change,
    cases_around,
    changes_of,
    read_zone_file,
    zone_bytes,
)

CASES = 8
"""Around each change."""

WALKED = (
    *("Europe/Berlin", "Europe/Dublin", "Europe/Volgograd", "America/St_Johns", "America/Havana", "America/Santiago"),
    *("Africa/Cairo", "Africa/Casablanca", "Antarctica/Casey", "Antarctica/Troll", "Asia/Beirut", "Asia/Gaza"),
    *("Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Fiji", "Pacific/Easter"),
)
"""Zones with changes of half an hour to three hours, at midnight and at other times, in both directions."""


@pytest.mark.parametrize("zone", WALKED)
def test_the_first_permitted_instant_is_the_first_one_of_a_walk_over_all_minutes(zone: str) -> None:
    chosen = random.Random(zone)
    place = ZoneInfo(zone)
    for change in changes_of(zone)[:3]:
        minutes = local_minutes(change)
        for around in cases_around(change, CASES, chosen):
            case = around._replace(before=min(around.before, around.after + 3 * DAY))
            first = next_permitted(case.window, place, case.after, case.before)
            assert first == walk(case, minutes), case
            if first is not None:
                end = permitted_until(case.window, place, first)
                assert end > first, case
                assert walk(case._replace(after=first, before=end), minutes, permitted=False) is None, case


Minutes = list[tuple[datetime, date, str]]
"""The first instants of minutes, and the local date and time of each, such as `02:30`."""


def local_minutes(change: Change) -> Minutes:
    """Offsets and changes are whole minutes, so what is true of the first instant of a minute is true of all of it."""
    zone = ZoneInfo(change.zone)
    start = change.at - 2 * DAY
    local = [(start + minute * MINUTE).astimezone(zone) for minute in range(6 * 24 * 60)]
    return [(start + minute * MINUTE, at.date(), at.isoformat()[11:16]) for minute, at in enumerate(local)]


def walk(case: Case, minutes: Minutes, *, permitted: bool = True) -> datetime | None:
    """The first instant that is permitted by what people read on a calendar and a clock, or the first that is not."""
    window = case.window
    opens, closes = (f"{end // 60:02}:{end % 60:02}" for end in (window.local_from, window.local_until))
    names = format_weekdays(window.weekdays)
    for at, day, clock in minutes[(case.after - minutes[0][0]) // MINUTE :]:
        if at >= case.before:
            return None
        open_now = opens <= clock < closes and day not in window.holidays and WEEKDAYS[day.isoweekday() - 1] in names
        if open_now is permitted:
            return max(at, case.after)
    raise AssertionError("the walk is too short")


def test_no_offset_is_changed_twice_within_24_hours() -> None:
    """`next_permitted` relies on this, and PostgreSQL's too."""
    for zone in ZONES:
        instants = [change.at for change in changes_of(zone)]
        assert all(later - earlier > DAY for earlier, later in pairwise(instants)), zone


def test_no_change_of_a_rule_is_overlooked() -> None:
    """A file ends with a rule for all later years, which has two changes a year if it has a comma."""
    years = {zone: [change.at.year for change in changes_of(zone)] for zone in ZONES}
    for zone in ZONES:
        if "," in read_zone_file(zone_bytes(zone)).footer:
            assert years[zone].count(2036) == 2, zone


def test_changes_of_offset_are_where_they_were_announced() -> None:
    berlin = [change for change in changes_of("Europe/Berlin") if change.at.year == 2026]

    assert [f"{change.at:%F %R} {change.local_before:%R} {change.local_after:%R}" for change in berlin] == [
        "2026-03-29 01:00 02:00 03:00",
        "2026-10-25 01:00 03:00 02:00",
    ]
    assert changes_of("Europe/Moscow") == []
