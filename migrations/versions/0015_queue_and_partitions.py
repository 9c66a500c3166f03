"""Takes work apart from facts: a queue, claims under lease, and a ledger in partitions.

- `queue_batch` has the pending messages, in batches of at most 200 that become due together. `claim` has the messages
  that workers have under lease, one row for each claim. Both are small, and a message needs no index of its own for
  either.
- `message` has facts only, so no index names a column that changes, and its updates stay within their page (HOT).
  `message_unsent` lists what ended otherwise than sent.
- `message`, `attempt` and `message_unsent` are partitioned by ranges of message ids. Retention drops whole partitions.
  `ledger_partition` has their bounds, `make_ledger_partition` makes one in all three tables.

The present ledger becomes the first partition: it is not copied. New messages go into the next one, so their ids begin
with the next multiple of 10,000,000. Attaching it reads `message` and `attempt` once, and
one index of `message` is built: some minutes for 100,000,000 messages. API and workers of the version before must be
stopped.

Revises: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

UNSENT = "'{failed,expired,cancelled,unknown}'::message_status[]"

# A message grows with its claim. New rows fill less than half of a page, so that the versions before and after a claim
# fit into it, and no update needs index entries.
MESSAGE_STORAGE = (
    "fillfactor = 40, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000, "
    "autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02, "
    "autovacuum_vacuum_cost_limit = 2000"
)

ATTEMPT_STORAGE = "autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02"

# Arrays of ids stay in their rows as they are, up to a page: compressing them takes longer than the rest of a claim.
WORK_STORAGE = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, toast_tuple_target = 8160"

WORK = f"""
CREATE TABLE queue_batch (
    id bigint GENERATED ALWAYS AS IDENTITY,
    mailing_id bigint NOT NULL,
    due_at timestamp with time zone NOT NULL,
    message_ids bigint[] NOT NULL,
    CONSTRAINT queue_batch_pkey PRIMARY KEY (id),
    CONSTRAINT queue_batch_is_not_empty CHECK (cardinality(message_ids) > 0)
) WITH ({WORK_STORAGE});
CREATE INDEX queue_batch_due_idx ON queue_batch (mailing_id, due_at, id);
CREATE TABLE claim (
    id bigint GENERATED ALWAYS AS IDENTITY,
    worker text NOT NULL,
    gateway text NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    poison boolean DEFAULT false NOT NULL,
    message_ids bigint[] NOT NULL,
    CONSTRAINT claim_pkey PRIMARY KEY (id)
) WITH ({WORK_STORAGE});
CREATE TABLE ledger_partition (
    number bigint NOT NULL,
    first_message_id bigint NOT NULL,
    end_message_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ledger_partition_pkey PRIMARY KEY (number),
    CONSTRAINT ledger_partition_is_not_empty CHECK (first_message_id < end_message_id)
);
"""

TABLES = """
CREATE TABLE message (
    id bigint GENERATED ALWAYS AS IDENTITY,
    mailing_id bigint NOT NULL,
    client_id bigint NOT NULL,
    phone_number bigint NOT NULL,
    status message_status DEFAULT 'pending' NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    uncounted_attempts integer DEFAULT 0 NOT NULL,
    in_doubt boolean DEFAULT false NOT NULL,
    text_revision integer,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    claim_id bigint,
    sent_at timestamp with time zone,
    ended_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    reason_code text,
    reason_params jsonb,
    CONSTRAINT message_pkey PRIMARY KEY (id),
    CONSTRAINT message_end_has_a_timestamp CHECK ((status IN ('pending', 'sending')) = (ended_at IS NULL)),
    CONSTRAINT message_sending_has_a_claim CHECK (status <> 'sending' OR claim_id IS NOT NULL),
    CONSTRAINT message_sent_has_a_timestamp CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
    CONSTRAINT message_uncounted_attempts_are_attempts CHECK (uncounted_attempts BETWEEN 0 AND attempts)
) PARTITION BY RANGE (id);
CREATE INDEX message_mailing_id_id_idx ON message (mailing_id, id);
CREATE INDEX message_phone_number_idx ON message (phone_number, id);
CREATE TABLE attempt (
    message_id bigint NOT NULL,
    number integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    duration double precision,
    gateway text NOT NULL,
    result attempt_result NOT NULL,
    provider_code text,
    reason_code text,
    reason_params jsonb,
    provider_message_id text,
    worker text NOT NULL,
    CONSTRAINT attempt_pkey PRIMARY KEY (message_id, number)
) PARTITION BY RANGE (message_id);
CREATE INDEX attempt_started_at_idx ON attempt USING brin (started_at) WITH (autosummarize = on);
CREATE TABLE message_unsent (
    mailing_id bigint NOT NULL,
    status message_status NOT NULL,
    message_id bigint NOT NULL,
    CONSTRAINT message_unsent_pkey PRIMARY KEY (mailing_id, status, message_id)
) PARTITION BY RANGE (message_id);
CREATE INDEX message_unsent_status_message_id_idx ON message_unsent (status, message_id);
"""

# Attaching locks the parents less than CREATE TABLE … PARTITION OF: claims continue meanwhile.
PARTITIONS = f"""
CREATE FUNCTION ledger_partition_width() RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT 10000000::bigint $$;
CREATE FUNCTION make_ledger_partition(number bigint) RETURNS boolean
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
        'CREATE TABLE attempt_%1$s (LIKE attempt INCLUDING ALL) WITH ({ATTEMPT_STORAGE});'
        'CREATE TABLE message_unsent_%1$s (LIKE message_unsent INCLUDING ALL);'
        'ALTER TABLE message ATTACH PARTITION message_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE attempt ATTACH PARTITION attempt_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE message_unsent ATTACH PARTITION message_unsent_%1$s FOR VALUES FROM (%2$s) TO (%3$s)',
        number, first_id, end_id);
    INSERT INTO ledger_partition (number, first_message_id, end_message_id) VALUES (number, first_id, end_id);
    RETURN true;
