"""Gives attempts a result that no provider's contract is needed to understand, and keeps the rest per gateway.

An attempt has a gateway, a result, the provider's code and a reason code with parameters, in place of an outcome, an
HTTP status and a sentence. What was said of our account splits into `misconfigured` and `no_credit`, and what may be
repeated is `retriable` and no longer `refused`. The rate limit, workers' reports and the last contact are per gateway:
what there was is the gateway `default`.

To be run while nothing else uses the database: workers and APIs of the version before cannot work with the new tables,
and wait for the locks meanwhile. All in one transaction. It locks `attempt`, `pace`, `worker_report` and
`gateway_contact` exclusively, writes `attempt` anew and builds its primary key and its index: some minutes for
10,000,000 attempts, and for that time as much space again. Workers' reports, which are kept for an hour, are dropped.

Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ROW_IN_PLACE = {"fillfactor": 10, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 500}
APPENDED = {"autovacuum_vacuum_insert_scale_factor": 0.05, "autovacuum_analyze_scale_factor": 0.02}

RESULTS = (
    "accepted",
    "duplicate",
    "refused",
    "retriable",
    "opted_out",
    "throttled",
    "unreachable",
    "misconfigured",
    "no_credit",
    "ambiguous",
)
OUTCOMES = ("accepted", "refused", "throttled", "unreachable", "unauthorized", "ambiguous")

ATTEMPT_RESULT = ENUM(*RESULTS, name="attempt_result", create_type=False)
OUTCOME = ENUM(*OUTCOMES, name="outcome", create_type=False)
GATEWAY_HEALTH = ENUM(name="gateway_health", create_type=False)

SENTENCES = {
    "a success status without the body that goes with it": "unexpected_body",
    "the gateway redirects to another address; GATEWAY_URL needs changing": "redirected",
    "the gateway does not accept the token": "token_rejected",
    "the gateway says that the account has no credit": "no_credit",
    "the gateway does not let this token send": "not_allowed",
    "the gateway has no such address; check GATEWAY_URL": "address_not_found",
    "the gateway takes no POST at this address; check GATEWAY_URL": "method_not_allowed",
    "the gateway is behind a proxy that asks for credentials": "proxy_credentials_needed",
    "the gateway is not the server of this address; check GATEWAY_URL": "wrong_server",
    "the gateway asks for another protocol; check GATEWAY_URL": "protocol_refused",
    "the gateway refuses this message and accepts others": "only_this_message_refused",
    "the gateway has this message already": "already_accepted",
    "the text cannot be encoded in UTF-8": "text_not_encodable",
    "no request left: the mailing's text is missing": "text_missing",
    "the lease ran out before the worker told what came of it": "lease_expired",
    "the message turned out to be sent": "sent_meanwhile",
    "after a restore": "restored",
}
"""Every sentence of ours that an earlier version wrote of an attempt, and its code. The gateway's own words may follow
some of them, in brackets."""

KNOWN_SENTENCES = ", ".join(
    f"('{sentence.replace(chr(39), chr(39) * 2)}', '{code}')" for sentence, code in SENTENCES.items()
)

# What earlier versions call refused is retriable if it was a success status with another code, was not taken up, or is
# said of accounts only.
RESULT_OF = """
CREATE OR REPLACE FUNCTION pg_temp.result_of(outcome text, http_status int, detail text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN outcome = 'unauthorized' THEN CASE http_status WHEN 402 THEN 'no_credit' ELSE 'misconfigured' END
        WHEN outcome = 'accepted' AND starts_with(detail, 'the gateway has this message already') THEN 'duplicate'
        WHEN outcome = 'refused'
            AND (http_status BETWEEN 200 AND 399 OR http_status IN (401, 405, 407, 408, 421, 425, 426)) THEN 'retriable'
        ELSE outcome
    END
$$
"""

# The status of HTTP; for a success status with another code, that code, with which its words begin.
CODE_OF = """
CREATE OR REPLACE FUNCTION pg_temp.code_of(outcome text, http_status int, detail text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(
        CASE WHEN outcome = 'refused' AND http_status BETWEEN 200 AND 299
            THEN substring(detail FROM '^code (-?[0-9]{1,39})(?::|$)') END,
        http_status::text)
$$
"""

# A sentence of ours, perhaps with the gateway's words in brackets, of which the last may have been cut off; else the
# words of the gateway or of the system.
REASON_OF = f"""
CREATE OR REPLACE FUNCTION pg_temp.reason_of(outcome text, http_status int, detail text)
RETURNS TABLE (reason_code text, reason_params jsonb) LANGUAGE sql STABLE AS $$
    WITH parts AS (
        SELECT split_part(detail, '; the answer came after all: ', 1) AS said,
            nullif(split_part(detail, '; the answer came after all: ', 2), '') AS late
    ), ours AS (
        SELECT code, regexp_replace(substr(said, length(sentence) + 3), '[)]$', '') AS words
        FROM parts JOIN (VALUES {KNOWN_SENTENCES}) AS known (sentence, code)
            ON said = sentence OR starts_with(said, sentence || ' (')
        UNION ALL
        SELECT 'internal_error', substr(said, 23) FROM parts WHERE starts_with(said, 'could not be handled: ')
    ), reason AS (
        SELECT code, words FROM ours
        UNION ALL
        SELECT CASE WHEN http_status IS NULL OR (outcome = 'ambiguous' AND http_status BETWEEN 200 AND 299)
            THEN 'connection_failed' ELSE 'provider_said' END, said
        FROM parts
        WHERE NOT EXISTS (SELECT FROM ours)
    )
    SELECT code, nullif(jsonb_strip_nulls(jsonb_build_object(
        'words', nullif(words, ''),
        'late_result', CASE late WHEN 'no request left' THEN 'not_submitted'
            ELSE pg_temp.result_of(split_part(late, ' ', 1), http_status, NULL) END,
        'late_words', CASE WHEN late <> 'no request left'
            THEN nullif(substr(late, length(split_part(late, ' ', 1)) + 2), '') END
    )), '{{}}')
    FROM reason, parts
$$
"""  # noqa: S608  put together of constants

FILL_ATTEMPT = """
INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, provider_code, reason_code,
    reason_params, worker)
SELECT message_id, number, started_at, duration, 'default',
    pg_temp.result_of(outcome::text, http_status, detail)::attempt_result,
    pg_temp.code_of(outcome::text, http_status, detail), reason_code, reason_params, worker
FROM attempt_0012 LEFT JOIN LATERAL (
    SELECT * FROM pg_temp.reason_of(outcome::text, http_status, detail) WHERE detail IS NOT NULL
) AS reason ON TRUE
"""

# Its detail begins with the status, "HTTP 401: the gateway does not accept the token", if a worker wrote it; one that
# revision 0010 took from the ledger does not.
FILL_CONTACT = """
INSERT INTO gateway_contact (gateway, asked_at, answered_at, accepted_at, result, provider_code, reason_code,
    reason_params)
SELECT 'default', asked_at, answered_at, accepted_at,
    pg_temp.result_of(outcome::text, status, words)::attempt_result,
    pg_temp.code_of(outcome::text, status, words), reason_code, reason_params
FROM gateway_contact_0012 CROSS JOIN LATERAL (
    SELECT substring(detail FROM '^HTTP ([0-9]{3})')::int AS status,
        nullif(nullif(regexp_replace(detail, '^HTTP [0-9]{3}(: |$)', ''), ''), outcome::text) AS words
) AS said LEFT JOIN LATERAL (
    SELECT *
    FROM pg_temp.reason_of(outcome::text, coalesce(status, CASE WHEN answered_at >= asked_at THEN 0 END), words)
    WHERE words IS NOT NULL
) AS reason ON TRUE
"""

DETAIL_OF = f"""
CREATE OR REPLACE FUNCTION pg_temp.detail_of(reason_code text, params jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT nullif(concat(
        CASE WHEN reason_code IN ('provider_said', 'connection_failed') THEN params ->> 'words'
            WHEN reason_code = 'internal_error' THEN 'could not be handled: ' || coalesce(params ->> 'words', '')
            ELSE (
                SELECT sentence FROM (VALUES {KNOWN_SENTENCES}) AS known (sentence, code) WHERE code = reason_code
            ) || coalesce(
                ' (' || (params ->> 'words') || ')', '') END,
        '; the answer came after all: ' || CASE params ->> 'late_result' WHEN 'not_submitted' THEN 'no request left'
            ELSE pg_temp.outcome_of(params ->> 'late_result') || coalesce(' ' || (params ->> 'late_words'), '') END
    ), '')
$$
"""  # noqa: S608  put together of constants

OUTCOME_OF = """
CREATE OR REPLACE FUNCTION pg_temp.outcome_of(result text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE result WHEN 'duplicate' THEN 'accepted' WHEN 'retriable' THEN 'refused' WHEN 'opted_out' THEN 'refused'
        WHEN 'misconfigured' THEN 'unauthorized' WHEN 'no_credit' THEN 'unauthorized' ELSE result END
$$
"""

# A code of the contract came with a status of success.
STATUS_OF = """
CREATE OR REPLACE FUNCTION pg_temp.status_of(result text, code text) RETURNS smallint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN code ~ '^[1-9][0-9]{2}$' THEN code::smallint WHEN code IS NOT NULL THEN 200 END
$$
"""

EMPTY_ATTEMPT = """
INSERT INTO attempt (message_id, number, started_at, duration, outcome, http_status, detail, worker)
SELECT message_id, number, started_at, duration, pg_temp.outcome_of(result::text)::outcome,
    pg_temp.status_of(result::text, provider_code), pg_temp.detail_of(reason_code, reason_params), worker
FROM attempt_0013
"""

EMPTY_CONTACT = """
INSERT INTO gateway_contact (id, asked_at, answered_at, accepted_at, outcome, detail)
SELECT 1, asked_at, answered_at, accepted_at, pg_temp.outcome_of(result::text)::outcome, nullif(concat_ws(': ',
    'HTTP ' || pg_temp.status_of(result::text, provider_code), pg_temp.detail_of(reason_code, reason_params)), '')
FROM gateway_contact_0013
WHERE gateway = 'default'
"""


def upgrade() -> None:
    ATTEMPT_RESULT.create(op.get_bind())
    _create_functions(RESULT_OF, CODE_OF, REASON_OF)
    _refill_attempt("0012", FILL_ATTEMPT, *_attempt_columns())

    _set_aside("gateway_contact", "0012")
    op.create_table("gateway_contact", *_contact_columns(), postgresql_with=ROW_IN_PLACE)
    op.execute(FILL_CONTACT)
    op.drop_table("gateway_contact_0012")
    op.execute("DROP TYPE outcome")

    op.create_table(
        "rate_limit",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("next_slot_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("gateway", name="rate_limit_pkey"),
        postgresql_with=ROW_IN_PLACE,
    )
    op.execute("INSERT INTO rate_limit (gateway, next_slot_at) SELECT 'default', next_slot FROM pace")
    op.drop_table("pace")

    op.drop_table("worker_report")
    op.execute("ALTER TYPE gateway_health RENAME VALUE 'open' TO 'circuit_open'")
    op.execute("ALTER TYPE gateway_health RENAME VALUE 'refused' TO 'misconfigured'")
    op.create_table(
        "worker_report",
        sa.Column("at", INSTANT, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("interval_seconds", sa.Double(), nullable=False),
        *(sa.Column(result, sa.Integer(), nullable=False) for result in RESULTS),
        sa.Column("in_flight", sa.Integer(), nullable=False),
        sa.Column("concurrency_limit", sa.Integer(), nullable=False),
        sa.Column("gateway_state", GATEWAY_HEALTH, nullable=False),
        *_reason_columns(),
        sa.Column("stopped", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("at", "worker", "gateway", name="worker_report_pkey"),
    )


def downgrade() -> None:
    """What only this version tells apart is merged again; gateways other than `default` lose their limits."""
    OUTCOME.create(op.get_bind())
    _create_functions(OUTCOME_OF, STATUS_OF, DETAIL_OF)
    _refill_attempt(
        "0013",
        EMPTY_ATTEMPT,
        sa.Column("outcome", OUTCOME, nullable=False),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
    )

    _set_aside("gateway_contact", "0013")
    op.create_table(
        "gateway_contact",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        *_moments(),
        sa.Column("outcome", OUTCOME, nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="gateway_contact_pkey"),
        sa.CheckConstraint("id = 1", name="gateway_contact_is_one_row"),
        postgresql_with=ROW_IN_PLACE,
    )
    op.execute(EMPTY_CONTACT)
    op.drop_table("gateway_contact_0013")
    op.execute("DROP TYPE attempt_result")

    op.create_table(
        "pace",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("next_slot", INSTANT, nullable=False),
        sa.CheckConstraint("id = 1", name="pace_is_one_row"),
        sa.PrimaryKeyConstraint("id", name="pace_pkey"),
        postgresql_with=ROW_IN_PLACE,
    )
    op.execute("INSERT INTO pace (id, next_slot) SELECT 1, next_slot_at FROM rate_limit WHERE gateway = 'default'")
    op.drop_table("rate_limit")

    op.drop_table("worker_report")
    op.execute("ALTER TYPE gateway_health RENAME VALUE 'circuit_open' TO 'open'")
    op.execute("ALTER TYPE gateway_health RENAME VALUE 'misconfigured' TO 'refused'")
    op.create_table(
        "worker_report",
        sa.Column("at", INSTANT, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        *(sa.Column(outcome, sa.Integer(), nullable=False) for outcome in OUTCOMES),
        sa.Column("in_hand", sa.Integer(), nullable=False),
        sa.Column("send_limit", sa.Integer(), nullable=False),
        sa.Column("gateway", GATEWAY_HEALTH, nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("stopped", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("at", "worker", name="worker_report_pkey"),
    )


def _create_functions(*functions: str) -> None:
    """Functions of this session only."""
    for function in functions:
        op.get_bind().exec_driver_sql(function)


def _set_aside(table: str, revision: str) -> None:
    """Renames a table to `{table}_{revision}`, and all that would keep the new one's constraints from their names."""
    names = "SELECT conname FROM pg_constraint WHERE conrelid = CAST(:name AS regclass)"
    # Since PostgreSQL 18, NOT NULL is a constraint with a name, too.
    for (name,) in op.get_bind().execute(sa.text(names), {"name": table}).all():
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name} TO {name}_{revision}")
    op.rename_table(table, f"{table}_{revision}")


def _refill_attempt(revision: str, fill: str, *columns: sa.Column[object]) -> None:
    """Writes the table anew, in its order: what an index on the time relies on."""
    _set_aside("attempt", revision)
    op.create_table(
        "attempt",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("duration", sa.Double(), nullable=True),
        *columns,
        sa.Column("worker", sa.Text(), nullable=False),
        postgresql_with=APPENDED,
    )
    op.execute(fill)
    op.drop_table(f"attempt_{revision}")
    op.create_primary_key("attempt_pkey", "attempt", ["message_id", "number"])
    op.create_index(
        "attempt_started_at_idx",
        "attempt",
        ["started_at"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )


def _attempt_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("result", ATTEMPT_RESULT, nullable=False),
        *_reason_columns(),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
    ]


def _contact_columns() -> list[sa.Column[object] | sa.Constraint]:
    return [
        sa.Column("gateway", sa.Text(), nullable=False),
        *_moments(),
        sa.Column("result", ATTEMPT_RESULT, nullable=False),
        *_reason_columns(),
        sa.PrimaryKeyConstraint("gateway", name="gateway_contact_pkey"),
    ]


def _moments() -> list[sa.Column[object]]:
    return [
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT, nullable=True),
        sa.Column("accepted_at", INSTANT, nullable=True),
    ]


def _reason_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("provider_code", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("reason_params", JSONB(), nullable=True),
    ]
