"""That the statements of shared/sql make the transitions of the state machine, all of them, and no others.

Each is executed on a message, or a mailing, in every status, in a transaction that is rolled back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from psycopg2.extensions import AsIs
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.erasure import number_pattern
from shared.domain.statuses import MailingStatus, MessageStatus
from shared.domain.transitions import MAILING_TRANSITIONS, MESSAGE_TRANSITIONS, MailingCause, MessageCause
from shared.sql import (
    audiences,
    claim_rules,
    claims,
    counts,
    erasure,
    mailings,
    messages,
    partitions,
    restore,
    suppressions,
)
from tests.factories import FIRST_PHONE, add_running_mailing, execute, rows
from worker.maintenance.message_ender import CANCELLED, EXPIRED

NO_CLIENT = "DELETE FROM client"
CLOSED = "UPDATE mailing SET start_datetime = now() - interval '2 h', end_datetime = now() - interval '1 h'"
CANCEL = "UPDATE mailing SET status = 'cancelled', ended_at = now()"
HOLDS = "UPDATE mailing SET on_unknown = 'hold'; UPDATE message SET in_doubt = true"

ONE_MESSAGE = {"ids": [1], "first": 1, "last": 1, "id": 1, "mailing_id": 1, "client_id": 1}
LEASE = {**ONE_MESSAGE, "worker": "left", "gateway": "default", "gateway_id": 1, "lease": 60.0, "opt_out_url": None}
LEASE |= {"mailings": "{1}", "revisions": "{1}"}
HELD = {**ONE_MESSAGE, "claims": [1_000_000], "clients": [1]}
SETTLE = f"{mailings.SETTLE_MAILINGS}; {counts.COMPACT_COUNTS}"
DROP_OLD = f"WITH old AS ({partitions.LOCK_OLD_MAILINGS}) SELECT drop_ledger_partition(0) FROM old"  # noqa: S608


class MessageStatement(NamedTuple):
    """A statement, why it moves messages, and what has happened before."""

    sql: str
    causes: set[MessageCause]
    parameters: Mapping[str, Any] = ONE_MESSAGE
    before: str = "SELECT"


def recorded(status: str, *causes: MessageCause) -> MessageStatement:
    """The statement that records an attempt which brings its message into a status."""
    attempt = {"message_id": 1, "number": 1, "started_at": 0, "duration": 1, "worker": "left"}
    attempt |= {"gateway": "default", "result": "ambiguous"}
    given = json.dumps([{**attempt, "status": status, "delay": 0.0, "in_doubt": status == "unknown"}])
    return MessageStatement(messages.RECORD, set(causes), {**ONE_MESSAGE, "attempted": given})


def accepted(sql: str) -> MessageStatement:
    """A statement that records acceptances."""
    given: dict[str, Any] = dict.fromkeys(("numbers", "ago", "duration", "segments", "prices"), "{1}")
    given |= {"provider_message_ids": "{a}", "awaiting": "{t}", "clock": 1_800_000_000_000_000}
    common = {"gateway": "default", "worker": "left", "provider_code": "200"}
    return MessageStatement(sql, {MessageCause.ACCEPTED}, {**ONE_MESSAGE, **given, **common})


def withdrawn(status: str) -> MessageStatement:
    """The statements that lease a message and take it back, since a rule ends it."""
    given = {
        "statuses": [status],
        "reasons": ["suppressed"],
        "due_in": [None],
        "claims": AsIs("ARRAY[currval('claim_id_seq')]"),
    }
    sql = f"{claims.CLAIM}; {claim_rules.WITHDRAW}"
    return MessageStatement(sql, {MessageCause.RULED_OUT}, {**LEASE, **given})


MESSAGE_STATEMENTS = {
    "CLAIM": MessageStatement(claims.CLAIM, {MessageCause.CLAIMED}, LEASE),
    "CLAIM_RANGE": MessageStatement(claims.CLAIM_RANGE, {MessageCause.CLAIMED}, LEASE),
    "CLAIM_POISON_MESSAGE": MessageStatement(
        claims.CLAIM_POISON_MESSAGE, {MessageCause.CLAIMED}, LEASE, "UPDATE message SET due_at = 'infinity'"
    ),
    "RELEASE": MessageStatement(claims.RELEASE, {MessageCause.RELEASED}, HELD),
    "RECORD_ACCEPTED": accepted(messages.RECORD_ACCEPTED),
    "RECORD_ACCEPTED_RANGE": accepted(messages.RECORD_ACCEPTED_RANGE),
    "RECORD_ACCEPTED_WITH_DETAILS": accepted(messages.RECORD_ACCEPTED_WITH_DETAILS),
    "RECORD_ACCEPTED_RANGE_WITH_DETAILS": accepted(messages.RECORD_ACCEPTED_RANGE_WITH_DETAILS),
    "RECORD sent": recorded("sent", MessageCause.ACCEPTED, MessageCause.ACCEPTED_LATE),
    "RECORD failed": recorded("failed", MessageCause.REFUSED),
    "RECORD pending": recorded("pending", MessageCause.RETRIED_LATER),
    "RECORD unknown": recorded("unknown", MessageCause.ENDED_IN_DOUBT),
    "END_MESSAGES closed": MessageStatement(
        messages.END_MESSAGES, {MessageCause.WINDOW_CLOSED}, {"ids": [1], **EXPIRED}, CLOSED
    ),
    "END_MESSAGES cancelled": MessageStatement(
        messages.END_MESSAGES, {MessageCause.MAILING_CANCELLED}, {"ids": [1], **CANCELLED}, CANCEL
    ),
    "CANCEL_WITHOUT_CLIENT": MessageStatement(
        messages.CANCEL_WITHOUT_CLIENT, {MessageCause.CLIENT_REMOVED}, before=NO_CLIENT
    ),
    "CANCEL_FOR_CLIENT": MessageStatement(messages.CANCEL_FOR_CLIENT, {MessageCause.CLIENT_REMOVED}),
    "ERASE_MESSAGES": MessageStatement(
        erasure.ERASE_MESSAGES,
        {MessageCause.NUMBER_ERASED},
        {"ids": [1], "pattern": number_pattern(FIRST_PHONE + 1)},
    ),
    "CANCEL_WITHOUT_CLIENT erased": MessageStatement(
        messages.CANCEL_WITHOUT_CLIENT, {MessageCause.NUMBER_ERASED}, before="UPDATE message SET phone_number = 0"
    ),
    "WITHDRAW failed": withdrawn("failed"),
    "WITHDRAW expired": withdrawn("expired"),
    "WITHDRAW cancelled": withdrawn("cancelled"),
    "CANCEL_SUPPRESSED": MessageStatement(
        suppressions.CANCEL_SUPPRESSED,
        {MessageCause.SUPPRESSED},
        {"ids": [1], "phone_numbers": [FIRST_PHONE + 1]},
        f"INSERT INTO suppression (phone_number, scope, reason, source) VALUES ({FIRST_PHONE + 1}, 'everything', "  # noqa: S608
        "'other', 'api')",
    ),
    "RESOLVE_AS_ARRIVED": MessageStatement(messages.RESOLVE_AS_ARRIVED, {MessageCause.RESOLVED}),
    "RESOLVE_AS_NOT_ARRIVED": MessageStatement(messages.RESOLVE_AS_NOT_ARRIVED, {MessageCause.RESOLVED}),
    "RETRY_MESSAGES failed": MessageStatement(
        messages.RETRY_MESSAGES, {MessageCause.RETRIED}, {"ids": [1], "status": "failed"}
    ),
    "RETRY_MESSAGES unknown": MessageStatement(
        messages.RETRY_MESSAGES, {MessageCause.RETRIED}, {"ids": [1], "status": "unknown"}
    ),
    "MARK_LEASED_POSSIBLY_SENT": MessageStatement(restore.MARK_LEASED_POSSIBLY_SENT, {MessageCause.RESTORED}),
    "HOLD_MESSAGES": MessageStatement(restore.HOLD_MESSAGES, {MessageCause.RESTORED}, before=HOLDS),
    "DROP": MessageStatement(
        DROP_OLD, {MessageCause.PURGED}, {"ids": [1], "days": -1, "locked": [1], "rows": 0}, SETTLE
    ),
}

PARTLY = {
    *("WITHDRAW failed", "WITHDRAW expired", "WITHDRAW cancelled"),
    *("RESOLVE_AS_ARRIVED", "RESOLVE_AS_NOT_ARRIVED", "RETRY_MESSAGES failed", "RETRY_MESSAGES unknown"),
    *("MARK_LEASED_POSSIBLY_SENT", "HOLD_MESSAGES"),
}
"""Statements that make only some of the transitions for their cause: together they make them all."""

PUT_MESSAGE = """
INSERT INTO claim (id, worker, gateway, claimed_at, lease_until, message_ids)
OVERRIDING SYSTEM VALUE VALUES (1000000, 'left', 'default', now(), now() + interval '1 min', '{1}');
UPDATE message
SET status = %(status)s, attempts = 1, in_doubt = %(in_doubt)s, claim_id = 1000000,
    sent_at = CASE WHEN %(status)s = 'sent' THEN now() END,
    ended_at = CASE WHEN %(status)s NOT IN ('pending', 'sending') THEN now() END
