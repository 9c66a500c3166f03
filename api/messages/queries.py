"""What the API asks of the ledger. A page costs what its rows do, wherever it is and however long the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal, select, true, tuple_, union_all
from sqlalchemy.orm import aliased

from api.extensions import db
from api.rows import with_columns
from shared.errors import NotFound
from shared.ledger import OPEN_STATUSES, MessageStatus
from shared.models import Attempt, Message, MessageTally


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
        found = _in_status(after, limit, status)
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
    # One walk along the index per status, each of a page at most, merged.
    return _merged(
        _sending(after, Message.mailing_id == mailing_id)
        if one is MessageStatus.SENDING
        else _listed(after, limit, literal(mailing_id, Message.mailing_id.type), one)
        for one in ([status] if status else MessageStatus)
    )


def _in_status(after: int, limit: int, status: MessageStatus) -> Select[Any]:
    if status is MessageStatus.SENDING:
        return _merged([_sending(after)])
    if status is MessageStatus.PENDING:
        # A page of each mailing that has any, merged. The tally knows which: settled ones are not looked at.
        current = select(MessageTally.mailing_id).where(~MessageTally.in_total, MessageTally.status == status)
        waiting = current.where(MessageTally.mailing_id.is_not(None)).distinct().cte("waiting")
        page = _listed(after, limit, waiting.c.mailing_id, status).lateral()
        message = aliased(Message, page)
        return select(message).select_from(waiting.join(page, true())).order_by(message.id)
    ended = Message.status.not_in(OPEN_STATUSES)
    return select(Message).where(ended, _beyond(status, after)).order_by(Message.status, Message.id)


def _listed(after: int, limit: int, mailing_id: ColumnElement[Any], status: MessageStatus) -> Select[Any]:
    return (
        select(Message)
        .where(
            Message.mailing_id == mailing_id,
            Message.status != MessageStatus.SENDING,
            _beyond(status, after),
        )
        .order_by(Message.status, Message.id)
        .limit(limit)
    )


def _sending(after: int, *which: ColumnElement[bool]) -> Select[Any]:
    # Materialized, as they are no more than workers have in hand: see _of_person.
    held = select(Message).where(Message.status == MessageStatus.SENDING, Message.id > after, *which)
    return select(held.cte("held").prefix_with("MATERIALIZED"))


def _merged(arms: Iterable[Select[Any]]) -> Select[Any]:
    message = aliased(Message, union_all(*(select(arm.subquery()) for arm in arms)).subquery())
    return select(message).order_by(message.id)


def _beyond(status: MessageStatus, after: int) -> ColumnElement[bool]:
    # Says `status = … AND id > after` as a range in the order of status and id: of that order nothing but the index is
    # of use, so the planner can't prefer the primary key for a common value and filter its way to a rare page.
    given, beyond = literal(status, Message.status.type), literal(after, Message.id.type)
    return and_(tuple_(Message.status, Message.id) > tuple_(given, beyond), Message.status <= given)
