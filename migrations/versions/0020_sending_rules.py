"""Gives mailings local windows, kinds, caps, approval and spending limits, and numbers suppressions and consent.

- `suppression` has the numbers that must not be written to, `consent` who consented to what. Both outlive clients.
- `sending_rules` is one row: the defaults of new mailings, and what is required of all.
- `message_cap` limits the messages to one number; `number_usage` counts them.
- `reschedule` has the mailings whose waiting messages are due at another time since a change.
- `spending` counts what messages of mailings with a limit cost, `daily_spending` of all that day.
- The functions decide what a local time permits (the same as shared/domain/local_windows.py), and `opt_out_token`
  makes the signed part of links to opt out.

No row is rewritten. One index of an existing table is built, which has no rows yet: that of `inbound_message` with the
keywords that nobody has decided about.

Revises: 0019
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

WORK_STORAGE = "fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000"

TABLES = f"""
CREATE TYPE mailing_kind AS ENUM ('marketing', 'service', 'reply');
CREATE TYPE over_cap AS ENUM ('wait', 'cancel');
CREATE TYPE suppression_scope AS ENUM ('everything', 'marketing', 'gateway');
CREATE TYPE suppression_reason AS ENUM ('opted_out', 'complaint', 'operator_refusal', 'not_in_service', 'law', 'other');
CREATE TYPE record_source AS ENUM ('api', 'import', 'console', 'keyword', 'link', 'provider', 'receipt');
CREATE TYPE keyword_action AS ENUM ('stop', 'start', 'help');
CREATE TYPE inbound_decision AS ENUM ('stop', 'start', 'help', 'nothing');
CREATE TABLE holiday_calendar (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    source text DEFAULT '' NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    removed_at timestamp with time zone,
    CONSTRAINT holiday_calendar_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX holiday_calendar_name_key ON holiday_calendar (name) WHERE removed_at IS NULL;
CREATE TABLE holiday (
    calendar_id bigint NOT NULL,
    day date NOT NULL,
    name text DEFAULT '' NOT NULL,
    CONSTRAINT holiday_pkey PRIMARY KEY (calendar_id, day),
    CONSTRAINT holiday_calendar_id_fkey FOREIGN KEY (calendar_id) REFERENCES holiday_calendar(id) ON DELETE CASCADE
);
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
    replies jsonb DEFAULT '{{}}' NOT NULL,
    reply_language text DEFAULT 'en' NOT NULL,
    opt_out_secret bytea DEFAULT sha256(((gen_random_uuid())::text || (gen_random_uuid())::text)::bytea) NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sending_rules_pkey PRIMARY KEY (id),
    CONSTRAINT sending_rules_are_one_row CHECK (id),
    CONSTRAINT sending_rules_local_window_is_whole CHECK (
        (local_from IS NULL) = (local_until IS NULL) AND (local_from IS NULL) = (local_weekdays IS NULL)
        AND (local_from IS NULL OR local_from BETWEEN 0 AND 1439 AND local_until BETWEEN local_from + 1 AND 1440
            AND local_weekdays BETWEEN 1 AND 127)),
    CONSTRAINT sending_rules_limit_has_a_currency CHECK (
        (daily_spending_limit IS NULL) = (spending_currency IS NULL)),
    CONSTRAINT sending_rules_limit_is_not_negative CHECK (daily_spending_limit >= 0),
    CONSTRAINT sending_rules_holiday_calendar_id_fkey FOREIGN KEY (holiday_calendar_id) REFERENCES holiday_calendar(id)
);
INSERT INTO sending_rules DEFAULT VALUES;
ALTER TABLE mailing
    ADD COLUMN kind mailing_kind DEFAULT 'marketing' NOT NULL,
    ADD COLUMN local_from smallint,
    ADD COLUMN local_until smallint,
    ADD COLUMN local_weekdays smallint,
    ADD COLUMN holiday_calendar_id bigint,
    ADD COLUMN default_timezone text,
    ADD COLUMN requires_consent boolean DEFAULT false NOT NULL,
    ADD COLUMN over_cap over_cap DEFAULT 'wait' NOT NULL,
    ADD COLUMN spending_limit numeric(20,6),
    ADD COLUMN spending_currency text,
    ADD COLUMN requires_approval boolean DEFAULT false NOT NULL,
    ADD COLUMN approved_at timestamp with time zone,
    ADD COLUMN approved_by text,
    ADD COLUMN created_by text,
    ADD COLUMN edited_by text,
    ADD CONSTRAINT mailing_holiday_calendar_id_fkey FOREIGN KEY (holiday_calendar_id) REFERENCES holiday_calendar(id),
    ADD CONSTRAINT mailing_local_window_is_whole CHECK (
        (local_from IS NULL) = (local_until IS NULL) AND (local_from IS NULL) = (local_weekdays IS NULL)
        AND (local_from IS NULL OR local_from BETWEEN 0 AND 1439 AND local_until BETWEEN local_from + 1 AND 1440
            AND local_weekdays BETWEEN 1 AND 127)),
    ADD CONSTRAINT mailing_limit_has_a_currency CHECK ((spending_limit IS NULL) = (spending_currency IS NULL)),
    ADD CONSTRAINT mailing_limit_is_not_negative CHECK (spending_limit >= 0),
    ADD CONSTRAINT mailing_approved_by_somebody CHECK ((approved_at IS NULL) = (approved_by IS NULL)),
    ADD CONSTRAINT mailing_runs_only_while_it_is_approved CHECK (
        NOT requires_approval OR approved_at IS NOT NULL OR status <> 'running');
