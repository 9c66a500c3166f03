"""Keeps receipts, the delivery of each sent message, and the messages of recipients.

- `receipt` is a fact, partitioned as `message`. `receipt_queue` has those that are not applied yet, `receipt_orphan`
  those of no message that is known, `receipt_wait` the messages whose receipts are awaited.
- `message.delivery` is null for what was sent before: nothing is known, as with gateways that send no receipts. No row
  is rewritten. Counts have the delivery as a second dimension.
- `inbound_part` has what providers forward, `inbound_message` what was put together of it.

An index of `attempt` is built: some minutes for 100,000,000 messages with a provider's id; and one of `client`, which
has no entries yet.

Revises: 0017
"""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UNSENT = "'{failed,expired,cancelled,unknown}'::message_status[]"
"""The statuses of ended messages that were not sent."""

MESSAGE_STORAGE = (
    "fillfactor = 40, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000, "
    "autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02, "
    "autovacuum_vacuum_cost_limit = 2000"
)

FACT_STORAGE = "autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02"

WORK_STORAGE = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500"

# 244 random bits (PostgreSQL manual, 9.14: gen_random_uuid is cryptographically strong).
RANDOM = "replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')"

# What a provider said, in all tables of receipts.
RECEIPT = """
    gateway_id integer NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    provider_message_id text,
    part text,
    parts smallint,
    state receipt_state NOT NULL,
    reason undelivered_reason,
    code text,
    words text,
    event_at timestamp with time zone,
    raw text,
"""

