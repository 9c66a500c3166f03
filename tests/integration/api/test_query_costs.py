"""What lists cost, in pages of the database that they touch: the same on the first page and on the last one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import event

from api import create_app
from api.database_url import database_url as parse_database_url
from api.extensions import db
from api.settings import ApiSettings
from tests import factories
from tests.conftest import MakeDatabase
from tests.database import connected
from tests.integration.api.calls import caller
from tests.query_plans import NO_AUTOVACUUM, walks_for_each_element

# 10,000 clients, ten mailings to all of them (the ids of messages go up with those of mailings), 3,000 to nobody.
# All messages are sent but those of the last mailing, which wait; and among those, near the end, a few have failed.
FILL = """
INSERT INTO client (phone_number, operator_code, tag, timezone, external_id, tags)
SELECT 79000000000 + n, '900', CASE WHEN n %% 2 = 0 THEN 'even' ELSE 'odd' END, 'UTC', 'crm-' || n,
    CASE WHEN n %% 5000 = 0 THEN '{rare,often}' ELSE '{often}'::text[] END FROM generate_series(1, 10000) n;
INSERT INTO mailing (mark, start_datetime, end_datetime, status, launch_started_at, max_client_id)
SELECT '900', now(), now() + interval '1 day', 'running', now(), 10000 FROM generate_series(1, 10);
INSERT INTO mailing (mark, start_datetime, end_datetime)
SELECT 'nobody', now(), now() + interval '1 day' FROM generate_series(1, 3000);
INSERT INTO mailing_text SELECT id, 1, 'Hello' FROM mailing;
INSERT INTO message (mailing_id, client_id, phone_number, status, sent_at, ended_at)
SELECT mailing_id, n, 79000000000 + n, status, CASE status WHEN 'sent' THEN now() END,
    CASE WHEN status <> 'pending' THEN now() END
FROM generate_series(1, 10) mailing_id, generate_series(1, 10000) n, LATERAL (SELECT CASE
    WHEN mailing_id < 10 THEN 'sent' WHEN n > 9990 THEN 'failed' ELSE 'pending' END::message_status) AS one(status);
INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, worker)
SELECT id, 1, now(), 0.1, 'default', CASE status WHEN 'sent' THEN 'accepted' ELSE 'refused' END::attempt_result, 'w'
FROM message WHERE status <> 'pending';
INSERT INTO inbound_message (gateway_id, sender, phone_number, recipient, text, parts, parts_received, received_at,
    client_id, read_at, read_by)
SELECT 1, '', 79000000000 + n %% 1000, '', 'Yes', 1, 1, now(), n %% 1000,
    CASE WHEN n %% 10 <> 0 THEN now() END, CASE WHEN n %% 10 <> 0 THEN 'anna' END
