-- The schema that the migrations make, with functions and triggers: to read, and to compare. Written by `make schema`.
-- To make or change a database, run the migrations.

CREATE TYPE attempt_result AS ENUM (
    'accepted',
    'duplicate',
    'refused',
    'retriable',
    'opted_out',
    'throttled',
    'unreachable',
    'misconfigured',
    'no_credit',
    'ambiguous'
);

CREATE TYPE gateway_health AS ENUM (
    'ok',
    'slowing',
    'circuit_open',
    'misconfigured',
    'no_credit',
    'not_understood'
);

CREATE TYPE mailing_status AS ENUM (
    'scheduled',
    'running',
    'paused',
    'finished',
    'cancelled'
);

CREATE TYPE message_status AS ENUM (
    'pending',
    'sending',
    'sent',
    'failed',
    'expired',
    'cancelled',
    'unknown'
);

CREATE TYPE on_unknown AS ENUM (
    'resend',
    'hold'
);

CREATE TYPE role AS ENUM (
    'viewer',
    'operator',
    'admin'
);

CREATE FUNCTION audit_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'The audit can only be added to: % is refused.', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION drop_ledger_partition(partition_number bigint) RETURNS void
    LANGUAGE plpgsql
    AS $_$
BEGIN
    EXECUTE format('DROP TABLE message_%1$s, attempt_%1$s, message_unsent_%1$s', partition_number);
    DELETE FROM ledger_partition WHERE number = partition_number;
END $_$;

CREATE FUNCTION ledger_partition_width() RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT 10000000::bigint $$;

CREATE FUNCTION mailing_kept() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM message WHERE mailing_id = OLD.id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a mailing that has messages cannot be deleted',
            CONSTRAINT = 'message_has_a_mailing', TABLE = 'mailing';
    END IF;
    RETURN OLD;
END $$;

CREATE FUNCTION make_ledger_partition(number bigint) RETURNS boolean
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
        'CREATE TABLE message_%1$s (LIKE message INCLUDING ALL EXCLUDING IDENTITY) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000);'
        'CREATE UNIQUE INDEX message_%1$s_client_id_mailing_id_key ON message_%1$s (client_id, mailing_id);'
        'CREATE TABLE attempt_%1$s (LIKE attempt INCLUDING ALL) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);'
        'CREATE TABLE message_unsent_%1$s (LIKE message_unsent INCLUDING ALL);'
        'ALTER TABLE message ATTACH PARTITION message_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE attempt ATTACH PARTITION attempt_%1$s FOR VALUES FROM (%2$s) TO (%3$s);'
        'ALTER TABLE message_unsent ATTACH PARTITION message_unsent_%1$s FOR VALUES FROM (%2$s) TO (%3$s)',
        number, first_id, end_id);
    INSERT INTO ledger_partition (number, first_message_id, end_message_id) VALUES (number, first_id, end_id);
    RETURN true;
END $_$;

CREATE FUNCTION message_deleted() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
    INSERT INTO message_count_delta (mailing_id, status, delta)
    SELECT mailing_id, status, -count(*) FROM removed GROUP BY mailing_id, status;
    DELETE FROM message_unsent
    WHERE status = ANY('{failed,expired,cancelled,unknown}'::message_status[]) AND message_id = ANY(ARRAY(SELECT id FROM removed WHERE status = ANY('{failed,expired,cancelled,unknown}'::message_status[])));
    RETURN NULL;
