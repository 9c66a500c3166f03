"""Leaves room for all versions of a message in its page.

A claim and a record each write a new version of a row. A page that was filled to 40 % had room for all of them only if
the dead ones were removed in between, which an old snapshot prevents: then two of five versions went to another page,
and needed an entry in each index. A page that is filled to 30 % has room for three versions of each row.

Pages that have rows stay as they are. The function is that of 0018, with another fillfactor.

Revises: 0021
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

FILLFACTOR, FILLFACTOR_BEFORE = 30, 40

FACT_STORAGE = "autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02"

STATEMENTS = """
CREATE OR REPLACE FUNCTION make_ledger_partition(number bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $_$
DECLARE
    first_id bigint := number * ledger_partition_width();
    end_id bigint := first_id + ledger_partition_width();
BEGIN
    PERFORM pg_advisory_xact_lock(1, 3);
    IF EXISTS (SELECT FROM ledger_partition WHERE first_message_id < end_id AND end_message_id > first_id) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE message_%1$s (LIKE message INCLUDING ALL EXCLUDING IDENTITY) WITH ({message_storage});'
        'CREATE UNIQUE INDEX message_%1$s_client_id_mailing_id_key ON message_%1$s (client_id, mailing_id);'
        'CREATE TABLE attempt_%1$s (LIKE attempt INCLUDING ALL) WITH ({fact_storage});'
        'CREATE TABLE receipt_%1$s (LIKE receipt INCLUDING ALL) WITH ({fact_storage});'
        'CREATE TABLE message_unsent_%1$s (LIKE message_unsent INCLUDING ALL);'
        'CREATE TABLE message_undelivered_%1$s (LIKE message_undelivered INCLUDING ALL);'
        'ALTER TABLE message ATTACH PARTITION message_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE attempt ATTACH PARTITION attempt_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE receipt ATTACH PARTITION receipt_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE message_unsent ATTACH PARTITION message_unsent_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE message_undelivered ATTACH PARTITION message_undelivered_%1$s FOR VALUES FROM (%2$s) TO (%3$s)',
        number, first_id, end_id);
    INSERT INTO ledger_partition (number, first_message_id, end_message_id) VALUES (number, first_id, end_id);
    RETURN true;
END $_$;
DO $$
DECLARE
    partition ledger_partition;
BEGIN
    FOR partition IN SELECT * FROM ledger_partition ORDER BY number LOOP
        EXECUTE format('ALTER TABLE message_%s SET (fillfactor = {fillfactor})', partition.number);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(_statements(FILLFACTOR))


def downgrade() -> None:
    op.execute(_statements(FILLFACTOR_BEFORE))


def _statements(fillfactor: int) -> str:
    message_storage = (
        f"fillfactor = {fillfactor}, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000, "
        "autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02, "
        "autovacuum_vacuum_cost_limit = 2000"
    )
    return STATEMENTS.format(message_storage=message_storage, fact_storage=FACT_STORAGE, fillfactor=fillfactor)
