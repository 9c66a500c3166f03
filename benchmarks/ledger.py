"""Gonets' own tables, filled in bulk and read again: what a benchmark sets up, and what it checks at the end."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.gateways import Gateway, Served
from benchmarks.progress import Progress
from shared.errors import GonetsError

FIRST_PHONE = 79_000_000_000
PATIENCE = 60.0
"""Seconds without any progress after which a benchmark is given up."""
LOOK_INTERVAL = 0.1

ADD_CLIENTS = """
INSERT INTO client (phone_number, operator_code, tag, timezone)
SELECT %s + number, left((%s + number)::text, 6), %s, 'UTC' FROM generate_series(%s, %s) AS number
"""

ADD_MAILING = """
INSERT INTO mailing (mark, start_datetime, end_datetime)
VALUES (%s, now() - interval '1 minute', now() + interval '7 days')
RETURNING id
"""

# A mailing as it is when its launch is done and somebody has paused it: to be let go at a moment of our choosing.
LAUNCH_PAUSED = """
UPDATE mailing SET status = 'paused', launch_started_at = now(), max_client_id = 0 WHERE id = %s
"""
ADD_MESSAGES = """
INSERT INTO message (mailing_id, client_id, phone_number)
SELECT %s, number, %s + number FROM generate_series(%s, %s) AS number
"""
END_LAUNCH = "UPDATE mailing SET audience = %s, launched_at = now() WHERE id = %s"
CHUNK = 500_000
"""Rows in one statement, for a progress bar to move."""


class Discrepancy(GonetsError):
    """What was measured is not what should have been: the figure is worth nothing."""


def add_clients(connection: Connection, tag: str, count: int, progress: Progress | None = None) -> None:
    """So many more clients with a tag of their own, one phone number after another."""
    begin = ask(connection, "SELECT coalesce(max(phone_number), %s) + 1 - %s FROM client", FIRST_PHONE - 1, FIRST_PHONE)
    for first in range(0, count, CHUNK):
        last = min(first + CHUNK, count) - 1
        _run(connection, ADD_CLIENTS, FIRST_PHONE, FIRST_PHONE, tag, begin + first, begin + last)
        if progress:
            progress.show(last + 1, count, "clients")
    _run(connection, "ANALYZE client")


def add_due_mailing(connection: Connection, mark: str, text: str = "The same text for everybody") -> int:
    """A mailing whose start has come: a worker launches it at its next look."""
    mailing_id: int = ask(connection, ADD_MAILING, mark)
    _run(connection, "INSERT INTO mailing_text (mailing_id, revision, text) VALUES (%s, 1, %s)", mailing_id, text)
    return mailing_id


def add_waiting_mailing(connection: Connection, messages: int, progress: Progress | None = None) -> int:
    """A mailing all of whose messages are there, and none of which may be sent until `release`."""
    mailing_id: int = ask(connection, ADD_MAILING, "waiting")
    _run(connection, LAUNCH_PAUSED, mailing_id)
    _run(connection, "INSERT INTO mailing_text (mailing_id, revision, text) VALUES (%s, 1, 'Hello')", mailing_id)
    extend(connection, mailing_id, 0, messages, progress)
    return mailing_id


def extend(connection: Connection, mailing_id: int, have: int, messages: int, progress: Progress | None = None) -> None:
    """Adds messages to a waiting mailing that has some already, up to so many; and tidies the tables up."""
    for first in range(have, messages, CHUNK):
        last = min(first + CHUNK, messages) - 1
        _run(connection, ADD_MESSAGES, mailing_id, FIRST_PHONE, first + 1, last + 1)
        if progress:
            progress.show(last + 1, messages, "messages")
    _run(connection, END_LAUNCH, messages, mailing_id)
    for table in ("message", "message_count_delta", "attempt"):
        _run(connection, f"VACUUM ANALYZE {table}")
    _run(connection, "CHECKPOINT")


def release(connection: Connection, mailing_id: int) -> None:
    """Lets the messages of a waiting mailing be sent."""
    _run(connection, "UPDATE mailing SET status = 'running' WHERE id = %s", mailing_id)


def hold(connection: Connection, mailing_id: int) -> None:
    """Pauses a mailing."""
    _run(connection, "UPDATE mailing SET status = 'paused' WHERE id = %s", mailing_id)


class Recorded(NamedTuple):
    """What the ledger says of one mailing; `last` is the moment, in seconds since the epoch, of the last record."""

    audience: int
    by_status: dict[str, int]
    attempts: int
    last: float

    @property
    def sent(self) -> int:
        """Messages that were sent."""
        return self.by_status.get("sent", 0)


def recorded(connection: Connection, mailing_id: int) -> Recorded:
    """The ledger of a mailing, counted row by row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT status, count(*) FROM message WHERE mailing_id = %s GROUP BY 1", (mailing_id,))
        by_status = dict(cursor.fetchall())
    attempts = "SELECT count(*) FROM attempt JOIN message ON message.id = message_id WHERE mailing_id = %s"
    return Recorded(
        ask(connection, "SELECT audience FROM mailing WHERE id = %s", mailing_id),
        by_status,
        ask(connection, attempts, mailing_id),
        ask(
            connection,
            "SELECT coalesce(extract(epoch FROM max(sent_at)), 0)::float8 FROM message WHERE mailing_id = %s",
            mailing_id,
        ),
    )


