"""Local windows: at which instants a mailing may be sent to a client, by the clock and the calendar of the client.

An instant is permitted if its local date and its local time of day are. So a window that begins in a gap (daylight
saving time starts) opens at the first instant after the gap, and times that a clock shows twice are permitted twice.

The service calls functions of PostgreSQL: `next_permitted` and `permitted_until` of
migrations/versions/0020_sending_rules.py. LocalWindow and the functions of these names here are the reference, with
which tests and the checker of the chaos tests compare.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

MINUTES_OF_DAY = 24 * 60

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""In the order of their bits in a mask: Monday is bit 0, as ISO 8601 begins the week with it."""

EVERY_DAY = 2 ** len(WEEKDAYS) - 1

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


@dataclass(frozen=True)
class LocalWindow:
    """The permitted times of day, from `local_from` up to but not including `local_until`, in minutes since midnight
    (0 to 1439, 1 to 1440); the permitted weekdays as a mask (1 to 127); and dates on which nothing is permitted.

    Raises Invalid, for the field `local_until`, if that is not after `local_from`. Raises ValueError for other numbers
    outside their ranges.
    """

    local_from: int
    local_until: int
    weekdays: int = EVERY_DAY
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if self.local_from >= self.local_until:
            raise Invalid("local_until", ErrorCode.LOCAL_UNTIL_NOT_AFTER_FROM)
        if not (0 <= self.local_from < MINUTES_OF_DAY and 1 <= self.local_until <= MINUTES_OF_DAY):
            raise ValueError(f"no times of day: {self.local_from} to {self.local_until} minutes")
        if not 1 <= self.weekdays <= EVERY_DAY:
            raise ValueError(f"no mask of weekdays: {self.weekdays}")

    def permits_date(self, day: date) -> bool:
        """Whether some time of this local date is permitted."""
        return bool(self.weekdays >> day.weekday() & 1) and day not in self.holidays

    def permits(self, local: datetime) -> bool:
        """Whether an instant with this local date and time is permitted."""
        opens, closes = timedelta(minutes=self.local_from), timedelta(minutes=self.local_until)
        return opens <= _since_midnight(local) < closes and self.permits_date(local.date())


def next_permitted(window: LocalWindow, zone: ZoneInfo, after: datetime, before: datetime) -> datetime | None:
    """The first permitted instant from `after` on, which is itself one of them, and before `before`; None if there is
    none. All are aware; the result is in UTC.

    Each step leads to the time at which the window opens, to the next local midnight, or to a change of the offset from
    UTC before that. At most one change is expected within 24 hours, which is true for all zones since 2020.
    """
    instant = after.astimezone(UTC)
    while instant < before:
        local = instant.astimezone(zone)
        if window.permits(local):
            return instant
        since_midnight, opens = _since_midnight(local), timedelta(minutes=window.local_from)
        opens_today = since_midnight < opens and window.permits_date(local.date())
        instant = _same_offset_until(zone, instant, instant + (opens if opens_today else _DAY) - since_midnight)
    return None


def permitted_until(window: LocalWindow, zone: ZoneInfo, at: datetime) -> datetime:
    """An instant after `at` up to which every instant from `at` on is permitted, in UTC. Raises ValueError if `at` is
    not permitted itself.

    The time may be permitted longer: the result is at most the next local midnight, or change of the local clock.
    """
    instant = at.astimezone(UTC)
    local = instant.astimezone(zone)
    if not window.permits(local):
        raise ValueError(f"{local} is not permitted")
    return _same_offset_until(zone, instant, instant + timedelta(minutes=window.local_until) - _since_midnight(local))


def parse_time_of_day(written: object, field: str = "") -> int:
    """The minutes since midnight of a time such as `09:00`, up to `24:00`. Raises Invalid, for the field, for anything
    else.
    """
    match = _TIME_OF_DAY.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise Invalid(field, ErrorCode.NOT_A_TIME_OF_DAY)
    hours, minutes = match.groups()
    return MINUTES_OF_DAY if hours is None else int(hours) * 60 + int(minutes)


def format_time_of_day(minutes: int) -> str:
    """A time such as `09:00` from the minutes since midnight, 0 to 1440."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def parse_weekdays(names: object, field: str = "") -> int:
    """The mask of an array of names such as `["monday", "friday"]`, in any order. Raises Invalid, for the field, for
    anything else, for an empty array, and for names that are there twice.
    """
    if not isinstance(names, Sequence) or not names or len(set(map(str, names))) < len(names):
        raise Invalid(field, ErrorCode.NOT_WEEKDAYS)
    if any(name not in WEEKDAYS for name in names):
        raise Invalid(field, ErrorCode.NOT_WEEKDAYS)
    return sum(1 << WEEKDAYS.index(name) for name in names)


def format_weekdays(mask: int) -> list[str]:
    """The names of the weekdays of a mask, from Monday on."""
    return [name for bit, name in enumerate(WEEKDAYS) if mask >> bit & 1]


def _since_midnight(local: datetime) -> timedelta:
    """How far the local clock is from its 00:00, which is not the time since then on days with a change."""
    return datetime.combine(date.min, local.time()) - datetime.combine(date.min, time.min)


def _same_offset_until(zone: ZoneInfo, start: datetime, end: datetime) -> datetime:
    """`end` if the offset from UTC is the same at both instants, else the first instant with another one than `start`.

    Offsets change at whole seconds of UTC in all zones. `end` is a whole second.
    """
    offset = start.astimezone(zone).utcoffset()
    if end.astimezone(zone).utcoffset() == offset:
        return end
    same, other = start.replace(microsecond=0), end
    while other - same > _SECOND:
        middle = (same + (other - same) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            same = middle
        else:
            other = middle
    return other
