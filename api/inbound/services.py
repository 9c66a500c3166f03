"""Writes of inbound messages: marking them as read, and answering."""

from __future__ import annotations

from sqlalchemy import and_, or_, select

from api.audit.recorder import name_object, nothing_changed
from api.clients.queries import clients_after
from api.clock import CLOCK, now
from api.extensions import db
from api.mailings.test_send import TestMessage, add_test
from api.principal import current_principal
from shared.domain.mailing_rules import MailingFields
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MailingKind, OnUnknown
from shared.domain.suppressions import SuppressionScope
from shared.errors import Conflict, NotFound
from shared.schema import Gateway, InboundMessage, Suppression


def mark_read(inbound_message_id: int) -> None:
    """Marks a message as read by the current principal; one that is read stays as it is. Raises NotFound."""
    message = lock_message(inbound_message_id)
    if message.read_at is None:
        _set_read(message)
    else:
        nothing_changed()


def mark_unread(inbound_message_id: int) -> None:
    """Marks a message as unread. Raises NotFound."""
    message = lock_message(inbound_message_id)
    if message.read_at is None:
        nothing_changed()
        return
    message.read_at = None
    message.read_by = None
    db.session.flush()


def answer(inbound_message_id: int, text: str) -> TestMessage:
    """Sends one message to the client who wrote, through the gateway by which the message came, and marks it as read.

    Raises NotFound, and Conflict if the number has no client or refuses messages of that gateway, or if the gateway is
    paused or was removed.
    """
    message = lock_message(inbound_message_id)
    # Locked against a pause and a removal.
    found = select(Gateway).where(Gateway.id == message.gateway_id).with_for_update(read=True)
    gateway = db.session.scalars(found.execution_options(populate_existing=True)).one()
    number = _check_answer(message, gateway)
    start = now()
    fields = MailingFields(
        mark="",
        text=text,
        start_datetime=start,
        end_datetime=start,
        on_unknown=OnUnknown.RESEND,
        kind=MailingKind.REPLY,
    )
    mark = f"answer to inbound message {inbound_message_id}"
    sent = add_test(mark, number, fields, gateway.id)
    if message.read_at is None:
        _set_read(message)
    message.answered_at = CLOCK
    message.answer_message_id = sent.message_id
    db.session.flush()
    name_object("inbound_message", inbound_message_id, mailing=sent.mailing_id, message=sent.message_id)
    return sent


def check_answer(message: InboundMessage) -> None:
    """Raises Conflict if a message cannot be answered, as things are now."""
    number = _check_answer(message, db.session.get_one(Gateway, message.gateway_id))
    if not clients_after(0, 1, phone_number=number):
        raise Conflict("phone_number", ErrorCode.PHONE_NUMBER_OF_NO_CLIENT)


def lock_message(inbound_message_id: int) -> InboundMessage:
    """The message, locked until the end of the transaction. Raises NotFound."""
    message = db.session.get(InboundMessage, inbound_message_id, with_for_update=True, populate_existing=True)
    if message is None:
        raise NotFound(ErrorCode.NO_SUCH_INBOUND_MESSAGE, inbound_message=inbound_message_id)
    return message


def _set_read(message: InboundMessage) -> None:
    message.read_at = CLOCK
    message.read_by = current_principal().name
    db.session.flush()


def _check_answer(message: InboundMessage, gateway: Gateway) -> int:
    """The phone number that an answer goes to. Raises Conflict."""
    if gateway.removed_at is not None:
        raise Conflict("gateway", ErrorCode.GATEWAY_IS_REMOVED, gateway=gateway.name)
    if gateway.paused_at is not None:
        raise Conflict("gateway", ErrorCode.GATEWAY_IS_PAUSED, gateway=gateway.name)
    if message.phone_number is None:
        raise Conflict("phone_number", ErrorCode.PHONE_NUMBER_OF_NO_CLIENT)
    if (suppression := _suppression_of(message.phone_number, gateway)) is not None:
        raise Conflict("phone_number", ErrorCode.NUMBER_IS_SUPPRESSED, suppression=suppression)
    return message.phone_number


def _suppression_of(phone_number: int, gateway: Gateway) -> int | None:
    """The suppression in force that forbids an answer through that gateway: one of marketing alone does not.

    A `reply` is never checked by a claim, since the confirmation of a refusal must be sent. An answer of a person is
    no confirmation.
    """
    of_gateway = and_(Suppression.scope == SuppressionScope.GATEWAY, Suppression.gateway_id == gateway.id)
    found = select(Suppression.id).where(
        Suppression.phone_number == phone_number,
        Suppression.lifted_at.is_(None),
        or_(Suppression.scope == SuppressionScope.EVERYTHING, of_gateway),
    )
    return db.session.scalar(found.order_by(Suppression.id).limit(1))
