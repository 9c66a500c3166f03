"""What the API asks of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from api.extensions import db
from api.http.serialization import row_to_dict
from api.messages.keyset import KeysetPage, message_page
from shared.errors import NotFound
from shared.schema import Attempt, Message


def messages_after(after: int, limit: int, **wanted: Any) -> Sequence[Message]:
    """The messages with a greater id that pass every filter given, in order.

    `wanted` may have `mailing_id`, `client_id`, `status` and `phone_number`.
    """
    equal = {name: value for name, value in wanted.items() if value is not None}
    return db.session.scalars(message_page(KeysetPage(limit, after), equal)).all()


def message_by_id(message_id: int) -> dict[str, Any]:
    """The columns of the message, its `reason` in words, and as `made` its attempts in order. Raises NotFound."""
    message = db.session.get(Message, message_id)
    if message is None:
        raise NotFound("message", message_id)
    attempts = select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.number)
    return row_to_dict(message, reason=message.reason, made=db.session.scalars(attempts).all())