CREATE TABLE reschedule (
    mailing_id bigint NOT NULL,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_message_id bigint DEFAULT '0'::bigint NOT NULL,
    CONSTRAINT reschedule_pkey PRIMARY KEY (mailing_id)
);
CREATE TABLE suppression (
    id bigint GENERATED ALWAYS AS IDENTITY,
    phone_number bigint,
    number_hash bytea,
    scope suppression_scope NOT NULL,
    gateway_id bigint,
    reason suppression_reason NOT NULL,
    source record_source NOT NULL,
    evidence jsonb DEFAULT '{{}}' NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    recorded_by text,
    lifted_at timestamp with time zone,
    lifted_by text,
    lift_evidence jsonb,
    CONSTRAINT suppression_pkey PRIMARY KEY (id),
    CONSTRAINT suppression_gateway_id_fkey FOREIGN KEY (gateway_id) REFERENCES gateway(id),
    CONSTRAINT suppression_has_a_number CHECK (phone_number IS NOT NULL OR number_hash IS NOT NULL),
    CONSTRAINT suppression_of_a_gateway_names_it CHECK ((scope = 'gateway') = (gateway_id IS NOT NULL)),
    CONSTRAINT suppression_lift_has_evidence CHECK ((lifted_at IS NULL) = (lift_evidence IS NULL))
);
CREATE UNIQUE INDEX suppression_in_force_key ON suppression (phone_number, scope, coalesce(gateway_id, 0))
    WHERE lifted_at IS NULL;
