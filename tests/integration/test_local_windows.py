"""PostgreSQL decides as Python does which instants a local window permits, in every time zone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, execute, rows, value
from tests.local_windows import (
    DAY,
    END,
    MICROSECOND,
    MINUTE,
    START,
    ZONES,
    Case,
    Permitted,
    asked_of_python,
    cases_anywhere,
    cases_around,
    changes_of,
)
from tests.long_variations import few_of

WINDOW = "540, 1260, 127, '{}'"
"""From 09:00 to 21:00, every day."""

QUARTER = 90 * DAY
"""Shorter than daylight saving time anywhere, and than the rest of the year."""

NOON, MIDNIGHT = "timestamptz '2026-11-29 12:00Z'", "timestamptz '2026-11-29 00:00Z'"

NO_TIME_ZONES = [
    *("", " ", "Factory", "localtime", "posixrules", "posix/UTC", "europe/moscow", "Europe/Moscow\n", " Europe/Moscow"),
    *("MSK", "PST", "CEST", "z", "+03", "UTC+3", "XYZ5", "EST5", "Foo/Bar", "Foo/Bar5", "Etc/GMT+20", "Etc/GMT+13"),
    *("Etc/GMT-15", "LMT", "infinity", "../UTC"),
]


@pytest.fixture
def session(connection: Connection) -> Connection:
    """A session whose settings must not matter: its days may have 23 hours, and EST is an abbreviation of +10:00."""
    execute(connection, "SET timezone = 'America/New_York'; SET timezone_abbreviations = 'Australia'")
    return connection


def test_postgresql_knows_the_time_zones_that_its_files_have(session: Connection) -> None:
    files = {name for (name,) in rows(session, "SELECT name FROM pg_timezone_names")}

    known = {name for (name,) in rows(session, "SELECT name FROM unnest(%s) AS name WHERE is_timezone(name)", ZONES)}

    assert known >= files.intersection(ZONES)
    # Some packages have no files for old names. Those below are replaced, or are POSIX strings with the same meaning.
    others = {*("CET", "EET", "EST", "GMT", "HST", "MET", "MST", "UCT", "UTC", "WET", "Zulu", "GMT+0", "GMT-0", "GMT0")}
    assert known <= files | others | {"EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT"}


@pytest.mark.parametrize("name", [*NO_TIME_ZONES, None])
def test_other_names_are_no_time_zones_and_permit_nothing(name: str | None, session: Connection) -> None:
    assert value(session, "SELECT is_timezone(%s)", name) is False
    assert value(session, f"SELECT next_permitted({NOON}, 'infinity', %s, 0, 1440, 127, '{{}}')", name) is None
    assert value(session, f"SELECT permitted_until({NOON}, %s, 0, 1440, 127, '{{}}')", name) is None


def test_an_instant_that_is_not_permitted_does_not_stay_so(session: Connection) -> None:
    assert value(session, f"SELECT permitted_until({MIDNIGHT}, 'Europe/London', {WINDOW})") is None
    assert value(session, f"SELECT permitted_until({NOON}, 'Europe/London', {WINDOW})") == datetime(
        2026, 11, 29, 21, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("name", "noon"),
    [
        *(("CET", "14:00"), ("MET", "14:00"), ("EET", "15:00"), ("WET", "13:00"), ("EST5EDT", "08:00")),
        *(("EST", "07:00"), ("MST", "05:00"), ("HST", "02:00")),
        *((name, "12:00") for name in ("GMT", "GMT0", "GMT+0", "GMT-0", "UCT", "UTC", "Zulu", "Etc/GMT0")),
        *(("Etc/GMT+12", "00:00"), ("Etc/GMT-10", "22:00"), ("Etc/GMT+5", "07:00")),
    ],
)
def test_names_that_look_like_abbreviations_are_time_zones_with_their_summer_time(
    name: str, noon: str, session: Connection
) -> None:
    local = value(session, "SELECT timestamptz '2026-07-01 12:00Z' AT TIME ZONE postgres_timezone(%s)", name)

    assert f"{local:%R}" == noon


@pytest.mark.parametrize("missing", range(7))
def test_nothing_is_permitted_if_an_argument_is_missing(missing: int, session: Connection) -> None:
    arguments = [NOON, "'infinity'", "'UTC'", *WINDOW.split(", ")]
    arguments[missing] = "NULL"

    assert value(session, f"SELECT next_permitted({', '.join(arguments)})") is None


def test_windows_can_be_asked_for_where_the_planner_prefers_parallel_queries(session: Connection) -> None:
    """Before PostgreSQL 17 no error can be caught in a parallel query."""
    add_clients(session, 3)
    execute(session, "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0")

    permitted = value(
        session,
        f"""
        SELECT count(next_permitted({NOON}, 'infinity', timezone, {WINDOW})) FROM client WHERE is_timezone(timezone)
        """,  # noqa: S608
    )

    assert permitted == 3


@pytest.mark.parametrize("count", few_of((2, 20), 2))
def test_postgresql_and_python_permit_the_same_around_each_change_of_offset(count: int, session: Connection) -> None:
    chosen = random.Random(count)
    for zones in (ZONES[place : place + 50] for place in range(0, len(ZONES), 50)):
        cases = [case for zone in zones for change in changes_of(zone) for case in cases_around(change, count, chosen)]
        cases += [case for zone in zones for case in cases_anywhere(zone, count, chosen)]
        asked = zip(cases, map(asked_of_python, cases), asked_of_postgresql(session, cases), strict=True)
        different = [one for one in asked if one[1] != one[2] and not have_other_offsets(session, one[0])]
        assert different == []


def asked_of_postgresql(connection: Connection, cases: Sequence[Case]) -> list[Permitted]:
    zones, after, before, windows = map(list, zip(*cases, strict=True))
    return rows(
        connection,
        """
        SELECT first, permitted_until(first, zone, local_from, local_until, weekdays, holidays::date[])
        FROM unnest(%s, %s::timestamptz[], %s::timestamptz[], %s, %s, %s, %s)
            WITH ORDINALITY AS asked (zone, after, before, local_from, local_until, weekdays, holidays, place),
            next_permitted(after, before, zone, local_from, local_until, weekdays, holidays::date[]) AS first
        ORDER BY place
        """,
        *(zones, after, before),
        *([getattr(window, name) for window in windows] for name in ("local_from", "local_until", "weekdays")),
        [f"{{{','.join(map(str, sorted(window.holidays)))}}}" for window in windows],
    )


def test_postgresql_and_python_have_the_same_offsets(session: Connection) -> None:
    """Where they do not, the other test can't compare what they permit. Their files are of different versions then."""
    instants = [
        (zone, at) for zone in ZONES for change in changes_of(zone) for at in (change.at - MICROSECOND, change.at)
    ] + [(zone, START + quarter * QUARTER) for zone in ZONES for quarter in range((END - START) // QUARTER)]
    different = with_other_offsets(session, instants)
    if different:
        zones = ", ".join(sorted({zone for zone, _ in different}))
        count = f"{len(different)} of {len(instants)}"
        pytest.skip(f"PostgreSQL and Python have different offsets from UTC ({count} compared): {zones}")


def have_other_offsets(connection: Connection, case: Case) -> bool:
    """Whether the offsets differ at some time that the case is about, so that it can't be compared."""
    quarters = range((case.before - case.after + DAY) // (15 * MINUTE))
    return bool(with_other_offsets(connection, [(case.zone, case.after + place * 15 * MINUTE) for place in quarters]))


def with_other_offsets(connection: Connection, instants: Sequence[tuple[str, datetime]]) -> list[tuple[str, datetime]]:
    """Those at which the local time of PostgreSQL is not that of Python."""
    local = rows(
        connection,
        """
        SELECT at AT TIME ZONE postgres_timezone(zone)
        FROM unnest(%s, %s::timestamptz[]) WITH ORDINALITY AS asked (zone, at, place)
        ORDER BY place
        """,
        [zone for zone, _ in instants],
        [at for _, at in instants],
    )
    return [
        (zone, at)
        for (zone, at), (found,) in zip(instants, local, strict=True)
        if found != at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    ]
