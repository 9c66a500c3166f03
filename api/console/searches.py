"""What operators search for: clients, mailings and messages, in pages whose cost does not grow with the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import aliased

from api.extensions import db
from api.mailings.queries import Report, reports_of
from shared.clients import MAX_PHONE_NUMBER, MIN_PHONE_NUMBER
from shared.ledger import MailingStatus, MessageStatus
from shared.models import Client, Mailing, MailingText, Message

LOOK_BACK = 10_000
"""Mailings among which words are searched for, the latest ones: their texts have no index."""


def find_clients(
    after: int, limit: int, *, prefix: str = "", tag: str = "", operator_code: str = ""
) -> Sequence[Client]:
    """The clients whose number begins so and who have this tag and this code, those beyond `after` in their order.

    That is the order of phone numbers when a prefix is given, of ids otherwise.
    """
    given = {Client.tag: tag, Client.operator_code: operator_code}
    wanted: list[ColumnElement[bool]] = [column == value for column, value in given.items() if value]
    order = Client.phone_number if prefix else Client.id
    if prefix:
        wanted.append(or_(false(), *(Client.phone_number.between(low, high) for low, high in numbers_with(prefix))))
    found = select(Client).where(*wanted, order > after).order_by(order).limit(limit)
    return db.session.scalars(found).all()


def numbers_with(prefix: str) -> list[tuple[int, int]]:
    """The ranges of phone numbers that begin with these digits: one for each length that a number may have."""
    ranges: list[tuple[int, int]] = []
    if prefix.startswith("0"):
        return ranges
    for length in range(max(len(prefix), len(str(MIN_PHONE_NUMBER))), len(str(MAX_PHONE_NUMBER)) + 1):
        low = int(prefix) * 10 ** (length - len(prefix))
        ranges.append((low, low + 10 ** (length - len(prefix)) - 1))
    return ranges


def find_mailings(before: int, limit: int, *, words: str = "", status: MailingStatus | None = None) -> list[Report]:
    """The mailings with a lesser id whose mark, text or id has the words, the latest first."""
    wanted = [Mailing.removed_at.is_(None), Mailing.id < before]
    if status:
        wanted.append(Mailing.status == status)
    if words:
        latest = db.session.scalar(select(func.max(Mailing.id))) or 0
        wanted += [_has(words), Mailing.id > min(latest, before) - LOOK_BACK]
    return reports_of(select(Mailing).where(*wanted).order_by(Mailing.id.desc()).limit(limit))[::-1]


def find_messages(before: int, limit: int, wanted: Mapping[str, Any]) -> Sequence[Message]:
    """The messages with a lesser id, the latest first.

    `wanted` may have `id`, `mailing_id`, `client_id`, `phone_number`, `status`, and `since` and `until`: between those
    moments they were made by a launch.
    """
    equal = {name: value for name, value in wanted.items() if name in Message.__table__.c and value is not None}
    low = _first_made_at(wanted["since"]) if wanted.get("since") else 0
    if wanted.get("until"):
        before = min(before, _first_made_at(wanted["until"]))
    span = and_(Message.id >= low, Message.id < before)
    if equal.keys() & {"id", "client_id", "phone_number"}:
        # Materialized: the few messages of a person are found first, whatever order the planner would rather walk in.
        theirs = select(Message).where(span, *(getattr(Message, name) == value for name, value in equal.items()))
        found = aliased(Message, theirs.cte("theirs").prefix_with("MATERIALIZED"))
        return db.session.scalars(select(found).order_by(found.id.desc()).limit(limit)).all()
    if "mailing_id" in equal:
        statuses = [equal["status"]] if "status" in equal else list(MessageStatus)
        arms = [_walk({"mailing_id": equal["mailing_id"], "status": one}, low, before, limit) for one in statuses]
        found = aliased(Message, union_all(*(select(arm.subquery()) for arm in arms)).subquery())
        return db.session.scalars(select(found).order_by(found.id.desc()).limit(limit)).all()
    return db.session.scalars(_walk(equal, low, before, limit)).all()


def _walk(equal: Mapping[str, Any], low: int, before: int, limit: int) -> Select[Any]:
    """Back along the index of these columns and the id: a range of all of it, so that no other index is of use."""
    columns = [getattr(Message, name) for name in equal]
    values = [literal(value, column.type) for column, value in zip(columns, equal.values(), strict=True)]
    key = tuple_(*columns, Message.id)
    first, last = (tuple_(*values, literal(id_, Message.id.type)) for id_ in (low, before))
    order = [column.desc() for column in (*columns, Message.id)]
    return select(Message).where(key >= first, key < last).order_by(*order).limit(limit)


def _first_made_at(moment: datetime) -> int:
    """The id of the first message made at that moment or later, to within the seconds that a launch's chunk takes.

    Ids go up with time, and there is no index on the time: so it is looked for by halving, in some forty steps.
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


def _has(words: str) -> ColumnElement[bool]:
    pattern = "%" + words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    text = exists().where(
        MailingText.mailing_id == Mailing.id,
        MailingText.revision == Mailing.text_revision,
        MailingText.text.ilike(pattern),
    )
    return or_(Mailing.mark.ilike(pattern), cast(Mailing.id, String) == words, text)
