"""The history of every row, recorded by triggers of the database, and how the facts are read from it.

Triggers add each state of a message, an attempt, a mailing, a client, a queue batch, a claim, a path and a suppression
to tables in the schema `chaos`, in the transaction that makes it, and the server keeps the time of each commit
(track_commit_timestamp). So no state is missed.
"""

from __future__ import annotations

from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.chaos.facts import (
    Attempt,
    BatchMove,
    Cap,
    ClaimMove,
    ClientMove,
    GatewayFact,
    MailingMove,
    MessageMove,
    PathMove,
    StoredReceipt,
    SuppressionMove,
    Text,
)

# Functions that a mutant may replace are kept as they are.
INSTALL = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.function AS
SELECT pg_get_functiondef(oid) AS definition FROM pg_proc WHERE proname = 'message_updated';
"""

# One table of moves for each table; `whole` is the row as the transaction leaves it, or as it was when it goes.
WATCH = """
CREATE TABLE chaos.{table}_move (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    xid xid, began_at timestamptz, by text, present bool, whole public.{table}
);
CREATE FUNCTION chaos.watch_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.{table}_move (xid, began_at, by, present, whole) VALUES (
        pg_current_xact_id()::xid, now(), current_setting('application_name'), TG_OP <> 'DELETE', coalesce(NEW, OLD));
    RETURN NULL;
END $$;
CREATE TRIGGER chaos AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION chaos.watch_{table}();
"""
WATCHED = ("message", "attempt", "mailing", "client", "queue_batch", "claim", "path", "suppression")

# A mutant may have dropped the index, and replaced the function.
CLEAR = f"""
TRUNCATE {", ".join(f"chaos.{table}_move" for table in WATCHED)};
CREATE UNIQUE INDEX IF NOT EXISTS message_0_client_id_mailing_id_key ON message_0 (client_id, mailing_id);
DO $$ BEGIN EXECUTE (SELECT definition FROM chaos.function); END $$
"""  # noqa: S608  put together of constants

# A message's lease is that of its claim, which never changes.
READ_MESSAGES = """
WITH made AS (
    SELECT DISTINCT ON ((whole).id) (whole).* FROM chaos.claim_move ORDER BY (whole).id, seq
)
SELECT (whole).id, (whole).mailing_id, (whole).client_id, (whole).phone_number,
    CASE WHEN present THEN (whole).status::text ELSE 'deleted' END,
    (whole).attempts, (whole).uncounted_attempts, (whole).in_doubt, (whole).text_revision,
    extract(epoch FROM (whole).due_at)::float8, (whole).claim_id, extract(epoch FROM made.lease_until)::float8,
    made.worker, (whole).reason_code, extract(epoch FROM began_at)::float8,
    extract(epoch FROM pg_xact_commit_timestamp(xid))::float8, by, (whole).path_id, (whole).gateway_id,
    (whole).delivery::text, (whole).delivery_reason::text, (whole).delivery_conflicting, (whole).parts,
    (whole).parts_delivered, (whole).text_values
FROM chaos.message_move LEFT JOIN made ON (whole).status = 'sending' AND made.id = (whole).claim_id
ORDER BY seq
"""

READ_MAILINGS = """
SELECT (whole).id, (whole).mark, extract(epoch FROM (whole).start_datetime)::float8,
    extract(epoch FROM (whole).end_datetime)::float8, (whole).status::text, (whole).on_unknown::text,
    (whole).text_revision, (whole).audience, (whole).launch_started_at IS NOT NULL,
    (whole).launched_at IS NOT NULL, (whole).settled_at IS NOT NULL, (whole).deleted_at IS NOT NULL,
    present, extract(epoch FROM began_at)::float8,
    extract(epoch FROM pg_xact_commit_timestamp(xid))::float8, by, (whole).audience_frozen_at IS NOT NULL,
    (whole).segment_tree, (whole).excluded_trees, (whole).kind::text, (whole).local_from, (whole).local_until,
    (whole).local_weekdays, (whole).default_timezone
FROM chaos.mailing_move ORDER BY seq
"""

READ_CLIENTS = """
SELECT (whole).id, (whole).phone_number, (whole).operator_code, (whole).tag, present,
    extract(epoch FROM began_at)::float8, extract(epoch FROM pg_xact_commit_timestamp(xid))::float8,
    (whole).attributes ->> 'name', (whole).timezone