CREATE INDEX suppression_phone_number_idx ON suppression (phone_number, id);
CREATE INDEX suppression_number_hash_idx ON suppression (number_hash) WHERE number_hash IS NOT NULL;
CREATE TABLE consent (
    id bigint GENERATED ALWAYS AS IDENTITY,
    phone_number bigint,
    number_hash bytea,
    purpose text DEFAULT 'marketing' NOT NULL,
    given_at timestamp with time zone NOT NULL,
    method text NOT NULL,
    wording text NOT NULL,
    evidence jsonb DEFAULT '{{}}' NOT NULL,
    source record_source NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    recorded_by text,
    withdrawn_at timestamp with time zone,
    withdrawal_recorded_at timestamp with time zone,
    withdrawal_recorded_by text,
    withdrawal_evidence jsonb,
    CONSTRAINT consent_pkey PRIMARY KEY (id),
    CONSTRAINT consent_has_a_number CHECK (phone_number IS NOT NULL OR number_hash IS NOT NULL),
    CONSTRAINT consent_withdrawal_has_evidence CHECK (
        (withdrawn_at IS NULL) = (withdrawal_evidence IS NULL)
        AND (withdrawn_at IS NULL) = (withdrawal_recorded_at IS NULL))
);
CREATE INDEX consent_in_force_idx ON consent (phone_number) WHERE withdrawn_at IS NULL;
CREATE INDEX consent_phone_number_idx ON consent (phone_number, id);
CREATE INDEX consent_number_hash_idx ON consent (number_hash) WHERE number_hash IS NOT NULL;
CREATE TABLE message_cap (
    id bigint GENERATED ALWAYS AS IDENTITY,
    messages integer NOT NULL,
    period_hours integer NOT NULL,
    CONSTRAINT message_cap_pkey PRIMARY KEY (id),
    CONSTRAINT message_cap_period_hours_key UNIQUE (period_hours),
    CONSTRAINT message_cap_is_positive CHECK (messages BETWEEN 1 AND 100 AND period_hours BETWEEN 1 AND 8784)
);
CREATE TABLE number_usage (
    phone_number bigint NOT NULL,
    message_ids bigint[] NOT NULL,
    claimed_until timestamp with time zone[] NOT NULL,
    CONSTRAINT number_usage_pkey PRIMARY KEY (phone_number),
    CONSTRAINT number_usage_has_a_time_for_each CHECK (cardinality(message_ids) = cardinality(claimed_until))
) WITH ({WORK_STORAGE});
CREATE TABLE spending (
    mailing_id bigint NOT NULL,
    currency text NOT NULL,
    amount numeric(20,6) DEFAULT 0 NOT NULL,
    CONSTRAINT spending_pkey PRIMARY KEY (mailing_id, currency),
    CONSTRAINT spending_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE
) WITH ({WORK_STORAGE});
CREATE TABLE daily_spending (
    day date NOT NULL,
    currency text NOT NULL,
    amount numeric(20,6) DEFAULT 0 NOT NULL,
    CONSTRAINT daily_spending_pkey PRIMARY KEY (day, currency)
) WITH ({WORK_STORAGE});
CREATE TABLE keyword_reply (
    day date NOT NULL,
    gateway_id bigint NOT NULL,
    action keyword_action NOT NULL,
    language text NOT NULL,
    mailing_id bigint NOT NULL,
    CONSTRAINT keyword_reply_pkey PRIMARY KEY (day, gateway_id, action, language),
    CONSTRAINT keyword_reply_mailing_id_fkey FOREIGN KEY (mailing_id) REFERENCES mailing(id) ON DELETE CASCADE
);
ALTER TABLE inbound_message
    ADD COLUMN keyword text,
    ADD COLUMN keyword_action keyword_action,
    ADD COLUMN keyword_is_exact boolean,
    ADD COLUMN decision inbound_decision,
    ADD COLUMN decided_at timestamp with time zone,
    ADD COLUMN decided_by text,
    ADD CONSTRAINT inbound_message_keyword_is_whole CHECK (
        (keyword IS NULL) = (keyword_action IS NULL) AND (keyword IS NULL) = (keyword_is_exact IS NULL)),
    ADD CONSTRAINT inbound_message_decided_at_a_time CHECK ((decision IS NULL) = (decided_at IS NULL));
CREATE INDEX inbound_message_undecided_idx ON inbound_message (id)
    WHERE keyword_action IN ('stop', 'start') AND decided_at IS NULL;
