"""The schema: what the database itself guards, and that models and migrations are the same one."""

from __future__ import annotations

import enum
import os
import signal
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import create_engine

from api.database_url import database_url as parse_database_url
from shared.domain.field_types import FieldType
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.roles import Role
from shared.domain.sentences import EventDetail, sentence_of
from shared.domain.statuses import MailingKind, MailingStatus, MessageStatus, OnUnknown, OverCap
from shared.domain.suppressions import InboundDecision, KeywordAction, RecordSource, SuppressionReason, SuppressionScope
from shared.domain.worker_status import GatewayHealth
from shared.schema import Base
from shared.schema.base import is_modelled
from tests import commands
from tests.conftest import Connect, MakeDatabase
from tests.database import ROOT, connected, downgrade, migrate
from tests.factories import (
    add_clients,
    add_mailing,
    add_messages,
    add_running_mailing,
    change_message,
    execute,
    rows,
    value,
)
from tests.schema_dump import DOCUMENT, schema
from tests.waiting import PATIENCE, eventually, in_background, wait_for_lock_waiter

UPGRADE = ["flask", "--app", "api", "db", "upgrade"]
"""The command that everybody uses."""

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
"""How many wait: one for what is in its way, the others for that one."""

REVISIONS = [script.revision for script in ScriptDirectory(str(ROOT / "migrations")).walk_revisions()][::-1]
"""From the first to the head."""

NOW, LATER = "now()", "now() + interval '1 hour'"
FINGERPRINT = "'00000000-0000-0000-0000-000000000001'"

VALID: dict[str, dict[str, str]] = {
    "client": {"phone_number": "79001234567", "operator_code": "'900'", "tag": "'a'", "timezone": "'UTC'"},
    "mailing": {"mark": "'a'", "start_datetime": NOW, "end_datetime": LATER},
    "mailing_text": {"mailing_id": "1", "revision": "2", "text": "'Hello'"},
    "message": {"mailing_id": "1", "client_id": "7", "phone_number": "79001234567"},
    "gateway": {"name": "'another'", "provider": "'gonets'"},
    "path": {"gateway_ids": "'{1,1}'"},
    "cookie_secret": {"id": "2", "secret": "''"},
    "queue_batch": {"mailing_id": "1", "due_at": NOW, "message_ids": "'{1}'"},
    "receipt": {"message_id": "1", "fingerprint": FINGERPRINT, "gateway_id": "1", "state": "'delivered'"},
    "receipt_queue": {
        "message_id": "1",
        "fingerprint": FINGERPRINT,
        "gateway_id": "1",
        "state": "'delivered'",
    },
    "receipt_wait": {"gateway_id": "1", "message_ids": "'{1}'"},
    "inbound_message": {
        "gateway_id": "1",
        "sender": "'a'",
        "recipient": "''",
        "text": "''",
        "parts": "1",
        "parts_received": "1",
        "received_at": NOW,
    },
    "inbound_part": {
        "gateway_id": "1",
        "fingerprint": FINGERPRINT,
        "sender": "'a'",
        "recipient": "''",
        "text": "''",
        "part": "1",
        "parts": "1",
    },
    "client_field": {"name": "'city'", "type": "'text'"},
    "template_text": {"template_id": "1", "revision": "2", "text": "'Hello'"},
    "suppression": {"phone_number": "1", "scope": "'everything'", "reason": "'other'", "source": "'api'"},
    "consent": {"phone_number": "1", "given_at": NOW, "method": "'form'", "wording": "'Yes'", "source": "'api'"},
    "message_cap": {"messages": "1", "period_hours": "24"},
    "number_usage": {"phone_number": "1", "message_ids": "'{1}'", "claimed_until": "'{2026-12-01}'"},
    "sending_rules": {},
    "ledger_partition": {"number": "7", "first_message_id": "70000000", "end_message_id": "80000000"},
}
"""A row of each table, by column, in SQL; a mailing with one message to the client 1 is there already."""