TABLES = f"""
CREATE TYPE delivery AS ENUM ('awaiting', 'delivered', 'undelivered', 'no_receipt');
CREATE TYPE receipt_state AS ENUM ('accepted', 'unknown', 'undelivered', 'delivered');
CREATE TYPE undelivered_reason AS ENUM ('expired', 'blocked', 'unknown_subscriber', 'opted_out', 'rejected', 'other');
ALTER TABLE message
    ADD COLUMN delivery delivery,
    ADD COLUMN delivery_at timestamp with time zone,
    ADD COLUMN delivery_reason undelivered_reason,
    ADD COLUMN delivery_code text,
    ADD COLUMN delivery_conflicting boolean DEFAULT false NOT NULL,
    ADD COLUMN parts smallint,
    ADD COLUMN parts_delivered smallint,
    ADD CONSTRAINT message_delivery_is_of_a_sent_one CHECK (delivery IS NULL OR status = 'sent'),
    ADD CONSTRAINT message_undelivered_has_a_reason CHECK (
        (delivery_reason IS NOT NULL) = (delivery IS NOT DISTINCT FROM 'undelivered'));
CREATE INDEX attempt_provider_message_id_idx ON attempt (provider_message_id) WHERE provider_message_id IS NOT NULL;
ALTER TABLE message_count_delta ADD COLUMN delivery delivery;
ALTER TABLE gateway
    ADD COLUMN callback_token text DEFAULT {RANDOM} NOT NULL,
    ADD COLUMN poll_receipts boolean DEFAULT false NOT NULL,
    ADD COLUMN no_receipt_prefixes text[] DEFAULT '{{}}' NOT NULL,
    ADD COLUMN min_delivery_percent smallint,
    ADD CONSTRAINT gateway_min_delivery_is_a_percentage CHECK (min_delivery_percent BETWEEN 0 AND 100);
ALTER TABLE client ADD COLUMN unknown_subscriber_count integer DEFAULT 0 NOT NULL;
CREATE INDEX client_unknown_subscriber_idx ON client (id) WHERE unknown_subscriber_count > 0;
ALTER TABLE mailing
    ADD COLUMN exclude_unknown_after integer,
    ADD CONSTRAINT mailing_exclude_unknown_after_is_positive CHECK (exclude_unknown_after > 0);
CREATE TABLE receipt (
    message_id bigint NOT NULL,
    fingerprint uuid NOT NULL,{RECEIPT}    repeats integer DEFAULT 0 NOT NULL,
    CONSTRAINT receipt_pkey PRIMARY KEY (message_id, fingerprint),
    CONSTRAINT receipt_undelivered_has_a_reason CHECK ((reason IS NOT NULL) = (state = 'undelivered'))
) PARTITION BY RANGE (message_id);
CREATE TABLE receipt_queue (
    id bigint GENERATED ALWAYS AS IDENTITY,
    message_id bigint,
    recipient text,
    fingerprint uuid NOT NULL,{RECEIPT}    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT receipt_queue_pkey PRIMARY KEY (id),
    CONSTRAINT receipt_queue_names_a_message CHECK (message_id IS NOT NULL OR provider_message_id IS NOT NULL),
    CONSTRAINT receipt_queue_undelivered_has_a_reason CHECK ((reason IS NOT NULL) = (state = 'undelivered'))
) WITH ({WORK_STORAGE});
CREATE INDEX receipt_queue_due_idx ON receipt_queue (due_at, id);
CREATE TABLE receipt_orphan (
    id bigint GENERATED ALWAYS AS IDENTITY,
    message_id bigint,
    recipient text,
    fingerprint uuid NOT NULL,{RECEIPT}    repeats integer DEFAULT 0 NOT NULL,
    CONSTRAINT receipt_orphan_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX receipt_orphan_fingerprint_key ON receipt_orphan (gateway_id, fingerprint);
CREATE INDEX receipt_orphan_provider_message_id_idx ON receipt_orphan (gateway_id, provider_message_id);
CREATE INDEX receipt_orphan_received_at_idx ON receipt_orphan (received_at);
CREATE TABLE receipt_wait (
    id bigint GENERATED ALWAYS AS IDENTITY,
    gateway_id integer NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    message_ids bigint[] NOT NULL,
    measured boolean DEFAULT false NOT NULL,
    polls integer DEFAULT 0 NOT NULL,
    poll_at timestamp with time zone,
    CONSTRAINT receipt_wait_pkey PRIMARY KEY (id),
    CONSTRAINT receipt_wait_is_not_empty CHECK (cardinality(message_ids) > 0)
) WITH ({WORK_STORAGE}, toast_tuple_target = 8160);
CREATE INDEX receipt_wait_since_idx ON receipt_wait (gateway_id, since);
CREATE INDEX receipt_wait_unmeasured_idx ON receipt_wait (since) WHERE NOT measured;
CREATE INDEX receipt_wait_poll_idx ON receipt_wait (poll_at) WHERE poll_at IS NOT NULL;
CREATE TABLE delivery_speed (
    gateway_id integer NOT NULL,
    operator_code text NOT NULL,
    minute timestamp with time zone NOT NULL,
    sent integer NOT NULL,
    within_1 integer NOT NULL,
    within_5 integer NOT NULL,
    within_10 integer NOT NULL,
    undelivered integer NOT NULL,
    CONSTRAINT delivery_speed_pkey PRIMARY KEY (gateway_id, operator_code, minute)
);
CREATE INDEX delivery_speed_minute_idx ON delivery_speed (minute);
CREATE TABLE message_undelivered (
    mailing_id bigint NOT NULL,
    message_id bigint NOT NULL,
    CONSTRAINT message_undelivered_pkey PRIMARY KEY (mailing_id, message_id)
) PARTITION BY RANGE (message_id);
CREATE INDEX message_undelivered_message_id_idx ON message_undelivered (message_id);
CREATE TABLE inbound_message (
    id bigint GENERATED ALWAYS AS IDENTITY,
    gateway_id integer NOT NULL,
    sender text NOT NULL,
    phone_number bigint,
    recipient text NOT NULL,
    text text NOT NULL,
    parts smallint NOT NULL,
    parts_received smallint NOT NULL,
    sent_at timestamp with time zone,
    received_at timestamp with time zone NOT NULL,
    client_id bigint,
    message_id bigint,
    read_at timestamp with time zone,
    read_by text,
    answered_at timestamp with time zone,
    answer_message_id bigint,
    CONSTRAINT inbound_message_pkey PRIMARY KEY (id),
    CONSTRAINT inbound_message_read_by_somebody CHECK ((read_at IS NULL) = (read_by IS NULL)),
    CONSTRAINT inbound_message_answered_by_a_message CHECK ((answered_at IS NULL) = (answer_message_id IS NULL))
);
CREATE INDEX inbound_message_unread_idx ON inbound_message (id) WHERE read_at IS NULL;
CREATE INDEX inbound_message_phone_number_idx ON inbound_message (phone_number, id);
CREATE INDEX inbound_message_client_id_idx ON inbound_message (client_id, id);
CREATE INDEX inbound_message_gateway_id_idx ON inbound_message (gateway_id, id);
CREATE TABLE inbound_part (
    id bigint GENERATED ALWAYS AS IDENTITY,
    gateway_id integer NOT NULL,
    fingerprint uuid NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sender text NOT NULL,
    recipient text NOT NULL,
    text text NOT NULL,
    provider_message_id text,
    sent_at timestamp with time zone,
    reference text,
    part smallint NOT NULL,
    parts smallint NOT NULL,
    inbound_message_id bigint,
    CONSTRAINT inbound_part_pkey PRIMARY KEY (id),
    CONSTRAINT inbound_part_inbound_message_id_fkey FOREIGN KEY (inbound_message_id)
        REFERENCES inbound_message(id) ON DELETE CASCADE,
    CONSTRAINT inbound_part_is_one_of_its_parts CHECK (part BETWEEN 1 AND parts)
);
CREATE UNIQUE INDEX inbound_part_fingerprint_key ON inbound_part (gateway_id, fingerprint);
CREATE INDEX inbound_part_unassembled_idx ON inbound_part (id) WHERE inbound_message_id IS NULL;
CREATE INDEX inbound_part_inbound_message_id_idx ON inbound_part (inbound_message_id);
CREATE INDEX inbound_part_sender_idx ON inbound_part (sender, received_at) WHERE parts > 1;
"""

