"""What the launcher asks the ledger before it shows anything: is it empty, and is a mailing on its way?"""

from __future__ import annotations

from typing import Any

import psycopg2

from shared.database import libpq_url
from shared.errors import GonetsError

IS_EMPTY = "SELECT NOT EXISTS (SELECT FROM client) AND NOT EXISTS (SELECT FROM mailing)"

# The newest that runs, or is about to: a worker starts it at its next look.
NEWEST_ON_ITS_WAY = """
SELECT max(id) FROM mailing
WHERE deleted_at IS NULL AND (status = 'running' OR (status = 'scheduled' AND start_datetime <= now()))
"""


def is_empty(url: str) -> bool:
    """Whether there are neither clients nor mailings: a sample is in nobody's way. Raises GonetsError."""
    return bool(_ask(url, IS_EMPTY))


def newest_on_its_way(url: str) -> int | None:
    """The id of the newest mailing that is running, or would be if a worker had looked. Raises GonetsError."""
    newest: int | None = _ask(url, NEWEST_ON_ITS_WAY)
    return newest


def _ask(url: str, question: str) -> Any:
    try:
        connection = psycopg2.connect(libpq_url(url))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(question)
                row = cursor.fetchone()
                return row[0] if row else None
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise GonetsError(f"The database does not answer: {' '.join(str(error).split())}.") from error
