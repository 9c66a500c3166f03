"""What tests do to a database as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg2

ROOT = Path(__file__).parent.parent


def migrate(url: str, revision: str = "head") -> None:
    """Upgrades the database with the command that everybody uses."""
    _flask_db(url, "upgrade", revision)


def downgrade(url: str, revision: str) -> None:
    """Takes the database back to a revision."""
    _flask_db(url, "downgrade", revision)


def empty(url: str) -> None:
    """Removes every row and starts the ids again from 1."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT string_agg(format('%I', tablename), ', ') FROM pg_tables
            WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'pace', 'cookie_secret', 'audit_entry')
            """
        )
        cursor.execute(f"TRUNCATE {cursor.fetchall()[0][0]} RESTART IDENTITY")
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


def _flask_db(url: str, command: str, revision: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "api", "db", command, revision],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        check=True,
        capture_output=True,
    )