FROM generate_series(1, 10000) n;
ANALYZE;
"""

A_PAGE = 40
"""Pages of the database that a page of 100 rows may touch: some five in each of seven walks along an index."""

MORE_WALKS = 20
"""Pages that are touched in addition where the server walks for each status."""


@pytest.fixture(scope="module")
def ledger_url(migrated: str, make_database: MakeDatabase) -> str:
    """A database with 100,000 messages in it, as no other test and no autovacuum has left it."""
    url = make_database(migrated)
    with connected(url) as connection:
        factories.execute(connection, NO_AUTOVACUUM)
        factories.execute(connection, FILL)
    return url


@pytest.fixture(scope="module")
def ledger(ledger_url: str) -> Iterator[Connection]:
    """A connection to that database."""
    with connected(ledger_url) as connection:
        yield connection


@pytest.fixture(scope="module")
def app(ledger_url: str) -> Flask:
    """An application whose statements are listened to."""
    return create_app(ApiSettings(database_url=parse_database_url(ledger_url)))


def plans(app: Flask, ledger: Connection, path: str) -> list[dict[str, Any]]:
    """The plans of the statements of one request, with what they touched."""
    statements: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        statements.append((statement, parameters))

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", note)
        assert caller(app).get(path).status_code == 200
        event.remove(db.engine, "before_cursor_execute", note)
    found = []
    for statement, parameters in statements:
        with ledger.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            ((((plan,)),),) = cursor.fetchall()
        found.append(plan["Plan"])
    return found


def cost(app: Flask, ledger: Connection, path: str) -> int:
    """The database pages that the statements of one request touch."""
    return sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans(app, ledger, path))


def tables(app: Flask, ledger: Connection, path: str) -> set[str]:
    """The tables that the statements of one request read, in whatever way."""
    return set(re.findall(r"'Relation Name': '(\w+)'", repr(plans(app, ledger, path))))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/client/",
        "/v1/client/?after=9500",
        "/v1/client/?phone_number=79000005000",
        "/v1/client/?tag=even",
        "/v1/client/?tag=even&after=9500",
        "/v1/client/?tag=nobody",
        "/v1/client/?tags=even&after=9500",
        "/v1/client/?tags=nobody",
        "/v1/client/?tags=rare",
        "/v1/client/?tags=often",
        "/v1/client/?tags=often&after=9500&operator_code=900",
        "/v1/client/?external_id=crm-5000",
        "/v1/client/?external_id=crm-0&tags=often",
        "/v1/client/?operator_code=900&after=9500",
        "/v1/client/?operator_code=900&tag=odd&after=9500",
        "/v1/message/",
        "/v1/message/?after=99800",
        "/v1/message/?status=sent",
        "/v1/message/?status=sent&after=89990",
        "/v1/message/?status=failed",
        "/v1/message/?status=pending&after=99800",
        "/v1/message/?status=unknown",
        "/v1/message/?status=pending",
        "/v1/message/?status=sending",
        "/v1/message/?client_id=5000",
        "/v1/message/?client_id=123456789",
        "/v1/message/?phone_number=79000005000",
        "/v1/message/?phone_number=79999999999",
        "/v1/message/?phone_number=79000005000&status=failed&mailing_id=10",
        "/v1/message/?mailing_id=10",
        "/v1/message/?mailing_id=10&status=failed",
        "/v1/message/?mailing_id=1&status=pending",
        "/v1/message/?mailing_id=123456789",
        "/v1/mailing/1/message/",
        "/v1/mailing/10/message/?after=99800",
        "/v1/mailing/10/message/?status=failed",
        "/v1/mailing/10/message/?status=sending",
        "/v1/mailing/1/",
        "/v1/mailing/3000/",
        "/v1/message/99999/",
        "/v1/inbound-message/",
        "/v1/inbound-message/?unread=true&before=5000",
        "/v1/inbound-message/?unread=false",
        "/v1/inbound-message/?undecided=true",
        "/v1/inbound-message/?client_id=5",
        "/v1/inbound-message/?phone_number=79000000005&unread=true",
        "/v1/inbound-message/?gateway=default&before=5000",
    ],
)
def test_a_page_costs_what_its_rows_do(app: Flask, ledger: Connection, path: str) -> None:
    # The first reader may have to look at what other tests have deleted, and marks it.
    most = A_PAGE + (MORE_WALKS if walks_for_each_element(ledger) else 0)
    assert min(cost(app, ledger, path) for _ in range(2)) <= most


def test_a_page_of_mailings_costs_the_same_wherever_it_is(app: Flask, ledger: Connection) -> None:
    first, last = cost(app, ledger, "/v1/mailing/?after=100"), cost(app, ledger, "/v1/mailing/?after=2900")
    # Each mailing has its text, its counts, and two looks for somebody whom its mark matches.
    assert max(first, last) <= 100 * 15
    assert abs(first - last) <= A_PAGE


@pytest.mark.parametrize("path", ["/v1/mailing/", "/v1/mailing/10/", "/v1/statistics/"])
def test_counts_of_messages_are_kept_and_not_counted(app: Flask, ledger: Connection, path: str) -> None:
    read = tables(app, ledger, path)

    assert "message_count_delta" in read
    assert "message" not in read


def test_the_figures_of_messages_cost_the_same_however_many_mailings_have_been_settled(
    app: Flask, ledger: Connection
) -> None:
    before = cost(app, ledger, "/v1/statistics/")

    factories.execute(
        ledger,
        """
        INSERT INTO message_count_delta (mailing_id, status, delta, compacted)
        SELECT 100000 + n, 'sent', 5, true FROM generate_series(1, 20000) AS n;
        ANALYZE message_count_delta;
        """,
    )

    assert cost(app, ledger, "/v1/statistics/") <= before + 5
