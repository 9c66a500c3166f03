"""What a page of messages in one status costs, in pages of the database that it touches, among 200,000 messages: nearly
all of them are in it, or hardly any. No index of messages names the status.
"""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import event

from api import create_app
from api.database_url import database_url as parse_database_url
from api.extensions import db
from api.messages.keyset import KeysetPage
from api.messages.pages import message_page
from api.settings import ApiSettings
from shared.domain.delivery import Delivery
from shared.domain.statuses import MessageStatus
from tests.conftest import MakeDatabase
from tests.database import connected
from tests.factories import execute, lease, rows
from tests.query_plans import NO_AUTOVACUUM, walks_for_each_element

EACH = 50_000
"""Messages of each mailing."""

# Four mailings: one waits, one is sent, one has failed, and one is cancelled, in a partition of its own. In each, some
# messages at the beginning, in the middle and at the end are in every other status; but none of the
# failed mailing is sent: all of its messages have attempts, so what is sent among them is searched for.
FILL = f"""
INSERT INTO mailing
    (mark, start_datetime, end_datetime, status, launch_started_at, max_client_id, launched_at, audience)
SELECT '900', now(), now() + interval '1 day', 'running', now(), 0, now(), {EACH} FROM generate_series(1, 4);
SELECT make_ledger_partition(1);
INSERT INTO message (id, mailing_id, client_id, phone_number, status, attempts, sent_at, ended_at)
OVERRIDING SYSTEM VALUE
SELECT mailing_id * {EACH} + n + CASE mailing_id WHEN 4 THEN 10000000 ELSE 0 END, mailing_id, n, 79000000000 + n,
    status, CASE WHEN status IN ('sent', 'failed', 'unknown') THEN 1 ELSE 0 END,
    CASE status WHEN 'sent' THEN now() END, CASE WHEN status NOT IN ('pending', 'sending') THEN now() END
FROM unnest('{{pending,sent,failed,cancelled}}'::message_status[]) WITH ORDINALITY AS mailing (most, mailing_id),
    generate_series(1, {EACH}) AS n, LATERAL (
        SELECT CASE WHEN n %% 16000 BETWEEN 1 AND 7 AND (most, n %% 16000) <> ('failed', 3)
            THEN replace((enum_range(NULL::message_status))[n %% 16000]::text, 'sending', 'pending')::message_status
            ELSE most END
    ) AS one (status);
INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, worker)
SELECT id, 1, now(), 0.1, 'default', CASE status WHEN 'sent' THEN 'accepted' ELSE 'refused' END::attempt_result, 'w'
FROM message WHERE attempts = 1;
UPDATE message SET delivery = 'undelivered', delivery_reason = 'expired' WHERE mailing_id = 2 AND id %% 16000 < 150
    AND status = 'sent';
VACUUM ANALYZE;
"""  # noqa: S608

MIDDLES: dict[int | None, int] = {
    None: EACH + EACH // 2,
    **{mailing_id: EACH * mailing_id + EACH // 2 for mailing_id in (1, 2, 3)},
    4: 10_000_000 + 4 * EACH + EACH // 2,
}
"""By mailing, or for all, the id of a message in the middle."""

LIMIT = 100

MOST = 500
"""Pages of the database that a page may touch: some steps for each message, and the batches of the queue. Each mailing
is on some 2,000."""

MORE_WALKS = 600
"""Pages that are touched in addition where the server walks for each message: three in each of two partitions."""

PAST_THE_FAILED = (None, MessageStatus.SENT, True)
"""Going down, what is sent comes after the mailing that has failed, all of whose messages have attempts: it is read."""


class Ledger:
    """The large ledger, and what its pages cost."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, page: KeysetPage, wanted: dict[str, Any]) -> tuple[list[int], int]:
        """The ids on a page, and the pages of the database that it touches."""
        asked: list[tuple[str, Any]] = []

        def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
            asked.append((statement, parameters))

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            ids = [message.id for message in message_page(page, wanted)]
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
            db.session.rollback()
        return ids, sum(self._touched(*one) for one in asked)

    def expected(self, page: KeysetPage, wanted: dict[str, Any]) -> list[int]:
        """The ids on a page, found without any index."""
        order = "DESC" if page.latest_first else "ASC"
        which = "".join(f" AND {name} = %s" for name in wanted)
        found = rows(
            self._connection,
            f"SELECT id FROM message WHERE id > %s AND id < %s{which} ORDER BY id {order} LIMIT %s",  # noqa: S608
            *(page.after, page.before, *wanted.values(), page.limit),
        )
        return [id_ for (id_,) in found]

    def _touched(self, statement: str, parameters: Any) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            [((found,),)] = cursor.fetchall()
        return int(found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"])


@pytest.fixture(scope="module")
def filled(migrated: str, make_database: MakeDatabase) -> str:
    """The URL of the database of these tests."""
    url = make_database(migrated)
    with connected(url) as connection:
        execute(connection, NO_AUTOVACUUM)
        for statement in FILL.split(";\n"):
            if statement:
                execute(connection, statement)
        places = [one + EACH * mailing for mailing in (1, 2, 3) for one in (2, 16002, 32002, 48002)]
        lease(connection, *places, *(10_000_000 + 4 * EACH + one for one in (2, 16002, 32002, 48002)))
        execute(connection, "ANALYZE")
    return url


@pytest.mark.parametrize("latest_first", [False, True], ids=["first to last", "last to first"])
def test_a_page_costs_the_same_however_many_messages_are_in_its_status(filled: str, latest_first: bool) -> None:
    app = create_app(ApiSettings(database_url=parse_database_url(filled)))
    problems = []
    with connected(filled) as connection, app.app_context():
        ledger = Ledger(connection)
        most = MOST + (MORE_WALKS if walks_for_each_element(connection) else 0)
        for mailing_id, middle in MIDDLES.items():
            for status in MessageStatus:
                wanted = {"status": status} | ({} if mailing_id is None else {"mailing_id": mailing_id})
                first = KeysetPage(LIMIT, latest_first=latest_first)
                for page in (first, first.from_id(middle, LIMIT)):
                    ids, cost = ledger.read(page, wanted)
                    assert ids == ledger.expected(page, wanted), (page, wanted)
                    if cost > most and (mailing_id, status, latest_first) != PAST_THE_FAILED:
                        problems.append(f"{page} of {wanted} touches {cost}")
        db.engine.dispose()
    assert problems == []


def test_a_page_of_undelivered_messages_costs_the_same_however_few_there_are(filled: str) -> None:
    app = create_app(ApiSettings(database_url=parse_database_url(filled)))
    with connected(filled) as connection, app.app_context():
        ledger = Ledger(connection)
        costs = []
        for latest_first in (False, True):
            first = KeysetPage(LIMIT, latest_first=latest_first)
            for wanted in ({"delivery": Delivery.UNDELIVERED}, {"delivery": Delivery.UNDELIVERED, "mailing_id": 2}):
                for page in (first, first.from_id(MIDDLES[2], LIMIT)):
                    ids, cost = ledger.read(page, wanted)
                    assert ids == ledger.expected(page, wanted), (page, wanted)
                    assert len(ids) == LIMIT
                    costs.append(cost)
        db.engine.dispose()
    assert max(costs) <= MOST
