"""Counts of messages, from message_count_delta: the cost depends on the mailings that are not settled yet."""

from __future__ import annotations

from sqlalchemy import func, select

from api.extensions import db
from shared.domain.statuses import MessageStatus
from shared.schema import MessageCountDelta


def messages_by_status(mailing_id: int | None = None) -> dict[str, int]:
    """How many messages are in each status, zeros included; those that retention has removed are counted too.

    Those of one mailing, if it is given.
    """
    which = ~MessageCountDelta.compacted if mailing_id is None else MessageCountDelta.mailing_id == mailing_id
    current = select(MessageCountDelta.status, func.sum(MessageCountDelta.delta)).where(which)
    sums = current.group_by(MessageCountDelta.status)
    found = {status: int(messages) for status, messages in db.session.execute(sums)}
    return {status.value: found.get(status, 0) for status in MessageStatus}
