"""What the planner makes of the statements that code runs, and on what statistics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql.claims import CLAIM
from shared.sql.queue import TAKE_DUE
from worker.parameters import bigints, bounded

JIT_ABOVE_COST = 100_000
"""PostgreSQL's default of jit_above_cost (manual, 20.7.2): what is estimated to cost more is compiled before it runs,
which takes some hundred milliseconds."""

ROWS = 100_000
"""Clients, and messages of a mailing, of a large ledger; and half as many attempts."""

COST_LIMIT = JIT_ABOVE_COST / 2
"""For estimates on the large ledger: what grows with its rows stays below jit_above_cost with twice as many, too."""

LARGE = re.compile("client|number_usage|suppression|consent|(message|attempt|message_unsent|receipt)_[0-9]+")
"""Tables that no statement may read as a whole once they are large."""

DEAR_SCAN = 1_000.0
"""The planner's estimate for reading a large table: some thousands for 100,000 rows. For a partition that has just been
made it is less than 50, and reading all of it is right."""

LONG_ARRAY = 200
"""Elements of a parameter. Where the planner does not know how many an array has, it expects fewer."""

# Statistics stay as a test leaves them, whenever autovacuum comes.
NO_AUTOVACUUM = """
DO $$
DECLARE name regclass;
BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %%s SET (autovacuum_enabled = off)', name);
    END LOOP;
END $$
"""

AUTOVACUUM = NO_AUTOVACUUM.replace("SET (autovacuum_enabled = off)", "RESET (autovacuum_enabled)")
"""As the migrations made the tables."""

# All of it is in the first partition of the ledger, and what is added later is in the second. Mailing 1 waits; mailing
# 2 has been sent, mailing 3 as well and long ago; mailing 4 is cancelled with messages that wait; mailing 5 is about to
# be launched; mailing 6 is all poison messages.
FILL = """
INSERT INTO client (phone_number, operator_code, tag, timezone)
SELECT 79000000000 + n, '900', 'sample', 'UTC' FROM generate_series(1, %(rows)s) AS n;
INSERT INTO mailing (mark, start_datetime, end_datetime, status, audience, launch_started_at, max_client_id,
    launched_at, ended_at, settled_at)
SELECT '900', now() - interval '2 h', now() + interval '1 day', status::mailing_status, audience, now(),
    %(rows)s, now(), ended_at, settled_at
FROM (VALUES ('running', %(rows)s, NULL::timestamptz, NULL::timestamptz),
    ('finished', %(rows)s / 4, now(), now()),
    ('finished', %(rows)s / 4, now() - interval '90 days', now() - interval '90 days'),
    ('cancelled', %(rows)s / 2, now(), NULL))
    AS made(status, audience, ended_at, settled_at);
INSERT INTO mailing (mark, start_datetime, end_datetime) VALUES ('900', now(), now() + interval '1 day');
INSERT INTO mailing (mark, start_datetime, end_datetime, status, audience, launch_started_at, max_client_id,
    launched_at)
VALUES ('900', now(), now() + interval '1 day', 'running', 1000, now(), 0, now());
INSERT INTO mailing_text SELECT id, 1, 'Hello' FROM mailing;
INSERT INTO message (mailing_id, client_id, phone_number, status, attempts, sent_at, ended_at, in_doubt, due_at)
SELECT mailing.id, n, 79000000000 + n, one.status, CASE one.status WHEN 'sent' THEN 1 ELSE 0 END,
    CASE one.status WHEN 'sent' THEN now() END, CASE one.status WHEN 'sent' THEN now() END, mailing.id = 6,
    CASE mailing.id WHEN 6 THEN 'infinity' ELSE now() END
FROM mailing, LATERAL (
    SELECT CASE WHEN mailing.id IN (2, 3) THEN 'sent' ELSE 'pending' END::message_status
) AS one(status), generate_series(1, audience) AS n
WHERE mailing.id <> 5;
INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, provider_code, worker,
    provider_message_id)