VIOLATIONS: list[tuple[str, str, dict[str, str]]] = [
    ("mailing_local_window_is_whole", "mailing", {"local_from": "540", "local_weekdays": "127"}),
    (
        "mailing_local_window_is_whole",
        "mailing",
        {"local_from": "540", "local_until": "540", "local_weekdays": "127"},
    ),
    ("mailing_limit_has_a_currency", "mailing", {"spending_limit": "1"}),
    ("mailing_limit_is_not_negative", "mailing", {"spending_limit": "-1", "spending_currency": "'EUR'"}),
    ("mailing_approved_by_somebody", "mailing", {"approved_at": NOW}),
    (
        "mailing_runs_only_while_it_is_approved",
        "mailing",
        {"requires_approval": "true", "status": "'running'", "launch_started_at": NOW, "max_client_id": "1"},
    ),
    ("suppression_has_a_number", "suppression", {"phone_number": "NULL"}),
    ("suppression_of_a_gateway_names_it", "suppression", {"scope": "'gateway'"}),
    ("suppression_lift_has_evidence", "suppression", {"lifted_at": NOW}),
    ("consent_has_a_number", "consent", {"phone_number": "NULL"}),
    ("consent_withdrawal_has_evidence", "consent", {"withdrawn_at": NOW}),
    ("message_cap_is_positive", "message_cap", {"messages": "0"}),
    ("number_usage_has_a_time_for_each", "number_usage", {"message_ids": "'{1,2}'"}),
    ("sending_rules_are_one_row", "sending_rules", {"id": "false"}),
    ("sending_rules_local_window_is_whole", "sending_rules", {"local_from": "0"}),
    ("sending_rules_limit_has_a_currency", "sending_rules", {"daily_spending_limit": "1"}),
    (
        "sending_rules_limit_is_not_negative",
        "sending_rules",
        {"daily_spending_limit": "-1", "spending_currency": "'EUR'"},
    ),
    ("gateway_rate_is_not_negative", "gateway", {"rate": "-1"}),
    ("gateway_price_has_a_currency", "gateway", {"segment_price": "1"}),
    ("gateway_price_has_a_currency", "gateway", {"currency": "'RUB'"}),
    ("gateway_min_delivery_is_a_percentage", "gateway", {"min_delivery_percent": "101"}),
    ("gateway_min_delivery_is_a_percentage", "gateway", {"min_delivery_percent": "-1"}),
    ("path_weight_is_not_negative", "path", {"weight": "-1"}),
    ("mailing_takes_a_mark_or_a_segment", "mailing", {"mark": "''"}),
    ("mailing_takes_a_mark_or_a_segment", "mailing", {"segment": "'tag = 1'", "segment_tree": "'{}'"}),
    ("mailing_segment_has_a_tree", "mailing", {"mark": "''", "segment": "'tag = 1'"}),
    ("mailing_audience_is_listed_before_messages", "mailing", {"excluded_segment_ids": "'{1}'", "audience": "1"}),
    (
        "mailing_audience_is_listed_before_messages",
        "mailing",
        {
            "mark": "''",
            "segment": "'tag = 1'",
            "segment_tree": "'{}'",
            "launch_started_at": NOW,
            "max_client_id": "1",
            "launched_at": NOW,
        },
    ),
    ("client_field_only_dates_repeat", "client_field", {"repeats_yearly": "true"}),
    ("client_tags_are_others", "client", {"tag": "'a'", "tags": "'{a}'"}),
    ("client_attributes_are_an_object", "client", {"attributes": "'[]'"}),
    ("mailing_text_fields_are_some", "mailing_text", {"fields": "'{}'", "field_types": "'{}'"}),
    ("mailing_text_fields_have_types", "mailing_text", {"fields": "'{name}'"}),
    ("template_text_is_1_to_1600_characters", "template_text", {"text": "''"}),
    ("mailing_exclude_unknown_after_is_positive", "mailing", {"exclude_unknown_after": "0"}),
    ("mailing_takes_a_route_or_a_gateway", "mailing", {"route_id": "1", "gateway_id": "1"}),
    ("client_phone_number_is_e164", "client", {"phone_number": "999900", "operator_code": "'9'"}),
    ("client_phone_number_is_e164", "client", {"phone_number": "1000000000000900"}),
    ("client_phone_number_is_e164", "client", {"phone_number": "-79001234567"}),
    ("client_operator_code_in_phone_number", "client", {"operator_code": "'901'"}),
    ("client_operator_code_in_phone_number", "client", {"operator_code": "''"}),
    ("client_operator_code_in_phone_number", "client", {"operator_code": "'90a'"}),
    ("client_operator_code_in_phone_number", "client", {"operator_code": "E'900\\n'"}),
    ("mailing_window_ends_after_its_start", "mailing", {"end_datetime": NOW}),
    ("mailing_window_ends_after_its_start", "mailing", {"end_datetime": "now() - interval '1 hour'"}),
    ("mailing_end_has_a_timestamp", "mailing", {"status": "'finished'"}),
    ("mailing_end_has_a_timestamp", "mailing", {"status": "'cancelled'"}),
    ("mailing_end_has_a_timestamp", "mailing", {"status": "'running'", "ended_at": NOW}),
    ("mailing_launch_began_before_it_ended", "mailing", {"launched_at": NOW}),
    ("mailing_launch_has_a_max_client_id", "mailing", {"launch_started_at": NOW}),
    ("mailing_launch_has_a_max_client_id", "mailing", {"max_client_id": "0"}),
    ("mailing_settled_after_its_end", "mailing", {"settled_at": NOW}),
    ("mailing_text_is_1_to_1600_characters", "mailing_text", {"text": "''"}),
    ("mailing_text_is_1_to_1600_characters", "mailing_text", {"text": "repeat('😀', 1600) || '!'"}),
    ("message_sending_has_a_claim", "message", {"status": "'sending'"}),
    ("message_sent_has_a_timestamp", "message", {"status": "'sent'", "ended_at": NOW}),
    ("message_sent_has_a_timestamp", "message", {"status": "'failed'", "ended_at": NOW, "sent_at": NOW}),
    *(("message_end_has_a_timestamp", "message", {"status": f"'{end}'"}) for end in ("failed", "expired", "unknown")),
    ("message_end_has_a_timestamp", "message", {"status": "'cancelled'"}),
    ("message_end_has_a_timestamp", "message", {"status": "'sent'", "sent_at": NOW}),
    ("message_end_has_a_timestamp", "message", {"status": "'pending'", "ended_at": NOW}),
    ("message_uncounted_attempts_are_attempts", "message", {"attempts": "1", "uncounted_attempts": "2"}),
    ("message_uncounted_attempts_are_attempts", "message", {"attempts": "1", "uncounted_attempts": "-1"}),
    ("message_uncounted_attempts_are_attempts", "message", {"attempts": "-1"}),
    ("message_delivery_is_of_a_sent_one", "message", {"delivery": "'awaiting'"}),
    (
        "message_undelivered_has_a_reason",
        "message",
        {"status": "'sent'", "sent_at": NOW, "ended_at": NOW, "delivery": "'undelivered'"},
    ),
    (
        "message_undelivered_has_a_reason",
        "message",
        {"status": "'sent'", "sent_at": NOW, "ended_at": NOW, "delivery_reason": "'expired'"},
    ),
    ("receipt_undelivered_has_a_reason", "receipt", {"state": "'undelivered'"}),
    ("receipt_undelivered_has_a_reason", "receipt", {"reason": "'expired'"}),
    ("receipt_queue_undelivered_has_a_reason", "receipt_queue", {"state": "'undelivered'"}),
    ("receipt_queue_names_a_message", "receipt_queue", {"message_id": "NULL"}),
    ("receipt_wait_is_not_empty", "receipt_wait", {"message_ids": "'{}'"}),
    ("inbound_part_is_one_of_its_parts", "inbound_part", {"part": "2"}),
    ("inbound_part_is_one_of_its_parts", "inbound_part", {"part": "0"}),
    ("inbound_message_read_by_somebody", "inbound_message", {"read_at": NOW}),
    ("inbound_message_answered_by_a_message", "inbound_message", {"answered_at": NOW}),
    ("inbound_message_keyword_is_whole", "inbound_message", {"keyword": "'stop'"}),
    ("inbound_message_decided_at_a_time", "inbound_message", {"decision": "'stop'"}),
    ("cookie_secret_is_one_row", "cookie_secret", {}),
    ("queue_batch_is_not_empty", "queue_batch", {"message_ids": "'{}'"}),
    ("ledger_partition_is_not_empty", "ledger_partition", {"end_message_id": "70000000"}),
]