# Attaching locks the parents less than CREATE TABLE … PARTITION OF: claims continue meanwhile.
PARTITIONS = f"""
CREATE OR REPLACE FUNCTION make_ledger_partition(number bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
    first_id bigint := number * ledger_partition_width();
    end_id bigint := first_id + ledger_partition_width();
BEGIN
    PERFORM pg_advisory_xact_lock(1, 3);
    IF EXISTS (SELECT FROM ledger_partition WHERE first_message_id < end_id AND end_message_id > first_id) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE message_%1$s (LIKE message INCLUDING ALL EXCLUDING IDENTITY) WITH ({MESSAGE_STORAGE});'
        'CREATE UNIQUE INDEX message_%1$s_client_id_mailing_id_key ON message_%1$s (client_id, mailing_id);'
        'CREATE TABLE attempt_%1$s (LIKE attempt INCLUDING ALL) WITH ({FACT_STORAGE});'
        'CREATE TABLE receipt_%1$s (LIKE receipt INCLUDING ALL) WITH ({FACT_STORAGE});'
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
END $$;
CREATE OR REPLACE FUNCTION drop_ledger_partition(partition_number bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format(
        'DROP TABLE message_%1$s, attempt_%1$s, receipt_%1$s, message_unsent_%1$s, message_undelivered_%1$s',
        partition_number);
    DELETE FROM ledger_partition WHERE number = partition_number;
END $$;
DO $$
DECLARE
    partition record;
BEGIN
    FOR partition IN SELECT * FROM ledger_partition LOOP
        EXECUTE format(
            'CREATE TABLE receipt_%1$s (LIKE receipt INCLUDING ALL) WITH ({FACT_STORAGE});'
            'CREATE TABLE message_undelivered_%1$s (LIKE message_undelivered INCLUDING ALL);'
            'ALTER TABLE receipt ATTACH PARTITION receipt_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
            'ALTER TABLE message_undelivered ATTACH PARTITION message_undelivered_%1$s '
                'FOR VALUES FROM (%2$s) TO (%3$s)',
            partition.number, partition.first_message_id, partition.end_message_id);
    END LOOP;
END $$;
"""  # noqa: S608  put together of constants

