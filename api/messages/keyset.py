"""Keyset pagination of the ledger, up or down the ids: the cost of a page does not depend on where it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, literal, select, true, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, aliased

from shared.domain.statuses import OPEN_STATUSES, MessageStatus
from shared.schema import Message, MessageCountDelta

SELECTIVE_COLUMNS = frozenset({"id", "client_id", "phone_number"})
"""Columns whose value selects few messages: one message, or those to one person."""


class KeysetPage(NamedTuple):
    """A page of `limit` messages with ids greater than `after` and less than `before`."""

    limit: int
    after: int = 0
    before: int | None = None
    """None is no bound."""
    latest_first: bool = False

    def id_range(self) -> ColumnElement[bool]:
        """The condition on the ids."""
        above = Message.id > self.after
        return above if self.before is None else and_(above, Message.id < self.before)

    def range_in(self, status: MessageStatus) -> ColumnElement[bool]:
        """The condition on the ids, within one status."""
        bounds = (None if bound is None else literal(bound, Message.id.type) for bound in (self.after, self.before))
        return status_range(status, *bounds)

    def ordered(self, rows: Select[Any], *columns: InstrumentedAttribute[Any]) -> Select[Any]:
        """The rows in the page's order."""
        return rows.order_by(*(column.desc() if self.latest_first else column for column in columns))


def message_page(page: KeysetPage, equal: Mapping[str, Any]) -> Select[Any]:
    """The messages whose columns have these values, in the page's order. SELECTIVE_COLUMNS may have several."""
    mailing_id, status = equal.get("mailing_id"), equal.get("status")
    if equal.keys() & SELECTIVE_COLUMNS:
        # The few messages to a person are found first, so that the planner can't scan in another order.
        found = _merge(
            page, [_materialized(page, *(_equals(getattr(Message, name), value) for name, value in equal.items()))]
        )
    elif mailing_id is not None:
        found = _of_mailing(page, mailing_id, [status] if status else list(MessageStatus))
    elif status is not None:
        found = _in_status(page, status)
    else:
        found = page.ordered(select(Message).where(page.id_range()), Message.id)
    return found.limit(page.limit)


def status_range(
    status: MessageStatus, after: ColumnElement[int] | None, before: ColumnElement[int] | None
) -> ColumnElement[bool]:
    """The condition `status = … AND id > after AND id < before`, as a range of an index of status and id.

    Only an index of both columns supports this range, so the planner can't scan the primary key for a common status
    and filter for a rare message.
    """
    key, given = tuple_(Message.status, Message.id), literal(status, Message.status.type)
    return and_(
        Message.status >= given if after is None else key > tuple_(given, after),
        Message.status <= given if before is None else key < tuple_(given, before),
    )


def _equals(column: InstrumentedAttribute[Any], value: Any) -> ColumnElement[bool]:
    return column.in_(value) if isinstance(value, list) else column == value


def _of_mailing(page: KeysetPage, mailing_id: int, statuses: Iterable[MessageStatus]) -> Select[Any]:
    # One index scan per status, each of one page at most, merged.
    return _merge(
        page,
        (
            _materialized(page, Message.status == status, Message.mailing_id == mailing_id)
            if status is MessageStatus.SENDING
            else _listed(page, literal(mailing_id, Message.mailing_id.type), status)
            for status in statuses
        ),
    )


def _in_status(page: KeysetPage, status: MessageStatus) -> Select[Any]:
    if status is MessageStatus.SENDING:
        return _merge(page, [_materialized(page, Message.status == status)])
    if status is MessageStatus.PENDING:
        # A page of each mailing that has any, merged. The counts say which; settled mailings are not read.
        current = select(MessageCountDelta.mailing_id).where(
            ~MessageCountDelta.compacted, MessageCountDelta.status == status
        )
        waiting = current.where(MessageCountDelta.mailing_id.is_not(None)).distinct().cte("waiting")
        message = aliased(Message, _listed(page, waiting.c.mailing_id, status).lateral())
        return page.ordered(select(message).select_from(waiting.join(message, true())), message.id)
    ended = select(Message).where(Message.status.not_in(OPEN_STATUSES), page.range_in(status))
    return page.ordered(ended, Message.status, Message.id)


def _listed(page: KeysetPage, mailing_id: ColumnElement[Any], status: MessageStatus) -> Select[Any]:
    listed = select(Message).where(
        Message.mailing_id == mailing_id, Message.status != MessageStatus.SENDING, page.range_in(status)
    )
    return page.ordered(listed, Message.status, Message.id).limit(page.limit)


def _materialized(page: KeysetPage, *which: ColumnElement[bool]) -> Select[Any]:
    # Few rows, found before they are sorted. Otherwise the planner may scan the whole primary key in order, expecting
    # to find them soon.
    return select(select(Message).where(page.id_range(), *which).cte().prefix_with("MATERIALIZED"))


def _merge(page: KeysetPage, arms: Iterable[Select[Any]]) -> Select[Any]:
    message = aliased(Message, union_all(*(select(arm.subquery()) for arm in arms)).subquery())
    return page.ordered(select(message), message.id)