# The models make no partitions of the ledger: `make_ledger_partition` does.
CATALOGUE = {
    "columns": """
        SELECT table_name, column_name, data_type, udt_name, is_nullable, column_default, is_identity,
            identity_generation
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> 'alembic_version'
            AND NOT (SELECT relispartition FROM pg_class WHERE oid = table_name::regclass)
        """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid <> coalesce(to_regclass('alembic_version'), 0)
            AND contype <> 'n' AND NOT (SELECT relispartition FROM pg_class WHERE oid = conrelid)
        """,
    "indexes": """
        SELECT tablename, indexname, indexdef
        FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
            AND NOT (SELECT relispartition FROM pg_class WHERE oid = tablename::regclass)
        """,
    "partitioned tables": """
        SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid) FROM pg_partitioned_table
        """,
    "storage options": """
        SELECT oid::regclass::text, (SELECT array_agg(option ORDER BY option) FROM unnest(reloptions) AS option)
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL AND NOT relispartition
        """,
    "enums": """
        SELECT typname::text, string_agg(enumlabel, ' ' ORDER BY enumsortorder)
        FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
        GROUP BY typname
        """,
}

STORED: dict[str, dict[str, float]] = {
    "message_0": {
        "fillfactor": 30,
        "autovacuum_vacuum_scale_factor": 0.02,
        "autovacuum_vacuum_threshold": 10_000,
        "autovacuum_vacuum_insert_scale_factor": 0.05,
        "autovacuum_analyze_scale_factor": 0.02,
        "autovacuum_vacuum_cost_limit": 2000,
    },
    "attempt_0": {"autovacuum_vacuum_insert_scale_factor": 0.05, "autovacuum_analyze_scale_factor": 0.02},
    "mailing": {"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 500},
    "message_count_delta": {"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
    **{
        table: {"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 500, "toast_tuple_target": 8160}
        for table in ("queue_batch", "claim")
    },
    "rate_limit": {"fillfactor": 10, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 500},
    "gateway_contact": {"fillfactor": 10, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 500},
}
"""What docs/database.md says of the tables that change all the time."""

REPRESENTATIVE = """
INSERT INTO client (phone_number, operator_code, tag, timezone)
SELECT 79000000000 + n, '900', 'tag ' || n, 'Europe/Moscow' FROM generate_series(1, 10) AS n;
INSERT INTO mailing (mark, start_datetime, end_datetime)
VALUES ('scheduled', now() + interval '1 h', now() + interval '2 h');
INSERT INTO mailing
    (mark, start_datetime, end_datetime, status, launch_started_at, launch_ceiling, launched_at, audience)
