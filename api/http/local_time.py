"""Dates and times of a browser's input field, in the viewer's time zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from shared.domain.client_rules import TIMEZONES
from shared.domain.moments import in_utc


def local_moment(typed: str, zone: str) -> datetime | None:
    """The time in UTC of a date field in that time zone; an unknown zone counts as UTC.

    None for an invalid date, or one outside the supported years.
    """
    try:
        return in_utc(datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(zone if zone in TIMEZONES else "UTC")))
    except (ValueError, OverflowError):
        return None
