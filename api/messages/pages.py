"""Pages of the ledger, by what messages are: by person, by mailing, by status, by delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from api.extensions import db
from api.messages.by_status import has_delivery, rows_in_status, rows_with_delivery
from api.messages.keyset import KeysetPage, rows_of_mailing
from shared.domain.statuses import MessageStatus
from shared.schema import Message

SELECTIVE_COLUMNS = frozenset({"id", "client_id", "phone_number"})
"""Columns whose value selects few messages: one message, or those to one person."""


def message_page(page: KeysetPage, equal: Mapping[str, Any]) -> Sequence[Message]:
    """The messages whose columns have these values, in the page's order. SELECTIVE_COLUMNS may have several.

    A `delivery` is the one that is known: only sent messages have any.
    """
    mailing_id, status, delivery = equal.get("mailing_id"), equal.get("status"), equal.get("delivery")
    if delivery is not None and status not in (None, MessageStatus.SENT):
        return []
    if equal.keys() & SELECTIVE_COLUMNS:
        # The few messages to a person are found before they are sorted. Otherwise the planner may scan the whole
        # primary key in order, expecting to find them soon.
        which = (_equals(name, value) for name, value in equal.items())
        message = aliased(Message, select(Message).where(*which).cte().prefix_with("MATERIALIZED"))
        return db.session.scalars(page.of(select(message), message.id)).all()
    if delivery is not None:
        return [message for (message,) in rows_with_delivery(select(Message), page, delivery, mailing_id)]
    if status is not None:
        return [message for (message,) in rows_in_status(select(Message), page, status, mailing_id)]
    if mailing_id is not None:
        return [message for (message,) in rows_of_mailing(select(Message), page, mailing_id)]
    return db.session.scalars(page.of(select(Message))).all()


def _equals(name: str, value: Any) -> ColumnElement[bool]:
    if name == "delivery":
        return has_delivery(value)
    column: InstrumentedAttribute[Any] = getattr(Message, name)
    return column.in_(value) if isinstance(value, list) else column == value