SELECT status::text, now() - interval '1 h', now() + interval '1 h', status, now(), 10, now(), 10
FROM unnest('{running,paused}'::mailing_status[]) AS status;
INSERT INTO mailing (mark, start_datetime, end_datetime, status, ended_at)
SELECT status::text, now() - interval '2 h', now() - interval '1 h', status, now()
FROM unnest('{finished,cancelled}'::mailing_status[]) AS status;
INSERT INTO mailing_text (mailing_id, revision, text) SELECT id, n, 'Текст' FROM mailing, generate_series(1, 2) AS n;
INSERT INTO message
    (mailing_id, client_id, phone_number, status, attempts, text_revision, claimed_at, lease_until, lease_worker,
    sent_at, ended_at)
SELECT mailing.id, client.id, phone_number, one, 1, 1,
    CASE one WHEN 'sending' THEN now() - interval '1 s' END,
    CASE one WHEN 'sending' THEN now() END,
    CASE one WHEN 'sending' THEN 'somebody' END,
    CASE one WHEN 'sent' THEN now() END,
    CASE WHEN one NOT IN ('pending', 'sending') THEN now() END
FROM mailing, client JOIN (SELECT * FROM unnest(enum_range(NULL::message_status)) WITH ORDINALITY) AS each (one, n)
    ON each.n = client.id
WHERE mailing.id IN (2, 3);
INSERT INTO attempt (message_id, number, started_at, duration, outcome, http_status, detail, worker)
SELECT id, 1, now(), 0.5, 'ambiguous', 500, 'oops', 'somebody' FROM message;
"""
"""Rows of every kind, as the first revision knows them."""

SEAM = "0013"
"""The revision from which on attempts have other columns."""

OOPS = ("ambiguous", "500", "provider_said", {"words": "oops"})
"""The attempts above, as that revision has them."""


def catalogue(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(rows(connection, question), key=repr) for name, question in CATALOGUE.items()}


def contents(connection: Connection, columns: dict[str, list[str]] | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, or of these columns only."""
    columns = columns or columns_of(connection)
    return {
        table: rows(connection, f"SELECT {', '.join(names)} FROM {table} ORDER BY 1, 2")  # noqa: S608
        for table, names in columns.items()
    }


RENAMED = {
    "message_tally": "message_count_delta",
    "messages": "delta",
    "attempts_spared": "uncounted_attempts",
    "launch_ceiling": "max_client_id",
    "launch_cursor": "last_client_id",
    "removed_at": "deleted_at",
    "reason": "reason_code",
}
"""Tables and columns of the first revision that have another name since PLAIN_NAMES."""

PLAIN_NAMES = "0014"


