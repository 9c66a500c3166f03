"""Reads of mailings: their summaries and their history."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Sequence, Set
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    DateTime,
    Enum,
    Select,
    Text,
    and_,
    bindparam,
    func,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import NullType

from api.clock import CLOCK
from api.extensions import db
from api.http.fields import WRITTEN_BY_DATABASE
from shared.domain.delivery import Delivery
from shared.domain.mailing_rules import warnings_about
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import OPEN_STATUSES, MailingStatus, MessageStatus
from shared.errors import NotFound
from shared.schema import Client, Gateway, Mailing, MailingEvent, MailingText, MessageCountDelta, Route

# Tables and not their classes: no objects are made of the rows, which takes longer than reading them.
_MAILING, _TEXT, _DELTA = Mailing.__table__, MailingText.__table__, MessageCountDelta.__table__
_NOT_SHOWN = {
    *("segment_tree", "excluded_trees", "last_client_id", "max_client_id"),
    *("created_by", "edited_by", "deleted_at", "purged_at"),
}
_COLUMNS = tuple(column.key for column in _MAILING.c if column.key not in _NOT_SHOWN)
"""Without those that only workers and services read: each column takes time, in PostgreSQL too."""
_WITH_TEXT = (*_COLUMNS, "text", "from_template_id", "from_template_revision")
_Row = namedtuple("_Row", (*_WITH_TEXT, "counts", "now"))  # type: ignore[misc]
"""What is read of a mailing. `counts` are texts such as `10 sent delivered`, which is faster than columns or JSON.

Reading an attribute of SQLAlchemy's rows takes ten times as long."""
_STATUSES = tuple(status.value for status in MessageStatus)
_DELIVERIES = tuple(delivery.value for delivery in Delivery)
MailingRow = Mailing
"""A mailing without its counts, as `mailing_row` and the services return it."""

MailingSummary = dict[str, Any]
"""The columns of a mailing without those of `_NOT_SHOWN`, and its `text`, `from_template_id`, `from_template_revision`,
`route`, `gateway`, `launched_segment`, `messages` (by status), `delivery` (the counts of its sent messages) and
`warnings`."""


def mailings_after(after: int, limit: int) -> Sequence[MailingSummary]:
    """The mailings with a greater id that are not removed, in order. Times and choices are texts."""
    return _summaries(_rows(_NEXT_AS_WRITTEN, after=after, limit=limit))


def mailing_by_id(mailing_id: int) -> MailingSummary:
    """The mailing. Raises NotFound, also for one that is removed."""
    for deleted_at, *columns, its_text, counts, now in _rows(_ONE, mailing_id=mailing_id):
        if deleted_at is None:
            return _summaries([(*columns, *its_text, counts, now)])[0]
    raise NotFound(ErrorCode.NO_SUCH_MAILING, mailing=mailing_id)


def summaries_of(page: Select[Any]) -> list[MailingSummary]:
    """The summaries of the selected mailings, in the order of their ids."""
    return _summaries(_rows(_page(page)))


def check_mailing(mailing_id: int) -> None:
    """Raises NotFound when there is no such mailing, or it is removed."""
    if not db.session.scalar(select(true()).where(Mailing.id == mailing_id, Mailing.deleted_at.is_(None))):
        raise NotFound(ErrorCode.NO_SUCH_MAILING, mailing=mailing_id)


def mailings_under_way(limit: int) -> list[MailingSummary]:
    """The latest `limit` mailings that are launched and have messages that are not final, latest first."""
    started = select(Mailing).where(
        Mailing.launch_started_at.is_not(None), Mailing.settled_at.is_(None), Mailing.deleted_at.is_(None)
    )
    return summaries_of(started.order_by(Mailing.id.desc()).limit(limit))[::-1]


def mailings_starting_next(limit: int) -> list[MailingSummary]:
    """The scheduled mailings that start first, in the order of their starts."""
    scheduled = select(Mailing).where(Mailing.status == MailingStatus.SCHEDULED, Mailing.deleted_at.is_(None))
    found = summaries_of(scheduled.order_by(Mailing.start_datetime).limit(limit))
    return sorted(found, key=lambda mailing: mailing["start_datetime"])


