"""Reads of the ledger: messages, their attempts and texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import func, select, tuple_

from api.extensions import db
from api.gateways.queries import gateway_names
from api.http.serialization import row_to_dict
from api.messages.keyset import KeysetPage
from api.messages.pages import message_page
from api.messages.texts import texts_of
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MessageStatus
from shared.errors import NotFound
from shared.schema import INFINITY, Attempt, Claim, Message, Receipt

MessageRow = Message
AttemptRow = Attempt
"""A message and an attempt, as the queries return them."""

LEDGER_PAGE = 1000
"""Messages read in one statement of an export."""


def messages_after(after: int, limit: int, **wanted: Any) -> Sequence[Message]:
    """The messages with a greater id that pass every filter given, in order.

    `wanted` may have `mailing_id`, `client_id`, `status`, `delivery` and `phone_number`.
    """
    equal = {name: value for name, value in wanted.items() if value is not None}
    return message_page(KeysetPage(limit, after), equal)


def message_by_id(message_id: int) -> dict[str, Any]:
    """The columns of the message, its `reason` in words, its `known_delivery`, its `text` and how it is `shown`
    (ShownText), its attempts in order as `made`, each with the `currency` of its price, its `receipts` in the order in
    which they came, and as `claim` the claim that holds it, or None. Raises NotFound.
    """
    message = db.session.get(Message, message_id)
    if message is None:
        raise NotFound(ErrorCode.NO_SUCH_MESSAGE, message=message_id)
    attempts = select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.number)
    claim = db.session.get(Claim, message.claim_id) if message.status is MessageStatus.SENDING else None
    currencies = {gateway.name: gateway.currency for gateway in gateway_names().values()}
    made = [
        SimpleNamespace(**row_to_dict(attempt, reason=attempt.reason, currency=currencies.get(attempt.gateway)))
        for attempt in db.session.scalars(attempts)
    ]
    shown = texts_of([message])[message_id]
    receipts = select(Receipt).where(Receipt.message_id == message_id)
    return row_to_dict(
        message,
        reason=message.reason,
        known_delivery=message.known_delivery,
        shown=shown,
        text=shown.body,
        made=made,
        receipts=db.session.scalars(receipts.order_by(Receipt.received_at, Receipt.fingerprint)).all(),
        claim=claim,
    )


def is_poison_message(message: Mapping[str, Any]) -> bool:
    """Whether a message of `message_by_id` may be a poison message, to be sent alone: its last two leases expired."""
    return bool(message["due_at"] == INFINITY)


def last_attempts_of(messages: Sequence[Message]) -> dict[int, Attempt]:
    """The last attempt of each of these messages that has one, by the message's id."""
    ids = [message.id for message in messages]
    last = select(Attempt.message_id, func.max(Attempt.number)).where(Attempt.message_id.in_(ids))
    key = tuple_(Attempt.message_id, Attempt.number)
    found = db.session.scalars(select(Attempt).where(key.in_(last.group_by(Attempt.message_id))))
    return {attempt.message_id: attempt for attempt in found}


def ledger_pages(mailing_id: int) -> Iterator[Sequence[tuple[Message, Attempt | None, str | None]]]:
    """All messages of a mailing in order, each with its last attempt and its body, in pages of LEDGER_PAGE.

    No transaction is open between two pages, however slowly the caller reads.
    """
    after = 0
    while messages := messages_after(after, LEDGER_PAGE, mailing_id=mailing_id):
        last, texts = last_attempts_of(messages), texts_of(messages)
        rows = [(message, last.get(message.id), texts[message.id].body) for message in messages]
        after = messages[-1].id
        db.session.remove()
        yield rows
