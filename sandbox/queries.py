"""What the launcher reads from the database: whether it is empty, and which mailing to show."""

from __future__ import annotations

from typing import Any

import psycopg2

from shared.database import libpq_url
from shared.errors import GonetsError

IS_EMPTY = "SELECT NOT EXISTS (SELECT FROM client) AND NOT EXISTS (SELECT FROM mailing)"

# The newest that runs, or that a worker starts at its next poll.
NEWEST_ACTIVE_MAILING = """
SELECT max(id) FROM mailing
WHERE deleted_at IS NULL AND (status = 'running' OR (status = 'scheduled' AND start_datetime <= now()))
"""

HAS_CLIENTS_TAGGED = "SELECT EXISTS (SELECT FROM client WHERE tag = %s)"

NEWEST_MAILING_TO = "SELECT max(id) FROM mailing WHERE deleted_at IS NULL AND mark = %s"


def is_empty(url: str) -> bool:
    """Whether there are neither clients nor mailings, so that sample data can be added. Raises GonetsError."""
    return bool(_fetch_value(url, IS_EMPTY))


def newest_active_mailing(url: str) -> int | None:
    """The id of the newest mailing that is running or due to start; None if there is none. Raises GonetsError."""
    newest: int | None = _fetch_value(url, NEWEST_ACTIVE_MAILING)
    return newest


def has_clients_tagged(url: str, tag: str) -> bool:
    """Whether there are clients with this tag. Raises GonetsError."""
    return bool(_fetch_value(url, HAS_CLIENTS_TAGGED, tag))


def newest_mailing_to(url: str, mark: str) -> int | None:
    """The id of the newest mailing with this mark; None if there is none. Raises GonetsError."""
    newest: int | None = _fetch_value(url, NEWEST_MAILING_TO, mark)
    return newest


def _fetch_value(url: str, query: str, *parameters: str) -> Any:
    try:
        connection = psycopg2.connect(libpq_url(url))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, parameters)
                row = cursor.fetchone()
                return row[0] if row else None
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise GonetsError(f"The database does not respond: {' '.join(str(error).split())}.") from error
