"""The console's search of the ledger, latest messages first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from api.extensions import db
from api.messages.keyset import KeysetPage
from api.messages.pages import message_page
from shared.schema import Message


def find_messages(before: int, limit: int, wanted: Mapping[str, Any]) -> Sequence[Message]:
    """The messages with a smaller id, latest first.

    `wanted` may have `id`, `mailing_id`, `client_id`, `phone_number`, `status`, `delivery`, and `since` and `until`:
    the time range in which a launch created them. `phone_number` may be a list.
    """
    equal = {name: value for name, value in wanted.items() if name in Message.__table__.c and value is not None}
    after = _first_made_at(wanted["since"]) - 1 if wanted.get("since") else 0
    if wanted.get("until"):
        before = min(before, _first_made_at(wanted["until"]))
    return message_page(KeysetPage(limit, after, before, latest_first=True), equal)


def _first_made_at(moment: datetime) -> int:
    """The id of the first message created at that time or later, to within the seconds that a launch's chunk takes.

    Ids increase with time, and the time has no index: found by bisection, in some forty steps.
    """
    low, high = 0, (db.session.scalar(select(func.max(Message.id))) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = select(Message.id, Message.created_at).where(Message.id >= middle).order_by(Message.id).limit(1)
        row = db.session.execute(found).first()
        if row is None or row.created_at >= moment:
            high = middle
        else:
            low = row.id + 1
    return low