def mailing_row(mailing_id: int) -> Mailing:
    """The mailing without its counts, also one that is removed."""
    return db.session.get_one(Mailing, mailing_id)


def journal_after(mailing_id: int, after: int, limit: int) -> Sequence[MailingEvent]:
    """The entries of a mailing with a greater id, in order."""
    entries = select(MailingEvent).where(MailingEvent.mailing_id == mailing_id, MailingEvent.id > after)
    return db.session.scalars(entries.order_by(MailingEvent.id).limit(limit)).all()


def journal_before(mailing_id: int, before: int, limit: int) -> Sequence[MailingEvent]:
    """The entries of a mailing with a lesser id, the latest first."""
    entries = select(MailingEvent).where(MailingEvent.mailing_id == mailing_id, MailingEvent.id < before)
    return db.session.scalars(entries.order_by(MailingEvent.id.desc()).limit(limit)).all()


def _as_written(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column; its text if it is a time or a choice, for which PostgreSQL takes a fifth of the time of Python.

    Times are to the microsecond, so that texts are in the order of the times.
    """
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone("UTC", column), WRITTEN_BY_DATABASE).label(column.key)
    if isinstance(column.type, Enum):
        return type_coerce(column, Text).label(column.key)
    return column


def _one() -> Select[Any]:
    """A mailing, also one that is removed, in one statement, so that its audience and counts are of one snapshot.

    PostgreSQL takes longer to plan it than to execute it: with a join, a GROUP BY and a condition for removed ones, it
    takes a third longer. The rows that are left to sum up are few: workers compact them (shared/sql/counts.py).
    """
    its_text = select(func.json_build_array(_TEXT.c.text, _TEXT.c.template_id, _TEXT.c.template_revision, type_=JSON))
    its_text = its_text.where(_TEXT.c.mailing_id == _MAILING.c.id, _TEXT.c.revision == _MAILING.c.text_revision)
    changes = select(func.concat_ws(" ", _DELTA.c.delta, _DELTA.c.status, _DELTA.c.delivery))
    changes = changes.where(_DELTA.c.mailing_id == _MAILING.c.id).correlate(_MAILING)
    return select(
        _MAILING.c.deleted_at,
        *(_MAILING.c[name] for name in _COLUMNS),
        its_text.correlate(_MAILING).scalar_subquery(),
        func.array(changes.scalar_subquery()),
        CLOCK,
    ).where(_MAILING.c.id == bindparam("mailing_id"))


def _page(mailings: Select[Any]) -> Select[Any]:
    """The `_Row` of each of some mailings, in the order of their ids.

    Their texts and counts are read for all at once: subqueries for each took half of PostgreSQL's time. They are found
    by an array of ids: a join may be planned by stale statistics of many rows, or by reading the whole table.
    """
    mailing = mailings.cte("page")
    in_page = func.any(func.array(select(mailing.c.id).scalar_subquery()))
    its_text = select(_TEXT).where(_TEXT.c.mailing_id == in_page).subquery("its_text")
    is_its_text = and_(its_text.c.mailing_id == mailing.c.id, its_text.c.revision == mailing.c.text_revision)
    number = func.sum(_DELTA.c.delta)
    each = (
        select(_DELTA.c.mailing_id, func.concat_ws(" ", number, _DELTA.c.status, _DELTA.c.delivery).label("counted"))
        .where(_DELTA.c.mailing_id == in_page)
        .group_by(_DELTA.c.mailing_id, _DELTA.c.status, _DELTA.c.delivery)
        .having(number != 0)
        .subquery("each")
    )
    counts = (
        select(each.c.mailing_id, func.array_agg(each.c.counted, type_=NullType).label("counts"))
        .group_by(each.c.mailing_id)
        .subquery("counts")
    )
    return (
        select(
            *(mailing.c[name] for name in _COLUMNS),
            its_text.c.text,
            its_text.c.template_id,
            its_text.c.template_revision,
            counts.c.counts,
            CLOCK.label("now"),
        )
        .join_from(mailing, its_text, is_its_text)
        .join(counts, counts.c.mailing_id == mailing.c.id, isouter=True)
        .order_by(mailing.c.id)
    )


_ONE = _one()
_NEXT = _page(
    select(*(_MAILING.c[name] for name in _COLUMNS))
    .where(_MAILING.c.deleted_at.is_(None), _MAILING.c.id > bindparam("after"))
    .order_by(_MAILING.c.id)
    .limit(bindparam("limit"))
)
_NEXT_AS_WRITTEN = _NEXT.with_only_columns(*map(_as_written, _NEXT.selected_columns), maintain_column_froms=True)


def _rows(statement: Select[Any], **parameters: Any) -> Sequence[Sequence[Any]]:
    session = db.session()
    session.flush()  # which a statement on tables does by itself only since SQLAlchemy 2.1
    return session.execute(statement, parameters).all()


def _summaries(values: Sequence[Sequence[Any]]) -> list[MailingSummary]:
    """The summaries of some mailings, whose values are those of a `_Row`."""
    rows: list[Any] = list(map(_Row._make, values))
    # Most mailings need nothing of this, and PostgreSQL would plan it for each statement.
    routes, gateways = _names(Route, (row.route_id for row in rows)), _names(Gateway, (row.gateway_id for row in rows))
    waiting = (row.mark for row in rows if row.launch_started_at is None and row.ended_at is None)
    matching = _matching(set(waiting) - {""})  # a segment has no mark
    return [
        _summary(row, routes.get(row.route_id), gateways.get(row.gateway_id), is_matching=row.mark in matching)
        for row in rows
    ]


def _names(table: type[Route] | type[Gateway], ids: Iterable[int | None]) -> dict[int, str]:
    wanted = set(ids) - {None}
    if not wanted:  # then not even the statement is made: that took longer than all else that Python does here
        return {}
    found = select(table.id, table.name).where(table.id.in_(wanted))
    return {row.id: row.name for row in db.session.execute(found)}


def _has(column: InstrumentedAttribute[str], mark: ColumnElement[str]) -> ColumnElement[bool]:
    # The first value not less than `mark` in the index's order, to be compared with it: one step in the index. An
    # EXISTS for the value may read the whole table, if the planner takes the value for a common one.
    return select(column).where(column >= mark).order_by(column).limit(1).scalar_subquery() == mark


_MARK: ColumnElement[str] = func.unnest(bindparam("marks", type_=ARRAY(Text))).column_valued("mark")
_MATCHING = select(_MARK).where(or_(_has(Client.operator_code, _MARK), _has(Client.tag, _MARK)))


def _matching(marks: Set[str]) -> Set[str]:
    """Those of the marks that any client has as operator code or tag."""
    return set(db.session.scalars(_MATCHING, {"marks": list(marks)})) if marks else set()


def _summary(row: Any, route: str | None, gateway: str | None, *, is_matching: bool) -> MailingSummary:
    summary: MailingSummary = dict(zip(_WITH_TEXT, row, strict=False))
    messages, delivery = dict.fromkeys(_STATUSES, 0), dict.fromkeys(_DELIVERIES, 0)
    for counted in row.counts or ():
        number, status, *delivered = counted.split(" ")
        messages[status] += int(number)
        if status == MessageStatus.SENT:
            delivery[delivered[0] if delivered else Delivery.NO_RECEIPT] += int(number)  # no delivery is no receipt
    summary["messages"], summary["delivery"] = messages, delivery
    summary["route"], summary["gateway"] = route, gateway
    summary["launched_segment"] = row.segment if row.audience_frozen_at else None
    if row.segment_id is not None:  # `segment` is what the saved one was at the launch
        summary["segment"] = None
    summary["warnings"] = warnings_about(
        row,
        has_matching_client=is_matching,
        open_messages=sum(messages[status] for status in OPEN_STATUSES),
        now=row.now,
    )
    return summary
