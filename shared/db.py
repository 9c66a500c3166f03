"""How Gonets connects to PostgreSQL: one URL, and the options that notice a database that has gone silent."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from shared.errors import ConfigurationError

CONNECT_OPTIONS: dict[str, str | int] = {
    "connect_timeout": 5,
    # Of several hosts the one that takes writes: the others are standbys, or were the primary yesterday.
    "target_session_attrs": "read-write",
    # Texts are Unicode, whatever encoding the database was made with.
    "client_encoding": "UTF8",
    # A peer that stops answering (a black hole, a half-open socket) is given up after about 15 seconds in either
    # direction: unacknowledged data by tcp_user_timeout, silence by keepalives (PostgreSQL manual, 32.1.2).
    "tcp_user_timeout": 15_000,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}


def database_url(value: str) -> URL:
    """The SQLAlchemy URL of a `DATABASE_URL` as people write it (`postgres://`, `postgresql://`).

    Raises ConfigurationError when it is not the URL of a PostgreSQL database; the message never shows a password.
    """
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "DATABASE_URL is not a URL; write postgresql://user:password@host:5432/database."
        ) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigurationError("DATABASE_URL must begin with postgresql://: Gonets keeps its ledger in PostgreSQL.")
    return url.set(drivername="postgresql+psycopg2")


def libpq_url(url: URL) -> str:
    """The same address in the form that psycopg2 and the command line tools take."""
    address, mark, query = url.set(drivername="postgresql").render_as_string(hide_password=False).partition("?")
    # SQLAlchemy writes a space in the query as "+", which libpq takes for a plus.
    return address + mark + query.replace("+", "%20")
