"""Changes of offset in the time zones of IANA, and local windows around them, for tests."""

from __future__ import annotations

import random
import struct
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.domain.client_rules import TIMEZONES
from shared.domain.local_windows import EVERY_DAY, MINUTES_OF_DAY, LocalWindow, next_permitted, permitted_until

START, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
"""The years whose changes of offset are compared."""

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)

ZONES = sorted(TIMEZONES)


class Change(NamedTuple):
    """The instant at which the offset from UTC changes in a zone, and the local times: of the end of the old offset,
    and of the beginning of the new one.
    """

    zone: str
    at: datetime
    local_before: datetime
    local_after: datetime


class Case(NamedTuple):
    """What to ask: the first instant in `[after, before)` that the window permits in the zone."""

    zone: str
    after: datetime
    before: datetime
    window: LocalWindow


class ZoneFile(NamedTuple):
    """What a TZif file (RFC 9636) says: when the offset changes, and a POSIX string for all times after that."""

    transitions: list[tuple[int, int]]
    """Seconds since 1970, and the offset from then on in seconds."""
    footer: str


Permitted = tuple[datetime | None, datetime | None]
"""The first permitted instant, and until when it stays permitted."""


def asked_of_python(case: Case) -> Permitted:
    """What the rule answers."""
    zone = ZoneInfo(case.zone)
    first = next_permitted(case.window, zone, case.after, case.before)
    return first, permitted_until(case.window, zone, first) if first else None


@cache
def zone_bytes(name: str) -> bytes:
    """The file of a zone that zoneinfo reads."""
    paths = (Path(folder, name) for folder in zoneinfo.TZPATH)
    if found := next((path for path in paths if path.is_file()), None):
        return found.read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def read_zone_file(content: bytes) -> ZoneFile:
    """Reads the second part of the file, which has numbers of 64 bits."""
    counts = struct.unpack_from(">6l", content, 20)
    second = 44 + _length(counts, 4)
    counts = struct.unpack_from(">6l", content, second + 20)
    _, _, _, times, types, _ = counts
    data = second + 44
    instants = struct.unpack_from(f">{times}q", content, data)
    indexes = struct.unpack_from(f">{times}B", content, data + 8 * times)
    offsets = [struct.unpack_from(">l", content, data + 9 * times + 6 * index)[0] for index in range(types)]
    footer = content[data + _length(counts, 8) :].decode().strip()
    return ZoneFile([(at, offsets[index]) for at, index in zip(instants, indexes, strict=True)], footer)


def _length(counts: tuple[int, ...], size: int) -> int:
    """Of the data of a part of a file, in bytes, where instants have so many."""
    isutc, isstd, leap_seconds, times, types, characters = counts
    return times * (size + 1) + types * 6 + characters + leap_seconds * (size + 4) + isstd + isutc


def changes_of(zone: str) -> list[Change]:
    """The changes of offset from START to END, from the first to the last."""
    return [Change(zone, *rest) for rest in _changes_of_file(zone_bytes(zone))]


@cache
def _changes_of_file(content: bytes) -> list[tuple[datetime, datetime, datetime]]:
    """The same for all names of the same file. What the file lists is found at its instants, and what follows from its
    POSIX string between two weeks.
    """
    zone = ZoneInfo.from_file(BytesIO(content))
    listed = [datetime.fromtimestamp(at, UTC) for at, _ in read_zone_file(content).transitions if at > 0]
    weeks = [START + week * 7 * DAY for week in range((END - START) // (7 * DAY) + 1)]
    instants = sorted({*weeks, *(at - before for at in listed for before in (SECOND, 0 * SECOND) if START < at < END)})
    offsets = [at.astimezone(zone).utcoffset() for at in instants]
    return [
        _change_between(zone, *instants[place - 1 : place + 1])
        for place in range(1, len(instants))
        if offsets[place] != offsets[place - 1]
    ]


def _change_between(zone: ZoneInfo, start: datetime, end: datetime) -> tuple[datetime, datetime, datetime]:
    offset = start.astimezone(zone).utcoffset()
    assert offset is not None
    while end - start > SECOND:
        middle = start + (end - start) // SECOND // 2 * SECOND
        start, end = (middle, end) if middle.astimezone(zone).utcoffset() == offset else (start, middle)
    return end, (end + offset).replace(tzinfo=None), end.astimezone(zone).replace(tzinfo=None)


def cases_around(change: Change, count: int, chosen: random.Random) -> Iterator[Case]:
    """Windows whose ends and dates are near the local times of a change, and instants near it."""
    dates = [change.local_before.date(), change.local_after.date()]
    minutes = [0, *(local.hour * 60 + local.minute for local in (change.local_before, change.local_after))]
    for _ in range(count):
        local_from = (chosen.choice(minutes) + chosen.choice(MINUTES_NEAR)) % MINUTES_OF_DAY
        ends = [local_from + 1, local_from + 15, local_from + 60, local_from + 600, MINUTES_OF_DAY, *minutes]
        local_until = min(chosen.choice([end for end in ends if end > local_from]), MINUTES_OF_DAY)
        weekdays = chosen.choice([EVERY_DAY, EVERY_DAY, 1 << chosen.choice(dates).weekday(), chosen.randint(1, 127)])
        holidays = chosen.choice([[], [], dates[:1], dates[1:], dates])
        after = change.at + chosen.choice(INSTANTS_NEAR)
        window = LocalWindow(local_from, local_until, weekdays, frozenset(holidays))
        yield Case(change.zone, after, after + chosen.choice((HOUR, DAY, 3 * DAY, 9 * DAY)), window)


MINUTES_NEAR = (-60, -30, -1, 0, 0, 1, 15, 30, 60)

INSTANTS_NEAR = (
    *(-36 * HOUR, -DAY, -2 * HOUR, -HOUR, -30 * MINUTE, -SECOND, -MICROSECOND, timedelta(0)),
    *(MICROSECOND, SECOND, 30 * MINUTE, HOUR - MICROSECOND, HOUR, 2 * HOUR, 12 * HOUR),
)


def cases_anywhere(zone: str, count: int, chosen: random.Random) -> Iterator[Case]:
    """Any windows and instants."""
    for _ in range(count):
        after = START + chosen.random() * (END - START)
        local_from = chosen.randrange(MINUTES_OF_DAY)
        local_until = chosen.randint(local_from + 1, MINUTES_OF_DAY)
        holidays = [after.date() + chosen.randint(-1, 4) * DAY for _ in range(chosen.randint(0, 2))]
        window = LocalWindow(local_from, local_until, chosen.randint(1, 127), frozenset[date](holidays))
        yield Case(zone, after, after + chosen.random() * 9 * DAY, window)