"""

Transition = tuple[str, str | None]


def made(connection: Connection, table: str, put: str, given: dict[str, Any], statement: Any) -> set[Transition]:
    """The transition that a statement makes of the one row of a table, put into a state."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(put, given)
        cursor.execute(statement.before, statement.parameters)
        cursor.execute(statement.sql, statement.parameters)
        cursor.execute(f"SELECT status FROM {table}")  # noqa: S608
        found = cursor.fetchone()
        cursor.execute("ROLLBACK")
    after = found[0] if found else None
    return {(given["status"], after)} if after != given["status"] else set()


def of_message(connection: Connection, statement: MessageStatement) -> set[Transition]:
    states = [{"status": status.value, "in_doubt": doubt} for status in MessageStatus for doubt in (False, True)]
    return set().union(*(made(connection, "message", PUT_MESSAGE, state, statement) for state in states))


def test_statements_make_the_transitions_of_a_message_that_the_table_has_and_no_others(connection: Connection) -> None:
    add_running_mailing(connection)
    execute(connection, "UPDATE mailing SET start_datetime = now() - interval '2 hours'")
    moved = {name: of_message(connection, statement) for name, statement in MESSAGE_STATEMENTS.items()}

    for name, statement in MESSAGE_STATEMENTS.items():
        legal = {(one.before, one.after) for one in MESSAGE_TRANSITIONS if one.cause in statement.causes}
        assert moved[name], name
        assert moved[name] < legal if name in PARTLY else moved[name] == legal, name
    all_moved = set().union(*moved.values())
    assert all_moved == {(one.before, one.after) for one in MESSAGE_TRANSITIONS if one.before is not None}
    assert rows(connection, "SELECT status FROM message") == [("pending",)]