END $$;

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
    IF EXISTS (SELECT FROM added WHERE status = 'pending') THEN
        INSERT INTO queue_batch (mailing_id, path_id, due_at, message_ids)
        SELECT mailing_id, path_id, due_at, array_agg(id ORDER BY id)
        FROM (
            SELECT mailing_id, path_id, due_at, id,
                (row_number() OVER (PARTITION BY mailing_id, path_id, due_at ORDER BY id) - 1) / 200 AS batch
            FROM (
                SELECT mailing_id, id,
                    CASE WHEN in_doubt THEN coalesce((
                        SELECT path.id FROM path
                        WHERE route_id IS NULL AND path.gateway_ids = ARRAY[changed.gateway_id::bigint]
                    ), path_id) ELSE path_id END AS path_id,
                    CASE WHEN due_at <= now() OR due_at = 'infinity' THEN due_at
                        ELSE date_bin('250 ms', due_at, 'epoch') + interval '250 ms' END AS due_at
                FROM (SELECT * FROM added WHERE status = 'pending') AS changed
            ) AS waiting
        ) AS numbered
        GROUP BY mailing_id, path_id, due_at, batch
        ORDER BY mailing_id, path_id, due_at, batch;
    END IF;
    INSERT INTO message_unsent (mailing_id, status, message_id)
    SELECT mailing_id, status, id FROM added WHERE status = ANY('{failed,expired,cancelled,unknown}'::message_status[]);
    RETURN NULL;
END $$;

CREATE FUNCTION message_updated() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
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
    IF 'pending' = ANY(became) THEN
        INSERT INTO queue_batch (mailing_id, path_id, due_at, message_ids)
        SELECT mailing_id, path_id, due_at, array_agg(id ORDER BY id)
        FROM (
            SELECT mailing_id, path_id, due_at, id,
                (row_number() OVER (PARTITION BY mailing_id, path_id, due_at ORDER BY id) - 1) / 200 AS batch
            FROM (
                SELECT mailing_id, id,
                    CASE WHEN in_doubt THEN coalesce((
                        SELECT path.id FROM path
                        WHERE route_id IS NULL AND path.gateway_ids = ARRAY[changed.gateway_id::bigint]
                    ), path_id) ELSE path_id END AS path_id,
                    CASE WHEN due_at <= now() OR due_at = 'infinity' THEN due_at
                        ELSE date_bin('250 ms', due_at, 'epoch') + interval '250 ms' END AS due_at
                FROM (
                    SELECT mailing_id, id, due_at, path_id, in_doubt, gateway_id FROM after WHERE status = 'pending'
                    EXCEPT
                    SELECT mailing_id, id, due_at, path_id, in_doubt, gateway_id FROM before WHERE status = 'pending'
                ) AS changed
            ) AS waiting
        ) AS numbered
        GROUP BY mailing_id, path_id, due_at, batch
        ORDER BY mailing_id, path_id, due_at, batch;
    END IF;
    FOREACH ended IN ARRAY was LOOP
        IF ended = ANY('{failed,expired,cancelled,unknown}'::message_status[]) THEN
            DELETE FROM message_unsent
            WHERE status = ended AND message_id = ANY(ARRAY(
                SELECT id FROM before WHERE status = ended EXCEPT SELECT id FROM after WHERE status = ended
            ));
        END IF;
    END LOOP;
    IF became && '{failed,expired,cancelled,unknown}'::message_status[] THEN
        INSERT INTO message_unsent (mailing_id, status, message_id)
        SELECT mailing_id, status, id FROM after WHERE status = ANY('{failed,expired,cancelled,unknown}'::message_status[])
        EXCEPT
        SELECT mailing_id, status, id FROM before;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION path_of(mailing_route_id bigint, phone_number bigint, client_operator_code text, client_id bigint) RETURNS bigint
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

CREATE TABLE api_key (
    id bigint NOT NULL,
    prefix text NOT NULL,
    key_hash bytea NOT NULL,
    name text NOT NULL,
    role role NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    last_used_at timestamp with time zone,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone
);

ALTER TABLE api_key ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

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
    segments smallint,
    price numeric(12,6)
)
PARTITION BY RANGE (message_id);

