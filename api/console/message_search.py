"""What operators search the ledger for, the latest first, in pages whose cost does not grow with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal, select, true, tuple_, union_all
from sqlalchemy.orm import aliased

from api.extensions import db
from shared.ledger import OPEN_STATUSES, MessageStatus
from shared.models import Message, MessageTally


class _Span(NamedTuple):
    """Ids from `low` on and less than `before`, and how many of them."""

    low: int
    before: int
    limit: int

    def whole(self) -> ColumnElement[bool]:
        return and_(Message.id >= self.low, Message.id < self.before)

    def of(self, status: MessageStatus) -> ColumnElement[bool]:
        low, before = (literal(id_, Message.id.type) for id_ in (self.low, self.before))
        return status_range(status, low, before)


def find_messages(before: int, limit: int, wanted: Mapping[str, Any]) -> Sequence[Message]:
    """The messages with a lesser id, the latest first.

    `wanted` may have `id`, `mailing_id`, `client_id`, `phone_number`, `status`, and `since` and `until`: between those
    moments they were made by a launch.
    """
    equal = {name: value for name, value in wanted.items() if name in Message.__table__.c and value is not None}
    low = _first_made_at(wanted["since"]) if wanted.get("since") else 0
    if wanted.get("until"):
        before = min(before, _first_made_at(wanted["until"]))
    span = _Span(low, before, limit)
    mailing_id, status = equal.get("mailing_id"), equal.get("status")
    if equal.keys() & {"id", "client_id", "phone_number"}:
        # The few messages of a person are found first, whatever order the planner would rather walk in.
        found = _merged([_held(span, *(getattr(Message, name) == value for name, value in equal.items()))])
    elif mailing_id is not None:
        found = _of_mailing(mailing_id, [status] if status else list(MessageStatus), span)
    elif status is not None:
        found = _in_status(status, span)
    else:
        found = select(Message).where(span.whole()).order_by(Message.id.desc())
    return db.session.scalars(found.limit(limit)).all()


def status_range(status: MessageStatus, low: ColumnElement[int], before: ColumnElement[int]) -> ColumnElement[bool]:
    """Says `status = … AND low <= id AND id < before`, to be walked in the order of status and id.

    Of that order nothing but an index of both is of use, so the planner can't prefer the primary key for a common
    status, and filter its way to a rare message.
    """
    key, given = tuple_(Message.status, Message.id), literal(status, Message.status.type)
    return and_(key >= tuple_(given, low), key < tuple_(given, before))


def _of_mailing(mailing_id: int, statuses: Iterable[MessageStatus], span: _Span) -> Select[Any]:
    # One walk along the index per status, each of a page at most, merged.
    return _merged(
        _held(span, Message.status == one, Message.mailing_id == mailing_id)
        if one is MessageStatus.SENDING
        else _listed(literal(mailing_id, Message.mailing_id.type), one, span)
        for one in statuses
    )


def _in_status(status: MessageStatus, span: _Span) -> Select[Any]:
    if status is MessageStatus.SENDING:
        return _merged([_held(span, Message.status == status)])
    if status is MessageStatus.PENDING:
        # A page of each mailing that has any, merged. The tally knows which.
        current = select(MessageTally.mailing_id).where(~MessageTally.in_total, MessageTally.status == status)
        waiting = current.where(MessageTally.mailing_id.is_not(None)).distinct().cte("waiting")
        message = aliased(Message, _listed(waiting.c.mailing_id, status, span).lateral())
        return select(message).select_from(waiting.join(message, true())).order_by(message.id.desc())
    walk = select(Message).where(Message.status.not_in(OPEN_STATUSES), span.of(status))
    return walk.order_by(Message.status.desc(), Message.id.desc())


def _listed(mailing_id: ColumnElement[Any], status: MessageStatus, span: _Span) -> Select[Any]:
    walk = select(Message).where(
        Message.mailing_id == mailing_id, Message.status != MessageStatus.SENDING, span.of(status)
    )
    return walk.order_by(Message.status.desc(), Message.id.desc()).limit(span.limit)


def _held(span: _Span, *which: ColumnElement[bool]) -> Select[Any]:
    # Few, and found before they are sorted.
    return select(select(Message).where(span.whole(), *which).cte().prefix_with("MATERIALIZED"))


def _merged(arms: Iterable[Select[Any]]) -> Select[Any]:
    message = aliased(Message, union_all(*(select(arm.subquery()) for arm in arms)).subquery())
    return select(message).order_by(message.id.desc())


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
