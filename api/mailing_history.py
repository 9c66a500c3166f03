"""The history of mailings: what people did to them, and what followed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.extensions import db
from api.principal import name_of_caller
from shared.domain.sentences import Sentence
from shared.schema import MailingEvent


def add_history_entry(
    mailing_id: int, action: str, detail: Sentence | None = None, changes: Mapping[str, Any] | None = None
) -> None:
    """Adds an entry by the current principal to a mailing's history. `changes` are those of an edit."""
    entry = MailingEvent(mailing_id=mailing_id, action=action, actor_name=name_of_caller())
    if detail is not None:
        entry.detail, entry.detail_code, entry.detail_params = str(detail), str(detail.code), dict(detail.parameters)
    entry.changes = dict(changes) if changes else None
    db.session.add(entry)
    db.session.flush()
