"""Rows for tests, by intent. Each takes a psycopg2 connection in autocommit, and commits once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import RealDictCursor

from shared.domain.field_types import FieldType
from shared.domain.reasons import sentence
from shared.domain.segments.parser import parse
from shared.domain.segments.tree import Field, known_fields
from shared.domain.segments.tree_json import to_json
from shared.json_parameter import json_parameter
from shared.sql.segments import READ_FIELDS

FIRST_PHONE = 79_000_000_000


@contextmanager
def in_one_commit(connection: Connection) -> Iterator[None]:
    """What is done in the block becomes visible at once: a worker at work must not find a mailing without its text, or
    finish one before it has its messages. Within another such block, or a transaction, it belongs to that.
    """
    outermost = connection.autocommit and connection.info.transaction_status == TRANSACTION_STATUS_IDLE
    if outermost:
        execute(connection, "BEGIN")
    try:
        yield
    except BaseException:
        if outermost:
            execute(connection, "ROLLBACK")
        raise
    if outermost:
        execute(connection, "COMMIT")


def add_clients(connection: Connection, count: int, *, tag: str = "sample", operator_code: str = "900") -> list[int]:
    """Clients with phone numbers that follow the highest one there is; answers their ids."""
    return [
        row[0]
        for row in rows(
            connection,
            """
            INSERT INTO client (phone_number, operator_code, tag, timezone)
            SELECT (SELECT coalesce(max(phone_number), %s) FROM client) + n, %s, %s, 'Europe/Moscow'
            FROM generate_series(1, %s) AS n
            RETURNING id
            """,
            FIRST_PHONE,
            operator_code,
            tag,
            count,
        )
    ]


def add_mailing(
    connection: Connection,
    *,
    text: str = "Hello",
    mark: str = "sample",
    starts_in: float = -1.0,
    ends_in: float = 3600.0,
    on_unknown: str = "resend",
    fields: Mapping[str, str] | None = None,
    segment: str | int | None = None,
    excluded: Sequence[int] = (),
    **rules: Any,
) -> int:
    """A scheduled mailing whose window is given in seconds from now; answers its id.

    `fields` are those of a text that is a template, with their types. Its segment, instead of the mark, is a text or
    the id of a saved one. `rules` are columns such as `kind` and `local_from`.
    """
    # Only what is asked for: tables of earlier versions have no more columns.
    given: dict[str, Any] = {"mark": mark if segment is None else "", "on_unknown": on_unknown, **rules}
    if isinstance(segment, str):
        given |= {"segment": segment, "segment_tree": segment_tree(connection, segment)}
    elif segment is not None:
        given["segment_id"] = segment
    if excluded:
        given["excluded_segment_ids"] = list(excluded)
    if fields is not None:
        given["personalised"] = True
    with in_one_commit(connection):
        columns, values = ", ".join(given), ", ".join(["%s"] * len(given))
        mailing_id = value(
            connection,
            f"INSERT INTO mailing ({columns}, start_datetime, end_datetime) VALUES ({values}, "  # noqa: S608  our names
            "now() + %s * interval '1 second', now() + %s * interval '1 second') RETURNING id",
            *given.values(),
            starts_in,
            ends_in,
        )
        written = "INSERT INTO mailing_text (mailing_id, revision, text) VALUES (%s, 1, %s)"
        execute(connection, written, mailing_id, text)
        if fields is not None:
            execute(
                connection,
                "UPDATE mailing_text SET fields = %s, field_types = %s::field_type[] WHERE mailing_id = %s",
                *_fields_of(fields),
                mailing_id,
            )
    return int(mailing_id)


def add_segment(connection: Connection, text: str, name: str | None = None) -> int:
    """A saved segment, by default with its text as name; answers its id."""
    statement = "INSERT INTO segment (name, text, tree) VALUES (%s, %s, %s) RETURNING id"
    return int(value(connection, statement, name or text, text, segment_tree(connection, text)))


def segment_tree(connection: Connection, text: str) -> str:
    """The syntax tree of a segment as JSON, by the fields that are declared."""
    declared = (Field(name, FieldType(kind), repeats) for name, kind, repeats in rows(connection, READ_FIELDS))
    return json_parameter(to_json(parse(text, known_fields(declared))))


def add_running_mailing(connection: Connection, messages: int = 1, **given: Any) -> int:
    """A mailing that is launched: running, with so many messages due, to clients of their own; answers its id."""
    with in_one_commit(connection):
        mailing_id = add_mailing(connection, **given)
        begin_launch(connection, mailing_id)
        add_messages(connection, mailing_id, messages)
        execute(connection, "UPDATE mailing SET launched_at = now() WHERE id = %s", mailing_id)
    return mailing_id


def begin_launch(connection: Connection, mailing_id: int) -> None:
    """Lets a mailing run, as a worker does when its time has come."""
    execute(
        connection,
        """
        UPDATE mailing SET status = 'running', launch_started_at = now(),
            max_client_id = (SELECT coalesce(max(id), 0) FROM client)
        WHERE id = %s
        """,
        mailing_id,
    )


def add_messages(connection: Connection, mailing_id: int, count: int) -> list[int]:
    """So many more messages of a mailing, to clients of their own; answers their ids, in the order they are due."""
    with in_one_commit(connection):
        clients = add_clients(connection, count, tag="addressee")
        added = rows(
            connection,
            """
            INSERT INTO message (mailing_id, client_id, phone_number)
            SELECT %s, id, phone_number FROM client WHERE id BETWEEN %s AND %s ORDER BY id
            RETURNING id
            """,
            mailing_id,
            clients[0],
            clients[-1],
        )
        execute(connection, "UPDATE mailing SET audience = audience + %s WHERE id = %s", count, mailing_id)
    return sorted(message_id for (message_id,) in added)


def add_report(
    connection: Connection,
    worker: str = "worker-1",
    *,
    ago: float = 1.0,
    state: str = "ok",
    accepted: int = 0,
    stopped: bool = False,
    provider_code: str | None = None,
    reason_code: str | None = None,
    gateway: str = "default",
) -> None:
    """What a worker reported so many seconds ago, of the 5 seconds before."""
    execute(
        connection,
        """
        INSERT INTO worker_report (worker, at, gateway, interval_seconds, accepted, duplicate, refused, retriable,
            opted_out, throttled, unreachable, misconfigured, no_credit, ambiguous, in_flight, concurrency_limit,
            gateway_state, stopped, provider_code, reason_code)
        VALUES (%s, now() - %s * interval '1 second', %s, 5, %s, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16,
            %s, %s, %s, %s)
        """,
        worker,
        ago,
        gateway,
        accepted,
        state,
        stopped,
        provider_code,
        reason_code,
    )


def add_contact(
    connection: Connection,
    *,
    asked: float,
    answered: float | None,
    result: str = "accepted",
    words: str | None = None,
) -> None:
    """The last request to the gateway, and its last answer, so many seconds ago."""
    execute(
        connection,
        """
        INSERT INTO gateway_contact (gateway, asked_at, answered_at, result, reason_code, reason_params)
        SELECT 'default', now() - %s * interval '1 second', now() - %s * interval '1 second', %s,
            CASE WHEN words IS NOT NULL THEN 'connection_failed' END, jsonb_build_object('words', words)
        FROM (VALUES (%s)) AS said (words)
        """,
        asked,
        answered,
        result,
        words,
    )


def revise_text(connection: Connection, mailing_id: int, text: str, fields: Mapping[str, str] | None = None) -> None:
    """Gives a mailing a new text, as its next revision. `fields` are those of a template, with their types."""
    execute(
        connection,
        """
        WITH revised AS (
            UPDATE mailing SET text_revision = text_revision + 1, personalised = personalised OR %s
            WHERE id = %s
            RETURNING id, text_revision
        )
        INSERT INTO mailing_text (mailing_id, revision, text, fields, field_types)
        SELECT id, text_revision, %s, %s, %s::field_type[] FROM revised
        """,
        fields is not None,
        mailing_id,
        text,
        *_fields_of(fields),
    )


def _fields_of(fields: Mapping[str, str] | None) -> tuple[list[str] | None, list[str] | None]:
    return (None, None) if fields is None else (list(fields), list(fields.values()))


def cancel(connection: Connection, mailing_id: int) -> None:
    """Cancels a mailing."""
    execute(connection, "UPDATE mailing SET status = 'cancelled', ended_at = now() WHERE id = %s", mailing_id)


def close_window(connection: Connection, mailing_id: int) -> None:
    """Lets the end of a mailing's window come: this very moment is past it."""
    execute(
        connection,
        "UPDATE mailing SET start_datetime = now() - interval '1 hour', end_datetime = now() WHERE id = %s",
        mailing_id,
    )


