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
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "api", "db", "upgrade", revision],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        check=True,
        capture_output=True,
    )


def empty(url: str) -> None:
    """Removes every row and starts the ids again from 1."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            TRUNCATE client, mailing, mailing_text, message, attempt, message_tally, journal, kept_answer
            RESTART IDENTITY
            """
        )
    connection.close()
