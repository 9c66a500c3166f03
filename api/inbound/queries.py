"""Reads of inbound messages."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, func, select, text

from api.extensions import db
from api.gateways.queries import gateway_names
from shared.domain.sentences import ErrorCode
from shared.errors import NotFound
from shared.schema import InboundMessage, InboundPart

InboundRow = InboundMessage
"""An inbound message, as the queries return it."""

MAX_COUNT = 1000
"""Messages that are counted at most."""

# With literals, as in the index that has these messages.
UNDECIDED = and_(
    text("inbound_message.keyword_action IN ('stop', 'start')"),
    InboundMessage.decided_at.is_(None),
)
"""Whether a message contains a keyword for STOP or START among other words, and nobody has decided about it."""


def inbound_messages(
    before: int | None,
    limit: int,
    *,
    unread: bool | None = None,
    undecided: bool | None = None,
    client_id: int | None = None,
    phone_number: int | Sequence[int] | None = None,
    gateway: str | None = None,
) -> Sequence[InboundMessage]:
    """The messages with a smaller id that pass every filter given, the newest first.

    `unread` False selects those that are read, and `undecided` False those that need no decision about a keyword.
    `gateway` is a name, which may be that of a removed one. Of several phone numbers, one must be the sender's.
    """
    found = select(InboundMessage)
    if before is not None:
        found = found.where(InboundMessage.id < before)
    if unread is not None:
        found = found.where(InboundMessage.read_at.is_(None) if unread else InboundMessage.read_at.is_not(None))
    if undecided is not None:
        found = found.where(UNDECIDED if undecided else UNDECIDED.is_not(True))
    if client_id is not None:
        found = found.where(InboundMessage.client_id == client_id)
    if isinstance(phone_number, int):
        found = found.where(InboundMessage.phone_number == phone_number)
    elif phone_number is not None:
        found = found.where(InboundMessage.phone_number.in_(phone_number))
    if gateway is not None:
        gateway_id = next((id_ for id_, named in gateway_names().items() if named.name == gateway), None)
        if gateway_id is None:
            return []
        found = found.where(InboundMessage.gateway_id == gateway_id)
    return db.session.scalars(found.order_by(InboundMessage.id.desc()).limit(limit)).all()


def inbound_message_by_id(inbound_message_id: int) -> InboundMessage:
    """The message. Raises NotFound."""
    message = db.session.get(InboundMessage, inbound_message_id)
    if message is None:
        raise NotFound(ErrorCode.NO_SUCH_INBOUND_MESSAGE, inbound_message=inbound_message_id)
    return message


def answers_to(message_id: int, phone_number: int, limit: int) -> Sequence[InboundMessage]:
    """The inbound messages whose `message_id` is this message, which was sent to that number; the newest first."""
    of_number = InboundMessage.phone_number == phone_number
    found = select(InboundMessage).where(of_number, InboundMessage.message_id == message_id)
    return db.session.scalars(found.order_by(InboundMessage.id.desc()).limit(limit)).all()


def answered_by(message_id: int, phone_number: int) -> InboundMessage | None:
    """The inbound message whose last answer is this message, which was sent to that number; None if it is no answer."""
    of_number = InboundMessage.phone_number == phone_number
    found = select(InboundMessage).where(of_number, InboundMessage.answer_message_id == message_id)
    return db.session.scalars(found.order_by(InboundMessage.id.desc()).limit(1)).first()


def count_unassembled_parts() -> int:
    """The number of parts that are not put together yet, up to MAX_COUNT."""
    waiting = select(InboundPart.id).where(InboundPart.inbound_message_id.is_(None)).limit(MAX_COUNT)
    return db.session.scalars(select(func.count()).select_from(waiting.subquery())).one()


def count_undecided(limit: int = MAX_COUNT) -> int:
    """The number of messages that wait for a decision about their keyword, up to `limit`."""
    undecided = select(InboundMessage.id).where(UNDECIDED).limit(limit)
    return db.session.scalars(select(func.count()).select_from(undecided.subquery())).one()


def count_unread(limit: int = MAX_COUNT) -> int:
    """The number of unread messages, up to `limit`."""
    unread = select(InboundMessage.id).where(InboundMessage.read_at.is_(None)).limit(limit)
    return db.session.scalars(select(func.count()).select_from(unread.subquery())).one()
