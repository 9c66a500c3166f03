"""The caps on marketing messages to one number: which of a claim's messages are within them.

What becomes of the others is decided in worker/claim_rules.py. (The statements: shared/sql/caps.py.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.statuses import OverCap
from shared.sql import caps
from worker.claim_rows import ClaimedRow
from worker.parameters import bigints
from worker.rows import fetch_all


class CountedRow(NamedTuple):
    """A row of COUNT_MESSAGES."""

    phone_number: int


class NumberRow(NamedTuple):
    """A row of READ_COUNTED."""

    phone_number: int
    message_ids: list[int]


class UnsentRow(NamedTuple):
    """A row of READ_UNSENT."""

    id: int
    is_sending: bool


class WaitRow(NamedTuple):
    """A row of READ_WAITS."""

    id: int
    over_cap: str
    due_in: float
    """Seconds from the claim until it can be decided again."""

    @property
    def waits(self) -> bool:
        """Whether its mailing lets it wait."""
        return self.over_cap == OverCap.WAIT


def count_within_caps(cursor: Cursor, rows: Sequence[ClaimedRow], lease_seconds: float) -> list[WaitRow]:
    """Counts the messages of one claim that every cap allows, and returns the others.

    `lease_seconds` is the lease of the claim, within which its requests leave.
    """
    over = _count(cursor, rows, lease_seconds)
    if not over:
        return []
    sending, uncounted = _uncount_unsent(cursor, {row.phone_number for row in over})
    if uncounted:
        over = _count(cursor, over, lease_seconds)
        if not over:
            return []
    given = {
        "ids": bigints(row.id for row in over),
        "mailings": bigints(row.mailing_id for row in over),
        "phones": bigints(row.phone_number for row in over),
        "sending": bigints({*sending, *(row.id for row in rows)}),
    }
    cursor.execute(caps.READ_WAITS, given)
    return fetch_all(cursor, WaitRow)


def _uncount_unsent(cursor: Cursor, phone_numbers: Collection[int]) -> tuple[list[int], bool]:
    """Stops counting messages that have certainly not been sent, of numbers that are at a cap.

    There are rarely any, so they are looked for only there. Returns those of the counted messages that are being sent,
    and whether there were any of the others.
    """
    cursor.execute(caps.READ_COUNTED, {"phones": bigints(phone_numbers)})
    counted = {one: row.phone_number for row in fetch_all(cursor, NumberRow) for one in row.message_ids}
    cursor.execute(caps.READ_UNSENT, {"ids": bigints(counted)})
    found = fetch_all(cursor, UnsentRow)
    unsent = [row.id for row in found if not row.is_sending]
    if unsent:
        given = {"ids": bigints(unsent), "phones": bigints({counted[one] for one in unsent})}
        cursor.execute(caps.UNCOUNT_UNSENT, given)
    return [row.id for row in found if row.is_sending], bool(unsent)


def _count(cursor: Cursor, rows: Sequence[ClaimedRow], lease_seconds: float) -> list[ClaimedRow]:
    """Counts messages where every cap allows it. Returns the others."""
    over = []
    for part in _one_for_each_number(rows):
        given = {
            "ids": bigints(row.id for row in part),
            "phones": bigints(row.phone_number for row in part),
            "lease": lease_seconds,
        }
        cursor.execute(caps.COUNT_MESSAGES, given)
        counted = {row.phone_number for row in fetch_all(cursor, CountedRow)}
        over += [row for row in part if row.phone_number not in counted]
    return over


def _one_for_each_number(rows: Iterable[ClaimedRow]) -> list[list[ClaimedRow]]:
    """Parts with one message for each number, which is what one statement can count: rarely more than one part.

    The first part has all the numbers, so the later ones lock no others.
    """
    parts: list[list[ClaimedRow]] = []
    seen: dict[int, int] = {}
    for row in rows:
        place = seen[row.phone_number] = seen.get(row.phone_number, -1) + 1
        if place == len(parts):
            parts.append([])
        parts[place].append(row)
    return parts
