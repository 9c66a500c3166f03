"""What workers add to the history of a mailing."""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.sentences import Sentence, code_of
from shared.json_parameter import json_parameter
from shared.sql import audiences


def add_event(cursor: Cursor, mailing_id: int, action: str, detail: Sentence) -> None:
    """Adds an entry without a person's name, in the cursor's transaction."""
    entry = {"mailing_id": mailing_id, "action": action, "detail": str(detail), "detail_code": code_of(detail)}
    cursor.execute(audiences.ADD_EVENT, {**entry, "detail_params": json_parameter(dict(detail.parameters))})
