"""What is known about a phone number, part by part, as rows of a document.

Each part is read by an index, and messages in pages: memory does not depend on how many there are. All parts are read
in one snapshot, which api/numbers/evidence_document.py begins.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, or_, select

from api.extensions import db
from api.gateways.queries import gateway_names
from api.http.fields import written
from api.http.serialization import row_to_dict
from api.messages.texts import texts_of
from shared.domain.reasons import sentence
from shared.schema import (
    Attempt,
    AuditEntry,
    Base,
    Client,
    Consent,
    InboundMessage,
    Mailing,
    Message,
    MessageCountDelta,
    NumberList,
    NumberListEntry,
    Receipt,
    Suppression,
)

PAGE = 500
"""Messages that are read at once."""

Row = dict[str, Any]

MESSAGE = ("id", "client_id", "status", "in_doubt", "created_at", "sent_at", "ended_at", "delivery_at", "delivery_code")
ATTEMPT = ("number", "started_at", "duration", "gateway", "result", "provider_code", "provider_message_id")
RECEIPT = ("received_at", "state", "reason", "code", "words", "event_at", "provider_message_id", "part", "parts")
INBOUND = (
    *("id", "sender", "recipient", "text", "parts", "parts_received", "sent_at", "received_at", "client_id"),
    *("message_id", "read_at", "read_by", "answered_at", "answer_message_id"),
    *("keyword", "keyword_action", "keyword_is_exact", "decision", "decided_at", "decided_by"),
)
AUDIT = ("at", "actor", "actor_name", "role", "address", "operation", "detail")


class Subject(NamedTuple):
    """The number that is asked about, and the hashes that stand for it if it was erased."""

    phone_number: int
    number_hashes: Sequence[bytes]


def clients(subject: Subject) -> Iterator[Row]:
    """The client with the number, then those that had it when a message was sent, each with the audit about them."""
    present = db.session.scalar(select(Client).where(Client.phone_number == subject.phone_number))
    if present is not None:
        yield {**_columns(present), "state": "has_this_number", "history": _history("client", present.id)}
    sent_to = select(Message.client_id).where(Message.phone_number == subject.phone_number).distinct()
    for client_id in sorted(db.session.scalars(sent_to)):
        if present is None or client_id != present.id:
            exists = db.session.get(Client, client_id) is not None
            # What is known of a client that has another number is not about this one.
            state, history = ("has_another_number", []) if exists else ("removed", _history("client", client_id))
            yield {"id": client_id, "state": state, "history": history}


def consents(subject: Subject) -> Iterator[Row]:
    """All consents, in the order in which they were recorded."""
    found = select(Consent).where(_is_about(Consent, subject)).order_by(Consent.id)
    for consent in db.session.scalars(found):
        yield _record(consent)


def suppressions(subject: Subject) -> Iterator[Row]:
    """All suppressions, also those that were lifted, in the order in which they were recorded."""
    found = select(Suppression).where(_is_about(Suppression, subject)).order_by(Suppression.id)
    for suppression in db.session.scalars(found):
        yield {**_record(suppression), "gateway": _gateway(suppression.gateway_id)}


def messages(subject: Subject) -> Iterator[Row]:
    """All messages to the number, each with its mailing, text, attempts and receipts."""
    of_number = select(Message.id).where(Message.phone_number == subject.phone_number)
    ids = array("q", sorted(db.session.scalars(of_number)))
    for start in range(0, len(ids), PAGE):
        yield from _message_page(ids[start : start + PAGE].tolist())
        db.session.expunge_all()


def inbound_messages(subject: Subject) -> Iterator[Row]:
    """All messages from the number, with what was decided about keywords in them."""
    last = 0
    from_number = select(InboundMessage).where(InboundMessage.phone_number == subject.phone_number)
    in_order = from_number.order_by(InboundMessage.phone_number, InboundMessage.id).limit(PAGE)
    while page := db.session.scalars(in_order.where(InboundMessage.id > last)).all():
        for inbound in page:
            yield {**_chosen(inbound, INBOUND), "gateway": _gateway(inbound.gateway_id)}
        last = page[-1].id
        db.session.expunge_all()


def number_lists(subject: Subject) -> Iterator[Row]:
    """The uploaded lists that contain the number."""
    entry = select(NumberListEntry.list_id).where(
        NumberListEntry.list_id == NumberList.id, NumberListEntry.phone_number == subject.phone_number
    )
    for found in db.session.scalars(select(NumberList).where(entry.exists()).order_by(NumberList.id)):
        yield _chosen(found, ("id", "name", "created_at"))


def erasures(subject: Subject) -> Iterator[Row]:
    """When data about the number was erased. The audit knows it by its hash."""
    hashes = [known.hex() for known in subject.number_hashes]
    found = select(AuditEntry).where(
        AuditEntry.operation == "eraseNumber", AuditEntry.detail["number_hash"].astext.in_(hashes)
    )
    for entry in db.session.scalars(found.order_by(AuditEntry.id)):
        yield _chosen(entry, AUDIT)


def removed_ledgers(_: Subject) -> Iterator[Row]:
    """The mailings whose messages were removed when their time was over, with the counts that remain of all recipients.

    Whether the number was among the recipients is not known any more.
    """
    last = 0
    columns = ("id", "kind", "start_datetime", "end_datetime", "audience", "purged_at")
    gone = select(Mailing).where(Mailing.purge_started_at.is_not(None)).order_by(Mailing.id).limit(PAGE)
    while page := db.session.scalars(gone.where(Mailing.id > last)).all():
        counts = _counts([mailing.id for mailing in page])
        for mailing in page:
            yield {**_chosen(mailing, columns), "counts": counts[mailing.id]}
        last = page[-1].id
        db.session.expunge_all()


PARTS = {
    part.__name__: part
    for part in (
        *(clients, consents, suppressions, messages, inbound_messages, number_lists, erasures),
        removed_ledgers,
    )
}
"""The parts of the document, in its order."""

ABOUT_ALL = frozenset({"removed_ledgers"})
"""Parts that are not about the number alone."""


def _message_page(ids: Sequence[int]) -> Iterator[Row]:
    found = db.session.scalars(select(Message).where(Message.id.in_(ids)).order_by(Message.id)).all()
    mailing_ids = {message.mailing_id for message in found}
    mailings = {one.id: one for one in db.session.scalars(select(Mailing).where(Mailing.id.in_(mailing_ids)))}
    attempts: dict[int, list[Row]] = defaultdict(list)
    made = select(Attempt).where(Attempt.message_id.in_(ids)).order_by(Attempt.message_id, Attempt.number)
    for attempt in db.session.scalars(made):
        attempts[attempt.message_id].append({**_chosen(attempt, ATTEMPT), **_reason(attempt)})
    receipts: dict[int, list[Row]] = defaultdict(list)
    came = select(Receipt).where(Receipt.message_id.in_(ids)).order_by(Receipt.received_at, Receipt.fingerprint)
    for receipt in db.session.scalars(came):
        receipts[receipt.message_id].append(_chosen(receipt, RECEIPT))
    texts = texts_of(found)
    for message in found:
        text = texts[message.id]
        yield {
            **_chosen(message, MESSAGE),
            **_reason(message),
            "mailing": _chosen(mailings[message.mailing_id], ("id", "kind", "start_datetime", "end_datetime")),
            "gateway": _gateway(message.gateway_id),
            "text": text.body,
            "template": None if text.is_body else text.text,
            "delivery": _plain(message.known_delivery),
            "delivery_reason": _plain(message.delivery_reason),
            "attempts": attempts[message.id],
            "receipts": receipts[message.id],
        }


def _counts(mailing_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    kept = select(MessageCountDelta).where(MessageCountDelta.mailing_id.in_(mailing_ids))
    for row in db.session.scalars(kept):
        found[row.mailing_id or 0][row.status.value] += row.delta
    return found


def _history(kind: str, object_id: int) -> list[Row]:
    about = select(AuditEntry).where(AuditEntry.object == kind, AuditEntry.object_id == object_id)
    return [_chosen(entry, AUDIT) for entry in db.session.scalars(about.order_by(AuditEntry.id))]


def _is_about(table: type[Consent | Suppression], subject: Subject) -> ColumnElement[bool]:
    return or_(table.phone_number == subject.phone_number, table.number_hash.in_(subject.number_hashes))


def _record(record: Consent | Suppression) -> Row:
    columns = _columns(record)
    is_erased = columns.pop("number_hash") is not None
    del columns["phone_number"]
    columns.pop("gateway_id", None)
    return {**columns, "is_erased": is_erased}


def _gateway(gateway_id: int | None) -> str | None:
    found = None if gateway_id is None else gateway_names().get(gateway_id)
    return found.name if found else None


def _reason(of: Attempt | Message) -> Row:
    said = None if of.reason_code is None else sentence(of.reason_code, of.reason_params)
    return {"reason_code": of.reason_code, "reason_params": of.reason_params, "reason": said}


def _columns(entity: Base) -> Row:
    return {name: _plain(value) for name, value in row_to_dict(entity).items()}


def _chosen(entity: Base, names: Sequence[str]) -> Row:
    return {name: _plain(getattr(entity, name)) for name in names}


def _plain(value: Any) -> Any:
    """The value as JSON has it: times in UTC."""
    match value:
        case datetime():
            return written(value)
        case Enum():
            return value.value
        case Decimal():
            return str(value)
        case _:
            return value
