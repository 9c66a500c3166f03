"""Counts of messages, from message_count_delta: the cost depends on the mailings that are not settled yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select

from api.extensions import db
from shared.domain.delivery import Delivery, known_delivery
from shared.domain.statuses import MessageStatus
from shared.schema import MessageCountDelta


class MessageTotals(NamedTuple):
    """How many messages there are, zeros included."""

    by_status: Mapping[str, int]
    by_delivery: Mapping[str, int]
    """Of the sent ones."""


def message_totals(mailing_id: int | None = None) -> MessageTotals:
    """The messages of one mailing or of all; those that retention has removed are counted too.

    Both counts are of one snapshot: the sent messages are the sum of those by delivery.
    """
    which = ~MessageCountDelta.compacted if mailing_id is None else MessageCountDelta.mailing_id == mailing_id
    dimensions = MessageCountDelta.status, MessageCountDelta.delivery
    sums = select(*dimensions, func.sum(MessageCountDelta.delta)).where(which).group_by(*dimensions)
    by_status: Counter[str] = Counter()
    by_delivery: Counter[str] = Counter()
    for status, delivery, messages in db.session.execute(sums):
        by_status[status.value] += int(messages)
        if known := known_delivery(status, delivery):
            by_delivery[known.value] += int(messages)
    return MessageTotals(
        {status.value: by_status[status.value] for status in MessageStatus},
        {delivery.value: by_delivery[delivery.value] for delivery in Delivery},
    )
