"""Reads of mailings: their summaries and their history."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any
from typing import cast as cast_type

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    inspect,
    or_,
    select,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.sql.selectable import LateralFromClause

from api.clock import CLOCK
from api.extensions import db
from shared.domain.delivery import Delivery
from shared.domain.mailing_rules import warnings_about
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import OPEN_STATUSES, MailingStatus, MessageStatus
from shared.errors import NotFound
from shared.schema import Client, Gateway, Mailing, MailingEvent, MailingText, MessageCountDelta, Route

_LISTED = select(Mailing).where(Mailing.deleted_at.is_(None))
_ONE = _LISTED.where(Mailing.id == bindparam("mailing_id"))
_PAGE = _LISTED.where(Mailing.id > bindparam("after")).order_by(Mailing.id).limit(bindparam("limit"))

_COLUMNS = tuple(column.key for column in inspect(Mailing).column_attrs)
_LOOKED_UP = ("text", "from_template_id", "from_template_revision", "route", "gateway")
_STATUSES = tuple(status.value for status in MessageStatus)
_DELIVERIES = tuple(delivery.value for delivery in Delivery)
_open = itemgetter(*(place for place, status in enumerate(MessageStatus) if status in OPEN_STATUSES))
"""The counts of the messages that have not ended."""

MailingRow = Mailing
"""A mailing without its counts, as `mailing_row` and the services return it."""

MailingSummary = dict[str, Any]
"""The columns of a mailing with its `text`, `from_template_id`, `from_template_revision`, `route`, `gateway`,
`launched_segment`, `messages` (by status), `delivery` (the counts of its sent messages) and `warnings`."""


def mailings_after(after: int, limit: int) -> Sequence[MailingSummary]:
    """The mailings with a greater id that are not removed, in order."""
    return summaries_of(_PAGE, after=after, limit=limit)


def mailing_by_id(mailing_id: int) -> MailingSummary:
    """The mailing. Raises NotFound, also for one that is removed."""
    summaries = summaries_of(_ONE, mailing_id=mailing_id)
    if not summaries:
        raise NotFound(ErrorCode.NO_SUCH_MAILING, mailing=mailing_id)
    return summaries[0]


def summaries_of(page: Select[Any], **parameters: Any) -> list[MailingSummary]:
    """The summaries of the selected mailings, in the order of their ids."""
    return [_summary(row) for row in db.session.execute(_statement(page), parameters)]


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


@lru_cache(maxsize=16)  # building it takes longer than executing it
def _statement(page: Select[Any]) -> Select[Any]:
    # One statement for the whole page, so that a mailing's audience and counts are of one snapshot and add up.
    mailing = aliased(Mailing, page.subquery("page"))
    # Looked up row by row: a join could read the whole other table.
    counts, text = _counts(mailing.id), _text(mailing)
    return (
        # Columns and not the entity: nothing is written through it, and an object for each row takes longer.
        select(
            *(getattr(mailing, name) for name in _COLUMNS),
            text.c.text,
            text.c.template_id.label("from_template_id"),
            text.c.template_revision.label("from_template_revision"),
            _name(Route, mailing.route_id).label("route"),
            _name(Gateway, mailing.gateway_id).label("gateway"),
            _has_matching_clients(mailing).label("has_matching_client"),
            CLOCK.label("now"),
            *counts.c,
        )
        .select_from(mailing)
        .join(counts, true())
        .join(text, true())
        .order_by(mailing.id)
    )


def _text(mailing: type[Mailing]) -> LateralFromClause:
    return (
        select(MailingText.text, MailingText.template_id, MailingText.template_revision)
        .where(MailingText.mailing_id == mailing.id, MailingText.revision == mailing.text_revision)
        .lateral("present_text")
    )


def _name(table: type[Route] | type[Gateway], row_id: InstrumentedAttribute[int | None]) -> ScalarSelect[str]:
    return select(table.name).where(table.id == row_id).scalar_subquery()


def _counts(mailing_id: InstrumentedAttribute[int]) -> LateralFromClause:
    counted = [MessageCountDelta.status == status for status in MessageStatus]
    # Of a sent message, no delivery is no receipt.
    delivery = func.coalesce(MessageCountDelta.delivery, Delivery.NO_RECEIPT.value)
    sent = MessageCountDelta.status == MessageStatus.SENT
    counted += [and_(sent, delivery == one) for one in Delivery]
    sums = (func.sum(MessageCountDelta.delta).filter(one) for one in counted)
    return (
        select(*(cast(func.coalesce(one, 0), BigInteger).label(f"n{place}") for place, one in enumerate(sums)))
        .where(MessageCountDelta.mailing_id == mailing_id)
        .lateral("counts")
    )


def _has_matching_clients(mailing: type[Mailing]) -> ColumnElement[bool]:
    waiting = and_(mailing.launch_started_at.is_(None), mailing.ended_at.is_(None))
    match = or_(*(_first(column, mailing.mark) == mailing.mark for column in (Client.operator_code, Client.tag)))
    return case((waiting, match), else_=false())


def _first(column: InstrumentedAttribute[str], mark: InstrumentedAttribute[str]) -> ScalarSelect[str]:
    # The first value not less than `mark` in the index's order, to be compared with it: one step in the index. An
    # EXISTS for the value may read the whole table, if the planner takes the value for a common one.
    return select(column).where(column >= mark).order_by(column).limit(1).scalar_subquery()


def _summary(row: Row[Any]) -> MailingSummary:
    values = tuple(row)
    counts = values[-len(_STATUSES) - len(_DELIVERIES) : -len(_DELIVERIES)]
    summary: MailingSummary = dict(zip(_COLUMNS, values, strict=False))
    summary |= {name: getattr(row, name) for name in _LOOKED_UP}
    summary["launched_segment"] = row.segment if row.audience_frozen_at else None
    if row.segment_id is not None:  # `segment` is what the saved one was at the launch
        summary["segment"] = None
    summary["messages"] = dict(zip(_STATUSES, counts, strict=True))
    summary["delivery"] = dict(zip(_DELIVERIES, values[-len(_DELIVERIES) :], strict=True))
    summary["warnings"] = warnings_about(
        cast_type(MailingRow, row),
        has_matching_client=bool(row.has_matching_client),
        open_messages=sum(_open(counts)),
        now=row.now,
    )
    return summary