END $$;
CREATE FUNCTION drop_ledger_partition(partition_number bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('DROP TABLE message_%1$s, attempt_%1$s, message_unsent_%1$s', partition_number);
    DELETE FROM ledger_partition WHERE number = partition_number;
END $$;
"""  # noqa: S608  put together of constants

QUEUE = """
        INSERT INTO queue_batch (mailing_id, due_at, message_ids)
        SELECT mailing_id, due_at, array_agg(id ORDER BY id)
        FROM (
            SELECT mailing_id, due_at, id, (row_number() OVER (PARTITION BY mailing_id, due_at ORDER BY id) - 1) / 200
                AS batch
            FROM ({waiting}) AS waiting
        ) AS numbered
        GROUP BY mailing_id, due_at, batch
        ORDER BY mailing_id, due_at, batch"""

# Messages that wait for a retry become due each at its own time. They are queued together, for the end of that quarter
# of a second: a batch of one message costs as much as one of two hundred.
ROUNDED = """
                SELECT mailing_id, id, CASE WHEN due_at <= now() OR due_at = 'infinity' THEN due_at
                    ELSE date_bin('250 ms', due_at, 'epoch') + interval '250 ms' END AS due_at
                FROM ({changed}) AS changed
            """

ADDED = "SELECT * FROM added WHERE status = 'pending'"

# What has become pending, or gets another due time. Not a join of the two: a plan that was made for a few rows is used
# again for thousands, and a nested loop over them takes minutes.
BACK = """
                    SELECT mailing_id, id, due_at FROM after WHERE status = 'pending'
                    EXCEPT
                    SELECT mailing_id, id, due_at FROM before WHERE status = 'pending'
                """

# A plan that was made for an almost empty table is used again for a full one, so `message_unsent` is read by its index.
FUNCTIONS = f"""
CREATE FUNCTION message_inserted() RETURNS trigger
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
    INSERT INTO message_count_delta (mailing_id, status, delta)
    SELECT mailing_id, status, count(*) FROM added GROUP BY mailing_id, status;
    IF EXISTS (SELECT FROM added WHERE status = 'pending') THEN{QUEUE.format(waiting=ROUNDED.format(changed=ADDED))};
    END IF;
    INSERT INTO message_unsent (mailing_id, status, message_id)
    SELECT mailing_id, status, id FROM added WHERE status = ANY({UNSENT});
    RETURN NULL;
END $$;
CREATE FUNCTION message_updated() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan = off
    AS $$
DECLARE
    became message_status[] := ARRAY(SELECT DISTINCT status FROM after);
    was message_status[] := ARRAY(SELECT DISTINCT status FROM before);
    ended message_status;
BEGIN
    INSERT INTO message_count_delta (mailing_id, status, delta)
    SELECT mailing_id, status, sum(sign)
    FROM (SELECT mailing_id, status, 1 AS sign FROM after UNION ALL SELECT mailing_id, status, -1 FROM before) AS change
    GROUP BY mailing_id, status
    HAVING sum(sign) <> 0;
    IF 'pending' = ANY(became) THEN{QUEUE.format(waiting=ROUNDED.format(changed=BACK))};
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
    RETURN NULL;
END $$;
CREATE FUNCTION message_deleted() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan = off
    AS $$
BEGIN
    INSERT INTO message_count_delta (mailing_id, status, delta)
    SELECT mailing_id, status, -count(*) FROM removed GROUP BY mailing_id, status;
    DELETE FROM message_unsent
    WHERE status = ANY({UNSENT}) AND message_id = ANY(ARRAY(SELECT id FROM removed WHERE status = ANY({UNSENT})));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION mailing_kept() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM message WHERE mailing_id = OLD.id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a mailing that has messages cannot be deleted',
            CONSTRAINT = 'message_has_a_mailing', TABLE = 'mailing';
    END IF;
    RETURN OLD;
END $$;
"""  # noqa: S608  put together of constants

TRIGGERS = """
CREATE TRIGGER message_inserted AFTER INSERT ON message
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION message_inserted();
CREATE TRIGGER message_updated AFTER UPDATE ON message
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION message_updated();
CREATE TRIGGER message_deleted AFTER DELETE ON message
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION message_deleted();
"""

OLD_FUNCTIONS = """
CREATE FUNCTION message_counts_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mailings bigint[] := ARRAY(SELECT DISTINCT mailing_id FROM added);
BEGIN
    PERFORM FROM mailing WHERE id = ANY(mailings) ORDER BY id FOR KEY SHARE;
    IF EXISTS (SELECT unnest(mailings) EXCEPT SELECT id FROM mailing WHERE id = ANY(mailings)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a message must be of a mailing that there is',
            CONSTRAINT = 'message_has_a_mailing', TABLE = 'message';
    END IF;
    INSERT INTO message_count_delta (mailing_id, status, delta)
    SELECT mailing_id, status, count(*) FROM added GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
CREATE FUNCTION message_counts_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_count_delta (mailing_id, status, delta)
    SELECT mailing_id, status, sum(sign)
    FROM (SELECT mailing_id, status, 1 AS sign FROM after UNION ALL SELECT mailing_id, status, -1 FROM before) AS change
    GROUP BY mailing_id, status
    HAVING sum(sign) <> 0;
    RETURN NULL;
END $$;
CREATE FUNCTION message_counts_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO message_count_delta (mailing_id, status, delta)
    SELECT mailing_id, status, -count(*)
    FROM removed
    WHERE NOT EXISTS (SELECT FROM mailing WHERE id = mailing_id AND purge_started_at IS NOT NULL)
    GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION mailing_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM message WHERE mailing_id = OLD.id AND status <> 'sending')
        OR EXISTS (SELECT FROM message WHERE mailing_id = OLD.id AND status = 'sending') THEN
        RAISE foreign_key_violation USING MESSAGE = 'a mailing that has messages cannot be deleted',
            CONSTRAINT = 'message_has_a_mailing', TABLE = 'mailing';
    END IF;
    RETURN OLD;
END $$;
"""

OLD_TRIGGERS = """
CREATE TRIGGER message_counts_inserted AFTER INSERT ON message
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION message_counts_inserted();
CREATE TRIGGER message_counts_updated AFTER UPDATE ON message
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION message_counts_updated();
CREATE TRIGGER message_counts_deleted AFTER DELETE ON message
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION message_counts_deleted();
"""


def upgrade() -> None:
    op.execute(WORK)
    _move_old_work()
    _set_old_ledger_aside()
    op.execute(TABLES)
    op.execute(PARTITIONS)
    _attach_old_ledger()
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)
    op.execute("ANALYZE message, attempt, message_unsent, queue_batch, claim")


def _move_old_work() -> None:
    """Queues the pending messages, and gives those under lease a claim."""
    op.execute("ALTER TABLE message DISABLE TRIGGER USER")
    op.execute(QUEUE.format(waiting="SELECT * FROM message WHERE status = 'pending'"))
    # A row that was written by hand may lack the holder and the time of its claim.
    op.execute("""
        INSERT INTO claim (worker, gateway, claimed_at, lease_until, message_ids)
        SELECT coalesce(lease_worker, ''), 'default', coalesce(claimed_at, lease_until), lease_until,
            array_agg(id ORDER BY id)
        FROM message
        WHERE status = 'sending'
        GROUP BY lease_worker, claimed_at, lease_until
    """)
    op.execute("ALTER TABLE message ADD COLUMN claim_id bigint")
    op.execute("""
        UPDATE message SET claim_id = claim.id
        FROM claim CROSS JOIN unnest(message_ids) AS held(id)
        WHERE message.id = held.id
    """)


def _set_old_ledger_aside() -> None:
    """Gives the tables and indexes of the present ledger the names of a first partition."""
    for name in ("inserted", "updated", "deleted"):
        op.execute(f"DROP TRIGGER message_counts_{name} ON message")
        op.execute(f"DROP FUNCTION message_counts_{name}()")
    op.execute("DROP INDEX message_due_idx, message_lease_idx, message_listed_idx, message_ended_idx")
    op.execute("""
        CREATE TEMPORARY TABLE last_message_id ON COMMIT DROP AS
        SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS id FROM message_id_seq
    """)
    op.execute("""
        ALTER TABLE message
            ALTER COLUMN id DROP IDENTITY,
            DROP CONSTRAINT message_sending_has_a_lease,
            DROP COLUMN claimed_at, DROP COLUMN lease_until, DROP COLUMN lease_worker,
            ADD CONSTRAINT message_sending_has_a_claim CHECK (status <> 'sending' OR claim_id IS NOT NULL)
    """)
    op.execute("ALTER TABLE message RENAME TO message_0")
    op.execute("ALTER TABLE attempt RENAME TO attempt_0")
    for table, index in (
        ("message", "pkey"),
        ("message", "client_id_mailing_id_key"),
        ("message", "phone_number_idx"),
        ("attempt", "pkey"),
        ("attempt", "started_at_idx"),
    ):
        op.execute(f"ALTER INDEX {table}_{index} RENAME TO {table}_0_{index}")
    # An index as each partition has it, and no constraint.
    op.execute("ALTER TABLE message_0 DROP CONSTRAINT message_0_client_id_mailing_id_key")
    op.execute("CREATE UNIQUE INDEX message_0_client_id_mailing_id_key ON message_0 (client_id, mailing_id)")


def _attach_old_ledger() -> None:
    """Makes the present ledger a partition, up to the next multiple of the width. An empty one is dropped."""
    op.execute(f"""
        DO $$
        DECLARE
            used bigint := greatest((SELECT id FROM last_message_id), (SELECT max(id) FROM message_0),
                (SELECT max(message_id) FROM attempt_0), 0);
            next_number bigint := used / ledger_partition_width() + 1;
            end_id bigint := next_number * ledger_partition_width();
        BEGIN
            IF used = 0 THEN
                DROP TABLE message_0, attempt_0;
                PERFORM make_ledger_partition(number) FROM generate_series(0, 1) AS number;
                RETURN;
            END IF;
            CREATE INDEX message_0_mailing_id_id_idx ON message_0 (mailing_id, id);
            CREATE TABLE message_unsent_0 (LIKE message_unsent INCLUDING ALL);
            INSERT INTO message_unsent_0 (mailing_id, status, message_id)
            SELECT mailing_id, status, id FROM message_0 WHERE status = ANY({UNSENT});
            EXECUTE format(
                'ALTER TABLE message ATTACH PARTITION message_0 FOR VALUES FROM (0) TO (%1$s);'
                'ALTER TABLE attempt ATTACH PARTITION attempt_0 FOR VALUES FROM (0) TO (%1$s);'
                'ALTER TABLE message_unsent ATTACH PARTITION message_unsent_0 FOR VALUES FROM (0) TO (%1$s)', end_id);
            INSERT INTO ledger_partition (number, first_message_id, end_message_id) VALUES (0, 0, end_id);
            PERFORM make_ledger_partition(next_number);
            PERFORM setval('message_id_seq', end_id, false);
        END $$
    """)  # noqa: S608  put together of constants


def downgrade() -> None:
    """One table for each again: the ledger is copied."""
    op.execute("DROP TRIGGER message_inserted ON message")
    op.execute("DROP TRIGGER message_updated ON message")
    op.execute("DROP TRIGGER message_deleted ON message")
    op.execute("DROP FUNCTION message_inserted(), message_updated(), message_deleted()")
    op.execute("""
        CREATE TEMPORARY TABLE last_message_id ON COMMIT DROP AS SELECT last_value AS id, is_called FROM message_id_seq
    """)
    op.execute("ALTER TABLE message ALTER COLUMN id DROP IDENTITY")
    op.execute("ALTER TABLE message RENAME TO partitioned_message")
    op.execute("ALTER TABLE attempt RENAME TO partitioned_attempt")
    for index in ("message_pkey", "message_phone_number_idx", "attempt_pkey", "attempt_started_at_idx"):
        op.execute(f"ALTER INDEX {index} RENAME TO partitioned_{index}")
    op.execute(f"""
        CREATE TABLE message (
            id bigint GENERATED ALWAYS AS IDENTITY,
            mailing_id bigint NOT NULL,
            client_id bigint NOT NULL,
            phone_number bigint NOT NULL,
            status message_status DEFAULT 'pending' NOT NULL,
            attempts integer DEFAULT 0 NOT NULL,
            uncounted_attempts integer DEFAULT 0 NOT NULL,
            in_doubt boolean DEFAULT false NOT NULL,
            text_revision integer,
            due_at timestamp with time zone DEFAULT now() NOT NULL,
            claimed_at timestamp with time zone,
            lease_until timestamp with time zone,
            lease_worker text,
            sent_at timestamp with time zone,
            ended_at timestamp with time zone,
            created_at timestamp with time zone DEFAULT now() NOT NULL,
            reason_code text,
            reason_params jsonb,
            CONSTRAINT message_end_has_a_timestamp CHECK ((status IN ('pending', 'sending')) = (ended_at IS NULL)),
            CONSTRAINT message_sending_has_a_lease CHECK ((status = 'sending') = (lease_until IS NOT NULL)),
            CONSTRAINT message_sent_has_a_timestamp CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
            CONSTRAINT message_uncounted_attempts_are_attempts CHECK (uncounted_attempts BETWEEN 0 AND attempts)
        ) WITH ({MESSAGE_STORAGE.replace("40", "50")});
        CREATE TABLE attempt (LIKE partitioned_attempt) WITH ({ATTEMPT_STORAGE});
        INSERT INTO message OVERRIDING SYSTEM VALUE
        SELECT message.id, mailing_id, client_id, phone_number, status, attempts, uncounted_attempts, in_doubt,
            text_revision, due_at, claimed_at, lease_until, worker, sent_at, ended_at, created_at, reason_code,
            reason_params
        FROM partitioned_message AS message LEFT JOIN claim ON status = 'sending' AND claim.id = claim_id;
        INSERT INTO attempt SELECT * FROM partitioned_attempt;
        SELECT setval('message_id_seq', id, is_called) FROM last_message_id;
        DROP TABLE partitioned_message, partitioned_attempt, message_unsent, queue_batch, claim, ledger_partition;
        DROP FUNCTION make_ledger_partition(bigint), drop_ledger_partition(bigint), ledger_partition_width();
        ALTER TABLE message ADD CONSTRAINT message_pkey PRIMARY KEY (id);
        ALTER TABLE message ADD CONSTRAINT message_client_id_mailing_id_key UNIQUE (client_id, mailing_id);
        CREATE INDEX message_due_idx ON message (mailing_id, due_at, id) WHERE status = 'pending';
        CREATE INDEX message_lease_idx ON message (lease_until) WHERE status = 'sending';
        CREATE INDEX message_listed_idx ON message (mailing_id, status, id) WHERE status <> 'sending';
        CREATE INDEX message_ended_idx ON message (status, id) WHERE status NOT IN ('pending', 'sending');
        CREATE INDEX message_phone_number_idx ON message (phone_number, id);
        ALTER TABLE attempt ADD CONSTRAINT attempt_pkey PRIMARY KEY (message_id, number);
        CREATE INDEX attempt_started_at_idx ON attempt USING brin (started_at) WITH (autosummarize = on);
    """)  # noqa: S608  put together of constants
    op.execute(OLD_FUNCTIONS)
    op.execute(OLD_TRIGGERS)