"""

# The functions are not parallel safe: before PostgreSQL 17, a block with EXCEPTION cannot run in a parallel query, and
# nothing else tells whether the server knows a name, but pg_timezone_names, which reads all files of time zones.
#
# A window is given as in LocalWindow: minutes since midnight, a mask of weekdays from Monday (bit 0) on, dates.
# Any argument that is NULL makes the result NULL, as does an unknown time zone: nothing is permitted there.
FUNCTIONS = """
-- The name under which this server knows a time zone of IANA, for AT TIME ZONE; NULL if it does not know it.
--
-- AT TIME ZONE also takes abbreviations, before names, and POSIX strings. So CET, which has daylight saving time as a
-- name of IANA, would be one hour ahead of UTC all year. The names that are abbreviations of the sets that come with
-- PostgreSQL are replaced by the zones that tzdata has linked them to since 2024b. POSIX strings contain digits, and
-- their offset is taken as it is.
CREATE FUNCTION postgres_timezone(zone text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    AS $$
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
        IF name = zone AND zone !~ '^Etc/GMT(0|\\+[0-9]|\\+1[0-2]|-[0-9]|-1[0-4])$' AND zone <> ALL('{
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
END $$;

-- Whether this server knows a time zone of IANA. False for abbreviations and POSIX strings.
CREATE FUNCTION is_timezone(zone text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    RETURN postgres_timezone(zone) IS NOT NULL;
END $$;

-- The first instant after one and up to another at which the offset from UTC is not that of the first one, where it
-- changes once between them, at a whole second; `until` if it does not change. Takes a name for AT TIME ZONE.
--
-- A difference of instants may be an interval of one day, which is added to local times only: to an instant it would
-- be added by the session's time zone.
CREATE FUNCTION same_offset_until(after timestamptz, until timestamptz, zone_name text) RETURNS timestamptz
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

-- The first permitted instant from `after` on and before `before`; NULL if there is none.
CREATE FUNCTION next_permitted(after timestamptz, before timestamptz, zone text, local_from integer,
    local_until integer, weekdays integer, holidays date[]) RETURNS timestamptz
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

-- An instant after `at` up to which every instant from `at` on is permitted: at most the next local midnight, or change
-- of the offset from UTC. NULL if `at` is not permitted itself.
CREATE FUNCTION permitted_until(at timestamptz, zone text, local_from integer, local_until integer, weekdays integer,
    holidays date[]) RETURNS timestamptz
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
"""

# The same as token_of in shared/domain/opt_out_links.py. Its arguments are a message's id and a secret of 32 bytes.
OPT_OUT = """
-- The token by which the recipient of a message opts out: the message's id and an authentication code of 60 bits, in
-- base 32.
--
-- The hashed text always has 52 bytes, one block of SHA-256, and only a part of the hash is shown: it cannot be
-- extended, which HMAC is for.
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
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    op.execute(OPT_OUT)
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("""
        ALTER TABLE inbound_message DROP COLUMN keyword, DROP COLUMN keyword_action, DROP COLUMN keyword_is_exact,
            DROP COLUMN decision, DROP COLUMN decided_at, DROP COLUMN decided_by;
        DROP TABLE keyword_reply, daily_spending, spending, number_usage, message_cap, consent, suppression;
        ALTER TABLE mailing DROP COLUMN kind, DROP COLUMN local_from, DROP COLUMN local_until,
            DROP COLUMN local_weekdays, DROP COLUMN holiday_calendar_id, DROP COLUMN default_timezone,
            DROP COLUMN requires_consent, DROP COLUMN over_cap, DROP COLUMN spending_limit,
            DROP COLUMN spending_currency, DROP COLUMN requires_approval, DROP COLUMN approved_at,
            DROP COLUMN approved_by, DROP COLUMN created_by, DROP COLUMN edited_by;
        DROP TABLE reschedule, sending_rules, holiday, holiday_calendar;
        DROP TYPE inbound_decision, keyword_action, record_source, suppression_reason, suppression_scope, over_cap,
            mailing_kind;
        DROP FUNCTION opt_out_token(bigint, bytea);
        DROP FUNCTION permitted_until(timestamptz, text, integer, integer, integer, date[]);
        DROP FUNCTION next_permitted(timestamptz, timestamptz, text, integer, integer, integer, date[]);
        DROP FUNCTION same_offset_until(timestamptz, timestamptz, text);
        DROP FUNCTION is_timezone(text);
        DROP FUNCTION postgres_timezone(text);
    """)
