"""Gives tables, columns and indexes the standard names, and keeps why a message is where it is as a code.

Renames are entries of the catalogue: nothing is rewritten but the messages that have a reason, which are few beside
those that were sent. Nothing else may use the tables meanwhile: API and workers of the version before do not know the
new names, so they are stopped first.

Every sentence that a version before this wrote into `message.reason` becomes a code of `shared/domain/reasons.py` as
that is at this revision. What a provider or the system said in its own words stays as the parameter `words`.

Revises: 0013
"""

from __future__ import annotations

from typing import NamedTuple

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = {
    "kept_answer": "idempotency_key",
    "message_tally": "message_count_delta",
    "journal": "mailing_event",
}

COLUMNS = [
    ("message_count_delta", "messages", "delta"),
    ("message_count_delta", "in_total", "compacted"),
    ("message", "attempts_spared", "uncounted_attempts"),
    ("mailing", "launch_ceiling", "max_client_id"),
    ("mailing", "launch_cursor", "last_client_id"),
    ("mailing", "ledger_closed_at", "purge_started_at"),
    ("mailing", "ledger_removed_at", "purged_at"),
    ("mailing", "removed_at", "deleted_at"),
]

CONSTRAINTS = [
    ("message", "message_attempts_spared_are_attempts", "message_uncounted_attempts_are_attempts"),
    ("mailing", "mailing_launch_has_a_ceiling", "mailing_launch_has_a_max_client_id"),
    ("idempotency_key", "kept_answer_pkey", "idempotency_key_pkey"),
    ("message_count_delta", "message_tally_pkey", "message_count_delta_pkey"),
    ("mailing_event", "journal_pkey", "mailing_event_pkey"),
    ("mailing_event", "journal_mailing_id_fkey", "mailing_event_mailing_id_fkey"),
]

INDEXES = {
    "kept_answer_created_at_idx": "idempotency_key_created_at_idx",
    "message_tally_mailing_id_idx": "message_count_delta_mailing_id_idx",
    "message_tally_current_idx": "message_count_delta_current_idx",
    "message_tally_unended_idx": "message_count_delta_unended_idx",
    "journal_mailing_id_id_idx": "mailing_event_mailing_id_id_idx",
    "mailing_ledger_idx": "mailing_unpurged_idx",
}

SEQUENCES = {"message_tally_id_seq": "message_count_delta_id_seq", "journal_id_seq": "mailing_event_id_seq"}

TRIGGERS = {
    ("message", "message_tally_inserted"): "message_counts_inserted",
    ("message", "message_tally_updated"): "message_counts_updated",
    ("message", "message_tally_deleted"): "message_counts_deleted",
}
"""Each is named as its function."""

FUNCTIONS = """
CREATE OR REPLACE FUNCTION {inserted}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mailings bigint[] := ARRAY(SELECT DISTINCT mailing_id FROM added);
BEGIN
    PERFORM FROM mailing WHERE id = ANY(mailings) ORDER BY id FOR KEY SHARE;
    IF EXISTS (SELECT unnest(mailings) EXCEPT SELECT id FROM mailing WHERE id = ANY(mailings)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a message must be of a mailing that there is',
            CONSTRAINT = 'message_has_a_mailing', TABLE = 'message';
    END IF;
    INSERT INTO {table} (mailing_id, status, {delta})
    SELECT mailing_id, status, count(*) FROM added GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION {updated}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {table} (mailing_id, status, {delta})
    SELECT mailing_id, status, sum(sign)
    FROM (SELECT mailing_id, status, 1 AS sign FROM after UNION ALL SELECT mailing_id, status, -1 FROM before) AS change
    GROUP BY mailing_id, status
    HAVING sum(sign) <> 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION {deleted}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {table} (mailing_id, status, {delta})
    SELECT mailing_id, status, -count(*)
    FROM removed
    WHERE NOT EXISTS (SELECT FROM mailing WHERE id = mailing_id AND {purge} IS NOT NULL)
    GROUP BY mailing_id, status;
    RETURN NULL;
END $$;
"""
"""The triggers' functions, whose bodies name the table and the columns."""