CREATE TABLE attempt_0 (
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
    segments smallint,
    price numeric(12,6)
)
WITH (autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE attempt_1 (
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
    segments smallint,
    price numeric(12,6)
)
WITH (autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE audit_entry (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    actor_name text NOT NULL,
    role role,
    address text,
    operation text NOT NULL,
    object text,
    object_id bigint,
    detail jsonb,
    request_id text
);

ALTER TABLE audit_entry ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE browser_session (
    token_hash bytea NOT NULL,
    actor text NOT NULL,
    name text NOT NULL,
    role role,
    expires_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE claim (
    id bigint NOT NULL,
    worker text NOT NULL,
    gateway text NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    poison boolean DEFAULT false NOT NULL,
    message_ids bigint[] NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500', toast_tuple_target='8160');

ALTER TABLE claim ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE client (
    id bigint NOT NULL,
    phone_number bigint NOT NULL,
    operator_code text NOT NULL,
    tag text NOT NULL,
    timezone text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT client_operator_code_in_phone_number CHECK (((operator_code ~ '^[0-9]+$'::text) AND (POSITION((operator_code) IN ((phone_number)::text)) > 0))),
    CONSTRAINT client_phone_number_is_e164 CHECK (((phone_number >= 1000000) AND (phone_number <= '999999999999999'::bigint)))
);

ALTER TABLE client ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE cookie_secret (
    id smallint NOT NULL,
    secret bytea NOT NULL,
    CONSTRAINT cookie_secret_is_one_row CHECK ((id = 1))
);

CREATE TABLE daily_report (
    day date NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    tries integer DEFAULT 1 NOT NULL,
    sent_at timestamp with time zone
);

CREATE TABLE gateway (
    id bigint NOT NULL,
    name text NOT NULL,
    provider text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    sender text DEFAULT ''::text NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    credentials text,
    rate double precision DEFAULT '0'::double precision NOT NULL,
    concurrency integer,
    receipts boolean DEFAULT false NOT NULL,
    receipt_hours integer DEFAULT 72 NOT NULL,
    segment_price numeric(12,6),
    currency text,
    revision integer DEFAULT 1 NOT NULL,
    paused_at timestamp with time zone,
    removed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT gateway_price_has_a_currency CHECK (((segment_price IS NULL) = (currency IS NULL))),
    CONSTRAINT gateway_rate_is_not_negative CHECK ((rate >= (0)::double precision))
);

CREATE TABLE gateway_availability (
    gateway_id bigint NOT NULL,
    available boolean DEFAULT true NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    well_since timestamp with time zone,
    failovers integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='10', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500');

CREATE TABLE gateway_contact (
    gateway text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    answered_at timestamp with time zone,
    accepted_at timestamp with time zone,
    result attempt_result NOT NULL,
    provider_code text,
    reason_code text,
    reason_params jsonb
)
WITH (fillfactor='10', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500');

ALTER TABLE gateway ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE idempotency_key (
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE ledger_partition (
    number bigint NOT NULL,
    first_message_id bigint NOT NULL,
    end_message_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ledger_partition_is_not_empty CHECK ((first_message_id < end_message_id))
);

CREATE TABLE mailing (
    id bigint NOT NULL,
    mark text NOT NULL,
    start_datetime timestamp with time zone NOT NULL,
    end_datetime timestamp with time zone NOT NULL,
    status mailing_status DEFAULT 'scheduled'::mailing_status NOT NULL,
    on_unknown on_unknown DEFAULT 'resend'::on_unknown NOT NULL,
    text_revision integer DEFAULT 1 NOT NULL,
    audience bigint DEFAULT '0'::bigint NOT NULL,
    launch_started_at timestamp with time zone,
    last_client_id bigint DEFAULT '0'::bigint NOT NULL,
    max_client_id bigint,
    launched_at timestamp with time zone,
    ended_at timestamp with time zone,
    settled_at timestamp with time zone,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    purge_started_at timestamp with time zone,
    purged_at timestamp with time zone,
    route_id bigint,
    gateway_id bigint,
    CONSTRAINT mailing_end_has_a_timestamp CHECK (((status = ANY (ARRAY['finished'::mailing_status, 'cancelled'::mailing_status])) = (ended_at IS NOT NULL))),
    CONSTRAINT mailing_launch_began_before_it_ended CHECK (((launched_at IS NULL) OR (launch_started_at IS NOT NULL))),
    CONSTRAINT mailing_launch_has_a_max_client_id CHECK (((launch_started_at IS NULL) = (max_client_id IS NULL))),
    CONSTRAINT mailing_settled_after_its_end CHECK (((settled_at IS NULL) OR (ended_at IS NOT NULL))),
    CONSTRAINT mailing_takes_a_route_or_a_gateway CHECK (((route_id IS NULL) OR (gateway_id IS NULL))),
    CONSTRAINT mailing_window_ends_after_its_start CHECK ((end_datetime > start_datetime))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500');

CREATE TABLE mailing_draft (
    id bigint NOT NULL,
    fields jsonb NOT NULL,
    created_by text NOT NULL,
    created_by_name text NOT NULL,
    mailing_id bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by_name text
);

ALTER TABLE mailing_draft ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE mailing_draft_version (
    id bigint NOT NULL,
    draft_id bigint NOT NULL,
    fields jsonb NOT NULL,
    written_at timestamp with time zone NOT NULL,
    written_by_name text NOT NULL
);

ALTER TABLE mailing_draft_version ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE mailing_event (
    id bigint NOT NULL,
    mailing_id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    action text NOT NULL,
    detail text,
    actor_name text,
    changes jsonb,
    detail_code text,
    detail_params jsonb
);

ALTER TABLE mailing_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

ALTER TABLE mailing ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE mailing_text (
    mailing_id bigint NOT NULL,
    revision integer NOT NULL,
    text text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT mailing_text_is_1_to_1600_characters CHECK (((octet_length(text) >= 1) AND (octet_length(text) <= 6400)))
);

CREATE TABLE message (
    id bigint NOT NULL,
    mailing_id bigint NOT NULL,
    client_id bigint NOT NULL,
    phone_number bigint NOT NULL,
    status message_status DEFAULT 'pending'::message_status NOT NULL,
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
    path_id integer DEFAULT 1 NOT NULL,
    gateway_id integer,
    CONSTRAINT message_end_has_a_timestamp CHECK (((status = ANY (ARRAY['pending'::message_status, 'sending'::message_status])) = (ended_at IS NULL))),
    CONSTRAINT message_sending_has_a_claim CHECK (((status <> 'sending'::message_status) OR (claim_id IS NOT NULL))),
    CONSTRAINT message_sent_has_a_timestamp CHECK (((status = 'sent'::message_status) = (sent_at IS NOT NULL))),
    CONSTRAINT message_uncounted_attempts_are_attempts CHECK (((uncounted_attempts >= 0) AND (uncounted_attempts <= attempts)))
)
PARTITION BY RANGE (id);

CREATE TABLE message_0 (
    id bigint NOT NULL,
    mailing_id bigint NOT NULL,
    client_id bigint NOT NULL,
    phone_number bigint NOT NULL,
    status message_status DEFAULT 'pending'::message_status NOT NULL,
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
    path_id integer DEFAULT 1 NOT NULL,
    gateway_id integer,
    CONSTRAINT message_end_has_a_timestamp CHECK (((status = ANY (ARRAY['pending'::message_status, 'sending'::message_status])) = (ended_at IS NULL))),
    CONSTRAINT message_sending_has_a_claim CHECK (((status <> 'sending'::message_status) OR (claim_id IS NOT NULL))),
    CONSTRAINT message_sent_has_a_timestamp CHECK (((status = 'sent'::message_status) = (sent_at IS NOT NULL))),
    CONSTRAINT message_uncounted_attempts_are_attempts CHECK (((uncounted_attempts >= 0) AND (uncounted_attempts <= attempts)))
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02', autovacuum_vacuum_cost_limit='2000');

CREATE TABLE message_1 (
    id bigint NOT NULL,
    mailing_id bigint NOT NULL,
    client_id bigint NOT NULL,
    phone_number bigint NOT NULL,
    status message_status DEFAULT 'pending'::message_status NOT NULL,
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
    path_id integer DEFAULT 1 NOT NULL,
    gateway_id integer,
    CONSTRAINT message_end_has_a_timestamp CHECK (((status = ANY (ARRAY['pending'::message_status, 'sending'::message_status])) = (ended_at IS NULL))),
    CONSTRAINT message_sending_has_a_claim CHECK (((status <> 'sending'::message_status) OR (claim_id IS NOT NULL))),
    CONSTRAINT message_sent_has_a_timestamp CHECK (((status = 'sent'::message_status) = (sent_at IS NOT NULL))),
    CONSTRAINT message_uncounted_attempts_are_attempts CHECK (((uncounted_attempts >= 0) AND (uncounted_attempts <= attempts)))
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02', autovacuum_vacuum_cost_limit='2000');

CREATE TABLE message_count_delta (
    id bigint NOT NULL,
    mailing_id bigint,
    status message_status NOT NULL,
    delta bigint NOT NULL,
    compacted boolean DEFAULT false NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');

ALTER TABLE message_count_delta ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

ALTER TABLE message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE message_unsent (
    mailing_id bigint NOT NULL,
    status message_status NOT NULL,
    message_id bigint NOT NULL
)
PARTITION BY RANGE (message_id);

CREATE TABLE message_unsent_0 (
    mailing_id bigint NOT NULL,
    status message_status NOT NULL,
    message_id bigint NOT NULL
);

CREATE TABLE message_unsent_1 (
    mailing_id bigint NOT NULL,
    status message_status NOT NULL,
    message_id bigint NOT NULL
);

CREATE TABLE path (
    id bigint NOT NULL,
    route_id bigint,
    weight integer DEFAULT 100 NOT NULL,
    gateway_ids bigint[] NOT NULL,
    gateway_id bigint,
    CONSTRAINT path_weight_is_not_negative CHECK ((weight >= 0))
);

ALTER TABLE path ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE queue_batch (
    id bigint NOT NULL,
    mailing_id bigint NOT NULL,
    due_at timestamp with time zone NOT NULL,
    message_ids bigint[] NOT NULL,
    path_id bigint DEFAULT 1 NOT NULL,
    CONSTRAINT queue_batch_is_not_empty CHECK ((cardinality(message_ids) > 0))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500', toast_tuple_target='8160');

ALTER TABLE queue_batch ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE rate_limit (
    gateway text NOT NULL,
    next_slot_at timestamp with time zone NOT NULL
)
WITH (fillfactor='10', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500');

CREATE TABLE route (
    id bigint NOT NULL,
    name text NOT NULL,
    prefixes text[] DEFAULT '{}'::text[] NOT NULL,
    operator_codes text[] DEFAULT '{}'::text[] NOT NULL,
    removed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE route ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE sign_in_link (
    token_hash bytea NOT NULL,
    actor text NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE worker_report (
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    worker text NOT NULL,
    gateway text NOT NULL,
    interval_seconds double precision NOT NULL,
    accepted integer NOT NULL,
    duplicate integer NOT NULL,
    refused integer NOT NULL,
    retriable integer NOT NULL,
    opted_out integer NOT NULL,
    throttled integer NOT NULL,
    unreachable integer NOT NULL,
    misconfigured integer NOT NULL,
    no_credit integer NOT NULL,
    ambiguous integer NOT NULL,
    in_flight integer NOT NULL,
    concurrency_limit integer NOT NULL,
    gateway_state gateway_health NOT NULL,
    provider_code text,
    reason_code text,
    reason_params jsonb,
    stopped boolean DEFAULT false NOT NULL
);

ALTER TABLE ONLY attempt ATTACH PARTITION attempt_0 FOR VALUES FROM ('0') TO ('10000000');

ALTER TABLE ONLY attempt ATTACH PARTITION attempt_1 FOR VALUES FROM ('10000000') TO ('20000000');

ALTER TABLE ONLY message ATTACH PARTITION message_0 FOR VALUES FROM ('0') TO ('10000000');

ALTER TABLE ONLY message ATTACH PARTITION message_1 FOR VALUES FROM ('10000000') TO ('20000000');

ALTER TABLE ONLY message_unsent ATTACH PARTITION message_unsent_0 FOR VALUES FROM ('0') TO ('10000000');

ALTER TABLE ONLY message_unsent ATTACH PARTITION message_unsent_1 FOR VALUES FROM ('10000000') TO ('20000000');

ALTER TABLE ONLY api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY api_key
    ADD CONSTRAINT api_key_prefix_key UNIQUE (prefix);

ALTER TABLE ONLY attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (message_id, number);

ALTER TABLE ONLY attempt_0
    ADD CONSTRAINT attempt_0_pkey PRIMARY KEY (message_id, number);

ALTER TABLE ONLY attempt_1
    ADD CONSTRAINT attempt_1_pkey PRIMARY KEY (message_id, number);

ALTER TABLE ONLY audit_entry
    ADD CONSTRAINT audit_entry_pkey PRIMARY KEY (id);

ALTER TABLE ONLY browser_session
    ADD CONSTRAINT browser_session_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY claim
    ADD CONSTRAINT claim_pkey PRIMARY KEY (id);

ALTER TABLE ONLY client
    ADD CONSTRAINT client_phone_number_key UNIQUE (phone_number);

ALTER TABLE ONLY client
    ADD CONSTRAINT client_pkey PRIMARY KEY (id);

ALTER TABLE ONLY cookie_secret
    ADD CONSTRAINT cookie_secret_pkey PRIMARY KEY (id);

ALTER TABLE ONLY daily_report
    ADD CONSTRAINT daily_report_pkey PRIMARY KEY (day);

ALTER TABLE ONLY gateway_availability
    ADD CONSTRAINT gateway_availability_pkey PRIMARY KEY (gateway_id);

ALTER TABLE ONLY gateway_contact
    ADD CONSTRAINT gateway_contact_pkey PRIMARY KEY (gateway);

ALTER TABLE ONLY gateway
    ADD CONSTRAINT gateway_pkey PRIMARY KEY (id);

ALTER TABLE ONLY idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (key);

ALTER TABLE ONLY ledger_partition
    ADD CONSTRAINT ledger_partition_pkey PRIMARY KEY (number);

ALTER TABLE ONLY mailing_draft
    ADD CONSTRAINT mailing_draft_mailing_id_key UNIQUE (mailing_id);

ALTER TABLE ONLY mailing_draft
    ADD CONSTRAINT mailing_draft_pkey PRIMARY KEY (id);

ALTER TABLE ONLY mailing_draft_version
    ADD CONSTRAINT mailing_draft_version_pkey PRIMARY KEY (id);

ALTER TABLE ONLY mailing_event
    ADD CONSTRAINT mailing_event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY mailing
    ADD CONSTRAINT mailing_pkey PRIMARY KEY (id);

ALTER TABLE ONLY mailing_text
    ADD CONSTRAINT mailing_text_pkey PRIMARY KEY (mailing_id, revision);

ALTER TABLE ONLY message
    ADD CONSTRAINT message_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_0
    ADD CONSTRAINT message_0_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_1
    ADD CONSTRAINT message_1_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_count_delta
    ADD CONSTRAINT message_count_delta_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_unsent
    ADD CONSTRAINT message_unsent_pkey PRIMARY KEY (mailing_id, status, message_id);

ALTER TABLE ONLY message_unsent_0
    ADD CONSTRAINT message_unsent_0_pkey PRIMARY KEY (mailing_id, status, message_id);

ALTER TABLE ONLY message_unsent_1
    ADD CONSTRAINT message_unsent_1_pkey PRIMARY KEY (mailing_id, status, message_id);

ALTER TABLE ONLY path
    ADD CONSTRAINT path_pkey PRIMARY KEY (id);

ALTER TABLE ONLY queue_batch
    ADD CONSTRAINT queue_batch_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rate_limit
    ADD CONSTRAINT rate_limit_pkey PRIMARY KEY (gateway);

ALTER TABLE ONLY route
    ADD CONSTRAINT route_pkey PRIMARY KEY (id);

ALTER TABLE ONLY sign_in_link
    ADD CONSTRAINT sign_in_link_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY worker_report
    ADD CONSTRAINT worker_report_pkey PRIMARY KEY (at, worker, gateway);

CREATE INDEX attempt_started_at_idx ON ONLY attempt USING brin (started_at) WITH (autosummarize='on');

CREATE INDEX attempt_0_started_at_idx ON attempt_0 USING brin (started_at) WITH (autosummarize='on');

CREATE INDEX attempt_1_started_at_idx ON attempt_1 USING brin (started_at) WITH (autosummarize='on');

CREATE INDEX audit_entry_actor_id_idx ON audit_entry USING btree (actor, id);

CREATE INDEX audit_entry_at_idx ON audit_entry USING btree (at);

CREATE INDEX audit_entry_object_id_idx ON audit_entry USING btree (object, object_id, id);

CREATE INDEX audit_entry_operation_id_idx ON audit_entry USING btree (operation, id);

CREATE INDEX browser_session_expires_at_idx ON browser_session USING btree (expires_at);

CREATE INDEX client_operator_code_id_idx ON client USING btree (operator_code, id);

CREATE INDEX client_tag_id_idx ON client USING btree (tag, id);

CREATE UNIQUE INDEX gateway_name_key ON gateway USING btree (name);

CREATE INDEX idempotency_key_created_at_idx ON idempotency_key USING btree (created_at);

CREATE INDEX mailing_draft_unsent_idx ON mailing_draft USING btree (id) WHERE (mailing_id IS NULL);

CREATE INDEX mailing_draft_version_draft_id_id_idx ON mailing_draft_version USING btree (draft_id, id);

CREATE INDEX mailing_event_mailing_id_id_idx ON mailing_event USING btree (mailing_id, id);

CREATE INDEX mailing_listed_idx ON mailing USING btree (id) WHERE (deleted_at IS NULL);

CREATE INDEX mailing_scheduled_idx ON mailing USING btree (start_datetime) WHERE (status = 'scheduled'::mailing_status);

CREATE INDEX mailing_unpurged_idx ON mailing USING btree (settled_at) WHERE ((settled_at IS NOT NULL) AND (purged_at IS NULL));

CREATE INDEX mailing_unsettled_idx ON mailing USING btree (id) WHERE ((launch_started_at IS NOT NULL) AND (settled_at IS NULL));

CREATE UNIQUE INDEX message_0_client_id_mailing_id_key ON message_0 USING btree (client_id, mailing_id);

CREATE INDEX message_mailing_id_id_idx ON ONLY message USING btree (mailing_id, id);

CREATE INDEX message_0_mailing_id_id_idx ON message_0 USING btree (mailing_id, id);

CREATE INDEX message_phone_number_idx ON ONLY message USING btree (phone_number, id);

CREATE INDEX message_0_phone_number_id_idx ON message_0 USING btree (phone_number, id);

CREATE UNIQUE INDEX message_1_client_id_mailing_id_key ON message_1 USING btree (client_id, mailing_id);

CREATE INDEX message_1_mailing_id_id_idx ON message_1 USING btree (mailing_id, id);

CREATE INDEX message_1_phone_number_id_idx ON message_1 USING btree (phone_number, id);

CREATE INDEX message_count_delta_current_idx ON message_count_delta USING btree (mailing_id) WHERE (NOT compacted);

CREATE INDEX message_count_delta_mailing_id_idx ON message_count_delta USING btree (mailing_id, status);

CREATE INDEX message_count_delta_unended_idx ON message_count_delta USING btree (mailing_id) WHERE (compacted AND (status = ANY (ARRAY['pending'::message_status, 'sending'::message_status])));

CREATE INDEX message_unsent_status_message_id_idx ON ONLY message_unsent USING btree (status, message_id);

CREATE INDEX message_unsent_0_status_message_id_idx ON message_unsent_0 USING btree (status, message_id);

CREATE INDEX message_unsent_1_status_message_id_idx ON message_unsent_1 USING btree (status, message_id);

CREATE UNIQUE INDEX path_of_one_gateway_key ON path USING btree (gateway_ids) WHERE (route_id IS NULL);

CREATE INDEX path_route_id_idx ON path USING btree (route_id);

CREATE INDEX queue_batch_due_idx ON queue_batch USING btree (mailing_id, path_id, due_at, id);

CREATE UNIQUE INDEX route_name_key ON route USING btree (name) WHERE (removed_at IS NULL);

ALTER INDEX attempt_pkey ATTACH PARTITION attempt_0_pkey;

ALTER INDEX attempt_started_at_idx ATTACH PARTITION attempt_0_started_at_idx;

ALTER INDEX attempt_pkey ATTACH PARTITION attempt_1_pkey;

ALTER INDEX attempt_started_at_idx ATTACH PARTITION attempt_1_started_at_idx;

ALTER INDEX message_mailing_id_id_idx ATTACH PARTITION message_0_mailing_id_id_idx;

ALTER INDEX message_phone_number_idx ATTACH PARTITION message_0_phone_number_id_idx;

ALTER INDEX message_pkey ATTACH PARTITION message_0_pkey;

ALTER INDEX message_mailing_id_id_idx ATTACH PARTITION message_1_mailing_id_id_idx;

ALTER INDEX message_phone_number_idx ATTACH PARTITION message_1_phone_number_id_idx;

ALTER INDEX message_pkey ATTACH PARTITION message_1_pkey;

ALTER INDEX message_unsent_pkey ATTACH PARTITION message_unsent_0_pkey;

ALTER INDEX message_unsent_status_message_id_idx ATTACH PARTITION message_unsent_0_status_message_id_idx;

ALTER INDEX message_unsent_pkey ATTACH PARTITION message_unsent_1_pkey;

ALTER INDEX message_unsent_status_message_id_idx ATTACH PARTITION message_unsent_1_status_message_id_idx;

CREATE TRIGGER audit_entry_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_append_only;

CREATE TRIGGER mailing_kept BEFORE DELETE ON mailing FOR EACH ROW EXECUTE FUNCTION mailing_kept();

CREATE TRIGGER message_deleted AFTER DELETE ON message REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION message_deleted();

CREATE TRIGGER message_inserted AFTER INSERT ON message REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION message_inserted();

CREATE TRIGGER message_updated AFTER UPDATE ON message REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION message_updated();

ALTER TABLE ONLY gateway_availability
    ADD CONSTRAINT gateway_availability_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing_draft
    ADD CONSTRAINT mailing_draft_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing_draft_version
    ADD CONSTRAINT mailing_draft_version_draft_id_fkey FOREIGN KEY (draft_id) REFERENCES mailing_draft(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing_event
    ADD CONSTRAINT mailing_event_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing
    ADD CONSTRAINT mailing_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(id);

ALTER TABLE ONLY mailing
    ADD CONSTRAINT mailing_route_id_fkey FOREIGN KEY (route_id) REFERENCES route(id);

ALTER TABLE ONLY mailing_text
    ADD CONSTRAINT mailing_text_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE;

ALTER TABLE ONLY path
    ADD CONSTRAINT path_route_id_fkey FOREIGN KEY (route_id) REFERENCES route(id) ON DELETE CASCADE;