OLD_PARTITIONS = f"""
CREATE OR REPLACE FUNCTION make_ledger_partition(number bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
    first_id bigint := number * ledger_partition_width();
    end_id bigint := first_id + ledger_partition_width();
BEGIN
    PERFORM pg_advisory_xact_lock(1, 3);
    IF EXISTS (SELECT FROM ledger_partition WHERE first_message_id < end_id AND end_message_id > first_id) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE message_%1$s (LIKE message INCLUDING ALL EXCLUDING IDENTITY) WITH ({MESSAGE_STORAGE});'
        'CREATE UNIQUE INDEX message_%1$s_client_id_mailing_id_key ON message_%1$s (client_id, mailing_id);'
        'CREATE TABLE attempt_%1$s (LIKE attempt INCLUDING ALL) WITH ({FACT_STORAGE});'
        'CREATE TABLE message_unsent_%1$s (LIKE message_unsent INCLUDING ALL);'
        'ALTER TABLE message ATTACH PARTITION message_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE attempt ATTACH PARTITION attempt_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE message_unsent ATTACH PARTITION message_unsent_%1$s FOR VALUES FROM (%2$s) TO (%3$s)',
        number, first_id, end_id);
    INSERT INTO ledger_partition (number, first_message_id, end_message_id) VALUES (number, first_id, end_id);
    RETURN true;
END $$;
CREATE OR REPLACE FUNCTION drop_ledger_partition(partition_number bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('DROP TABLE message_%1$s, attempt_%1$s, message_unsent_%1$s', partition_number);
    DELETE FROM ledger_partition WHERE number = partition_number;
END $$;
"""  # noqa: S608  put together of constants

QUEUE = """
        INSERT INTO queue_batch (mailing_id, path_id, due_at, message_ids)
        SELECT mailing_id, path_id, due_at, array_agg(id ORDER BY id)
        FROM (
            SELECT mailing_id, path_id, due_at, id,
                (row_number() OVER (PARTITION BY mailing_id, path_id, due_at ORDER BY id) - 1) / 200 AS batch
            FROM ({waiting}) AS waiting
        ) AS numbered
        GROUP BY mailing_id, path_id, due_at, batch
        ORDER BY mailing_id, path_id, due_at, batch"""

# Messages that wait for a retry become due each at its own time. They are queued together, for the end of that quarter
# of a second: a batch of one message costs as much as one of two hundred.
#
# A message in doubt waits for its gateway alone, on the path of that gateway.
ROUNDED = """
                SELECT mailing_id, id,
                    CASE WHEN in_doubt THEN coalesce((
                        SELECT path.id FROM path
                        WHERE route_id IS NULL AND path.gateway_ids = ARRAY[changed.gateway_id::bigint]
                    ), path_id) ELSE path_id END AS path_id,
                    CASE WHEN due_at <= now() OR due_at = 'infinity' THEN due_at
                        ELSE date_bin('250 ms', due_at, 'epoch') + interval '250 ms' END AS due_at
                FROM ({changed}) AS changed
            """

ADDED = "SELECT * FROM added WHERE status = 'pending'"

# What has become pending, or gets another due time or path. Not a join of the two: a plan that was made for a few rows
# is used again for thousands, and a nested loop over them takes minutes.
BACK = """
                    SELECT mailing_id, id, due_at, path_id, in_doubt, gateway_id FROM after WHERE status = 'pending'
                    EXCEPT
                    SELECT mailing_id, id, due_at, path_id, in_doubt, gateway_id FROM before WHERE status = 'pending'
                """

