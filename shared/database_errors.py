"""What a connection error of PostgreSQL means, in one line for the operator."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

REPAIR = "docker compose exec db psql --username=gonets --command='ALTER ROLE gonets PASSWORD $$…$$'"
"""Changes the password of the database of docker-compose.yml. The new password replaces the dots."""


class _Meaning(NamedTuple):
    pattern: str
    """A regular expression for the English message of libpq or the server."""
    advice: str


# A failed connection has no SQLSTATE in psycopg2, so only the text can be matched. Messages in other languages are
# shown without advice.
_MEANINGS: Sequence[_Meaning] = (
    _Meaning(
        "password authentication failed|no password supplied",
        "The database has another password than the one given here. With Docker Compose, POSTGRES_PASSWORD sets it at "
        f"the first start only. To change it, put the password of .env in the place of the dots and run: "
        f"{REPAIR} && docker compose up -d. Elsewhere, correct DATABASE_URL, in which special characters "
        "of a password are written as %40 for @ and so on, or PGPASSWORD.",
    ),
    _Meaning('database ".*" does not exist', "Correct the name in DATABASE_URL, or create the database (createdb)."),
    _Meaning('role ".*" does not exist', "Correct the user in DATABASE_URL, or create the role (createuser)."),
    _Meaning(
        "no pg_hba.conf entry", "The server's pg_hba.conf does not let this role connect from here to this database."
    ),
    _Meaning(
        "session is read-only|in hot standby mode|read-only transaction",
        "It is a standby or read-only: DATABASE_URL must lead to the primary.",
    ),
    _Meaning(
        "permission denied",
        "The role of DATABASE_URL needs to own the database, or as a superuser run: "
        "GRANT CREATE, USAGE ON SCHEMA public TO that role.",
    ),
    _Meaning(
        "could not translate host name|Connection refused|timeout expired|No route to host|No such file or directory",
        "Check the host and port in DATABASE_URL, and that PostgreSQL is running there.",
    ),
)


def explain(error: BaseException) -> str:
    """The error of psycopg2 (or of SQLAlchemy over it) in one line, with a remedy where one is known.

    The messages of libpq and the server name host, port, role and database, and never a password (shared/database.py
    rejects the URLs in which a part of one would be read as a host).
    """
    lines = [line.strip() for line in str(getattr(error, "orig", None) or error).splitlines() if line.strip()]
    # A host with several addresses has an error for each. A server's own message says more than a failed connection.
    line = next((line for line in lines if "FATAL" in line), lines[0] if lines else type(error).__name__)
    advice = next((meaning.advice for meaning in _MEANINGS if re.search(meaning.pattern, line)), None)
    return line if advice is None else f"{line.rstrip('.')}. {advice}"
