"""Reads of mailings: their summaries and their history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from functools import lru_cache
from typing import Any
from typing import cast as cast_type

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    Text,
    bindparam,
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
_OF_THE_TEXT = ("text", "from_template_id", "from_template_revision")
_STATUSES = tuple(status.value for status in MessageStatus)
_DELIVERIES = tuple(delivery.value for delivery in Delivery)
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
    rows = db.session.execute(_statement(page), parameters).all()
    # Most mailings need nothing of this, and PostgreSQL would plan it for each statement.
    routes, gateways = _names(Route, (row.route_id for row in rows)), _names(Gateway, (row.gateway_id for row in rows))
    waiting = (row.mark for row in rows if row.launch_started_at is None and row.ended_at is None)
    matching = _matching(set(waiting) - {""})  # a segment has no mark
    return [
        _summary(row, routes.get(row.route_id), gateways.get(row.gateway_id), is_matching=row.mark in matching)
        for row in rows
    ]


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
    text = _text(mailing)  # looked up row by row: a join could read the whole other table
    return (
        # Columns and not the entity: nothing is written through it, and an object for each row takes longer.
        select(
            *(getattr(mailing, name) for name in _COLUMNS),
            text.c.text,
            text.c.template_id.label("from_template_id"),
            text.c.template_revision.label("from_template_revision"),
            _counts(mailing).label("counts"),
            CLOCK.label("now"),
        )
        .select_from(mailing)
        .join(text, true())
        .order_by(mailing.id)
    )


def _text(mailing: type[Mailing]) -> LateralFromClause:
    return (
        select(MailingText.text, MailingText.template_id, MailingText.template_revision)
        .where(MailingText.mailing_id == mailing.id, MailingText.revision == mailing.text_revision)
        .lateral("present_text")
    )


def _counts(mailing: type[Mailing]) -> ScalarSelect[Any]:
    """The counts as JSON: lists of a status, a delivery or null, and how many messages."""
    status, delivery = MessageCountDelta.status, MessageCountDelta.delivery
    counted = (
        select(status, delivery, func.sum(MessageCountDelta.delta).label("messages"))
        .where(MessageCountDelta.mailing_id == mailing.id)
        .group_by(status, delivery)
        .correlate(mailing)
        .subquery("counted")
    )
    return select(func.jsonb_agg(func.jsonb_build_array(*counted.c))).scalar_subquery()


def _names(table: type[Route] | type[Gateway], ids: Iterable[int | None]) -> dict[int, str]:
    wanted = set(ids) - {None}
    found = select(table.id, table.name).where(table.id.in_(wanted))
    return {row.id: row.name for row in db.session.execute(found)} if wanted else {}


def _has(column: InstrumentedAttribute[str], mark: ColumnElement[str]) -> ColumnElement[bool]:
    # The first value not less than `mark` in the index's order, to be compared with it: one step in the index. An
    # EXISTS for the value may read the whole table, if the planner takes the value for a common one.
    return select(column).where(column >= mark).order_by(column).limit(1).scalar_subquery() == mark


_MARK: ColumnElement[str] = func.unnest(bindparam("marks", type_=ARRAY(Text))).column_valued("mark")
_MATCHING = select(_MARK).where(or_(_has(Client.operator_code, _MARK), _has(Client.tag, _MARK)))


def _matching(marks: Set[str]) -> Set[str]:
    """Those of the marks that any client has as operator code or tag."""
    return set(db.session.scalars(_MATCHING, {"marks": list(marks)})) if marks else set()


def _summary(row: Row[Any], route: str | None, gateway: str | None, *, is_matching: bool) -> MailingSummary:
    messages, delivery = dict.fromkeys(_STATUSES, 0), dict.fromkeys(_DELIVERIES, 0)
    for status, delivered, number in row.counts or ():
        messages[status] += number
        if status == MessageStatus.SENT:
            delivery[delivered or Delivery.NO_RECEIPT.value] += number  # no delivery is no receipt
    summary: MailingSummary = dict(zip(_COLUMNS, row, strict=False))
    summary |= {name: getattr(row, name) for name in _OF_THE_TEXT}
    summary |= {"route": route, "gateway": gateway}
    summary["launched_segment"] = row.segment if row.audience_frozen_at else None
    if row.segment_id is not None:  # `segment` is what the saved one was at the launch
        summary["segment"] = None
    summary["messages"] = messages
    summary["delivery"] = delivery
    summary["warnings"] = warnings_about(
        cast_type(MailingRow, row),
        has_matching_client=is_matching,
        open_messages=sum(messages[status] for status in OPEN_STATUSES),
        now=row.now,
    )
    return summary
