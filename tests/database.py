"""What tests do to a database as a whole."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import flask_migrate
import psycopg2
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.database_url import database_url
from api.extensions import db
from api.settings import ApiSettings
from tests.factories import execute
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent

_ONE_MIGRATES = threading.Lock()
"""Alembic has one context a process, and flask-smorest's object knows one application at a time."""


def migrate(url: str, revision: str = "head") -> None:
    """Upgrades the database as `flask db upgrade` does, within this process, which has imported already what that would
    have to import.
    """
    _flask_db(url, flask_migrate.upgrade, revision)


def downgrade(url: str, revision: str) -> None:
    """Takes the database back to a revision."""
    _flask_db(url, flask_migrate.downgrade, revision)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection in autocommit, for as long as the block lasts."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        yield connection


EMPTY_DATABASE = """
CREATE FUNCTION pg_temp.empty_database() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    quick bool := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
    used record;
    large text;
BEGIN
    IF quick THEN  -- no trigger sees what is deleted, and no foreign key is checked
        PERFORM set_config('session_replication_role', 'replica', true);
    END IF;
    FOR used IN
        SELECT format('%I', tablename) AS name, size, sequence, last_value IS NOT NULL AS is_counted
        FROM pg_tables
        CROSS JOIN concat(tablename, '_id_seq') AS sequence
        CROSS JOIN pg_relation_size(format('%I', tablename)::regclass) AS size
        LEFT JOIN pg_sequences ON pg_sequences.schemaname = 'public' AND sequencename = sequence
        WHERE pg_tables.schemaname = 'public'
            AND tablename NOT IN
                ('alembic_version', 'rate_limit', 'cookie_secret', 'audit_entry', 'ledger_partition',
                 'gateway', 'gateway_availability', 'route', 'path', 'client_field', 'sending_rules')
            AND (size > 0 OR last_value IS NOT NULL)
    LOOP
        IF quick AND used.size <= 16384 THEN
            IF used.size > 0 THEN
                EXECUTE 'DELETE FROM ' || used.name;
            END IF;
            IF used.is_counted THEN
                PERFORM setval(used.sequence::regclass, 1, false);
            END IF;
        ELSE
            large := concat_ws(', ', large, used.name);
        END IF;
    END LOOP;
    IF large IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || large || ' RESTART IDENTITY CASCADE';
    END IF;
    PERFORM set_config('session_replication_role', 'origin', true) WHERE quick;
    IF (SELECT last_value FROM message_id_seq) <> 1 THEN  -- set, and nothing was added since
        PERFORM setval('message_id_seq', 1, false);
    END IF;
    IF (SELECT last_value FROM gateway_id_seq) + (SELECT last_value FROM route_id_seq)
        + (SELECT last_value FROM path_id_seq) <> 4
        OR EXISTS (SELECT FROM gateway WHERE revision <> 1 OR paused_at IS NOT NULL
            OR segment_price IS NOT NULL OR receipts OR poll_receipts
            OR no_receipt_prefixes <> '{}' OR min_delivery_percent IS NOT NULL)
        OR EXISTS (SELECT FROM gateway_availability WHERE NOT available OR failovers <> 0)
        OR EXISTS (
            SELECT FROM path WHERE gateway_ids <> '{1}' OR gateway_id IS DISTINCT FROM 1 OR weight <> 100)
    THEN  -- as the migration made them
        DELETE FROM gateway;
        DELETE FROM route;
        DELETE FROM path;
        INSERT INTO gateway (id, name, provider) OVERRIDING SYSTEM VALUE VALUES (1, 'default', 'gonets');
        INSERT INTO gateway_availability (gateway_id) VALUES (1);
        INSERT INTO route (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'default');
        INSERT INTO path (id, route_id, gateway_ids, gateway_id) OVERRIDING SYSTEM VALUE
        VALUES (1, 1, '{1}', 1), (2, NULL, '{1}', 1);
        PERFORM setval('gateway_id_seq', 1), setval('route_id_seq', 1), setval('path_id_seq', 2);
    END IF;
    IF EXISTS (SELECT FROM rate_limit WHERE gateway <> 'default') THEN
        DELETE FROM rate_limit WHERE gateway <> 'default';
    END IF;
    IF (SELECT last_value FROM client_field_id_seq) <> 4 OR (SELECT count(*) FROM client_field) <> 4
        OR EXISTS (SELECT FROM client_field WHERE label <> '' OR repeats_yearly <> (name = 'birthday'))
    THEN
        DELETE FROM client_field;
        INSERT INTO client_field (id, name, type, repeats_yearly) OVERRIDING SYSTEM VALUE
        VALUES (1, 'name', 'text', false), (2, 'first_name', 'text', false),
            (3, 'last_name', 'text', false), (4, 'birthday', 'date', true);
        PERFORM setval('client_field_id_seq', 4);
    END IF;
    IF NOT EXISTS (
        SELECT FROM sending_rules
        WHERE jsonb_strip_nulls(to_jsonb(sending_rules) - 'opt_out_secret' - 'updated_at') =
            '{"id": true, "replies": {}, "reply_language": "en", "requires_consent": false,
              "requires_approval": false}'
    ) THEN
        DELETE FROM sending_rules;
        INSERT INTO sending_rules DEFAULT VALUES;
    END IF;
    IF ARRAY(SELECT number FROM ledger_partition ORDER BY number) <> '{0,1}' THEN
        PERFORM drop_ledger_partition(number) FROM ledger_partition WHERE number > 1;
        PERFORM make_ledger_partition(number) FROM generate_series(0, 1) AS number;
    END IF;
    RETURN true;
END $$
"""
"""Makes the function for one connection, which plans its statements once."""


