"""Which day a report is on."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from worker.daily_report.report import day_before

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-01-15T04:59:59Z", date(2026, 1, 13)),
        ("2026-01-15T05:00:00Z", date(2026, 1, 14)),
        ("2026-01-15T23:30:00Z", date(2026, 1, 14)),
        ("2026-03-29T03:59:59Z", date(2026, 3, 27)),
        ("2026-03-29T04:00:00Z", date(2026, 3, 28)),
    ],
)
def test_the_report_is_on_the_day_before_from_the_time_of_day_on(now: str, day: date) -> None:
    assert day_before(datetime.fromisoformat(now), time(6, 0), BERLIN).day == day


@pytest.mark.parametrize(
    ("now", "hours"), [("2026-01-15T12:00Z", 24), ("2026-03-30T12:00Z", 23), ("2026-10-26T12:00Z", 25)]
)
def test_a_day_is_as_long_as_its_time_zone_makes_it(now: str, hours: int) -> None:
    day = day_before(datetime.fromisoformat(now), time(6, 0), BERLIN)

    assert day.ends - day.begins == timedelta(hours=hours)
    assert day.begins == datetime.combine(day.day, time(), BERLIN).astimezone(UTC)
