"""Makes the ledger's triggers and tables cheaper. Nothing that they do changes.

- The triggers on `message` read the changed rows once to count them and to learn what became of them. Before, each
  question was a query of its own.
- Empty partitions are made again. Columns that were added to a partition with a default make PostgreSQL convert each
  row of it for the triggers, for as long as the partition exists. Partitions with messages stay as they are.
- Lists of claimed messages are no longer compressed: a claim lasts for less than a second.

No row is rewritten. The downgrade leaves the partitions.

Revises: 0020
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

UNSENT = "'{failed,expired,cancelled,unknown}'::message_status[]"

# `{changed}` has the columns mailing_id, id, due_at, path_id, in_doubt and gateway_id.
#
# Messages that wait for a retry become due each at its own time. They are queued together, for the end of that quarter
# of a second: a batch of one message costs as much as one of two hundred.
#
# A message in doubt waits for its gateway alone, on the path of that gateway.
QUEUE = """
        INSERT INTO queue_batch (mailing_id, path_id, due_at, message_ids)
        SELECT mailing_id, path_id, due_at, message_ids[batch * 200 + 1:(batch + 1) * 200]
        FROM (
            SELECT mailing_id, path_id, due_at, array_agg(id ORDER BY id) AS message_ids
            FROM (
                SELECT mailing_id, id,
                    CASE WHEN in_doubt THEN coalesce((
                        SELECT path.id FROM path
                        WHERE route_id IS NULL AND path.gateway_ids = ARRAY[changed.gateway_id::bigint]
                    ), path_id) ELSE path_id END AS path_id,
                    CASE WHEN due_at <= now() OR due_at = 'infinity' THEN due_at
                        ELSE date_bin('250 ms', due_at, 'epoch') + interval '250 ms' END AS due_at
                FROM ({changed}) AS changed
            ) AS waiting
            GROUP BY mailing_id, path_id, due_at
        ) AS due CROSS JOIN LATERAL generate_series(0, (cardinality(message_ids) - 1) / 200) AS batch
        ORDER BY mailing_id, path_id, due_at, batch"""

ADDED = "SELECT * FROM added WHERE status = 'pending'"

# What has become pending, or gets another due time or path. Not a join of the two: a plan that was made for a few rows
# is used again for thousands, and a nested loop over them takes minutes.
BACK = """
                    SELECT mailing_id, id, due_at, path_id, in_doubt, gateway_id FROM after WHERE status = 'pending'
                    EXCEPT
                    SELECT mailing_id, id, due_at, path_id, in_doubt, gateway_id FROM before WHERE status = 'pending'
                """

# A plan that was made for almost empty tables is used again for full ones, so those lists are read by their indexes.
FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION message_inserted() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    mailings bigint[];
    became message_status[];
BEGIN
    WITH counted AS (
        INSERT INTO message_count_delta (mailing_id, status, delivery, delta)
        SELECT mailing_id, status, delivery, count(*) FROM added GROUP BY mailing_id, status, delivery
        RETURNING mailing_id, status
    )
    SELECT array_agg(DISTINCT mailing_id), array_agg(DISTINCT status) INTO mailings, became FROM counted;
    PERFORM FROM mailing WHERE id = ANY(mailings) ORDER BY id FOR KEY SHARE;
    IF EXISTS (SELECT unnest(mailings) EXCEPT SELECT id FROM mailing WHERE id = ANY(mailings)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a message must be of a mailing that there is',
            CONSTRAINT = 'message_has_a_mailing', TABLE = 'message';
    END IF;
    IF 'pending' = ANY(became) THEN{QUEUE.format(changed=ADDED)};
    END IF;
    IF became && {UNSENT} THEN
        INSERT INTO message_unsent (mailing_id, status, message_id)
        SELECT mailing_id, status, id FROM added WHERE status = ANY({UNSENT});
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION message_updated() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan = off
    AS $$
DECLARE
    became message_status[];
    was message_status[];
    delivered delivery[];
    had_undelivered boolean;
    ended message_status;
BEGIN
    WITH change AS MATERIALIZED (
        SELECT mailing_id, status, delivery, sum(came) AS came, sum(went) AS went
        FROM (
            SELECT mailing_id, status, delivery, 1 AS came, 0 AS went FROM after
            UNION ALL
            SELECT mailing_id, status, delivery, 0, 1 FROM before
        ) AS changed
        GROUP BY mailing_id, status, delivery
    ), counted AS (
        INSERT INTO message_count_delta (mailing_id, status, delivery, delta)
        SELECT mailing_id, status, delivery, came - went FROM change WHERE came <> went
    )
    SELECT array_agg(DISTINCT status) FILTER (WHERE came > 0),
        array_agg(DISTINCT status) FILTER (WHERE went > 0),
        array_agg(DISTINCT delivery) FILTER (WHERE came > 0),
        bool_or(delivery = 'undelivered') FILTER (WHERE went > 0)
    INTO became, was, delivered, had_undelivered
    FROM change;
    IF became IS NULL THEN  -- no row has changed
        RETURN NULL;
    END IF;
    IF 'pending' = ANY(became) THEN{QUEUE.format(changed=BACK)};
    END IF;
    FOREACH ended IN ARRAY was LOOP
        IF ended = ANY({UNSENT}) THEN
            DELETE FROM message_unsent
            WHERE status = ended AND message_id = ANY(ARRAY(
                SELECT id FROM before WHERE status = ended EXCEPT SELECT id FROM after WHERE status = ended
            ));
        END IF;
    END LOOP;
    IF became && {UNSENT} THEN
        INSERT INTO message_unsent (mailing_id, status, message_id)
        SELECT mailing_id, status, id FROM after WHERE status = ANY({UNSENT})
        EXCEPT
        SELECT mailing_id, status, id FROM before;
    END IF;
    IF 'awaiting' = ANY(delivered) THEN
        INSERT INTO receipt_wait (gateway_id, message_ids, poll_at)
        SELECT gateway_id, array_agg(awaited.id ORDER BY awaited.id),
            CASE WHEN poll_receipts THEN now() + interval '1 minute' END
        FROM (
            SELECT id, gateway_id FROM after WHERE delivery = 'awaiting'
            EXCEPT
            SELECT id, gateway_id FROM before WHERE delivery = 'awaiting'
        ) AS awaited JOIN gateway ON gateway.id = gateway_id
        GROUP BY gateway_id, poll_receipts;
    END IF;
    IF 'undelivered' = ANY(delivered) THEN
        INSERT INTO message_undelivered (mailing_id, message_id)
        SELECT mailing_id, id FROM after WHERE delivery = 'undelivered'
        EXCEPT
        SELECT mailing_id, id FROM before WHERE delivery = 'undelivered';
    END IF;
    IF had_undelivered THEN
        DELETE FROM message_undelivered
        WHERE (mailing_id, message_id) IN (
            SELECT mailing_id, id FROM before WHERE delivery = 'undelivered'
            EXCEPT
            SELECT mailing_id, id FROM after WHERE delivery = 'undelivered'
        );
    END IF;
    RETURN NULL;
END $$;
"""  # noqa: S608  put together of constants

# The lock comes first: a partition without rows may be about to get some.
REMAKE_EMPTY_PARTITIONS = """
LOCK TABLE message, attempt, receipt, message_unsent, message_undelivered;
DO $$
DECLARE
    partition ledger_partition;
    is_empty boolean;
BEGIN
    FOR partition IN SELECT * FROM ledger_partition ORDER BY number LOOP
        EXECUTE format(
            'SELECT NOT EXISTS (SELECT FROM message_%1$s) AND NOT EXISTS (SELECT FROM attempt_%1$s)'
            ' AND NOT EXISTS (SELECT FROM receipt_%1$s) AND NOT EXISTS (SELECT FROM message_unsent_%1$s)'
            ' AND NOT EXISTS (SELECT FROM message_undelivered_%1$s)', partition.number) INTO is_empty;
        IF is_empty THEN
            PERFORM drop_ledger_partition(partition.number), make_ledger_partition(partition.number);
        END IF;
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    op.execute(REMAKE_EMPTY_PARTITIONS)
    op.execute("ALTER TABLE claim ALTER COLUMN message_ids SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.execute("ALTER TABLE claim ALTER COLUMN message_ids SET STORAGE EXTENDED")
