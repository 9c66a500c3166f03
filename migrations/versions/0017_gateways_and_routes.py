"""Makes gateways and routes data, and queues messages by the path that they take.

The gateway of GATEWAY_URL becomes the row `default`, and the only gateway of the route `default`, which every message
takes. Columns of `message` are added with a constant default, so no row is rewritten. Messages that wait in doubt are
bound to the gateway `default`: it was the only one.

Revises: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UNSENT = "'{failed,expired,cancelled,unknown}'::message_status[]"
"""The statuses of ended messages that were not sent."""

TABLES = """
CREATE TABLE gateway (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    provider text NOT NULL,
    address text DEFAULT '' NOT NULL,
    sender text DEFAULT '' NOT NULL,
    options jsonb DEFAULT '{}' NOT NULL,
    credentials text,
    rate double precision DEFAULT '0'::double precision NOT NULL,
    concurrency integer,
    receipts boolean DEFAULT false NOT NULL,
    receipt_hours integer DEFAULT 72 NOT NULL,
    segment_price numeric(12, 6),
    currency text,
    revision integer DEFAULT 1 NOT NULL,
    paused_at timestamp with time zone,
    removed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT gateway_pkey PRIMARY KEY (id),
    CONSTRAINT gateway_rate_is_not_negative CHECK (rate >= 0),
    CONSTRAINT gateway_price_has_a_currency CHECK ((segment_price IS NULL) = (currency IS NULL))
);
CREATE UNIQUE INDEX gateway_name_key ON gateway (name);
CREATE TABLE gateway_availability (
    gateway_id bigint NOT NULL,
    available boolean DEFAULT true NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    well_since timestamp with time zone,
    failovers integer DEFAULT 0 NOT NULL,
    CONSTRAINT gateway_availability_pkey PRIMARY KEY (gateway_id),
    CONSTRAINT gateway_availability_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(id) ON DELETE CASCADE
) WITH (fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500);
CREATE TABLE route (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    prefixes text[] DEFAULT '{}' NOT NULL,
    operator_codes text[] DEFAULT '{}' NOT NULL,
    removed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT route_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX route_name_key ON route (name) WHERE removed_at IS NULL;
CREATE TABLE path (
    id bigint GENERATED ALWAYS AS IDENTITY,
    route_id bigint,
    weight integer DEFAULT 100 NOT NULL,
    gateway_ids bigint[] NOT NULL,
    gateway_id bigint,
    CONSTRAINT path_pkey PRIMARY KEY (id),
    CONSTRAINT path_route_id_fkey FOREIGN KEY (route_id) REFERENCES route(id) ON DELETE CASCADE,
    CONSTRAINT path_weight_is_not_negative CHECK (weight >= 0)
);
CREATE INDEX path_route_id_idx ON path (route_id);
CREATE UNIQUE INDEX path_of_one_gateway_key ON path (gateway_ids) WHERE route_id IS NULL;
INSERT INTO gateway (id, name, provider) OVERRIDING SYSTEM VALUE VALUES (1, 'default', 'gonets');
INSERT INTO gateway_availability (gateway_id) VALUES (1);
INSERT INTO route (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'default');
INSERT INTO path (id, route_id, gateway_ids, gateway_id) OVERRIDING SYSTEM VALUE
    VALUES (1, 1, '{1}', 1), (2, NULL, '{1}', 1);
SELECT setval('gateway_id_seq', 1), setval('route_id_seq', 1), setval('path_id_seq', 2);
ALTER TABLE mailing
    ADD COLUMN route_id bigint CONSTRAINT mailing_route_id_fkey REFERENCES route(id),
    ADD COLUMN gateway_id bigint CONSTRAINT mailing_gateway_id_fkey REFERENCES gateway(id),
    ADD CONSTRAINT mailing_takes_a_route_or_a_gateway CHECK (route_id IS NULL OR gateway_id IS NULL);
ALTER TABLE message
    ADD COLUMN path_id integer DEFAULT 1 NOT NULL,
    ADD COLUMN gateway_id integer;
ALTER TABLE attempt
    ADD COLUMN segments smallint,
    ADD COLUMN price numeric(12, 6);
ALTER TABLE queue_batch ADD COLUMN path_id bigint DEFAULT 1 NOT NULL;
DROP INDEX queue_batch_due_idx;
CREATE INDEX queue_batch_due_idx ON queue_batch (mailing_id, path_id, due_at, id);
"""

# The path of a message: that of the mailing's route, else of the route with the longest prefix of the phone number,
# else of the one with the operator code, else of the route `default`. The client's id chooses among its paths by their
# weights.
PATH_OF = """
CREATE FUNCTION path_of(mailing_route_id bigint, phone_number bigint, client_operator_code text, client_id bigint)
    RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
SELECT id
FROM (
    SELECT id, sum(weight) OVER (ORDER BY id) AS until, sum(weight) OVER () AS total
    FROM path
    WHERE weight > 0 AND route_id = coalesce(mailing_route_id, (
        SELECT route.id
        FROM route LEFT JOIN LATERAL (
            SELECT max(length(prefix)) AS length FROM unnest(prefixes) AS prefix
            WHERE starts_with(phone_number::text, prefix)
        ) AS matching ON true
        WHERE removed_at IS NULL
            AND (route.id = 1 OR length IS NOT NULL OR client_operator_code = ANY(operator_codes))
        ORDER BY length DESC NULLS LAST, client_operator_code = ANY(operator_codes) DESC, route.id
        LIMIT 1
    ))
) AS weighted
WHERE until > mod(hashint8(client_id)::bigint + 2147483648, total)
ORDER BY until
LIMIT 1
$$;
"""

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

FUNCTIONS = f"""
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
    INSERT INTO message_count_delta (mailing_id, status, delta)
    SELECT mailing_id, status, count(*) FROM added GROUP BY mailing_id, status;
    IF EXISTS (SELECT FROM added WHERE status = 'pending') THEN{QUEUE.format(waiting=ROUNDED.format(changed=ADDED))};
    END IF;
    INSERT INTO message_unsent (mailing_id, status, message_id)
    SELECT mailing_id, status, id FROM added WHERE status = ANY({UNSENT});
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION message_updated() RETURNS trigger
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
"""  # noqa: S608  put together of constants

IN_DOUBT = """
UPDATE message SET gateway_id = 1 WHERE in_doubt AND id IN (
    SELECT unnest(message_ids) FROM queue_batch UNION ALL SELECT unnest(message_ids) FROM claim)
"""

OLD_QUEUE = """
        INSERT INTO queue_batch (mailing_id, due_at, message_ids)
        SELECT mailing_id, due_at, array_agg(id ORDER BY id)
        FROM (
            SELECT mailing_id, due_at, id, (row_number() OVER (PARTITION BY mailing_id, due_at ORDER BY id) - 1) / 200
                AS batch
            FROM ({waiting}) AS waiting
        ) AS numbered
        GROUP BY mailing_id, due_at, batch
        ORDER BY mailing_id, due_at, batch"""

OLD_ROUNDED = """
                SELECT mailing_id, id, CASE WHEN due_at <= now() OR due_at = 'infinity' THEN due_at
                    ELSE date_bin('250 ms', due_at, 'epoch') + interval '250 ms' END AS due_at
                FROM ({changed}) AS changed
            """

OLD_BACK = """
                    SELECT mailing_id, id, due_at FROM after WHERE status = 'pending'
                    EXCEPT
                    SELECT mailing_id, id, due_at FROM before WHERE status = 'pending'
                """


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(PATH_OF)
    op.execute(FUNCTIONS)
    op.execute(IN_DOUBT)
    op.execute("ANALYZE gateway, route, path, queue_batch")


def downgrade() -> None:
    # Messages of other gateways would be submitted to the one of GATEWAY_URL.
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM queue_batch WHERE path_id > 2)
                OR EXISTS (SELECT FROM claim WHERE gateway <> 'default') THEN
                RAISE EXCEPTION 'messages wait for gateways that the version before does not know';
            END IF;
        END $$
    """)
    functions = FUNCTIONS
    for changed, old_changed in ((ADDED, ADDED), (BACK, OLD_BACK)):
        old = OLD_QUEUE.format(waiting=OLD_ROUNDED.format(changed=old_changed))
        functions = functions.replace(QUEUE.format(waiting=ROUNDED.format(changed=changed)), old)
    op.execute(functions)
    op.execute("""
        DROP INDEX queue_batch_due_idx;
        ALTER TABLE queue_batch DROP COLUMN path_id;
        CREATE INDEX queue_batch_due_idx ON queue_batch (mailing_id, due_at, id);
        ALTER TABLE attempt DROP COLUMN segments, DROP COLUMN price;
        ALTER TABLE message DROP COLUMN path_id, DROP COLUMN gateway_id;
        ALTER TABLE mailing DROP COLUMN route_id, DROP COLUMN gateway_id;
        DROP FUNCTION path_of(bigint, bigint, text, bigint);
        DROP TABLE path, route, gateway_availability, gateway;
    """)