FROM chaos.client_move ORDER BY seq
"""

READ_ATTEMPTS = """
SELECT (whole).message_id, (whole).number, extract(epoch FROM (whole).started_at)::float8, (whole).duration,
    (whole).result::text, (whole).provider_code, (whole).reason_params ->> 'late_result', (whole).worker, present,
    extract(epoch FROM pg_xact_commit_timestamp(xid))::float8, (whole).gateway, (whole).reason_code,
    (whole).reason_params ->> 'look_up', (whole).provider_message_id
FROM chaos.attempt_move ORDER BY seq
"""

READ_BATCHES = """
SELECT (whole).id, (whole).mailing_id, extract(epoch FROM (whole).due_at)::float8, (whole).message_ids, present,
    extract(epoch FROM pg_xact_commit_timestamp(xid))::float8, by, (whole).path_id
FROM chaos.queue_batch_move ORDER BY seq
"""

READ_CLAIMS = """
SELECT (whole).id, (whole).worker, extract(epoch FROM (whole).lease_until)::float8, (whole).message_ids, present,
    extract(epoch FROM pg_xact_commit_timestamp(xid))::float8, by
FROM chaos.claim_move ORDER BY seq
"""

READ_GATEWAYS = """
SELECT id, name, provider, receipts, '/v1/receipt/' || name || '/' || callback_token FROM gateway ORDER BY id
"""

READ_RECEIPTS = """
SELECT 'receipt', message_id, gateway_id, provider_message_id, state::text, reason::text, part, repeats + 1
FROM receipt
UNION ALL
SELECT 'receipt_queue', message_id, gateway_id, provider_message_id, state::text, reason::text, part, 1
FROM receipt_queue
UNION ALL
SELECT 'receipt_orphan', message_id, gateway_id, provider_message_id, state::text, reason::text, part, repeats + 1
FROM receipt_orphan
"""

READ_PATHS = """
SELECT (whole).id, (whole).route_id, (whole).gateway_ids, (whole).gateway_id,
    extract(epoch FROM pg_xact_commit_timestamp(xid))::float8
FROM chaos.path_move WHERE present ORDER BY seq
"""

READ_SUPPRESSIONS = """
SELECT (whole).id, (whole).phone_number, (whole).scope::text, (whole).gateway_id, (whole).lifted_at IS NOT NULL,
    extract(epoch FROM began_at)::float8, extract(epoch FROM pg_xact_commit_timestamp(xid))::float8
FROM chaos.suppression_move WHERE present ORDER BY seq
"""

READ_CAPS = "SELECT messages, period_hours FROM message_cap"

READ_TEXTS = "SELECT mailing_id, revision, text, fields FROM mailing_text"


def track_commit_times(url: str) -> None:
    """Has the server keep the time of each commit, from its next start on."""
    _execute(url, "ALTER SYSTEM SET track_commit_timestamp = on")


def install(url: str) -> None:
    """From now on every change of a row is recorded."""
    _execute(url, INSTALL + "".join(WATCH.format(table=table) for table in WATCHED))


def clear(url: str) -> None:
    """Deletes what has been recorded so far."""
    _execute(url, CLEAR)


def read(connection: Connection) -> dict[str, Any]:
    """The database's part of the facts, as keywords of Facts."""
    return {
        "messages": [MessageMove(*row) for row in _rows(connection, READ_MESSAGES)],
        "mailings": [MailingMove(*row) for row in _rows(connection, READ_MAILINGS)],
        "clients": [ClientMove(*row) for row in _rows(connection, READ_CLIENTS)],
        "suppressions": [SuppressionMove(*row) for row in _rows(connection, READ_SUPPRESSIONS)],
        "caps": [Cap(*row) for row in _rows(connection, READ_CAPS)],
        "batches": [BatchMove(*row) for row in _rows(connection, READ_BATCHES)],
        "claims": [ClaimMove(*row) for row in _rows(connection, READ_CLAIMS)],
        "attempts": [Attempt(*row) for row in _rows(connection, READ_ATTEMPTS)],
        "stored": [StoredReceipt(*row) for row in _rows(connection, READ_RECEIPTS)],
        "gateways": [GatewayFact(*row) for row in _rows(connection, READ_GATEWAYS)],
        "paths": [PathMove(*row) for row in _rows(connection, READ_PATHS)],
        "texts": [Text(*row) for row in _rows(connection, READ_TEXTS)],
    }


def _rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def _execute(url: str, statements: str) -> None:
    connection = psycopg2.connect(url, application_name="chaos")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statements)
    connection.close()
