"""What the planner makes of what the API asks most: with statistics absent, fresh and stale, its estimate stays below
what PostgreSQL compiles, since a pooler may ignore that the API turns JIT off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import event

from api import create_app
from api.database_url import database_url as parse_database_url
from api.extensions import db
from api.settings import ApiSettings
from tests.conftest import MakeDatabase
from tests.database import connected
from tests.factories import execute
from tests.inbound import add_inbound_message
from tests.integration.api.calls import Caller, caller
from tests.query_plans import NO_AUTOVACUUM, ROWS, Plan, change, plan_problems

# Mailing 7 has failed, in both partitions.
FILL_FAILED = """
INSERT INTO mailing (mark, start_datetime, end_datetime, status, launch_started_at, max_client_id)
VALUES ('900', now(), now() + interval '1 day', 'running', now(), 0);
INSERT INTO mailing_text VALUES (7, 1, 'Hello');
INSERT INTO message (id, mailing_id, client_id, phone_number, status, attempts, ended_at) OVERRIDING SYSTEM VALUE
SELECT part + n, 7, n, 79000000000 + n, 'failed', 1, now()
FROM unnest('{5000000,10000000}'::bigint[]) AS part, generate_series(1, 25000) AS n;
SELECT setval('message_id_seq', 10025000);
"""

# Analyzed with ten mailings alone: the planner expects a tenth of all texts to be of one of them.
FILL_MAILINGS = """
INSERT INTO mailing (mark, start_datetime, end_datetime)
SELECT '900', now(), now() + interval '1 day' FROM generate_series(1, 10);
INSERT INTO mailing_text SELECT id, revision, 'Hello' FROM mailing, generate_series(1, 2) AS revision;
INSERT INTO message_count_delta (mailing_id, status, delta) SELECT id, 'sent', 5 FROM mailing;
ANALYZE;
INSERT INTO mailing (mark, start_datetime, end_datetime)
SELECT '900', now(), now() + interval '1 day' FROM generate_series(1, 10000);
INSERT INTO mailing_text SELECT id, 1, repeat('Hello', 30) FROM mailing WHERE id > 10;
INSERT INTO message_count_delta (mailing_id, status, delta) SELECT id, 'sent', 5 FROM mailing WHERE id > 10;
"""

A_FEW_ROWS = 50.0
"""The planner's estimate for reading a few rows by indexes, at most; for all texts of FILL_MAILINGS it is hundreds."""

PATHS = (
    "/v1/client/",
    f"/v1/client/?after={ROWS // 2}",
    "/v1/message/",
    "/v1/message/?status=sent",
    "/v1/message/?status=pending",
    "/v1/message/?status=sending",
    "/v1/message/?status=failed",
    "/v1/message/?client_id=5000",
    "/v1/message/?phone_number=79000005000",
    "/v1/message/?mailing_id=1&status=failed",
    "/v1/message/?mailing_id=1&status=sent",
    "/v1/message/?mailing_id=1&status=pending",
    "/v1/message/?mailing_id=1&status=sending",
    "/v1/message/?mailing_id=7&status=failed",
    "/v1/message/?delivery=undelivered",
    "/v1/message/?delivery=awaiting",
    "/v1/message/?mailing_id=2&delivery=undelivered",
    "/v1/message/?mailing_id=2&delivery=delivered",
    "/v1/message/?mailing_id=2&delivery=no_receipt",
    "/v1/client/?min_unknown_subscriber_count=3",
    "/v1/client/?min_unknown_subscriber_count=3&tag=sample",
    "/v1/statistics/delivery/",
    "/v1/orphan-receipt/",
    f"/v1/mailing/1/message/?after={ROWS // 2}",
    "/v1/message/5000/",
    "/v1/mailing/",
    "/v1/mailing/1/",
    "/v1/inbound-message/",
    "/v1/inbound-message/?unread=true&before=40000",
    "/v1/inbound-message/?unread=false",
    "/v1/inbound-message/?undecided=true",
    "/v1/inbound-message/?client_id=5000",
    "/v1/inbound-message/?phone_number=79000005000",
    "/v1/inbound-message/?gateway=default",
    "/v1/inbound-message/1/",
    "/v1/number/79000005000/evidence/",
    "/v1/statistics/",
    "/readyz",
    "/metrics",
)


def explained(api: Caller, connection: Connection, paths: tuple[str, ...] = PATHS) -> list[Plan]:
    """The plans of all that these addresses ask."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        for path in paths:
            assert api.get(path).status_code == 200, path
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    plans = []
    with connection.cursor() as cursor:
        for statement, parameters in asked:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            [((found,),)] = cursor.fetchall()
            plans.append(Plan(statement, found["Plan"]))
    return plans


@contextmanager
def opened(url: str) -> Iterator[tuple[Caller, Connection]]:
    """The API on a database, and a connection to that."""
    app = create_app(ApiSettings(database_url=parse_database_url(url)))
    with connected(url) as connection, app.app_context():
        yield caller(app), connection
        db.engine.dispose()


def test_the_most_frequent_statements_are_not_expensive_enough_to_be_compiled_and_read_no_large_table(
    large_ledger: str, make_database: MakeDatabase
) -> None:
    with opened(make_database(large_ledger)) as (api, connection):
        execute(connection, FILL_FAILED)
        add_inbound_message(connection)
        assert plan_problems(explained(api, connection)) == []  # statistics are absent

        execute(connection, "ANALYZE client, mailing, message, message_count_delta")
        assert plan_problems(explained(api, connection)) == []  # they are absent for `attempt`

        execute(connection, "ANALYZE")
        assert plan_problems(explained(api, connection)) == []  # they are fresh

        change(connection)
        assert plan_problems(explained(api, connection)) == []  # they are stale


def test_mailings_are_read_by_indexes_whatever_the_planner_knows_of_their_texts(
    migrated: str, make_database: MakeDatabase
) -> None:
    with opened(make_database(migrated)) as (api, connection):
        execute(connection, NO_AUTOVACUUM)
        execute(connection, FILL_MAILINGS)
        for is_analyzed in (False, True):
            if is_analyzed:
                execute(connection, "ANALYZE")
            paths = "/v1/mailing/5/", "/v1/mailing/?limit=1000"
            of_mailings = [plan for plan in explained(api, connection, paths) if "mailing_text" in plan.statement]
            one, _ = of_mailings
            assert one.cost < A_FEW_ROWS
            for plan in of_mailings:
                assert plan.indexes >= {"mailing_text_pkey", "message_count_delta_mailing_id_idx"}
