"""The revision that brings tags and marks into the form that new ones are kept in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shared.domain.tag_normalization import normal
from tests.conftest import MakeDatabase
from tests.database import connected, downgrade, migrate
from tests.factories import add_clients, add_mailing, change_mailing, execute, rows, value
from tests.waiting import PATIENCE, eventually

REVISION, BEFORE = "0011", "0009"
ODD, PLAIN = "club\xa0", "club"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_tags_become_what_new_ones_are_and_marks_follow_where_somebody_has_them(make_database: MakeDatabase) -> None:
    url = make_database()
    migrate(url, BEFORE)
    # Every character up to the symbols of East Asian scripts, between two letters, some to a tag.
    every = [chr(code) for code in range(1, 0x3100)]
    tags = ["x".join(["a", *every[start : start + 400], "z"]) for start in range(0, len(every), 400)]
    with connected(url) as connection:
        for tag in (*tags, ODD, PLAIN, "Зимний клуб", "и\u0306", " ", ""):
            add_clients(connection, 1, tag=tag)
        kept = dict(rows(connection, "SELECT id, tag FROM client"))
        untouched = rows(connection, "SELECT id, xmin::text FROM client WHERE tag IN ('club', 'Зимний клуб', '')")
        followed, nobody, over = (add_mailing(connection, mark=mark) for mark in (ODD, "club\u2003", ODD))
        change_mailing(connection, over, "status = 'cancelled', ended_at = now()")

        with connected(url) as launch, ThreadPoolExecutor(1) as pool:
            # A launch that is under way has read the mark, and must find its clients before they change.
            execute(launch, "BEGIN; SELECT pg_advisory_xact_lock(%s)", -followed)
            migrating = pool.submit(migrate, url, REVISION)
            eventually(lambda: value(connection, WAITING) == 1)
            assert value(launch, "SELECT count(*) FROM client WHERE tag = %s", ODD) == 1
            execute(launch, "COMMIT")
            migrating.result(PATIENCE)

        assert dict(rows(connection, "SELECT id, tag FROM client")) == {id_: normal(tag) for id_, tag in kept.items()}
        assert set(untouched) <= set(rows(connection, "SELECT id, xmin::text FROM client"))
        marks = dict(rows(connection, "SELECT id, mark FROM mailing"))
        assert marks == {followed: PLAIN, nobody: "club\u2003", over: ODD}
        downgrade(url, BEFORE)
        assert value(connection, "SELECT count(*) FROM client WHERE tag = 'club'") == 2