def named_at(revision: str, tables: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The same with the names that tables and columns have at a revision, in the order of those of the first one."""
    if revision < PLAIN_NAMES:
        return tables
    return {RENAMED.get(table, table): [named(item) for item in items] for table, items in tables.items()}


def named(item: Any) -> Any:
    return RENAMED.get(item, item) if isinstance(item, str) else item


def columns_of(connection: Connection) -> dict[str, list[str]]:
    return dict(
        rows(
            connection,
            """
            SELECT table_name::text, array_agg(column_name::text ORDER BY ordinal_position)
            FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name <> 'alembic_version'
            GROUP BY table_name
            """,
        )
    )


@pytest.mark.parametrize(
    ("python_enum", "name"),
    [
        (MailingStatus, "mailing_status"),
        (MessageStatus, "message_status"),
        (Result, "attempt_result"),
        (OnUnknown, "on_unknown"),
        (Role, "role"),
        (GatewayHealth, "gateway_health"),
        (FieldType, "field_type"),
        (MailingKind, "mailing_kind"),
        (OverCap, "over_cap"),
        (SuppressionScope, "suppression_scope"),
        (SuppressionReason, "suppression_reason"),
        (RecordSource, "record_source"),
        (KeywordAction, "keyword_action"),
        (InboundDecision, "inbound_decision"),
    ],
)
def test_a_postgresql_enum_has_the_members_of_its_python_enum(
    python_enum: type[enum.StrEnum], name: str, connection: Connection
) -> None:
    members = rows(
        connection,
        "SELECT enumlabel FROM pg_enum WHERE enumtypid::regtype::text = %s ORDER BY enumsortorder",
        name,
    )

    assert [label for (label,) in members] == [member.value for member in python_enum]


def test_there_are_no_other_enums(connection: Connection) -> None:
    enums = {name for (name,) in rows(connection, "SELECT DISTINCT enumtypid::regtype::text FROM pg_enum")}

    assert enums == {
        *("mailing_status", "message_status", "attempt_result", "on_unknown", "role", "gateway_health"),
        *("delivery", "receipt_state", "undelivered_reason", "field_type"),
        *("mailing_kind", "over_cap", "suppression_scope", "suppression_reason", "record_source", "keyword_action"),
        "inbound_decision",
    }


def insert(connection: Connection, table: str, change: dict[str, str]) -> None:
    row = VALID[table] | change
    execute(connection, f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})")  # noqa: S608


@pytest.mark.parametrize(("constraint", "table", "change"), VIOLATIONS)
def test_the_database_guards_its_invariants(
    constraint: str, table: str, change: dict[str, str], connection: Connection
) -> None:
    add_running_mailing(connection, 1)

    with pytest.raises(psycopg2.errors.CheckViolation) as raised:
        insert(connection, table, change)

    assert raised.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("client", {}),
        ("client", {"phone_number": "1000000", "operator_code": "'100'"}),
        ("client", {"phone_number": "999999999999999", "operator_code": "'999999999999999'"}),
        ("mailing", {}),
        ("mailing", {"status": "'cancelled'", "ended_at": NOW, "settled_at": NOW}),
        ("mailing_text", {"text": "repeat('😀', 1600)"}),
        ("message", {}),
        ("message", {"status": "'sending'", "claim_id": "1", "attempts": "1", "uncounted_attempts": "1"}),
        ("message", {"status": "'sent'", "sent_at": NOW, "ended_at": NOW}),
        *(
            ("message", {"status": f"'{end}'", "ended_at": NOW})
            for end in ("failed", "expired", "cancelled", "unknown")
        ),
    ],
)
def test_the_database_takes_what_is_right(table: str, change: dict[str, str], connection: Connection) -> None:
    add_running_mailing(connection, 1)

    insert(connection, table, change)


def test_every_check_is_violated_above(connection: Connection) -> None:
    checks = rows(connection, "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0")

    assert {name for (name,) in checks if not name.startswith("cardinal_number")} <= {name for name, _, _ in VIOLATIONS}


def test_a_client_gets_one_message_of_a_mailing(connection: Connection) -> None:
    add_running_mailing(connection, 1)

    with pytest.raises(psycopg2.errors.UniqueViolation, match="message_0_client_id_mailing_id_key"):
        insert(connection, "message", {"client_id": "1"})


def test_a_phone_number_belongs_to_one_client(connection: Connection) -> None:
    insert(connection, "client", {})

    with pytest.raises(psycopg2.errors.UniqueViolation, match="client_phone_number_key"):
        insert(connection, "client", {"tag": "'another'"})


@pytest.mark.parametrize("change", ["status = 'pending'", "status = 'sending', claim_id = 1"])
def test_a_mailing_that_has_messages_cannot_be_deleted(change: str, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    change_message(connection, 1, change)

    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        execute(connection, "DELETE FROM mailing")


def test_a_message_is_of_a_mailing_that_there_is(connection: Connection) -> None:
    add_running_mailing(connection, 1)

    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        insert(connection, "message", {"mailing_id": "2"})


def test_a_mailing_that_is_just_given_a_message_cannot_be_deleted(connection: Connection, connect: Connect) -> None:
    add_clients(connection, 1)
    add_mailing(connection)
    launching, remover = connect(), connect()
    launching.autocommit = False
    insert(launching, "message", {"client_id": "1"})
    deleting = in_background(lambda: execute(remover, "DELETE FROM mailing"))
    wait_for_lock_waiter(connection)

    launching.commit()

    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        deleting.result(PATIENCE)


def test_ids_are_the_database_s_to_give(connection: Connection) -> None:
    add_running_mailing(connection, 1)

    with pytest.raises(psycopg2.errors.GeneratedAlways):
        insert(connection, "message", {"id": "1"})


def test_alembic_finds_nothing_to_migrate(database_url: str) -> None:
    engine = create_engine(parse_database_url(database_url))
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": is_modelled}
        context = MigrationContext.configure(connection, opts=options)
        difference = compare_metadata(context, Base.metadata)
    engine.dispose()

    assert difference == []


def test_models_and_migrations_make_the_same_schema(database_url: str, make_database: MakeDatabase) -> None:
    by_models = make_database()
    engine = create_engine(parse_database_url(by_models))
    Base.metadata.create_all(engine)
    engine.dispose()

    with connected(database_url) as migrated, connected(by_models) as modelled:
        for kind, expected in catalogue(modelled).items():
            assert catalogue(migrated)[kind] == expected, kind


def test_the_document_of_the_schema_is_what_the_migrations_make(make_database: MakeDatabase) -> None:
    url = make_database()  # other tests make partitions
    migrate(url)

    assert schema(url) == DOCUMENT.read_text(), "make schema writes it anew"


@pytest.mark.parametrize("table", STORED)
def test_a_table_that_changes_all_the_time_has_settings_of_its_own(table: str, connection: Connection) -> None:
    options = rows(
        connection,
        "SELECT option_name, option_value FROM pg_class, pg_options_to_table(reloptions) WHERE oid = %s::regclass",
        table,
    )

    assert {name: float(setting) for name, setting in options} == STORED[table]


def test_there_is_one_line_of_revisions() -> None:
    assert len(ScriptDirectory(str(ROOT / "migrations")).get_heads()) == 1


def test_data_is_kept_through_every_revision_up_and_down_and_up_again(make_database: MakeDatabase) -> None:
    url = make_database()
    with connected(url) as connection:
        migrate(url, REVISIONS[0])
        execute(connection, REPRESENTATIVE)
        known = columns_of(connection)
        before = contents(connection)
        assert all(before.values())

        for revision in REVISIONS[1:]:
            migrate(url, revision)
            if revision < SEAM:
                assert contents(connection, named_at(revision, known)) == named_at(revision, before), revision
        at_head = catalogue(connection)
        said = "result::text, provider_code, reason_code, reason_params"
        assert rows(connection, f"SELECT DISTINCT gateway, {said} FROM attempt") == [("default", *OOPS)]  # noqa: S608
        contact = f"SELECT {said}, answered_at = asked_at, accepted_at FROM gateway_contact"  # noqa: S608
        assert rows(connection, contact) == [(OOPS[0], None, *OOPS[2:], True, None)]  # from the ledger

        for revision in REVISIONS[-2::-1]:
            downgrade(url, revision)
            if revision < SEAM:
                assert contents(connection, named_at(revision, known)) == named_at(revision, before), revision
        downgrade(url, "base")
        assert columns_of(connection) == {}
        assert rows(connection, "SELECT typname FROM pg_type WHERE typtype = 'e'") == []
        functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        assert rows(connection, functions) == []

        migrate(url)
        assert catalogue(connection) == at_head


QUEUED = """
INSERT INTO message (mailing_id, client_id, phone_number, status, due_at, reason_code)
SELECT 2, 10 + n, 79000000010 + n, 'pending', due_at, 'connection_failed'
FROM unnest('{2026-01-01,2040-01-01 12:00:00.123Z,infinity}'::timestamptz[]) WITH ORDINALITY AS each (due_at, n);
INSERT INTO message (mailing_id, client_id, phone_number, status)
SELECT 3, 20 + n, 79000000020 + n, 'pending' FROM generate_series(1, 450) AS n;
INSERT INTO message (mailing_id, client_id, phone_number, status, claimed_at, lease_until, lease_worker)
SELECT 3, 1000 + n, 79000001000 + n, 'sending', '2026-01-01', '2026-01-01 00:00:30', 'left'
FROM generate_series(1, 3) AS n;
INSERT INTO audit_entry (operation, actor, actor_name, object, object_id)
VALUES ('pauseMailing', 'key:1', 'Anna', 'mailing', 2);
"""
"""More than the rows above, as 0014 has them: messages of different due times, and of one claim."""

FACTS = {
    "mailings": "SELECT * FROM mailing ORDER BY id",
    "messages": """
        SELECT id, mailing_id, client_id, phone_number, status, attempts, uncounted_attempts, in_doubt, text_revision,
            due_at, sent_at, ended_at, created_at, reason_code, reason_params
        FROM message ORDER BY id
        """,
    "attempts": "SELECT * FROM attempt ORDER BY message_id, number",
    "counts": "SELECT * FROM message_count_delta ORDER BY id",
    "audit": "SELECT * FROM audit_entry ORDER BY id",
}

LEASES = "SELECT id, claimed_at, lease_until, lease_worker FROM message WHERE status = 'sending' ORDER BY id"

LEASES_OF_CLAIMS = """
SELECT message.id, claimed_at, lease_until, worker
FROM message JOIN claim ON claim.id = claim_id AND message.id = ANY(message_ids)
WHERE status = 'sending' ORDER BY message.id
"""


def facts(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: rows(connection, question) for name, question in FACTS.items()}


def test_the_ledger_becomes_a_partition_and_one_table_again_with_every_row(make_database: MakeDatabase) -> None:
    url = make_database()
    migrate(url, REVISIONS[0])
    with connected(url) as connection:
        execute(connection, REPRESENTATIVE)
        migrate(url, "0014")
        execute(connection, QUEUED)
        before, leases = facts(connection), rows(connection, LEASES)
        assert all(before.values())

        migrate(url, "0015")

        assert facts(connection) == before
        assert rows(connection, LEASES_OF_CLAIMS) == leases
        pending = "SELECT mailing_id, due_at, id FROM message WHERE status = 'pending' ORDER BY id"
        batches = "SELECT mailing_id, due_at, unnest(message_ids) AS id FROM queue_batch ORDER BY id"
        assert rows(connection, batches) == rows(connection, pending)
        assert value(connection, "SELECT max(cardinality(message_ids)) FROM queue_batch") == 200
        unsent = "status IN ('failed', 'expired', 'cancelled', 'unknown')"
        assert rows(connection, "SELECT mailing_id, status, message_id FROM message_unsent ORDER BY 3") == rows(
            connection,
            f"SELECT mailing_id, status, id FROM message WHERE {unsent} ORDER BY id",  # noqa: S608
        )
        bounds = "SELECT number, first_message_id, end_message_id FROM ledger_partition ORDER BY number"
        assert rows(connection, bounds) == [(0, 0, 10_000_000), (1, 10_000_000, 20_000_000)]
        execute(connection, "BEGIN")
        add_messages(connection, 2, 1)
        assert value(connection, "SELECT max(id) FROM message") == 10_000_000
        execute(connection, "ROLLBACK")

        downgrade(url, "0014")

        assert facts(connection) == before
        assert rows(connection, LEASES) == leases


def test_partitions_are_made_alike(migrated: str, make_database: MakeDatabase) -> None:
    url = make_database(migrated)
    indexes = """
        SELECT replace(indexdef, %(number)s, '') FROM pg_indexes WHERE tablename ~ ('_' || %(number)s || '$') ORDER BY 1
        """
    options = """
        SELECT replace(relname, %(number)s, ''), reloptions FROM pg_class
        WHERE relispartition AND relkind = 'r' AND relname ~ ('_' || %(number)s || '$') ORDER BY 1
        """

    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT make_ledger_partition(7), make_ledger_partition(23)")
        for question in (indexes, options):
            found = []
            for number in ("7", "23"):
                cursor.execute(question, {"number": number})
                found.append(cursor.fetchall())
            assert found[0] == found[1] != []


def test_partitions_without_rows_are_made_again_and_others_are_kept(make_database: MakeDatabase) -> None:
    url = make_database()
    migrate(url, "0020")
    with connected(url) as connection:
        add_running_mailing(connection, 1)
        before = dict(rows(connection, TABLES_OF_MESSAGES))

    migrate(url, "head")

    with connected(url) as connection:
        after = dict(rows(connection, TABLES_OF_MESSAGES))
        assert after["message_0"] == before["message_0"]
        assert after["message_1"] != before["message_1"]
        assert after.keys() == before.keys()
        assert value(connection, "SELECT count(*) FROM message") == 1


def test_rows_of_new_partitions_need_no_conversion(migrated: str, make_database: MakeDatabase) -> None:
    with connected(make_database(migrated)) as connection:
        converted = rows(
            connection,
            "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
            "WHERE relispartition AND atthasmissing",
        )

    assert converted == [], "their migration has to make empty partitions again, as 0021 does"


TABLES_OF_MESSAGES = "SELECT relname, pg_class.oid FROM pg_class WHERE relispartition AND relname ~ '^message_[0-9]+$'"


REASONS = [
    ("pending", "unreachable", None, "Connection refused", "connection_failed", "Connection refused"),
    ("pending", "refused", 200, "code 7: blocked", "provider_said", "code 7: blocked"),
    ("pending", "ambiguous", None, "could not be handled: KeyError", "internal_error", "KeyError"),
    ("pending", "unauthorized", 401, "the gateway does not accept the token", "token_rejected", None),
    ("failed", "refused", 404, "the gateway refuses this message and accepts others (no (such) user)",
     "only_this_message_refused", "no (such) user"),
    ("unknown", "ambiguous", None, "the lease ran out before the worker told what came of it", "lease_expired", None),
    ("expired", None, None, "the window closed", "window_closed", None),
    ("unknown", "ambiguous", 500, "the window closed after an attempt that may have landed", "window_closed", None),
    ("cancelled", None, None, "the mailing was cancelled", "mailing_cancelled", None),
    ("unknown", "ambiguous", 500, "the client was removed after an attempt that may have landed", "client_removed",
     None),
    ("unknown", "ambiguous", None, "after a restore", "restored", None),
    ("sent", "ambiguous", None, "a person said that it had arrived", "resolved_arrived", None),
    ("sent", "accepted", 200, None, None, None),
]  # fmt: skip
"""Of messages: status, outcome and HTTP status of the last attempt, the sentence of old, the code, the words."""


def test_a_reason_that_was_a_sentence_becomes_a_code_and_a_sentence_again(make_database: MakeDatabase) -> None:
    url = make_database()
    migrate(url, "0012")
    with connected(url) as connection:
        execute(connection, "INSERT INTO mailing (mark, start_datetime, end_datetime) VALUES ('a', now(), 'infinity')")
        for number, (status, outcome, http_status, reason, _, _) in enumerate(REASONS):
            execute(
                connection,
                """
                INSERT INTO message (mailing_id, client_id, phone_number, status, attempts, reason, sent_at, ended_at)
                SELECT 1, %s, 79001234567, status, 1, %s, CASE status WHEN 'sent' THEN now() END,
                    CASE status WHEN 'pending' THEN NULL ELSE now() END
                FROM (SELECT %s::message_status AS status) AS given
                """,
                number,
                reason,
                status,
            )
            if outcome is not None:
                execute(
                    connection,
                    """
                    INSERT INTO attempt (message_id, number, started_at, outcome, http_status, worker)
                    SELECT max(id), 1, now(), %s, %s, 'somebody' FROM message
                    """,
                    outcome,
                    http_status,
                )
        before = rows(connection, "SELECT status, messages FROM message_tally ORDER BY id")

        migrate(url, "0014")

        codes = rows(connection, "SELECT reason_code, reason_params->>'words' FROM message ORDER BY id")
        assert codes == [(code, words) for *_, code, words in REASONS]
        assert {code for code, _ in codes} - {None} <= set(ReasonCode)
        assert rows(connection, "SELECT status, delta FROM message_count_delta ORDER BY id") == before
        downgrade(url, "0012")
        assert rows(connection, "SELECT reason FROM message ORDER BY id") == [(reason,) for *_, reason, _, _ in REASONS]
        assert rows(connection, "SELECT status, messages FROM message_tally ORDER BY id") == before


DETAILS = [
    ("retry", "3 failed", "retried", {"count": 3, "status": "failed"}),
    ("retry", "1 unknown", "retried", {"count": 1, "status": "unknown"}),
    ("resolve", "message 7: not_arrived", "resolved", {"message": 7, "outcome": "not_arrived"}),
    ("test", "mailing 2", "tested", {"mailing": 2}),
    ("reopen", "messages of it had no end", "reopened", {}),
    ("pause", "after a restore", "restored", {}),
    ("pause", None, None, None),
    ("retry", "something else", None, None),
]
"""Of the history of a mailing: the action, the sentence, the code and its parameters."""


def test_the_details_of_a_history_get_codes_and_keep_their_sentences(make_database: MakeDatabase) -> None:
    url = make_database()
    migrate(url, "0014")
    with connected(url) as connection:
        execute(connection, "INSERT INTO mailing (mark, start_datetime, end_datetime) VALUES ('a', now(), 'infinity')")
        for action, detail, *_ in DETAILS:
            entry = "INSERT INTO mailing_event (mailing_id, action, detail) VALUES (1, %s, %s)"
            execute(connection, entry, action, detail)

        migrate(url, "0016")

        found = rows(connection, "SELECT action, detail, detail_code, detail_params FROM mailing_event ORDER BY id")
        assert found == DETAILS
        for _, detail, code, parameters in found:
            assert code is None or sentence_of(code, parameters, EventDetail) == detail


def test_migrations_that_run_at_the_same_time_wait_for_each_other(make_database: MakeDatabase, tmp_path: Path) -> None:
    url = make_database()
    with (tmp_path / "log").open("wb") as log, connected(url) as connection:
        with connected(url) as in_the_way:
            execute(in_the_way, "BEGIN; CREATE TABLE client ()")
            upgrades = [commands.start(UPGRADE, given(url), log, signal.SIGKILL) for _ in range(2)]
            eventually(lambda: value(connection, WAITING) == 2)

        assert [upgrade.wait(PATIENCE) for upgrade in upgrades] == [0, 0]
        assert value(connection, "SELECT version_num FROM alembic_version") == REVISIONS[-1]


def given(url: str) -> dict[str, str]:
    """The environment of a command for this database."""
    return {**os.environ, "DATABASE_URL": url}
