"""Dates and times as a browser's field holds them: in the viewer's time zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from api.http.fields import in_utc
from shared.domain.client_rules import TIMEZONES


def local_moment(typed: str, zone: str) -> datetime | None:
    """The moment in UTC that a date field holds in that time zone; UTC is taken for an unknown zone.

    None for what is no date, or none within the years that the database takes.
    """
    try:
        return in_utc(datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(zone if zone in TIMEZONES else "UTC")))
    except (ValueError, OverflowError):
        return None