def expire_leases(connection: Connection) -> None:
    """Lets the time of every lease pass, but for those that somebody is just ending."""
    execute(
        connection,
        """
        UPDATE claim SET lease_until = now() - interval '1 s'
        WHERE id IN (SELECT id FROM claim FOR UPDATE SKIP LOCKED)
        """,
    )


def lease(
    connection: Connection, *message_ids: int, worker: str = "left", until: str = "now() + interval '1 hour'"
) -> int:
    """Lets a worker hold these messages, as after a claim of them. `until` is an expression of SQL. Returns the id of
    the claim.
    """
    claim_id = value(
        connection,
        f"""
        INSERT INTO claim (worker, gateway, claimed_at, lease_until, message_ids)
        VALUES (%s, 'default', now(), {until}, %s)
        RETURNING id
        """,  # noqa: S608  put together of constants
        worker,
        list(message_ids),
    )
    execute(
        connection,
        """
        UPDATE message
        SET status = 'sending', attempts = attempts + 1, text_revision = coalesce(text_revision, 1), claim_id = %s
        WHERE id = ANY(%s)
        """,
        claim_id,
        list(message_ids),
    )
    assert isinstance(claim_id, int)
    return claim_id


def make_due(connection: Connection) -> None:
    """Lets the time of every message that waits for its next attempt come."""
    execute(connection, "UPDATE message SET due_at = now() WHERE status = 'pending'")


