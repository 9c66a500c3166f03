"""Keyset pagination of the ledger, up or down the ids: the cost of a page does not depend on where it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, literal, select, true, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, aliased

from shared.domain.statuses import OPEN_STATUSES, MessageStatus
from shared.schema import Message, MessageCountDelta

OF_FEW = frozenset({"id", "client_id", "phone_number"})
"""Columns whose value leaves few messages: those of a person, or one."""


class KeysetPage(NamedTuple):
    """Over the messages with ids greater than `after` and less than `before`, a page of `limit`."""

    limit: int
    after: int = 0
    before: int | None = None
    """None is no bound."""
    latest_first: bool = False

    def within(self) -> ColumnElement[bool]:
        """Says which ids are walked over."""
        above = Message.id > self.after
        return above if self.before is None else and_(above, Message.id < self.before)

    def of(self, status: MessageStatus) -> ColumnElement[bool]:
        """The same within a status."""
        bounds = (None if bound is None else literal(bound, Message.id.type) for bound in (self.after, self.before))
        return status_range(status, *bounds)

    def ordered(self, rows: Select[Any], *columns: InstrumentedAttribute[Any]) -> Select[Any]:
        """The rows in the order of the walk."""
        return rows.order_by(*(column.desc() if self.latest_first else column for column in columns))


def message_page(walk: KeysetPage, equal: Mapping[str, Any]) -> Select[Any]:
    """The messages whose columns have these values, in the order of the walk. A column of OF_FEW may have several."""
    mailing_id, status = equal.get("mailing_id"), equal.get("status")
    if equal.keys() & OF_FEW:
        # The few messages of a person are found first, whatever order the planner would rather walk in.
        found = _merged(walk, [_held(walk, *(_is(getattr(Message, name), value) for name, value in equal.items()))])
    elif mailing_id is not None:
        found = _of_mailing(walk, mailing_id, [status] if status else list(MessageStatus))
    elif status is not None:
        found = _in_status(walk, status)
    else:
        found = walk.ordered(select(Message).where(walk.within()), Message.id)
    return found.limit(walk.limit)


def status_range(
    status: MessageStatus, after: ColumnElement[int] | None, before: ColumnElement[int] | None
) -> ColumnElement[bool]:
    """Says `status = … AND id > after AND id < before`, to be walked in the order of status and id.

    Of that order nothing but an index of both is of use, so the planner can't prefer the primary key for a common
    status, and filter its way to a rare message.
    """
    key, given = tuple_(Message.status, Message.id), literal(status, Message.status.type)
    return and_(
        Message.status >= given if after is None else key > tuple_(given, after),
        Message.status <= given if before is None else key < tuple_(given, before),
    )


def _is(column: InstrumentedAttribute[Any], value: Any) -> ColumnElement[bool]:
    return column.in_(value) if isinstance(value, list) else column == value


def _of_mailing(walk: KeysetPage, mailing_id: int, statuses: Iterable[MessageStatus]) -> Select[Any]:
    # One walk along the index per status, each of a page at most, merged.
    return _merged(
        walk,
        (
            _held(walk, Message.status == one, Message.mailing_id == mailing_id)
            if one is MessageStatus.SENDING
            else _listed(walk, literal(mailing_id, Message.mailing_id.type), one)
            for one in statuses
        ),
    )


def _in_status(walk: KeysetPage, status: MessageStatus) -> Select[Any]:
    if status is MessageStatus.SENDING:
        return _merged(walk, [_held(walk, Message.status == status)])
    if status is MessageStatus.PENDING:
        # A page of each mailing that has any, merged. The tally knows which: settled ones are not looked at.
        current = select(MessageCountDelta.mailing_id).where(
            ~MessageCountDelta.compacted, MessageCountDelta.status == status
        )
        waiting = current.where(MessageCountDelta.mailing_id.is_not(None)).distinct().cte("waiting")
        message = aliased(Message, _listed(walk, waiting.c.mailing_id, status).lateral())
        return walk.ordered(select(message).select_from(waiting.join(message, true())), message.id)
    ended = select(Message).where(Message.status.not_in(OPEN_STATUSES), walk.of(status))
    return walk.ordered(ended, Message.status, Message.id)


def _listed(walk: KeysetPage, mailing_id: ColumnElement[Any], status: MessageStatus) -> Select[Any]:
    listed = select(Message).where(
        Message.mailing_id == mailing_id, Message.status != MessageStatus.SENDING, walk.of(status)
    )
    return walk.ordered(listed, Message.status, Message.id).limit(walk.limit)


def _held(walk: KeysetPage, *which: ColumnElement[bool]) -> Select[Any]:
    # Few, and found before they are sorted. Left to itself, the planner may walk the whole primary key in order, hoping
    # to meet them soon.
    return select(select(Message).where(walk.within(), *which).cte().prefix_with("MATERIALIZED"))


def _merged(walk: KeysetPage, arms: Iterable[Select[Any]]) -> Select[Any]:
    message = aliased(Message, union_all(*(select(arm.subquery()) for arm in arms)).subquery())
    return walk.ordered(select(message), message.id)
