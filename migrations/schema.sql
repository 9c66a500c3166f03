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

CREATE TYPE delivery AS ENUM (
    'awaiting',
    'delivered',
    'undelivered',
    'no_receipt'
);

CREATE TYPE field_type AS ENUM (
    'text',
    'number',
    'boolean',
    'date',
    'datetime',
    'list'
);

CREATE TYPE gateway_health AS ENUM (
    'ok',
    'slowing',
    'circuit_open',
    'misconfigured',
    'no_credit',
    'not_understood'
);

CREATE TYPE inbound_decision AS ENUM (
    'stop',
    'start',
    'help',
    'nothing'
);

CREATE TYPE keyword_action AS ENUM (
    'stop',
    'start',
    'help'
);

CREATE TYPE mailing_kind AS ENUM (
    'marketing',
    'service',
    'reply'
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

CREATE TYPE over_cap AS ENUM (
    'wait',
    'cancel'
);

CREATE TYPE receipt_state AS ENUM (
    'accepted',
    'unknown',
    'undelivered',
    'delivered'
);

CREATE TYPE record_source AS ENUM (
    'api',
    'import',
    'console',
    'keyword',
    'link',
    'provider',
    'receipt'
);

CREATE TYPE role AS ENUM (
    'viewer',
    'operator',
    'admin'
);

CREATE TYPE suppression_reason AS ENUM (
    'opted_out',
    'complaint',
    'operator_refusal',
    'not_in_service',
    'law',
    'other'
);

CREATE TYPE suppression_scope AS ENUM (
    'everything',
    'marketing',
    'gateway'
);

CREATE TYPE undelivered_reason AS ENUM (
    'expired',
    'blocked',
    'unknown_subscriber',
    'opted_out',
    'rejected',
    'other'
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
    EXECUTE format(
        'DROP TABLE message_%1$s, attempt_%1$s, receipt_%1$s, message_unsent_%1$s, message_undelivered_%1$s',
        partition_number);
    DELETE FROM ledger_partition WHERE number = partition_number;
END $_$;

CREATE FUNCTION is_timezone(zone text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    RETURN postgres_timezone(zone) IS NOT NULL;
END $$;

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
        'CREATE TABLE message_%1$s (LIKE message INCLUDING ALL EXCLUDING IDENTITY) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000);'
        'CREATE UNIQUE INDEX message_%1$s_client_id_mailing_id_key ON message_%1$s (client_id, mailing_id);'
        'CREATE TABLE attempt_%1$s (LIKE attempt INCLUDING ALL) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);'
        'CREATE TABLE receipt_%1$s (LIKE receipt INCLUDING ALL) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);'
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

CREATE FUNCTION message_deleted() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
    INSERT INTO message_count_delta (mailing_id, status, delivery, delta)
    SELECT mailing_id, status, delivery, -count(*) FROM removed GROUP BY mailing_id, status, delivery;
    DELETE FROM message_unsent
    WHERE status = ANY('{failed,expired,cancelled,unknown}'::message_status[]) AND message_id = ANY(ARRAY(
        SELECT id FROM removed WHERE status = ANY('{failed,expired,cancelled,unknown}'::message_status[])
    ));
    IF EXISTS (SELECT FROM removed WHERE delivery = 'undelivered') THEN
        DELETE FROM message_undelivered
        WHERE (mailing_id, message_id) IN (SELECT mailing_id, id FROM removed WHERE delivery = 'undelivered');
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION message_inserted() RETURNS trigger
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
    IF 'pending' = ANY(became) THEN
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
                FROM (SELECT * FROM added WHERE status = 'pending') AS changed
            ) AS waiting
            GROUP BY mailing_id, path_id, due_at
        ) AS due CROSS JOIN LATERAL generate_series(0, (cardinality(message_ids) - 1) / 200) AS batch
        ORDER BY mailing_id, path_id, due_at, batch;
    END IF;
    IF became && '{failed,expired,cancelled,unknown}'::message_status[] THEN
        INSERT INTO message_unsent (mailing_id, status, message_id)
        SELECT mailing_id, status, id FROM added WHERE status = ANY('{failed,expired,cancelled,unknown}'::message_status[]);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION message_updated() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
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
    IF 'pending' = ANY(became) THEN
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
                FROM (
                    SELECT mailing_id, id, due_at, path_id, in_doubt, gateway_id FROM after WHERE status = 'pending'
                    EXCEPT
                    SELECT mailing_id, id, due_at, path_id, in_doubt, gateway_id FROM before WHERE status = 'pending'
                ) AS changed
            ) AS waiting
            GROUP BY mailing_id, path_id, due_at
        ) AS due CROSS JOIN LATERAL generate_series(0, (cardinality(message_ids) - 1) / 200) AS batch
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

CREATE FUNCTION next_permitted(after timestamp with time zone, before timestamp with time zone, zone text, local_from integer, local_until integer, weekdays integer, holidays date[]) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE STRICT
    AS $$
DECLARE
    zone_name text := postgres_timezone(zone);
    opens interval := make_interval(mins => local_from);
    closes interval := make_interval(mins => local_until);
    instant timestamptz := after;
    local timestamp;
    local_date date;
    since_midnight interval;
    wait interval;
BEGIN
    IF zone_name IS NULL THEN
        RETURN NULL;
    END IF;
    WHILE instant < before LOOP
        local := instant AT TIME ZONE zone_name;
        local_date := local::date;
        since_midnight := local::time;
        wait := interval '24:00' - since_midnight;
        IF weekdays >> (date_part('isodow', local_date)::integer - 1) & 1 = 1 AND local_date <> ALL(holidays) THEN
            IF since_midnight >= opens AND since_midnight < closes THEN
                RETURN instant;
            ELSIF since_midnight < opens THEN
                wait := opens - since_midnight;
            END IF;
        END IF;
        instant := same_offset_until(instant, instant + wait, zone_name);
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION opt_out_token(message_id bigint, secret bytea) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
DECLARE
    alphabet CONSTANT text := '0123456789abcdefghjkmnpqrstvwxyz';
    hash bytea := sha256(secret || 'opt-out link'::bytea || int8send(message_id));
    code bigint := ('x' || left(encode(hash, 'hex'), 15))::bit(60)::bigint;
    rest bigint := message_id;
    token text := '';
