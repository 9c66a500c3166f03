"""What the API asks of the ledger. A page costs what its rows do, wherever it is and however long the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal, select, tuple_, union_all
from sqlalchemy.orm import aliased

from api.extensions import db
from api.rows import with_columns
from shared.errors import NotFound
from shared.ledger import MessageStatus
from shared.models import Attempt, Message


def messages_after(
    after: int,
    limit: int,
    mailing_id: int | None = None,
    client_id: int | None = None,
    status: MessageStatus | None = None,
    phone_number: int | None = None,
) -> Sequence[Message]:
    """The messages with a greater id that pass every filter given, in order."""
    if client_id is not None or phone_number is not None:
        found = _of_person(after, mailing_id, client_id, status, phone_number)
    elif mailing_id is not None:
        found = _of_mailing(after, limit, mailing_id, status)
    elif status is not None:
        found = _in_status(after, status)
    else:
        found = select(Message).where(Message.id > after).order_by(Message.id)
    return db.session.scalars(found.limit(limit)).all()


def message_by_id(message_id: int) -> dict[str, Any]:
    """The columns of the message, and as `made` its attempts in order. Raises NotFound."""
    message = db.session.get(Message, message_id)
    if message is None:
        raise NotFound("message", message_id)
    attempts = select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.number)
    return with_columns(message, made=db.session.scalars(attempts).all())


def _of_person(
    after: int,
    mailing_id: int | None,
    client_id: int | None,
    status: MessageStatus | None,
    phone_number: int | None,
) -> Select[Any]:
    # Materialized: the planner finds the few messages of a person first and sorts them. Left to itself, it may
    # walk the whole primary key in order, hoping to meet them soon.
    wanted = {"mailing_id": mailing_id, "client_id": client_id, "status": status, "phone_number": phone_number}
    given = [getattr(Message, name) == value for name, value in wanted.items() if value is not None]
    theirs = select(Message).where(Message.id > after, *given).cte("theirs").prefix_with("MATERIALIZED")
    message = aliased(Message, theirs)
    return select(message).order_by(message.id)


def _of_mailing(after: int, limit: int, mailing_id: int, status: MessageStatus | None) -> Select[Any]:
    # One walk along (mailing_id, status, id) per status, each of a page at most, merged.
    arms = [
        select(Message)
        .where(_beyond((Message.mailing_id, mailing_id), (Message.status, one), after=after))
        .order_by(Message.mailing_id, Message.status, Message.id)
        .limit(limit)
        .subquery()
        for one in ([status] if status else MessageStatus)
    ]
    message = aliased(Message, union_all(*(select(arm) for arm in arms)).subquery())
    return select(message).order_by(message.id)


def _in_status(after: int, status: MessageStatus) -> Select[Any]:
    return select(Message).where(_beyond((Message.status, status), after=after)).order_by(Message.status, Message.id)


def _beyond(*equal: tuple[Any, Any], after: int) -> ColumnElement[bool]:
    # Says `column = value AND … AND id > after` as a range of the whole index: of its order nothing but that index
    # is of use, so the planner can't prefer the primary key for a common value and filter its way to a rare page.
    columns = [column for column, _ in equal]
    values = [literal(value, column.type) for column, value in equal]
    return and_(
        tuple_(*columns, Message.id) > tuple_(*values, literal(after, Message.id.type)),
        tuple_(*columns) <= tuple_(*values),
    )