class DatabaseCleaner:
    """Tidies one database between tests. It keeps its connection: a new one costs more than all that it is asked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    def empty(self) -> None:
        """Removes every row and starts the ids again from 1, with the ledger's partitions 0 and 1 and no other, and the
        gateway `default` on the route `default`, and the fields of clients that the migrations declare.

        A table that nobody has used costs nothing. The rows of a small one are deleted, where triggers can be left out:
        TRUNCATE makes new files of it and of each index, and everybody reads the catalogue again.
        """
        self._ask("SELECT pg_temp.empty_database()")

    def end_connections(self) -> None:
        """Ends every other connection that is not idle: what waits for a lock after a failed test would never end.

        An idle one holds no lock, and the pool of an application goes on with it: a new one costs as much as requests.
        """
        eventually(self._no_other_is_busy)

    def close(self) -> None:
        """Gives the connection up, until there is more to do."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _no_other_is_busy(self) -> bool:
        """Asks all others to end."""
        return self._ask(
            """
            SELECT count(pg_terminate_backend(pid)) = 0 FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IS DISTINCT FROM 'idle'
            """
        )

    def _ask(self, question: str) -> bool:
        """The answer, by a new connection if a test has ended this one too."""
        try:
            return self._ask_once(question)
        except psycopg2.OperationalError:
            self.close()
            return self._ask_once(question)

    def _ask_once(self, question: str) -> bool:
        if self._connection is None:
            self._connection = psycopg2.connect(self._url)
            self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute(EMPTY_DATABASE)
        with self._connection.cursor() as cursor:
            cursor.execute(question)
            return bool(cursor.fetchall()[0][0])


class Closable(Protocol):
    """What has a connection."""

    def close(self) -> None: ...


Kept = TypeVar("Kept", bound=Closable)

MOST_IDLE = 8
"""Connections of a kind that are kept for other tests; what tests open beyond that is closed."""


class IdleConnections(Generic[Kept]):
    """Connections of one kind to one database that tests have given back, to be used by others.

    A new one costs more than most tests: its server process reads the catalogue and compiles the triggers once more.
    """

    def __init__(self, open_one: Callable[[], Kept], connection_of: Callable[[Kept], Connection | None]) -> None:
        """`connection_of` returns the connection that one has; None if it has none any more."""
        self._open_one = open_one
        self._connection_of = connection_of
        self._idle: list[Kept] = []

    def take(self) -> Kept:
        """One that is as good as new. If it is not new, its connection is in autocommit."""
        while self._idle:
            kept = self._idle.pop()
            connection = self._connection_of(kept)
            if connection is not None and not _was_ended(connection):
                return kept
            kept.close()
        return self._open_one()

    def give_back(self, kept: Kept) -> None:
        """Keeps it for others, unless the server has ended its connection or there are enough."""
        connection = self._connection_of(kept)
        if connection is not None and len(self._idle) < MOST_IDLE and _forgets_all(connection):
            self._idle.append(kept)
        else:
            kept.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _forgets_all(connection: Connection) -> bool:
    """Undoes what its session has begun, set, locked and made, and turns autocommit on; not if it is broken."""
    try:
        connection.reset()
        connection.autocommit = True
        execute(connection, "DISCARD ALL")
    except psycopg2.Error:
        return False
    connection.notices.clear()
    connection.notifies.clear()
    return True


def _was_ended(connection: Connection) -> bool:
    """Whether the server has ended a connection that is idle: only then there is something to read from it."""
    idle = select.poll()
    idle.register(connection.fileno(), select.POLLIN)
    return bool(idle.poll(0))


@lru_cache(maxsize=1)
def _application(url: str) -> Flask:
    """What migrates that database: to make it takes longer than most revisions."""
    return create_app(ApiSettings(database_url=database_url(url)))


def _flask_db(url: str, command: Callable[..., None], revision: str) -> None:
    with _ONE_MIGRATES, _application(url).app_context():
        command(revision=revision)
        db.engine.dispose()