BEGIN
    FOR digit IN 1..12 LOOP
        token := substr(alphabet, (code & 31)::integer + 1, 1) || token;
        code := code >> 5;
    END LOOP;
    WHILE rest > 0 LOOP
        token := substr(alphabet, (rest & 31)::integer + 1, 1) || token;
        rest := rest >> 5;
    END LOOP;
    RETURN token;
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

CREATE FUNCTION permitted_until(at timestamp with time zone, zone text, local_from integer, local_until integer, weekdays integer, holidays date[]) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE STRICT
    AS $$
DECLARE
    zone_name text := postgres_timezone(zone);
    since_midnight interval;
BEGIN
    IF next_permitted(at, at + interval '1 microsecond', zone, local_from, local_until, weekdays, holidays) IS NULL THEN
        RETURN NULL;
    END IF;
    since_midnight := (at AT TIME ZONE zone_name)::time;
    RETURN same_offset_until(at, at + (make_interval(mins => local_until) - since_midnight), zone_name);
END $$;

CREATE FUNCTION postgres_timezone(zone text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    AS $_$
DECLARE
    name text := zone;
BEGIN
    IF zone !~ '^([A-Z][A-Za-z_-]+/)+[A-Z][A-Za-z_-]+$' THEN
        name := CASE zone
            WHEN 'CET' THEN 'Europe/Brussels'
            WHEN 'EET' THEN 'Europe/Athens'
            WHEN 'EST' THEN 'America/Panama'
            WHEN 'GMT' THEN 'Etc/GMT'
            WHEN 'HST' THEN 'Pacific/Honolulu'
            WHEN 'MET' THEN 'Europe/Brussels'
            WHEN 'MST' THEN 'America/Phoenix'
            WHEN 'UCT' THEN 'Etc/UTC'
            WHEN 'UTC' THEN 'Etc/UTC'
            WHEN 'WET' THEN 'Europe/Lisbon'
            WHEN 'Zulu' THEN 'Etc/UTC'
            ELSE zone
        END;
        IF name = zone AND zone !~ '^Etc/GMT(0|\+[0-9]|\+1[0-2]|-[0-9]|-1[0-4])$' AND zone <> ALL('{
            CST6CDT,Cuba,EST5EDT,Egypt,Eire,GB,GB-Eire,GMT+0,GMT-0,GMT0,Greenwich,Hongkong,Iceland,Iran,Israel,Jamaica,
            Japan,Kwajalein,Libya,MST7MDT,NZ,NZ-CHAT,Navajo,PRC,PST8PDT,Poland,Portugal,ROC,ROK,Singapore,Turkey,
            Universal,W-SU}'::text[])
        THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN CASE WHEN timestamptz 'epoch' AT TIME ZONE name IS NOT NULL THEN name END;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN NULL;
END $_$;

CREATE FUNCTION same_offset_until(after timestamp with time zone, until timestamp with time zone, zone_name text) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE STRICT
    AS $$
DECLARE
    local timestamp := after AT TIME ZONE zone_name;
    same timestamptz := date_trunc('second', after);
    other timestamptz := until;
    middle timestamptz;
BEGIN
    IF until AT TIME ZONE zone_name = local + (until - after) THEN
        RETURN until;
    END IF;
    WHILE other - same > interval '1 second' LOOP
        middle := date_trunc('second', same + (other - same) / 2);
        IF middle AT TIME ZONE zone_name = local + (middle - after) THEN
            same := middle;
        ELSE
            other := middle;
        END IF;
    END LOOP;
    RETURN other;
END $$;

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
ALTER TABLE ONLY claim ALTER COLUMN message_ids SET STORAGE EXTERNAL;

ALTER TABLE claim ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE client (
    id bigint NOT NULL,
    phone_number bigint NOT NULL,
    operator_code text NOT NULL,
    tag text NOT NULL,
    timezone text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    unknown_subscriber_count integer DEFAULT 0 NOT NULL,
    external_id text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT client_attributes_are_an_object CHECK ((jsonb_typeof(attributes) = 'object'::text)),
    CONSTRAINT client_operator_code_in_phone_number CHECK (((operator_code ~ '^[0-9]+$'::text) AND (POSITION((operator_code) IN ((phone_number)::text)) > 0))),
    CONSTRAINT client_phone_number_is_e164 CHECK (((phone_number >= 1000000) AND (phone_number <= '999999999999999'::bigint))),
    CONSTRAINT client_tags_are_others CHECK ((NOT (tag = ANY (tags))))
);

CREATE TABLE client_field (
    id bigint NOT NULL,
    name text NOT NULL,
    type field_type NOT NULL,
    label text DEFAULT ''::text NOT NULL,
    repeats_yearly boolean DEFAULT false NOT NULL,
    removal_started_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT client_field_only_dates_repeat CHECK (((type = 'date'::field_type) OR (NOT repeats_yearly)))
);

ALTER TABLE client_field ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

ALTER TABLE client ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE consent (
    id bigint NOT NULL,
    phone_number bigint,
    number_hash bytea,
    purpose text DEFAULT 'marketing'::text NOT NULL,
    given_at timestamp with time zone NOT NULL,
    method text NOT NULL,
    wording text NOT NULL,
    evidence jsonb DEFAULT '{}'::jsonb NOT NULL,
    source record_source NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    recorded_by text,
    withdrawn_at timestamp with time zone,
    withdrawal_recorded_at timestamp with time zone,
    withdrawal_recorded_by text,
    withdrawal_evidence jsonb,
    CONSTRAINT consent_has_a_number CHECK (((phone_number IS NOT NULL) OR (number_hash IS NOT NULL))),
    CONSTRAINT consent_withdrawal_has_evidence CHECK ((((withdrawn_at IS NULL) = (withdrawal_evidence IS NULL)) AND ((withdrawn_at IS NULL) = (withdrawal_recorded_at IS NULL))))
);

ALTER TABLE consent ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

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

CREATE TABLE daily_spending (
    day date NOT NULL,
    currency text NOT NULL,
    amount numeric(20,6) DEFAULT 0 NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');

CREATE TABLE delivery_speed (
    gateway_id integer NOT NULL,
    operator_code text NOT NULL,
    minute timestamp with time zone NOT NULL,
    sent integer NOT NULL,
    within_1 integer NOT NULL,
    within_5 integer NOT NULL,
    within_10 integer NOT NULL,
    undelivered integer NOT NULL
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
    callback_token text DEFAULT replace(((gen_random_uuid())::text || (gen_random_uuid())::text), '-'::text, ''::text) NOT NULL,
    poll_receipts boolean DEFAULT false NOT NULL,
    no_receipt_prefixes text[] DEFAULT '{}'::text[] NOT NULL,
    min_delivery_percent smallint,
    CONSTRAINT gateway_min_delivery_is_a_percentage CHECK (((min_delivery_percent >= 0) AND (min_delivery_percent <= 100))),
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

CREATE TABLE holiday (
    calendar_id bigint NOT NULL,
    day date NOT NULL,
    name text DEFAULT ''::text NOT NULL
);

CREATE TABLE holiday_calendar (
    id bigint NOT NULL,
    name text NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    removed_at timestamp with time zone
);

ALTER TABLE holiday_calendar ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE idempotency_key (
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE import_mapping (
    header_hash text NOT NULL,
    columns jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE inbound_message (
    id bigint NOT NULL,
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
    keyword text,
    keyword_action keyword_action,
    keyword_is_exact boolean,
    decision inbound_decision,
    decided_at timestamp with time zone,
    decided_by text,
    CONSTRAINT inbound_message_answered_by_a_message CHECK (((answered_at IS NULL) = (answer_message_id IS NULL))),
    CONSTRAINT inbound_message_decided_at_a_time CHECK (((decision IS NULL) = (decided_at IS NULL))),
    CONSTRAINT inbound_message_keyword_is_whole CHECK ((((keyword IS NULL) = (keyword_action IS NULL)) AND ((keyword IS NULL) = (keyword_is_exact IS NULL)))),
    CONSTRAINT inbound_message_read_by_somebody CHECK (((read_at IS NULL) = (read_by IS NULL)))
);

ALTER TABLE inbound_message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE inbound_part (
    id bigint NOT NULL,
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
    CONSTRAINT inbound_part_is_one_of_its_parts CHECK (((part >= 1) AND (part <= parts)))
);

ALTER TABLE inbound_part ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE keyword_reply (
    day date NOT NULL,
    gateway_id bigint NOT NULL,
    action keyword_action NOT NULL,
    language text NOT NULL,
    mailing_id bigint NOT NULL
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
    exclude_unknown_after integer,
    segment_id bigint,
    segment text,
    segment_tree jsonb,
    excluded_segment_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    audience_frozen_at timestamp with time zone,
    audience_failed_at timestamp with time zone,
    excluded_trees jsonb,
    personalised boolean DEFAULT false NOT NULL,
    kind mailing_kind DEFAULT 'marketing'::mailing_kind NOT NULL,
    local_from smallint,
    local_until smallint,
    local_weekdays smallint,
    holiday_calendar_id bigint,
    default_timezone text,
    requires_consent boolean DEFAULT false NOT NULL,
    over_cap over_cap DEFAULT 'wait'::over_cap NOT NULL,
    spending_limit numeric(20,6),
    spending_currency text,
    requires_approval boolean DEFAULT false NOT NULL,
    approved_at timestamp with time zone,
    approved_by text,
    created_by text,
    edited_by text,
    CONSTRAINT mailing_approved_by_somebody CHECK (((approved_at IS NULL) = (approved_by IS NULL))),
    CONSTRAINT mailing_audience_is_listed_before_messages CHECK ((((mark <> ''::text) AND (excluded_segment_ids = '{}'::bigint[])) OR (audience_frozen_at IS NOT NULL) OR ((audience = 0) AND (launched_at IS NULL)))),
    CONSTRAINT mailing_end_has_a_timestamp CHECK (((status = ANY (ARRAY['finished'::mailing_status, 'cancelled'::mailing_status])) = (ended_at IS NOT NULL))),
    CONSTRAINT mailing_exclude_unknown_after_is_positive CHECK ((exclude_unknown_after > 0)),
    CONSTRAINT mailing_launch_began_before_it_ended CHECK (((launched_at IS NULL) OR (launch_started_at IS NOT NULL))),
    CONSTRAINT mailing_launch_has_a_max_client_id CHECK (((launch_started_at IS NULL) = (max_client_id IS NULL))),
    CONSTRAINT mailing_limit_has_a_currency CHECK (((spending_limit IS NULL) = (spending_currency IS NULL))),
    CONSTRAINT mailing_limit_is_not_negative CHECK ((spending_limit >= (0)::numeric)),
    CONSTRAINT mailing_local_window_is_whole CHECK ((((local_from IS NULL) = (local_until IS NULL)) AND ((local_from IS NULL) = (local_weekdays IS NULL)) AND ((local_from IS NULL) OR (((local_from >= 0) AND (local_from <= 1439)) AND ((local_until >= (local_from + 1)) AND (local_until <= 1440)) AND ((local_weekdays >= 1) AND (local_weekdays <= 127)))))),
    CONSTRAINT mailing_runs_only_while_it_is_approved CHECK (((NOT requires_approval) OR (approved_at IS NOT NULL) OR (status <> 'running'::mailing_status))),
    CONSTRAINT mailing_segment_has_a_tree CHECK (((segment IS NULL) = (segment_tree IS NULL))),
    CONSTRAINT mailing_settled_after_its_end CHECK (((settled_at IS NULL) OR (ended_at IS NOT NULL))),
    CONSTRAINT mailing_takes_a_mark_or_a_segment CHECK (((mark = ''::text) = ((segment_id IS NOT NULL) OR (segment IS NOT NULL)))),
    CONSTRAINT mailing_takes_a_route_or_a_gateway CHECK (((route_id IS NULL) OR (gateway_id IS NULL))),
    CONSTRAINT mailing_window_ends_after_its_start CHECK ((end_datetime > start_datetime))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500');

CREATE TABLE mailing_audience (
    mailing_id bigint NOT NULL,
    first_client_id bigint NOT NULL,
    client_ids bigint[] NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500');
ALTER TABLE ONLY mailing_audience ALTER COLUMN client_ids SET STORAGE EXTERNAL;

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

CREATE TABLE mailing_plan (
    mailing_id bigint NOT NULL,
    planned_at timestamp with time zone DEFAULT now() NOT NULL,
    plan jsonb NOT NULL
);

CREATE TABLE mailing_text (
    mailing_id bigint NOT NULL,
    revision integer NOT NULL,
    text text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    fields text[],
    field_types field_type[],
    template_id bigint,
    template_revision integer,
    CONSTRAINT mailing_text_fields_are_some CHECK ((cardinality(fields) > 0)),
    CONSTRAINT mailing_text_fields_have_types CHECK ((NOT (cardinality(fields) IS DISTINCT FROM cardinality(field_types)))),
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
    delivery delivery,
    delivery_at timestamp with time zone,
    delivery_reason undelivered_reason,
    delivery_code text,
    delivery_conflicting boolean DEFAULT false NOT NULL,
    parts smallint,
    parts_delivered smallint,
    text_values text[],
    CONSTRAINT message_delivery_is_of_a_sent_one CHECK (((delivery IS NULL) OR (status = 'sent'::message_status))),
    CONSTRAINT message_end_has_a_timestamp CHECK (((status = ANY (ARRAY['pending'::message_status, 'sending'::message_status])) = (ended_at IS NULL))),
    CONSTRAINT message_sending_has_a_claim CHECK (((status <> 'sending'::message_status) OR (claim_id IS NOT NULL))),
    CONSTRAINT message_sent_has_a_timestamp CHECK (((status = 'sent'::message_status) = (sent_at IS NOT NULL))),
    CONSTRAINT message_uncounted_attempts_are_attempts CHECK (((uncounted_attempts >= 0) AND (uncounted_attempts <= attempts))),
    CONSTRAINT message_undelivered_has_a_reason CHECK (((delivery_reason IS NOT NULL) = (NOT (delivery IS DISTINCT FROM 'undelivered'::delivery))))
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
    delivery delivery,
    delivery_at timestamp with time zone,
    delivery_reason undelivered_reason,
    delivery_code text,
    delivery_conflicting boolean DEFAULT false NOT NULL,
    parts smallint,
    parts_delivered smallint,
    text_values text[],
    CONSTRAINT message_delivery_is_of_a_sent_one CHECK (((delivery IS NULL) OR (status = 'sent'::message_status))),
    CONSTRAINT message_end_has_a_timestamp CHECK (((status = ANY (ARRAY['pending'::message_status, 'sending'::message_status])) = (ended_at IS NULL))),
    CONSTRAINT message_sending_has_a_claim CHECK (((status <> 'sending'::message_status) OR (claim_id IS NOT NULL))),
    CONSTRAINT message_sent_has_a_timestamp CHECK (((status = 'sent'::message_status) = (sent_at IS NOT NULL))),
    CONSTRAINT message_uncounted_attempts_are_attempts CHECK (((uncounted_attempts >= 0) AND (uncounted_attempts <= attempts))),
    CONSTRAINT message_undelivered_has_a_reason CHECK (((delivery_reason IS NOT NULL) = (NOT (delivery IS DISTINCT FROM 'undelivered'::delivery))))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02', autovacuum_vacuum_cost_limit='2000', fillfactor='30');

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
    delivery delivery,
    delivery_at timestamp with time zone,
    delivery_reason undelivered_reason,
    delivery_code text,
    delivery_conflicting boolean DEFAULT false NOT NULL,
    parts smallint,
    parts_delivered smallint,
    text_values text[],
    CONSTRAINT message_delivery_is_of_a_sent_one CHECK (((delivery IS NULL) OR (status = 'sent'::message_status))),
    CONSTRAINT message_end_has_a_timestamp CHECK (((status = ANY (ARRAY['pending'::message_status, 'sending'::message_status])) = (ended_at IS NULL))),
    CONSTRAINT message_sending_has_a_claim CHECK (((status <> 'sending'::message_status) OR (claim_id IS NOT NULL))),
    CONSTRAINT message_sent_has_a_timestamp CHECK (((status = 'sent'::message_status) = (sent_at IS NOT NULL))),
    CONSTRAINT message_uncounted_attempts_are_attempts CHECK (((uncounted_attempts >= 0) AND (uncounted_attempts <= attempts))),
    CONSTRAINT message_undelivered_has_a_reason CHECK (((delivery_reason IS NOT NULL) = (NOT (delivery IS DISTINCT FROM 'undelivered'::delivery))))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02', autovacuum_vacuum_cost_limit='2000', fillfactor='30');

CREATE TABLE message_cap (
    id bigint NOT NULL,
    messages integer NOT NULL,
    period_hours integer NOT NULL,
    CONSTRAINT message_cap_is_positive CHECK ((((messages >= 1) AND (messages <= 100)) AND ((period_hours >= 1) AND (period_hours <= 8784))))
);

ALTER TABLE message_cap ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE message_count_delta (
    id bigint NOT NULL,
    mailing_id bigint,
    status message_status NOT NULL,
    delta bigint NOT NULL,
    compacted boolean DEFAULT false NOT NULL,
    delivery delivery
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');

ALTER TABLE message_count_delta ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

ALTER TABLE message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE message_undelivered (
    mailing_id bigint NOT NULL,
    message_id bigint NOT NULL
)
PARTITION BY RANGE (message_id);

CREATE TABLE message_undelivered_0 (
    mailing_id bigint NOT NULL,
    message_id bigint NOT NULL
);

CREATE TABLE message_undelivered_1 (
    mailing_id bigint NOT NULL,
    message_id bigint NOT NULL
);

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

CREATE TABLE number_list (
    id bigint NOT NULL,
    name text NOT NULL,
    numbers bigint DEFAULT 0 NOT NULL,
    is_complete boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE number_list_entry (
    list_id bigint NOT NULL,
    phone_number bigint NOT NULL
);

ALTER TABLE number_list ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE number_usage (
    phone_number bigint NOT NULL,
    message_ids bigint[] NOT NULL,
    claimed_until timestamp with time zone[] NOT NULL,
    CONSTRAINT number_usage_has_a_time_for_each CHECK ((cardinality(message_ids) = cardinality(claimed_until)))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');

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

CREATE TABLE receipt (
    message_id bigint NOT NULL,
    fingerprint uuid NOT NULL,
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
    repeats integer DEFAULT 0 NOT NULL,
    CONSTRAINT receipt_undelivered_has_a_reason CHECK (((reason IS NOT NULL) = (state = 'undelivered'::receipt_state)))
)
PARTITION BY RANGE (message_id);

CREATE TABLE receipt_0 (
    message_id bigint NOT NULL,
    fingerprint uuid NOT NULL,
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
    repeats integer DEFAULT 0 NOT NULL,
    CONSTRAINT receipt_undelivered_has_a_reason CHECK (((reason IS NOT NULL) = (state = 'undelivered'::receipt_state)))
)
WITH (autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE receipt_1 (
    message_id bigint NOT NULL,
    fingerprint uuid NOT NULL,
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
    repeats integer DEFAULT 0 NOT NULL,
    CONSTRAINT receipt_undelivered_has_a_reason CHECK (((reason IS NOT NULL) = (state = 'undelivered'::receipt_state)))
)
WITH (autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.02');

CREATE TABLE receipt_orphan (
    id bigint NOT NULL,
    message_id bigint,
    recipient text,
    fingerprint uuid NOT NULL,
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
    repeats integer DEFAULT 0 NOT NULL
);

ALTER TABLE receipt_orphan ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE receipt_queue (
    id bigint NOT NULL,
    message_id bigint,
    recipient text,
    fingerprint uuid NOT NULL,
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
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT receipt_queue_names_a_message CHECK (((message_id IS NOT NULL) OR (provider_message_id IS NOT NULL))),
    CONSTRAINT receipt_queue_undelivered_has_a_reason CHECK (((reason IS NOT NULL) = (state = 'undelivered'::receipt_state)))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500');

ALTER TABLE receipt_queue ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE receipt_wait (
    id bigint NOT NULL,
    gateway_id integer NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    message_ids bigint[] NOT NULL,
    measured boolean DEFAULT false NOT NULL,
    polls integer DEFAULT 0 NOT NULL,
    poll_at timestamp with time zone,
    CONSTRAINT receipt_wait_is_not_empty CHECK ((cardinality(message_ids) > 0))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500', toast_tuple_target='8160');

ALTER TABLE receipt_wait ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE reschedule (
    mailing_id bigint NOT NULL,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_message_id bigint DEFAULT '0'::bigint NOT NULL
);

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

CREATE TABLE segment (
    id bigint NOT NULL,
    name text NOT NULL,
    text text NOT NULL,
    tree jsonb NOT NULL,
    removed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE segment ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE sending_rules (
    id boolean DEFAULT true NOT NULL,
    local_from smallint,
    local_until smallint,
    local_weekdays smallint,
    holiday_calendar_id bigint,
    default_timezone text,
    requires_consent boolean DEFAULT false NOT NULL,
    requires_approval boolean DEFAULT false NOT NULL,
    daily_spending_limit numeric(20,6),
    spending_currency text,
    replies jsonb DEFAULT '{}'::jsonb NOT NULL,
    reply_language text DEFAULT 'en'::text NOT NULL,
    opt_out_secret bytea DEFAULT sha256((((gen_random_uuid())::text || (gen_random_uuid())::text))::bytea) NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sending_rules_are_one_row CHECK (id),
    CONSTRAINT sending_rules_limit_has_a_currency CHECK (((daily_spending_limit IS NULL) = (spending_currency IS NULL))),
    CONSTRAINT sending_rules_limit_is_not_negative CHECK ((daily_spending_limit >= (0)::numeric)),
    CONSTRAINT sending_rules_local_window_is_whole CHECK ((((local_from IS NULL) = (local_until IS NULL)) AND ((local_from IS NULL) = (local_weekdays IS NULL)) AND ((local_from IS NULL) OR (((local_from >= 0) AND (local_from <= 1439)) AND ((local_until >= (local_from + 1)) AND (local_until <= 1440)) AND ((local_weekdays >= 1) AND (local_weekdays <= 127))))))
);

CREATE TABLE sign_in_link (
    token_hash bytea NOT NULL,
    actor text NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE spending (
    mailing_id bigint NOT NULL,
    currency text NOT NULL,
    amount numeric(20,6) DEFAULT 0 NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');

CREATE TABLE suppression (
    id bigint NOT NULL,
    phone_number bigint,
    number_hash bytea,
    scope suppression_scope NOT NULL,
    gateway_id bigint,
    reason suppression_reason NOT NULL,
    source record_source NOT NULL,
    evidence jsonb DEFAULT '{}'::jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    recorded_by text,
    lifted_at timestamp with time zone,
    lifted_by text,
    lift_evidence jsonb,
    CONSTRAINT suppression_has_a_number CHECK (((phone_number IS NOT NULL) OR (number_hash IS NOT NULL))),
    CONSTRAINT suppression_lift_has_evidence CHECK (((lifted_at IS NULL) = (lift_evidence IS NULL))),
    CONSTRAINT suppression_of_a_gateway_names_it CHECK (((scope = 'gateway'::suppression_scope) = (gateway_id IS NOT NULL)))
);

ALTER TABLE suppression ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE template (
    id bigint NOT NULL,
    name text NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE template ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE template_text (
    template_id bigint NOT NULL,
    revision integer NOT NULL,
    text text NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    written_by_name text,
    CONSTRAINT template_text_is_1_to_1600_characters CHECK (((octet_length(text) >= 1) AND (octet_length(text) <= 6400)))
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

ALTER TABLE ONLY message_undelivered ATTACH PARTITION message_undelivered_0 FOR VALUES FROM ('0') TO ('10000000');

ALTER TABLE ONLY message_undelivered ATTACH PARTITION message_undelivered_1 FOR VALUES FROM ('10000000') TO ('20000000');

ALTER TABLE ONLY message_unsent ATTACH PARTITION message_unsent_0 FOR VALUES FROM ('0') TO ('10000000');

ALTER TABLE ONLY message_unsent ATTACH PARTITION message_unsent_1 FOR VALUES FROM ('10000000') TO ('20000000');

ALTER TABLE ONLY receipt ATTACH PARTITION receipt_0 FOR VALUES FROM ('0') TO ('10000000');

ALTER TABLE ONLY receipt ATTACH PARTITION receipt_1 FOR VALUES FROM ('10000000') TO ('20000000');

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

ALTER TABLE ONLY client_field
    ADD CONSTRAINT client_field_name_key UNIQUE (name);

ALTER TABLE ONLY client_field
    ADD CONSTRAINT client_field_pkey PRIMARY KEY (id);

ALTER TABLE ONLY client
    ADD CONSTRAINT client_phone_number_key UNIQUE (phone_number);

ALTER TABLE ONLY client
    ADD CONSTRAINT client_pkey PRIMARY KEY (id);

ALTER TABLE ONLY consent
    ADD CONSTRAINT consent_pkey PRIMARY KEY (id);

ALTER TABLE ONLY cookie_secret
    ADD CONSTRAINT cookie_secret_pkey PRIMARY KEY (id);

ALTER TABLE ONLY daily_report
    ADD CONSTRAINT daily_report_pkey PRIMARY KEY (day);

ALTER TABLE ONLY daily_spending
    ADD CONSTRAINT daily_spending_pkey PRIMARY KEY (day, currency);

ALTER TABLE ONLY delivery_speed
    ADD CONSTRAINT delivery_speed_pkey PRIMARY KEY (gateway_id, operator_code, minute);

ALTER TABLE ONLY gateway_availability
    ADD CONSTRAINT gateway_availability_pkey PRIMARY KEY (gateway_id);

ALTER TABLE ONLY gateway_contact
    ADD CONSTRAINT gateway_contact_pkey PRIMARY KEY (gateway);

ALTER TABLE ONLY gateway
    ADD CONSTRAINT gateway_pkey PRIMARY KEY (id);

ALTER TABLE ONLY holiday_calendar
    ADD CONSTRAINT holiday_calendar_pkey PRIMARY KEY (id);

ALTER TABLE ONLY holiday
    ADD CONSTRAINT holiday_pkey PRIMARY KEY (calendar_id, day);

ALTER TABLE ONLY idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (key);

ALTER TABLE ONLY import_mapping
    ADD CONSTRAINT import_mapping_pkey PRIMARY KEY (header_hash);

ALTER TABLE ONLY inbound_message
    ADD CONSTRAINT inbound_message_pkey PRIMARY KEY (id);

ALTER TABLE ONLY inbound_part
    ADD CONSTRAINT inbound_part_pkey PRIMARY KEY (id);

ALTER TABLE ONLY keyword_reply
    ADD CONSTRAINT keyword_reply_pkey PRIMARY KEY (day, gateway_id, action, language);

ALTER TABLE ONLY ledger_partition
    ADD CONSTRAINT ledger_partition_pkey PRIMARY KEY (number);

ALTER TABLE ONLY mailing_audience
    ADD CONSTRAINT mailing_audience_pkey PRIMARY KEY (mailing_id, first_client_id);

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

ALTER TABLE ONLY mailing_plan
    ADD CONSTRAINT mailing_plan_pkey PRIMARY KEY (mailing_id);

ALTER TABLE ONLY mailing_text
    ADD CONSTRAINT mailing_text_pkey PRIMARY KEY (mailing_id, revision);

ALTER TABLE ONLY message
    ADD CONSTRAINT message_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_0
    ADD CONSTRAINT message_0_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_1
    ADD CONSTRAINT message_1_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_cap
    ADD CONSTRAINT message_cap_period_hours_key UNIQUE (period_hours);

ALTER TABLE ONLY message_cap
    ADD CONSTRAINT message_cap_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_count_delta
    ADD CONSTRAINT message_count_delta_pkey PRIMARY KEY (id);

ALTER TABLE ONLY message_undelivered
    ADD CONSTRAINT message_undelivered_pkey PRIMARY KEY (mailing_id, message_id);

ALTER TABLE ONLY message_undelivered_0
    ADD CONSTRAINT message_undelivered_0_pkey PRIMARY KEY (mailing_id, message_id);

ALTER TABLE ONLY message_undelivered_1
    ADD CONSTRAINT message_undelivered_1_pkey PRIMARY KEY (mailing_id, message_id);

ALTER TABLE ONLY message_unsent
    ADD CONSTRAINT message_unsent_pkey PRIMARY KEY (mailing_id, status, message_id);

ALTER TABLE ONLY message_unsent_0
    ADD CONSTRAINT message_unsent_0_pkey PRIMARY KEY (mailing_id, status, message_id);

ALTER TABLE ONLY message_unsent_1
    ADD CONSTRAINT message_unsent_1_pkey PRIMARY KEY (mailing_id, status, message_id);

ALTER TABLE ONLY number_list_entry
    ADD CONSTRAINT number_list_entry_pkey PRIMARY KEY (list_id, phone_number);

ALTER TABLE ONLY number_list
    ADD CONSTRAINT number_list_name_key UNIQUE (name);

ALTER TABLE ONLY number_list
    ADD CONSTRAINT number_list_pkey PRIMARY KEY (id);

ALTER TABLE ONLY number_usage
    ADD CONSTRAINT number_usage_pkey PRIMARY KEY (phone_number);

ALTER TABLE ONLY path
    ADD CONSTRAINT path_pkey PRIMARY KEY (id);

ALTER TABLE ONLY queue_batch
    ADD CONSTRAINT queue_batch_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rate_limit
    ADD CONSTRAINT rate_limit_pkey PRIMARY KEY (gateway);

ALTER TABLE ONLY receipt
    ADD CONSTRAINT receipt_pkey PRIMARY KEY (message_id, fingerprint);

ALTER TABLE ONLY receipt_0
    ADD CONSTRAINT receipt_0_pkey PRIMARY KEY (message_id, fingerprint);

ALTER TABLE ONLY receipt_1
    ADD CONSTRAINT receipt_1_pkey PRIMARY KEY (message_id, fingerprint);

ALTER TABLE ONLY receipt_orphan
    ADD CONSTRAINT receipt_orphan_pkey PRIMARY KEY (id);

ALTER TABLE ONLY receipt_queue
    ADD CONSTRAINT receipt_queue_pkey PRIMARY KEY (id);

ALTER TABLE ONLY receipt_wait
    ADD CONSTRAINT receipt_wait_pkey PRIMARY KEY (id);

ALTER TABLE ONLY reschedule
    ADD CONSTRAINT reschedule_pkey PRIMARY KEY (mailing_id);

ALTER TABLE ONLY route
    ADD CONSTRAINT route_pkey PRIMARY KEY (id);

ALTER TABLE ONLY segment
    ADD CONSTRAINT segment_pkey PRIMARY KEY (id);

ALTER TABLE ONLY sending_rules
    ADD CONSTRAINT sending_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY sign_in_link
    ADD CONSTRAINT sign_in_link_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY spending
    ADD CONSTRAINT spending_pkey PRIMARY KEY (mailing_id, currency);

ALTER TABLE ONLY suppression
    ADD CONSTRAINT suppression_pkey PRIMARY KEY (id);

ALTER TABLE ONLY template
    ADD CONSTRAINT template_name_key UNIQUE (name);

ALTER TABLE ONLY template
    ADD CONSTRAINT template_pkey PRIMARY KEY (id);

ALTER TABLE ONLY template_text
    ADD CONSTRAINT template_text_pkey PRIMARY KEY (template_id, revision);

ALTER TABLE ONLY worker_report
    ADD CONSTRAINT worker_report_pkey PRIMARY KEY (at, worker, gateway);

CREATE INDEX attempt_provider_message_id_idx ON ONLY attempt USING btree (provider_message_id) WHERE (provider_message_id IS NOT NULL);

CREATE INDEX attempt_0_provider_message_id_idx ON attempt_0 USING btree (provider_message_id) WHERE (provider_message_id IS NOT NULL);

CREATE INDEX attempt_started_at_idx ON ONLY attempt USING brin (started_at) WITH (autosummarize='on');

CREATE INDEX attempt_0_started_at_idx ON attempt_0 USING brin (started_at) WITH (autosummarize='on');

CREATE INDEX attempt_1_provider_message_id_idx ON attempt_1 USING btree (provider_message_id) WHERE (provider_message_id IS NOT NULL);

CREATE INDEX attempt_1_started_at_idx ON attempt_1 USING brin (started_at) WITH (autosummarize='on');

CREATE INDEX audit_entry_actor_id_idx ON audit_entry USING btree (actor, id);

CREATE INDEX audit_entry_at_idx ON audit_entry USING btree (at);

CREATE INDEX audit_entry_object_id_idx ON audit_entry USING btree (object, object_id, id);

CREATE INDEX audit_entry_operation_id_idx ON audit_entry USING btree (operation, id);

CREATE INDEX browser_session_expires_at_idx ON browser_session USING btree (expires_at);

CREATE UNIQUE INDEX client_external_id_key ON client USING btree (external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX client_operator_code_id_idx ON client USING btree (operator_code, id);

CREATE INDEX client_tag_id_idx ON client USING btree (tag, id);

CREATE INDEX client_tags_idx ON client USING gin (tags) WHERE (tags <> '{}'::text[]);

CREATE INDEX client_unknown_subscriber_idx ON client USING btree (id) WHERE (unknown_subscriber_count > 0);

CREATE INDEX consent_in_force_idx ON consent USING btree (phone_number) WHERE (withdrawn_at IS NULL);

CREATE INDEX consent_number_hash_idx ON consent USING btree (number_hash) WHERE (number_hash IS NOT NULL);

CREATE INDEX consent_phone_number_idx ON consent USING btree (phone_number, id);

CREATE INDEX delivery_speed_minute_idx ON delivery_speed USING btree (minute);

CREATE UNIQUE INDEX gateway_name_key ON gateway USING btree (name);

CREATE UNIQUE INDEX holiday_calendar_name_key ON holiday_calendar USING btree (name) WHERE (removed_at IS NULL);

CREATE INDEX idempotency_key_created_at_idx ON idempotency_key USING btree (created_at);

CREATE INDEX inbound_message_client_id_idx ON inbound_message USING btree (client_id, id);

CREATE INDEX inbound_message_gateway_id_idx ON inbound_message USING btree (gateway_id, id);

CREATE INDEX inbound_message_phone_number_idx ON inbound_message USING btree (phone_number, id);

CREATE INDEX inbound_message_undecided_idx ON inbound_message USING btree (id) WHERE ((keyword_action = ANY (ARRAY['stop'::keyword_action, 'start'::keyword_action])) AND (decided_at IS NULL));

CREATE INDEX inbound_message_unread_idx ON inbound_message USING btree (id) WHERE (read_at IS NULL);

CREATE UNIQUE INDEX inbound_part_fingerprint_key ON inbound_part USING btree (gateway_id, fingerprint);

CREATE INDEX inbound_part_inbound_message_id_idx ON inbound_part USING btree (inbound_message_id);

CREATE INDEX inbound_part_sender_idx ON inbound_part USING btree (sender, received_at) WHERE (parts > 1);

CREATE INDEX inbound_part_unassembled_idx ON inbound_part USING btree (id) WHERE (inbound_message_id IS NULL);

CREATE INDEX mailing_draft_unsent_idx ON mailing_draft USING btree (id) WHERE (mailing_id IS NULL);

CREATE INDEX mailing_draft_version_draft_id_id_idx ON mailing_draft_version USING btree (draft_id, id);

CREATE INDEX mailing_event_mailing_id_id_idx ON mailing_event USING btree (mailing_id, id);

CREATE INDEX mailing_listed_idx ON mailing USING btree (id) WHERE (deleted_at IS NULL);

CREATE INDEX mailing_scheduled_idx ON mailing USING btree (start_datetime) WHERE (status = 'scheduled'::mailing_status);

CREATE INDEX mailing_segment_id_idx ON mailing USING btree (segment_id) WHERE (segment_id IS NOT NULL);

CREATE INDEX mailing_text_template_id_idx ON mailing_text USING btree (template_id) WHERE (template_id IS NOT NULL);

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

CREATE INDEX message_undelivered_message_id_idx ON ONLY message_undelivered USING btree (message_id);

CREATE INDEX message_undelivered_0_message_id_idx ON message_undelivered_0 USING btree (message_id);

CREATE INDEX message_undelivered_1_message_id_idx ON message_undelivered_1 USING btree (message_id);

CREATE INDEX message_unsent_status_message_id_idx ON ONLY message_unsent USING btree (status, message_id);

CREATE INDEX message_unsent_0_status_message_id_idx ON message_unsent_0 USING btree (status, message_id);

CREATE INDEX message_unsent_1_status_message_id_idx ON message_unsent_1 USING btree (status, message_id);

CREATE UNIQUE INDEX path_of_one_gateway_key ON path USING btree (gateway_ids) WHERE (route_id IS NULL);

CREATE INDEX path_route_id_idx ON path USING btree (route_id);

CREATE INDEX queue_batch_due_idx ON queue_batch USING btree (mailing_id, path_id, due_at, id);

CREATE UNIQUE INDEX receipt_orphan_fingerprint_key ON receipt_orphan USING btree (gateway_id, fingerprint);

CREATE INDEX receipt_orphan_provider_message_id_idx ON receipt_orphan USING btree (gateway_id, provider_message_id);

CREATE INDEX receipt_orphan_received_at_idx ON receipt_orphan USING btree (received_at);

CREATE INDEX receipt_queue_due_idx ON receipt_queue USING btree (due_at, id);

CREATE INDEX receipt_wait_poll_idx ON receipt_wait USING btree (poll_at) WHERE (poll_at IS NOT NULL);

CREATE INDEX receipt_wait_since_idx ON receipt_wait USING btree (gateway_id, since);

CREATE INDEX receipt_wait_unmeasured_idx ON receipt_wait USING btree (since) WHERE (NOT measured);

CREATE UNIQUE INDEX route_name_key ON route USING btree (name) WHERE (removed_at IS NULL);

CREATE UNIQUE INDEX segment_name_key ON segment USING btree (name) WHERE (removed_at IS NULL);

CREATE UNIQUE INDEX suppression_in_force_key ON suppression USING btree (phone_number, scope, COALESCE(gateway_id, (0)::bigint)) WHERE (lifted_at IS NULL);

CREATE INDEX suppression_number_hash_idx ON suppression USING btree (number_hash) WHERE (number_hash IS NOT NULL);

CREATE INDEX suppression_phone_number_idx ON suppression USING btree (phone_number, id);

ALTER INDEX attempt_pkey ATTACH PARTITION attempt_0_pkey;

ALTER INDEX attempt_provider_message_id_idx ATTACH PARTITION attempt_0_provider_message_id_idx;

ALTER INDEX attempt_started_at_idx ATTACH PARTITION attempt_0_started_at_idx;

ALTER INDEX attempt_pkey ATTACH PARTITION attempt_1_pkey;

ALTER INDEX attempt_provider_message_id_idx ATTACH PARTITION attempt_1_provider_message_id_idx;

ALTER INDEX attempt_started_at_idx ATTACH PARTITION attempt_1_started_at_idx;

ALTER INDEX message_mailing_id_id_idx ATTACH PARTITION message_0_mailing_id_id_idx;

ALTER INDEX message_phone_number_idx ATTACH PARTITION message_0_phone_number_id_idx;

ALTER INDEX message_pkey ATTACH PARTITION message_0_pkey;

ALTER INDEX message_mailing_id_id_idx ATTACH PARTITION message_1_mailing_id_id_idx;

ALTER INDEX message_phone_number_idx ATTACH PARTITION message_1_phone_number_id_idx;

ALTER INDEX message_pkey ATTACH PARTITION message_1_pkey;

ALTER INDEX message_undelivered_message_id_idx ATTACH PARTITION message_undelivered_0_message_id_idx;

ALTER INDEX message_undelivered_pkey ATTACH PARTITION message_undelivered_0_pkey;

ALTER INDEX message_undelivered_message_id_idx ATTACH PARTITION message_undelivered_1_message_id_idx;

ALTER INDEX message_undelivered_pkey ATTACH PARTITION message_undelivered_1_pkey;

ALTER INDEX message_unsent_pkey ATTACH PARTITION message_unsent_0_pkey;

ALTER INDEX message_unsent_status_message_id_idx ATTACH PARTITION message_unsent_0_status_message_id_idx;

ALTER INDEX message_unsent_pkey ATTACH PARTITION message_unsent_1_pkey;

ALTER INDEX message_unsent_status_message_id_idx ATTACH PARTITION message_unsent_1_status_message_id_idx;

ALTER INDEX receipt_pkey ATTACH PARTITION receipt_0_pkey;

ALTER INDEX receipt_pkey ATTACH PARTITION receipt_1_pkey;

CREATE TRIGGER audit_entry_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_append_only;

CREATE TRIGGER mailing_kept BEFORE DELETE ON mailing FOR EACH ROW EXECUTE FUNCTION mailing_kept();

CREATE TRIGGER message_deleted AFTER DELETE ON message REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION message_deleted();

CREATE TRIGGER message_inserted AFTER INSERT ON message REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION message_inserted();

CREATE TRIGGER message_updated AFTER UPDATE ON message REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION message_updated();

ALTER TABLE ONLY gateway_availability
    ADD CONSTRAINT gateway_availability_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(id) ON DELETE CASCADE;

ALTER TABLE ONLY holiday
    ADD CONSTRAINT holiday_calendar_id_fkey FOREIGN KEY (calendar_id) REFERENCES holiday_calendar(id) ON DELETE CASCADE;

ALTER TABLE ONLY inbound_part
    ADD CONSTRAINT inbound_part_inbound_message_id_fkey FOREIGN KEY (inbound_message_id) REFERENCES inbound_message(id) ON DELETE CASCADE;

ALTER TABLE ONLY keyword_reply
    ADD CONSTRAINT keyword_reply_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing_draft
    ADD CONSTRAINT mailing_draft_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing_draft_version
    ADD CONSTRAINT mailing_draft_version_draft_id_fkey FOREIGN KEY (draft_id) REFERENCES mailing_draft(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing_event
    ADD CONSTRAINT mailing_event_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing
    ADD CONSTRAINT mailing_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(id);

ALTER TABLE ONLY mailing
    ADD CONSTRAINT mailing_holiday_calendar_id_fkey FOREIGN KEY (holiday_calendar_id) REFERENCES holiday_calendar(id);

ALTER TABLE ONLY mailing_plan
    ADD CONSTRAINT mailing_plan_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing
    ADD CONSTRAINT mailing_route_id_fkey FOREIGN KEY (route_id) REFERENCES route(id);

ALTER TABLE ONLY mailing
    ADD CONSTRAINT mailing_segment_id_fkey FOREIGN KEY (segment_id) REFERENCES segment(id);

ALTER TABLE ONLY mailing_text
    ADD CONSTRAINT mailing_text_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE;

ALTER TABLE ONLY mailing_text
    ADD CONSTRAINT mailing_text_template_id_fkey FOREIGN KEY (template_id) REFERENCES template(id) ON DELETE SET NULL;

ALTER TABLE ONLY number_list_entry
    ADD CONSTRAINT number_list_entry_list_id_fkey FOREIGN KEY (list_id) REFERENCES number_list(id) ON DELETE CASCADE;

ALTER TABLE ONLY path
    ADD CONSTRAINT path_route_id_fkey FOREIGN KEY (route_id) REFERENCES route(id) ON DELETE CASCADE;

ALTER TABLE ONLY sending_rules
    ADD CONSTRAINT sending_rules_holiday_calendar_id_fkey FOREIGN KEY (holiday_calendar_id) REFERENCES holiday_calendar(id);

ALTER TABLE ONLY spending
    ADD CONSTRAINT spending_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE;

ALTER TABLE ONLY suppression
    ADD CONSTRAINT suppression_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(id);

ALTER TABLE ONLY template_text
    ADD CONSTRAINT template_text_template_id_fkey FOREIGN KEY (template_id) REFERENCES template(id) ON DELETE CASCADE;
