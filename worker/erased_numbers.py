"""Messages whose number was erased while they were being sent: their results are kept without the number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.erasure import number_pattern
from shared.domain.results import Result
from shared.sql import erasure
from worker.claimed_message import AttemptResult
from worker.parameters import bigints
from worker.rows import fetch_all

_NOT_DIGITS = re.compile("[^0-9]+")
_COMPARED = 7
"""Last digits of a number that are looked for in words, before the database looks for the number as people write it."""


class ErasedRow(NamedTuple):
    """A row of LOCK_ERASED."""

    id: int


def without_erased_numbers(cursor: Cursor, attempted: Sequence[AttemptResult]) -> list[AttemptResult]:
    """Removes the numbers that were erased meanwhile from what was recorded of these attempts.

    To be called after they were recorded, in that transaction. Returns the other attempts: of the erased numbers,
    nothing more may be recorded.
    """
    about_numbers = [attempt for attempt in attempted if _may_record_the_number(attempt)]
    if not about_numbers:
        return list(attempted)
    cursor.execute(erasure.LOCK_ERASED, {"ids": bigints(attempt.message.message_id for attempt in about_numbers)})
    erased = {row.id for row in fetch_all(cursor, ErasedRow)}
    for message in (attempt.message for attempt in about_numbers if attempt.message.message_id in erased):
        given = {"ids": bigints([message.message_id]), "pattern": number_pattern(message.phone_number)}
        for statement in (erasure.SCRUB_ATTEMPTS, erasure.SCRUB_MESSAGES):
            cursor.execute(statement, given)
    return [attempt for attempt in attempted if attempt.message.message_id not in erased]


def _may_record_the_number(attempt: AttemptResult) -> bool:
    """Whether it leads to a suppression, or the provider's words may contain the number."""
    if attempt.submitted.result is Result.OPTED_OUT:
        return True
    reason = attempt.submitted.reason
    if reason is None:
        return False
    end = str(attempt.message.phone_number)[-_COMPARED:]
    return any(end in _NOT_DIGITS.sub("", str(value)) for value in reason.parameters.values())