class MailingStatement(NamedTuple):
    """A statement, why it moves mailings, and in which statuses of theirs it is executed."""

    sql: str
    causes: set[MailingCause]
    parameters: Mapping[str, Any] = ONE_MESSAGE
    before: str = "DELETE FROM message"


SETTLED = {"locked": [1]}

MAILING_STATEMENTS = {
    "START_MAILINGS": MailingStatement(mailings.START_MAILINGS, {MailingCause.STARTED}, {}),
    "SETTLE_MAILINGS": MailingStatement(mailings.SETTLE_MAILINGS, {MailingCause.FINISHED}, SETTLED),
    "RUN_AGAIN": MailingStatement(mailings.RUN_AGAIN, {MailingCause.MESSAGES_RETRIED, MailingCause.REOPENED}),
    "HIDE_MAILING": MailingStatement(mailings.HIDE_MAILING, {MailingCause.REMOVED}),
    "TAKE_APPROVALS_BACK": MailingStatement(
        mailings.TAKE_APPROVALS_BACK, {MailingCause.APPROVAL_TAKEN_BACK}, {"ids": [1], "actor": "key:1"}
    ),
    "FAIL_AUDIENCE": MailingStatement(audiences.FAIL_AUDIENCE, {MailingCause.NOT_LISTED}, {"mailing_id": 1}),
    "PAUSE_MAILINGS": MailingStatement(restore.PAUSE_MAILINGS, {MailingCause.RESTORED}, {}),
}
"""Those that decide by themselves what moves. SET_STATUS, CANCEL_AGAIN and the deletions are asked for by services."""

PUT_MAILING = """
UPDATE mailing
SET status = %(status)s, start_datetime = now() - interval '1 h',
    launch_started_at = CASE WHEN %(status)s <> 'scheduled' THEN now() END,
    launched_at = CASE WHEN %(status)s <> 'scheduled' THEN now() END,
    max_client_id = CASE WHEN %(status)s <> 'scheduled' THEN 1 END,
    ended_at = CASE WHEN %(status)s IN ('finished', 'cancelled') THEN now() END
"""


@pytest.mark.parametrize("name", MAILING_STATEMENTS)
def test_a_statement_makes_no_transition_of_a_mailing_that_the_table_has_not(name: str, connection: Connection) -> None:
    add_running_mailing(connection)
    statement = MAILING_STATEMENTS[name]
    states = [{"status": status.value} for status in MailingStatus]
    moved = set().union(*(made(connection, "mailing", PUT_MAILING, state, statement) for state in states))

    if name == "HIDE_MAILING":
        moved.discard(("scheduled", "cancelled"))  # the service deletes what has not been launched
    legal = {(one.before, one.after) for one in MAILING_TRANSITIONS if one.cause in statement.causes}
    assert moved
    assert moved <= legal