SELECT id, 1, sent_at, 0.1, 'default', 'accepted', '200', 'somebody', 'theirs-' || id
FROM message WHERE status = 'sent';
INSERT INTO receipt (message_id, fingerprint, gateway_id, state)
SELECT id, md5(id::text)::uuid, 1, 'delivered' FROM message WHERE status = 'sent';
SELECT make_ledger_partition(1), setval('message_id_seq', 10000000, false);
"""

# What was analyzed is no longer so: nearly all that waited in mailing 1 has been sent, and as much is new in mailing 6.
CHANGE = """
UPDATE message SET status = 'sent', attempts = 1, sent_at = now(), ended_at = now()
WHERE mailing_id = 1 AND status = 'pending' AND id %% 10 <> 0;
INSERT INTO message (mailing_id, client_id, phone_number)
SELECT 6, %(rows)s + n, 79000000000 + %(rows)s + n FROM generate_series(1, %(rows)s) AS n;
INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, provider_code, worker)
SELECT id, 1, sent_at, 0.1, 'default', 'accepted', '200', 'somebody' FROM message WHERE status = 'sent'
ON CONFLICT DO NOTHING;
"""


class Plan(NamedTuple):
    """A statement and the root of its plan, as EXPLAIN (FORMAT JSON) tells it."""

    statement: str
    root: dict[str, Any]

    @property
    def cost(self) -> float:
        """The planner's estimate for the whole statement."""
        return float(self.root["Total Cost"])

    @property
    def read_as_a_whole(self) -> set[str]:
        """The large tables that it reads from beginning to end."""
        return {
            node["Relation Name"]
            for node in _nodes(self.root)
            if node["Node Type"] == "Seq Scan"
            and LARGE.fullmatch(node["Relation Name"])
            and float(node["Total Cost"]) >= DEAR_SCAN
        }

    @property
    def reads_an_array_again(self) -> bool:
        """Whether it compares each row with each element of a long array, since it expects few rows."""
        inner = (node["Plans"][1] for node in _nodes(self.root) if node["Node Type"] == "Nested Loop")
        return any(node["Node Type"] == "Function Scan" and node["Plan Rows"] >= LONG_ARRAY for node in inner)

    @property
    def indexes(self) -> set[str]:
        """The indexes that it reads."""
        return {node["Index Name"] for node in _nodes(self.root) if "Index Name" in node}


class ExplainingCursor(Cursor):
    """Asks for the plan of every query that it executes, with the parameters that it is executed with."""

    plans: ClassVar[list[Plan]] = []

    def execute(self, query: Any, parameters: Any = None) -> None:
        if not str(query).startswith(("SET ", "SAVEPOINT ")):
            super().execute(f"EXPLAIN (FORMAT JSON) {query}", parameters)
            [((found,),)] = self.fetchall()
            self.plans.append(Plan(str(query), found["Plan"]))
        super().execute(query, parameters)


def plan(connection: Connection, statement: str, parameters: dict[str, Any]) -> Plan:
    """The plan of a statement that is not executed."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        [((found,),)] = cursor.fetchall()
    return Plan(statement, found["Plan"])


def pairs_compared(connection: Connection, statement: str, parameters: dict[str, Any]) -> int:
    """The pairs of rows that the joins of a statement compare and leave out."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        [((found,),)] = cursor.fetchall()
    return sum(int(node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"]) for node in _nodes(found["Plan"]))


def pages_touched(connection: Connection, statement: str, parameters: dict[str, Any]) -> int:
    """The database pages that a statement touches. What it changes is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
        [((found,),)] = cursor.fetchall()
        cursor.execute("ROLLBACK")
    plan = found["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def walks_for_each_element(connection: Connection) -> bool:
    """Whether the server walks down an index for each element of an array, as it does before version 17 (its release
    notes: "Allow btree indexes to more efficiently find a set of values").
    """
    return connection.info.server_version < 170000


def taking_parameters(limit: int) -> dict[str, Any]:
    """The parameters of TAKE_DUE for the gateway `default`."""
    return {"limit": limit, "wait": False, "paths": bigints([1, 2]), "gateway_id": 1}


def claim_parameters(connection: Connection, limit: int = 100) -> dict[str, Any]:
    """The parameters of CLAIM for the messages that TAKE_DUE would take out of the queue."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(TAKE_DUE, taking_parameters(limit))
        ids = [message_id for *_, message_ids in cursor.fetchall() for message_id in message_ids]
        cursor.execute("ROLLBACK")
    return {
        **bounded(ids),
        "mailings": "{1}",
        "revisions": "{1}",
        "worker": "left",
        "gateway": "default",
        "gateway_id": 1,
        "lease": 30.0,
    }


def pages_of_a_claim(connection: Connection, limit: int = 100) -> int:
    """The database pages that a claim touches, of both of its statements."""
    given = claim_parameters(connection, limit)
    taking = pages_touched(connection, TAKE_DUE, taking_parameters(limit))
    return taking + pages_touched(connection, CLAIM, given)


def tables_touched(connection: Connection) -> set[str]:
    """The partitions of the ledger that this transaction has read or written so far, by triggers too."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT relname FROM pg_stat_xact_user_tables
            WHERE relname ~ '^(message|attempt|message_unsent)_[0-9]+$' AND seq_scan + idx_scan + n_tup_ins > 0
            """
        )
        return {name for (name,) in cursor.fetchall()}


def fill(connection: Connection) -> None:
    """Fills an empty database with a large ledger, and analyzes nothing of it."""
    _run(connection, FILL)


def change(connection: Connection) -> None:
    """Changes most of a large ledger, and analyzes nothing of it."""
    _run(connection, CHANGE)


def plan_problems(plans: list[Plan]) -> list[str]:
    """What is wrong with plans: each says which statement it is about."""
    return [
        f"{said}: {plan.statement}"
        for plan in plans
        for said in (
            f"costs {plan.cost:,.0f}" if plan.cost >= COST_LIMIT else "",
            f"reads all of {plan.read_as_a_whole}" if plan.read_as_a_whole else "",
            "reads an array again for each row" if plan.reads_an_array_again else "",
        )
        if said
    ]


def _run(connection: Connection, statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements, {"rows": ROWS})


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
