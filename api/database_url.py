"""`DATABASE_URL` as SQLAlchemy takes it."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from shared.database import NOT_A_URL, libpq_url
from shared.errors import ConfigurationError


def database_url(value: str) -> URL:
    """The URL of an engine that uses psycopg2.

    Raises ConfigurationError when it is not the URL of a PostgreSQL database; the message never shows a password.
    """
    try:
        return make_url(libpq_url(value)).set(drivername="postgresql+psycopg2")
    except (ArgumentError, ValueError):
        raise ConfigurationError(NOT_A_URL) from None