def mailing(connection: Connection, mailing_id: int) -> dict[str, Any]:
    """A mailing as it stands."""
    return row(connection, "SELECT * FROM mailing WHERE id = %s", mailing_id)


def message(connection: Connection, message_id: int) -> dict[str, Any]:
    """A message as it stands, with `claimed_at`, `lease_until` and `lease_worker` of the claim that holds it."""
    return row(
        connection,
        """
        SELECT message.*, claimed_at, lease_until, worker AS lease_worker
        FROM message LEFT JOIN claim ON status = 'sending' AND claim.id = claim_id
        WHERE message.id = %s
        """,
        message_id,
    )


def attempts_of(connection: Connection, message_id: int) -> list[dict[str, Any]]:
    """What the ledger says of each attempt of a message, first to last, with its `reason` as a sentence."""
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute("SELECT * FROM attempt WHERE message_id = %s ORDER BY number", [message_id])
        return [{**attempt, "reason": _reason(attempt)} for attempt in cursor.fetchall()]


def _reason(attempt: dict[str, Any]) -> str | None:
    code = attempt["reason_code"]
    return None if code is None else sentence(code, attempt["reason_params"])


def message_counts(connection: Connection, mailing_id: int) -> dict[str, int]:
    """Messages by status as the counts of the database have them, without zeros."""
    return {
        status: int(messages)
        for status, messages in rows(
            connection,
            """
            SELECT status, sum(delta) FROM message_count_delta
            WHERE mailing_id = %s GROUP BY status HAVING sum(delta) <> 0
            """,
            mailing_id,
        )
    }


def counted(connection: Connection, mailing_id: int) -> dict[str, int]:
    """Messages by status as they are, counted one by one."""
    return dict(rows(connection, "SELECT status, count(*) FROM message WHERE mailing_id = %s GROUP BY 1", mailing_id))


def change_message(connection: Connection, message_id: int, change: str) -> None:
    """Changes a message by hand, in the words of SQL."""
    execute(connection, f"UPDATE message SET {change} WHERE id = %s", message_id)  # noqa: S608


def change_mailing(connection: Connection, mailing_id: int, change: str) -> None:
    """Changes a mailing by hand, in the words of SQL."""
    execute(connection, f"UPDATE mailing SET {change} WHERE id = %s", mailing_id)  # noqa: S608


def row(connection: Connection, statement: str, *values: Any) -> dict[str, Any]:
    """The one row of a statement, by column name."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found = cursor.fetchall()
        assert len(found) == 1, f"{len(found)} rows"
        return {column.name: item for column, item in zip(cursor.description or (), found[0], strict=True)}


def value(connection: Connection, statement: str, *values: Any) -> Any:
    """The one value of a statement."""
    (found,) = row(connection, statement, *values).values()
    return found


def rows(connection: Connection, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def execute(connection: Connection, statement: str, *values: Any) -> None:
    """A statement that answers nothing."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def add_gateway(connection: Connection, name: str, *, provider: str = "gonets", address: str = "") -> int:
    """A gateway without credentials, with a path of its own."""
    gateway_id = int(
        value(
            connection,
            "INSERT INTO gateway (name, provider, address) VALUES (%s, %s, %s) RETURNING id",
            name,
            provider,
            address,
        )
    )
    execute(connection, "INSERT INTO gateway_availability (gateway_id) VALUES (%s)", gateway_id)
    execute(
        connection, "INSERT INTO path (gateway_ids, gateway_id) VALUES (ARRAY[%s::bigint], %s)", gateway_id, gateway_id
    )
    return gateway_id


def set_path(connection: Connection, *gateway_ids: int, path_id: int = 1) -> None:
    """Lets messages of a path, by default that of the route `default`, take these gateways in this order."""
    execute(
        connection,
        "UPDATE path SET gateway_ids = %s::bigint[], gateway_id = %s WHERE id = %s",
        list(gateway_ids),
        gateway_ids[0],
        path_id,
    )
