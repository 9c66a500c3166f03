"""Local windows: the first permitted instant, and until when it stays permitted, where local clocks are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.domain.local_windows import (
    EVERY_DAY,
    WEEKDAYS,
    LocalWindow,
    format_time_of_day,
    format_weekdays,
    next_permitted,
    parse_time_of_day,
    parse_weekdays,
    permitted_until,
)
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

ALL_DAY = ("00:00", "24:00")
MICROSECOND = timedelta(microseconds=1)
WEEK = timedelta(days=7)


def utc(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def window(opens: str, closes: str, *days: str, holidays: tuple[str, ...] = ()) -> LocalWindow:
    return LocalWindow(
        parse_time_of_day(opens),
        parse_time_of_day(closes),
        parse_weekdays(days) if days else EVERY_DAY,
        frozenset(map(date.fromisoformat, holidays)),
    )


ORDINARY_DAYS = [
    ("Europe/Moscow", window("09:00", "21:00"), "2026-11-29 05:59:59.999999", "2026-11-29 06:00"),
    ("Europe/Moscow", window("09:00", "21:00"), "2026-11-29 06:00", "2026-11-29 06:00"),
    ("Europe/Moscow", window("09:00", "21:00"), "2026-11-29 17:59:59.999999", "2026-11-29 17:59:59.999999"),
    ("Europe/Moscow", window("09:00", "21:00"), "2026-11-29 18:00", "2026-11-30 06:00"),
    ("Europe/Moscow", window(*ALL_DAY), "2026-11-29 20:59:59.999999", "2026-11-29 20:59:59.999999"),
    ("Europe/Moscow", window("20:00", "24:00", "sunday"), "2026-11-29 20:59", "2026-11-29 20:59"),
    ("Europe/Moscow", window("20:00", "24:00", "sunday"), "2026-11-29 21:00", "2026-12-06 17:00"),
    ("Europe/Moscow", window(*ALL_DAY, "monday"), "2026-11-29 20:59", "2026-11-29 21:00"),
    ("Europe/Moscow", window("09:00", "21:00", "monday", "friday"), "2026-12-01 12:00", "2026-12-04 06:00"),
    ("Europe/Moscow", window(*ALL_DAY, holidays=("2026-11-29",)), "2026-11-29 12:00", "2026-11-29 21:00"),
    (
        "Europe/Moscow",
        window("09:00", "21:00", "monday", holidays=("2026-11-30", "2026-12-07")),
        "2026-11-30 12:00",
        "2026-12-14 06:00",
    ),
    # The same instant is a Sunday in one place and a Monday in the other.
    ("Pacific/Pago_Pago", window(*ALL_DAY, "monday"), "2026-11-29 10:30", "2026-11-30 11:00"),
    ("Pacific/Kiritimati", window(*ALL_DAY, "monday"), "2026-11-29 10:30", "2026-11-29 10:30"),
    ("Asia/Kathmandu", window("09:00", "09:01"), "2026-11-29 04:00", "2026-11-30 03:15"),
]

CHANGES_OF_OFFSET = [
    # 02:00 to 03:00 does not exist.
    ("Europe/Berlin", window("02:30", "04:00"), "2026-03-28 12:00", "2026-03-29 01:00"),
    ("Europe/Berlin", window("02:30", "04:00"), "2026-03-29 00:59:59.999999", "2026-03-29 01:00"),
    ("Europe/Berlin", window("02:30", "03:00"), "2026-03-28 12:00", "2026-03-30 00:30"),
    ("Europe/Berlin", window("03:30", "04:00"), "2026-03-28 12:00", "2026-03-29 01:30"),
    # 02:00 to 03:00 exists twice.
    ("Europe/Berlin", window("02:30", "02:40"), "2026-10-24 12:00", "2026-10-25 00:30"),
    ("Europe/Berlin", window("02:30", "02:40"), "2026-10-25 00:40", "2026-10-25 01:30"),
    ("Europe/Berlin", window("02:30", "02:40"), "2026-10-25 01:40", "2026-10-26 01:30"),
    ("Europe/Berlin", window("03:30", "04:00"), "2026-10-24 12:00", "2026-10-25 02:30"),
    # 02:00 to 02:30 does not exist; 01:30 to 02:00 exists twice.
    ("Australia/Lord_Howe", window("02:10", "03:00"), "2026-10-03 00:00", "2026-10-03 15:30"),
    ("Australia/Lord_Howe", window("02:10", "02:30"), "2026-10-03 00:00", "2026-10-04 15:10"),
    ("Australia/Lord_Howe", window("01:45", "01:50"), "2026-04-04 12:00", "2026-04-04 14:45"),
    ("Australia/Lord_Howe", window("01:45", "01:50"), "2026-04-04 14:50", "2026-04-04 15:15"),
    # 01:00 to 03:00 does not exist, and exists twice.
    ("Antarctica/Troll", window("01:30", "04:00"), "2026-03-28 12:00", "2026-03-29 01:00"),
    ("Antarctica/Troll", window("01:30", "03:00"), "2026-03-28 12:00", "2026-03-29 23:30"),
    ("Antarctica/Troll", window("01:30", "01:40"), "2026-10-24 23:40", "2026-10-25 01:30"),
    # Ramadan is one hour behind: from 03:00 to 02:00, and back from 02:00 to 03:00.
    ("Africa/Casablanca", window("02:30", "02:40"), "2025-02-23 01:40", "2025-02-23 02:30"),
    ("Africa/Casablanca", window("02:30", "04:00"), "2025-04-05 12:00", "2025-04-06 02:00"),
    # Midnight does not exist; 00:00 to 01:00 exists twice.
    ("America/Havana", window(*ALL_DAY, "sunday"), "2025-03-08 12:00", "2025-03-09 05:00"),
    ("America/Havana", window("00:10", "00:20"), "2025-03-08 12:00", "2025-03-10 04:10"),
    ("America/Havana", window("00:10", "00:20"), "2025-11-02 04:20", "2025-11-02 05:10"),
    # The last hour of Saturday exists twice.
    ("Asia/Beirut", window(*ALL_DAY, "sunday"), "2025-10-25 12:00", "2025-10-25 22:00"),
    ("Asia/Beirut", window("23:30", "24:00", "saturday"), "2025-10-25 20:45", "2025-10-25 20:45"),
    ("Asia/Beirut", window("23:30", "24:00", "saturday"), "2025-10-25 21:00", "2025-10-25 21:30"),
    ("Asia/Beirut", window("23:30", "24:00", "saturday"), "2025-10-25 22:00", "2025-11-01 21:30"),
    # 30 December 2011, a Friday, does not exist: the date line was moved.
    ("Pacific/Apia", window(*ALL_DAY), "2011-12-30 09:59:59.999999", "2011-12-30 09:59:59.999999"),
    ("Pacific/Apia", window(*ALL_DAY, "friday"), "2011-12-30 09:00", "2012-01-05 10:00"),
    ("Pacific/Apia", window(*ALL_DAY, "saturday"), "2011-12-29 12:00", "2011-12-30 10:00"),
]


@pytest.mark.parametrize(("zone", "permitted", "after", "expected"), ORDINARY_DAYS + CHANGES_OF_OFFSET)
def test_the_first_permitted_instant(zone: str, permitted: LocalWindow, after: str, expected: str) -> None:
    place, start, first = ZoneInfo(zone), utc(after), utc(expected)

    assert next_permitted(permitted, place, start, start + 3 * WEEK) == first
    assert next_permitted(permitted, place, start, first + MICROSECOND) == first
    assert next_permitted(permitted, place, start, first) is None


def test_the_first_permitted_instant_is_in_utc_whatever_is_asked_with() -> None:
    after = datetime(2026, 3, 29, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))

    found = next_permitted(window("02:30", "04:00"), ZoneInfo("Europe/Berlin"), after, after + WEEK)

    assert found == utc("2026-03-29 01:00")
    assert found.tzinfo is UTC


def test_holidays_may_leave_no_permitted_instant() -> None:
    christmas = window(*ALL_DAY, holidays=("2026-12-24", "2026-12-25", "2026-12-26"))
    start, end = utc("2026-12-23 23:00"), utc("2026-12-26 23:00")

    assert next_permitted(christmas, ZoneInfo("Europe/Berlin"), start, end) is None
    assert next_permitted(christmas, ZoneInfo("Europe/London"), start, end) == start


@pytest.mark.parametrize(
    ("zone", "permitted", "at", "expected"),
    [
        ("Europe/Moscow", window("09:00", "21:00"), "2026-11-29 06:00", "2026-11-29 18:00"),
        ("Europe/Moscow", window("09:00", "21:00"), "2026-11-29 17:59:59.999999", "2026-11-29 18:00"),
        ("Europe/Moscow", window(*ALL_DAY), "2026-11-29 12:00", "2026-11-29 21:00"),
        ("Europe/Berlin", window("01:00", "02:30"), "2026-03-29 00:30:00.5", "2026-03-29 01:00"),
        ("Europe/Berlin", window("01:00", "02:30"), "2026-10-25 00:00:00.5", "2026-10-25 00:30"),
        ("Europe/Berlin", window("01:00", "06:00"), "2026-10-25 00:00:00.5", "2026-10-25 01:00"),
        ("Asia/Beirut", window("12:00", "24:00"), "2025-10-25 12:00", "2025-10-25 21:00"),
        ("Asia/Beirut", window("12:00", "24:00"), "2025-10-25 21:00", "2025-10-25 22:00"),
    ],
)
def test_how_long_an_instant_stays_permitted(zone: str, permitted: LocalWindow, at: str, expected: str) -> None:
    assert permitted_until(permitted, ZoneInfo(zone), utc(at)) == utc(expected)


def test_what_is_not_permitted_does_not_stay_so() -> None:
    with pytest.raises(ValueError, match="not permitted"):
        permitted_until(window("09:00", "21:00"), ZoneInfo("Europe/Moscow"), utc("2026-11-29 18:00"))


@pytest.mark.parametrize(
    ("written", "minutes"), [("00:00", 0), ("00:01", 1), ("09:30", 570), ("23:59", 1439), ("24:00", 1440)]
)
def test_a_time_of_day_is_minutes_since_midnight(written: str, minutes: int) -> None:
    assert parse_time_of_day(written) == minutes
    assert format_time_of_day(minutes) == written


@pytest.mark.parametrize(
    "written", ["", "9:00", "09:60", "24:01", "25:00", "09:00:00", " 09:00", "09:00\n", "٠٩:٠٠", 540]
)
def test_anything_else_is_no_time_of_day(written: object) -> None:
    with pytest.raises(Invalid) as refused:
        parse_time_of_day(written, "local_from")
    assert (refused.value.field, refused.value.code) == ("local_from", ErrorCode.NOT_A_TIME_OF_DAY)


@pytest.mark.parametrize(
    ("names", "mask"), [(["monday"], 1), (["sunday", "monday"], 65), (["saturday"], 32), (list(WEEKDAYS), 127)]
)
def test_weekdays_are_a_mask_that_begins_with_monday(names: list[str], mask: int) -> None:
    assert parse_weekdays(names) == mask
    assert format_weekdays(mask) == sorted(names, key=WEEKDAYS.index)


@pytest.mark.parametrize(
    "names", [[], ["monday", "monday"], ["Monday"], ["mon"], [1], [["monday"]], "monday", None, {}]
)
def test_anything_else_is_no_list_of_weekdays(names: object) -> None:
    with pytest.raises(Invalid) as refused:
        parse_weekdays(names, "weekdays")
    assert (refused.value.field, refused.value.code) == ("weekdays", ErrorCode.NOT_WEEKDAYS)


@pytest.mark.parametrize(
    ("opens", "closes"), [("09:00", "09:00"), ("21:00", "09:00"), ("24:00", "24:00"), ("24:00", "00:00")]
)
def test_a_window_ends_after_it_begins(opens: str, closes: str) -> None:
    with pytest.raises(Invalid) as refused:
        window(opens, closes)
    assert (refused.value.field, refused.value.code) == ("local_until", ErrorCode.LOCAL_UNTIL_NOT_AFTER_FROM)


@pytest.mark.parametrize(("opens", "closes", "weekdays"), [(-1, 60, 1), (0, 1441, 1), (0, 60, 0), (0, 60, 128)])
def test_a_window_has_no_other_numbers(opens: int, closes: int, weekdays: int) -> None:
    with pytest.raises(ValueError, match="no "):
        LocalWindow(opens, closes, weekdays)