NEW_NAMES = {
    "inserted": "message_counts_inserted",
    "updated": "message_counts_updated",
    "deleted": "message_counts_deleted",
    "table": "message_count_delta",
    "delta": "delta",
    "purge": "purge_started_at",
}
OLD_NAMES = {
    "inserted": "message_tally_inserted",
    "updated": "message_tally_updated",
    "deleted": "message_tally_deleted",
    "table": "message_tally",
    "delta": "messages",
    "purge": "ledger_closed_at",
}


# From PostgreSQL 18 on, NOT NULL is a constraint with a name of its own, after its table and column.
NAME_NOT_NULLS = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT relname, conname, format('%%s_%%s_not_null', relname, attname) AS plain
        FROM pg_constraint
            JOIN pg_class ON pg_class.oid = conrelid
            JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY(conkey)
        WHERE contype = 'n' AND relnamespace = 'public'::regnamespace AND relname = ANY('{%s}')
    LOOP
        IF one.conname <> one.plain THEN
            EXECUTE format('ALTER TABLE %%I RENAME CONSTRAINT %%I TO %%I', one.relname, one.conname, one.plain);
        END IF;
    END LOOP;
END $$
"""


class Sentence(NamedTuple):
    """A sentence that `message.reason` may begin with, and its code; `words` may have followed it in brackets."""

    text: str
    code: str
    with_words: bool = False


SENTENCES = [
    Sentence("the window closed", "window_closed"),
    Sentence("the mailing was cancelled", "mailing_cancelled"),
    Sentence("the client was removed", "client_removed"),
    Sentence("a person said that it had arrived", "resolved_arrived"),
    Sentence("a person said that it had not arrived", "resolved_not_arrived"),
    Sentence("after a restore", "restored"),
    Sentence("the lease ran out before the worker told what came of it", "lease_expired"),
    Sentence("no request left: the mailing's text is missing", "text_missing"),
    Sentence("the text cannot be encoded in UTF-8", "text_not_encodable"),
    Sentence("a success status without the body that goes with it", "unexpected_body"),
    Sentence("the gateway redirects to another address; GATEWAY_URL needs changing", "redirected", with_words=True),
    Sentence("the gateway does not accept the token", "token_rejected", with_words=True),
    Sentence("the gateway says that the account has no credit", "no_credit", with_words=True),
    Sentence("the gateway does not let this token send", "not_allowed", with_words=True),
    Sentence("the gateway has no such address; check GATEWAY_URL", "address_not_found", with_words=True),
    Sentence("the gateway takes no POST at this address; check GATEWAY_URL", "method_not_allowed", with_words=True),
    Sentence("the gateway is behind a proxy that asks for credentials", "proxy_credentials_needed", with_words=True),
    Sentence("the gateway is not the server of this address; check GATEWAY_URL", "wrong_server", with_words=True),
    Sentence("the gateway asks for another protocol; check GATEWAY_URL", "protocol_refused", with_words=True),
    Sentence("the gateway refuses this message and accepts others", "only_this_message_refused", with_words=True),
    Sentence("the gateway has this message already", "already_accepted", with_words=True),
]

IN_DOUBT = " after an attempt that may have landed"
"""Followed the sentence of a message that ended as `unknown`, which the status and `in_doubt` say."""

INTERNAL_ERROR = "could not be handled: "
"""Before the name of the error."""


def upgrade() -> None:
    for old, new in TABLES.items():
        op.rename_table(old, new)
    for table, old, new in COLUMNS:
        op.alter_column(table, old, new_column_name=new)
    _rename_the_rest(forward=True)
    for (table, old), new in TRIGGERS.items():
        op.execute(f"ALTER TRIGGER {old} ON {table} RENAME TO {new}")
        op.execute(f"ALTER FUNCTION {old}() RENAME TO {new}")
    op.execute(FUNCTIONS.format(**NEW_NAMES))
    op.execute("ALTER TABLE message ADD COLUMN reason_code text, ADD COLUMN reason_params jsonb")
    # Their counts stay as they are, so the trigger has nothing to do.
    op.execute("ALTER TABLE message DISABLE TRIGGER message_counts_updated")
    op.execute(_codes())
    op.execute("ALTER TABLE message ENABLE TRIGGER message_counts_updated")
    op.execute("ALTER TABLE message DROP COLUMN reason")
    op.execute(NAME_NOT_NULLS % ",".join([*TABLES.values(), "message", "mailing"]))


def downgrade() -> None:
    """A code of which no earlier version knows a sentence becomes its parameter `words`, or else its own name."""
    op.execute("ALTER TABLE message ADD COLUMN reason text")
    op.execute("ALTER TABLE message DISABLE TRIGGER message_counts_updated")
    op.execute(_sentences())
    op.execute("ALTER TABLE message ENABLE TRIGGER message_counts_updated")
    op.execute("ALTER TABLE message DROP COLUMN reason_code, DROP COLUMN reason_params")
    for (table, old), new in TRIGGERS.items():
        op.execute(f"ALTER TRIGGER {new} ON {table} RENAME TO {old}")
        op.execute(f"ALTER FUNCTION {new}() RENAME TO {old}")
    _rename_the_rest(forward=False)
    for table, old, new in COLUMNS:
        op.alter_column(table, new, new_column_name=old)
    for old, new in TABLES.items():
        op.rename_table(new, old)
    op.execute(FUNCTIONS.format(**OLD_NAMES))
    op.execute(NAME_NOT_NULLS % ",".join([*TABLES, "message", "mailing"]))


def _rename_the_rest(*, forward: bool) -> None:
    for table, old, new in CONSTRAINTS:
        before, after = (old, new) if forward else (new, old)
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {before} TO {after}")
    for kind, names in (("INDEX", INDEXES), ("SEQUENCE", SEQUENCES)):
        for old, new in names.items():
            before, after = (old, new) if forward else (new, old)
            op.execute(f"ALTER {kind} {before} RENAME TO {after}")


def _codes() -> str:
    known = ", ".join(f"({_text(one.text)}, {_text(one.code)}, {one.with_words})" for one in SENTENCES)
    return f"""
        UPDATE message
        SET reason_code = coalesce(
                known.code,
                CASE WHEN starts_with(self.reason, {_text(INTERNAL_ERROR)}) THEN 'internal_error'
                    WHEN attempt.result IN ('unreachable', 'ambiguous') AND attempt.provider_code IS NULL
                    THEN 'connection_failed' ELSE 'provider_said' END),
            reason_params = CASE
                WHEN known.code IS NULL
                THEN jsonb_build_object('words', CASE WHEN starts_with(self.reason, {_text(INTERNAL_ERROR)})
                    THEN substr(self.reason, {len(INTERNAL_ERROR) + 1}) ELSE self.reason END)
                WHEN known.words IS NOT NULL THEN jsonb_build_object('words', known.words)
            END
        FROM message AS self
            LEFT JOIN attempt ON attempt.message_id = self.id AND attempt.number = self.attempts
            LEFT JOIN LATERAL (
                SELECT code, CASE WHEN starts_with(self.reason, sentence || ' (')
                    THEN regexp_replace(substr(self.reason, length(sentence) + 3), '[)]$', '') END AS words
                FROM (VALUES {known}) AS known(sentence, code, with_words)
                WHERE self.reason IN (sentence, sentence || {_text(IN_DOUBT)})
                    OR (with_words AND starts_with(self.reason, sentence || ' ('))
            ) AS known ON true
        WHERE self.id = message.id AND self.reason IS NOT NULL
    """  # noqa: S608  put together of constants


def _sentences() -> str:
    known = ", ".join(f"({_text(one.code)}, {_text(one.text)})" for one in SENTENCES)
    ended = "'window_closed', 'mailing_cancelled', 'client_removed'"
    return f"""
        UPDATE message
        SET reason = CASE
            WHEN self.reason_code = 'internal_error' THEN {_text(INTERNAL_ERROR)} || coalesce(words, '')
            WHEN sentence IS NULL THEN coalesce(words, self.reason_code)
            ELSE sentence || coalesce(' (' || words || ')', '')
                || CASE WHEN self.status = 'unknown' AND self.reason_code IN ({ended})
                    THEN {_text(IN_DOUBT)} ELSE '' END
        END
        FROM message AS self CROSS JOIN LATERAL (SELECT self.reason_params->>'words' AS words) AS params
            LEFT JOIN (VALUES {known}) AS known(code, sentence) ON known.code = self.reason_code
        WHERE self.id = message.id AND self.reason_code IS NOT NULL
    """  # noqa: S608  put together of constants


def _text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
