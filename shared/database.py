"""How Gonets connects to PostgreSQL: one URL, and the options that detect a database that no longer responds."""

from __future__ import annotations

import re

import psycopg2
from psycopg2.extensions import parse_dsn

from shared.errors import ConfigurationError

CONNECT_OPTIONS: dict[str, str | int] = {
    "connect_timeout": 5,
    # Of several hosts, the one that accepts writes: the others are standbys, or former primaries.
    "target_session_attrs": "read-write",
    # Texts are Unicode, whatever encoding the database was created with.
    "client_encoding": "UTF8",
    # A connection to a peer that stops responding (dropped packets, a half-open socket) is closed after some 15 seconds
    # in either direction: unacknowledged data by tcp_user_timeout, idleness by keepalives (PostgreSQL manual, 32.1.2).
    "tcp_user_timeout": 15_000,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}


NOT_A_URL = (
    "DATABASE_URL is not a URL; write postgresql://user:password@host:5432/database. In the password, write @ as %40, "
    "/ as %2F, % as %25, : as %3A, ? as %3F, # as %23; or leave it out of the URL and set PGPASSWORD to it."
)

_SCHEME = re.compile(r"([\w+.-]*)://")


def libpq_url(value: str) -> str:
    """A `DATABASE_URL` in the forms in use (`postgres://`, `postgresql+psycopg2://`), as libpq accepts it.

    Raises ConfigurationError when it is not the URL of a PostgreSQL database; the message never shows a password.
    """
    scheme = _SCHEME.match(value)
    if scheme and scheme[1].partition("+")[0] not in ("postgresql", "postgres"):
        raise ConfigurationError("DATABASE_URL must begin with postgresql://: Gonets keeps its ledger in PostgreSQL.")
    rest = value[scheme.end() :] if scheme else ""
    # libpq reads what precedes the first @ as user and password, unless there is a / before it.
    credentials, at, place = rest.partition("@") if "/" not in rest.partition("@")[0] else ("", "", rest)
    address, mark, query = place.partition("?")
    # Frameworks write a space in the query as "+", which libpq reads as a plus.
    url = f"postgresql://{credentials}{at}{address}{mark}{query.replace('+', '%20')}"
    # A second @ belongs to a password: what follows the first would be read as the host name, and shown in errors.
    if not scheme or "@" in address or not _is_understood(url):
        raise ConfigurationError(NOT_A_URL)
    return url


def _is_understood(url: str) -> bool:
    try:
        ports = str(parse_dsn(url).get("port", "")).split(",")
    except psycopg2.ProgrammingError:
        return False
    return all(port.isdecimal() for port in ports if port)
