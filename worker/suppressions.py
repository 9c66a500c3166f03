"""Recording suppressions in a transaction of the worker."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope
from shared.json_parameter import json_parameter
from shared.sql.suppressions import ADD_SUPPRESSIONS, CANCEL_SUPPRESSED
from worker.parameters import bigints
from worker.rows import fetch_all


class AddedRow(NamedTuple):
    """A row of ADD_SUPPRESSIONS: a suppression that was not in force before."""

    id: int
    phone_number: int


class NewSuppression(NamedTuple):
    """A suppression to be recorded."""

    phone_number: int
    scope: SuppressionScope
    gateway_id: int | None
    """For the scope `gateway`, otherwise None."""
    reason: SuppressionReason
    source: RecordSource
    evidence: dict[str, Any]
    reported_at: datetime | None = None
    """When it happened, if it may be reported again: one that was lifted since is not set again."""

    def as_json(self) -> dict[str, Any]:
        """An object of ADD_SUPPRESSIONS."""
        reported_at = None if self.reported_at is None else self.reported_at.isoformat()
        return {**self._asdict(), "reported_at": reported_at}


def suppress(cursor: Cursor, suppressions: Iterable[NewSuppression]) -> list[AddedRow]:
    """Records suppressions and ends the pending messages that they cover. Safe to repeat.

    Returns those that were not in force before.
    """
    cursor.execute(ADD_SUPPRESSIONS, {"suppressions": json_parameter([one.as_json() for one in suppressions])})
    added = fetch_all(cursor, AddedRow)
    if added:
        cursor.execute(CANCEL_SUPPRESSED, {"phone_numbers": bigints({one.phone_number for one in added})})
    return added