# The triggers: {delivery} is the second dimension of counts.
FUNCTIONS = """
CREATE OR REPLACE FUNCTION message_inserted() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    mailings bigint[] := ARRAY(SELECT DISTINCT mailing_id FROM added);
BEGIN
    PERFORM FROM mailing WHERE id = ANY(mailings) ORDER BY id FOR KEY SHARE;
    IF EXISTS (SELECT unnest(mailings) EXCEPT SELECT id FROM mailing WHERE id = ANY(mailings)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a message must be of a mailing that there is',
            CONSTRAINT = 'message_has_a_mailing', TABLE = 'message';
    END IF;
    INSERT INTO message_count_delta (mailing_id, status{delivery}, delta)
    SELECT mailing_id, status{delivery}, count(*) FROM added GROUP BY mailing_id, status{delivery};
    IF EXISTS (SELECT FROM added WHERE status = 'pending') THEN{queue_added};
    END IF;
    INSERT INTO message_unsent (mailing_id, status, message_id)
    SELECT mailing_id, status, id FROM added WHERE status = ANY({unsent});
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION message_updated() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan = off
    AS $$
DECLARE
    became message_status[] := ARRAY(SELECT DISTINCT status FROM after);
    was message_status[] := ARRAY(SELECT DISTINCT status FROM before);
    ended message_status;{declared}
BEGIN
    INSERT INTO message_count_delta (mailing_id, status{delivery}, delta)
    SELECT mailing_id, status{delivery}, sum(sign)
    FROM (
        SELECT mailing_id, status{delivery}, 1 AS sign FROM after
        UNION ALL
        SELECT mailing_id, status{delivery}, -1 FROM before
    ) AS change
    GROUP BY mailing_id, status{delivery}
    HAVING sum(sign) <> 0;
    IF 'pending' = ANY(became) THEN{queue_back};
    END IF;
    FOREACH ended IN ARRAY was LOOP
        IF ended = ANY({unsent}) THEN
            DELETE FROM message_unsent
            WHERE status = ended AND message_id = ANY(ARRAY(
                SELECT id FROM before WHERE status = ended EXCEPT SELECT id FROM after WHERE status = ended
            ));
        END IF;
    END LOOP;
    IF became && {unsent} THEN
        INSERT INTO message_unsent (mailing_id, status, message_id)
        SELECT mailing_id, status, id FROM after WHERE status = ANY({unsent})
        EXCEPT
        SELECT mailing_id, status, id FROM before;
    END IF;{updated}
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION message_deleted() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan = off
    AS $$
BEGIN
    INSERT INTO message_count_delta (mailing_id, status{delivery}, delta)
    SELECT mailing_id, status{delivery}, -count(*) FROM removed GROUP BY mailing_id, status{delivery};
    DELETE FROM message_unsent
    WHERE status = ANY({unsent}) AND message_id = ANY(ARRAY(
        SELECT id FROM removed WHERE status = ANY({unsent})
    ));{deleted}
    RETURN NULL;
END $$;
"""

DECLARED = """
    delivered delivery[] := ARRAY(SELECT DISTINCT delivery FROM after WHERE delivery IS NOT NULL);"""

# What is awaited is listed for its deadline, and for polls. `message_undelivered` lists what was not delivered.
UPDATED = """
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
    IF EXISTS (SELECT FROM before WHERE delivery = 'undelivered') THEN
        DELETE FROM message_undelivered
        WHERE (mailing_id, message_id) IN (
            SELECT mailing_id, id FROM before WHERE delivery = 'undelivered'
            EXCEPT
            SELECT mailing_id, id FROM after WHERE delivery = 'undelivered'
        );
    END IF;"""

DELETED = """
    IF EXISTS (SELECT FROM removed WHERE delivery = 'undelivered') THEN
        DELETE FROM message_undelivered
        WHERE (mailing_id, message_id) IN (SELECT mailing_id, id FROM removed WHERE delivery = 'undelivered');
    END IF;"""


def _functions(*, delivery: str, declared: str, updated: str, deleted: str) -> str:
    return FUNCTIONS.format(
        unsent=UNSENT,
        delivery=delivery,
        declared=declared,
        updated=updated,
        deleted=deleted,
        queue_added=QUEUE.format(waiting=ROUNDED.format(changed=ADDED)),
        queue_back=QUEUE.format(waiting=ROUNDED.format(changed=BACK)),
    )


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(PARTITIONS)
    op.execute(_functions(delivery=", delivery", declared=DECLARED, updated=UPDATED, deleted=DELETED))
    op.execute("ANALYZE gateway, attempt")


def downgrade() -> None:
    op.execute(_functions(delivery="", declared="", updated="", deleted=""))
    op.execute(OLD_PARTITIONS)
    op.execute("""
        DROP TABLE inbound_part, inbound_message, message_undelivered, delivery_speed, receipt_wait, receipt_orphan,
            receipt_queue, receipt;
        ALTER TABLE mailing DROP COLUMN exclude_unknown_after;
        ALTER TABLE client DROP COLUMN unknown_subscriber_count;
        ALTER TABLE gateway DROP COLUMN callback_token, DROP COLUMN poll_receipts, DROP COLUMN no_receipt_prefixes,
            DROP COLUMN min_delivery_percent;
        ALTER TABLE message_count_delta DROP COLUMN delivery;
        DROP INDEX attempt_provider_message_id_idx;
        ALTER TABLE message DROP COLUMN delivery, DROP COLUMN delivery_at, DROP COLUMN delivery_reason,
            DROP COLUMN delivery_code, DROP COLUMN delivery_conflicting, DROP COLUMN parts, DROP COLUMN parts_delivered;
        DROP TYPE undelivered_reason, receipt_state, delivery;
    """)
