"""The rules of the ledger, for tests of what changes it."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.sql import verify
from tests.factories import rows

RULES = {
    name: statement
    for name, statement in vars(verify).items()
    if name.isupper() and name != "COUNT_ROWS" and not name.startswith("_") and isinstance(statement, str)
}


def broken_rules(connection: Connection) -> dict[str, list[int]]:
    """The ids that contradict each rule of shared/sql/verify.py that is broken."""
    found = {name: [row[0] for row in rows(connection, statement)] for name, statement in RULES.items()}
    return {name: ids for name, ids in found.items() if ids}
