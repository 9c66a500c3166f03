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
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MessageStatus
from shared.errors import NotFound
from shared.schema import INFINITY, Attempt, Claim, Mailing, MailingText, Message

MessageRow = Message
AttemptRow = Attempt
"""A message and an attempt, as the queries return them."""

LEDGER_PAGE = 1000
"""Messages read in one statement of an export."""


def messages_after(after: int, limit: int, **wanted: Any) -> Sequence[Message]:
    """The messages with a greater id that pass every filter given, in order.

    `wanted` may have `mailing_id`, `client_id`, `status` and `phone_number`.
    """
    equal = {name: value for name, value in wanted.items() if value is not None}
    return message_page(KeysetPage(limit, after), equal)


def message_by_id(message_id: int) -> dict[str, Any]:
    """The columns of the message, its `reason` in words, its attempts in order as `made`, each with the `currency` of
    its price, and as `claim` the claim that holds it, or None. Raises NotFound.
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
    return row_to_dict(message, reason=message.reason, made=made, claim=claim)


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


def texts_of(messages: Sequence[Message]) -> dict[tuple[int, int | None], str]:
    """The texts of these messages' mailings by mailing and revision; by revision None, the present text."""
    ids = {message.mailing_id for message in messages}
    revisions = (
        select(MailingText.mailing_id, MailingText.revision, MailingText.text, Mailing.text_revision.label("present"))
        .join(Mailing, Mailing.id == MailingText.mailing_id)
        .where(MailingText.mailing_id.in_(ids))
    )
    texts: dict[tuple[int, int | None], str] = {}
    for row in db.session.execute(revisions):
        texts[row.mailing_id, row.revision] = row.text
        if row.revision == row.present:
            texts[row.mailing_id, None] = row.text
    return texts


def ledger_pages(mailing_id: int) -> Iterator[Sequence[tuple[Message, Attempt | None]]]:
    """All messages of a mailing in order, each with its last attempt, in pages of LEDGER_PAGE.

    No transaction is open between two pages, however slowly the caller reads.
    """
    after = 0
    while messages := messages_after(after, LEDGER_PAGE, mailing_id=mailing_id):
        last = last_attempts_of(messages)
        rows = [(message, last.get(message.id)) for message in messages]
        after = messages[-1].id
        db.session.remove()
        yield rows
