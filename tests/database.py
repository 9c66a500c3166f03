"""What tests do to a database as a whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import flask_migrate
import psycopg2

from api import create_app
from api.database_url import database_url
from api.extensions import db
from api.settings import ApiSettings

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


def empty(url: str) -> None:
    """Removes every row and starts the ids again from 1. A table that nobody has used costs nothing."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT string_agg(format('%I', tablename), ', ') FROM pg_tables
            LEFT JOIN pg_sequences ON pg_sequences.schemaname = 'public' AND sequencename = tablename || '_id_seq'
            WHERE pg_tables.schemaname = 'public'
                AND tablename NOT IN ('alembic_version', 'pace', 'cookie_secret', 'audit_entry')
                AND (pg_relation_size(format('%I', tablename)::regclass) > 0 OR last_value IS NOT NULL)
            """
        )
        if (used := cursor.fetchall()[0][0]) is not None:
            cursor.execute(f"TRUNCATE {used} RESTART IDENTITY CASCADE")
    connection.close()


def end_connections(url: str) -> None:
    """Ends every connection to the database: what waits for a lock after a test has failed would wait for ever."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """
        )
    connection.close()


def _flask_db(url: str, command: Callable[..., None], revision: str) -> None:
    with _ONE_MIGRATES:
        app = create_app(ApiSettings(database_url=database_url(url)))
        with app.app_context():
            command(revision=revision)
            db.engine.dispose()