def wait_until_sent(
    connection: Connection, mailing_id: int, messages: int, gateway: Gateway, progress: Progress, before: int
) -> None:
    """Waits until none of a mailing's messages is open. `before`: the gateway's requests at the beginning.

    Asks the database only when the gateway has seen enough, so as not to disturb. Raises Discrepancy when nothing has
    moved for a minute.
    """
    seen, seen_at = 0, time.monotonic()
    while True:
        count = gateway.requests() - before
        if count != seen:
            seen, seen_at = count, time.monotonic()
        progress.show(min(seen, messages), messages, "messages")
        if seen >= messages and not is_open(connection, mailing_id):
            return
        if time.monotonic() - seen_at > PATIENCE:
            raise Discrepancy(f"Of {messages} messages {seen} have been sent, and for a minute no more.")
        time.sleep(LOOK_INTERVAL)


def is_open(connection: Connection, mailing_id: int) -> bool:
    """Whether a message of the mailing still waits or is in somebody's hands."""
    # Two questions, each of which a partial index answers.
    of_status = "SELECT EXISTS (SELECT FROM message WHERE mailing_id = %s AND status = '{}')"
    return any(ask(connection, of_status.format(status), mailing_id) for status in ("pending", "sending"))


def check(ledger: Recorded, served: Served, messages: int, *, repeats_explained_by: int = 0) -> None:
    """Both ledgers tell the same, and nothing is missing. Raises Discrepancy.

    `repeats_explained_by`: attempts of which nobody knows what came, each of which may have been repeated.
    """
    expect("messages that the gateway got", served.distinct, messages)
    expect("messages recorded as sent", ledger.sent, messages)
    expect("messages of all states", sum(ledger.by_status.values()), ledger.audience)
    repeats = served.requests - served.distinct
    if repeats > repeats_explained_by:
        raise Discrepancy(f"{repeats} messages were sent twice, and {repeats_explained_by} attempts explain it.")
    if ledger.attempts < served.requests:
        raise Discrepancy(f"The gateway got {served.requests} requests, and the ledger has {ledger.attempts}.")


def expect(what: str, found: int, expected: int) -> None:
    """Raises Discrepancy unless the two are equal."""
    if found != expected:
        raise Discrepancy(f"{what}: {found:,}, and {expected:,} were expected.")


def ask(connection: Connection, question: str, *values: Any) -> Any:
    """The one value that a statement answers."""
    with connection.cursor() as cursor:
        cursor.execute(question, values)
        row = cursor.fetchone()
    assert row
    return row[0]


def _run(connection: Connection, statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
