"""Repair of a database restored from a backup, which lacks what happened after the backup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flask import current_app
from sqlalchemy import ColumnElement, and_, func, select, text

from api.database import execute
from api.extensions import db
from api.mailing_history import add_history_entry
from shared.domain.mailing_rules import Action
from shared.domain.reasons import ReasonCode
from shared.domain.sentences import EventDetail
from shared.domain.statuses import OPEN_STATUSES, MailingStatus, MessageStatus
from shared.schema import Client, Mailing, Message
from shared.sql import partitions, restore

UNKNOWN_WORKER = "before the restore"
"""The worker's name in attempts that may have been made after the backup."""


class Skipped(NamedTuple):
    """The id after which new ids of a table are assigned, and whether it was moved."""

    last: int
    moved: bool


def disable_statement_timeout() -> None:
    """Disables the statement timeout until the end of the transaction: these statements read whole tables."""
    db.session.execute(text("SET LOCAL statement_timeout = 0"))


def advance_sequences(skip: int) -> dict[str, Skipped]:
    """Moves the sequences at least `skip` past the last id in use; returns the results by table.

    Makes the partitions of the messages that come next.
    """
    skipped = {model.__tablename__: _skip_ids(model, skip) for model in (Message, Mailing, Client)}
    for missing in execute(partitions.FIND_MISSING, {}).all():
        execute(partitions.MAKE, {"number": missing.number})
    return skipped


def pause_mailings() -> list[int]:
    """Pauses the mailings that are running, or due to start, and adds that to their history.

    Returns their ids.
    """
    paused = sorted(row.id for row in execute(restore.PAUSE_MAILINGS, {}))
    for mailing_id in paused:
        add_history_entry(mailing_id, Action.PAUSE.value, EventDetail.RESTORED())
    return paused


def mark_possibly_sent() -> int:
    """Adds an attempt with an unknown result to each message that was not final.

    A request may have been sent after the backup. So each message is treated as after such an attempt: in doubt, with
    its text and phone number fixed. If its mailing has `on_unknown` hold, it ends as unknown.

    A message under a lease has its attempt already.

    Returns how many changes of messages were made; a message that ended as unknown counts twice.
    """
    execute(restore.ADD_LEASED_ATTEMPTS, {})
    changed = execute(restore.MARK_LEASED_POSSIBLY_SENT, {}).rowcount
    execute(restore.ADD_POSSIBLE_ATTEMPTS, {"worker": UNKNOWN_WORKER})
    links = {"opt_out_url": current_app.config["OPT_OUT_URL"] or None}
    changed += execute(restore.MARK_PENDING_POSSIBLY_SENT, links).rowcount
    return changed + execute(restore.HOLD_MESSAGES, {}).rowcount


def paused_mailings() -> Sequence[int]:
    """The ids of the mailings that are paused, in order."""
    return db.session.scalars(
        select(Mailing.id).where(Mailing.status == MailingStatus.PAUSED).order_by(Mailing.id)
    ).all()


def messages_in_doubt() -> int:
    """How many messages that are not final may have been sent already."""
    doubtful = and_(_unsettled(), Message.status.in_(OPEN_STATUSES), Message.in_doubt)
    return db.session.scalars(select(func.count()).select_from(Message).where(doubtful)).one()


def messages_held() -> int:
    """How many messages have ended as unknown because their mailings have `on_unknown` hold."""
    held = and_(Message.status == MessageStatus.UNKNOWN, Message.reason_code == ReasonCode.RESTORED)
    return db.session.scalars(select(func.count()).select_from(Message).where(held)).one()


def _skip_ids(model: type[Message] | type[Mailing] | type[Client], skip: int) -> Skipped:
    sequence = func.pg_get_serial_sequence(model.__tablename__, "id")
    last_assigned = func.coalesce(func.pg_sequence_last_value(func.to_regclass(sequence)), 0)
    in_use = select(func.coalesce(func.max(model.id), 0)).scalar_subquery()
    before, needed = db.session.execute(select(last_assigned, in_use + skip)).one()
    if before >= needed:
        return Skipped(before, moved=False)
    return Skipped(db.session.scalars(select(func.setval(sequence, needed))).one(), moved=True)


def _unsettled() -> ColumnElement[bool]:
    unsettled = select(Mailing.id).where(Mailing.launch_started_at.is_not(None), Mailing.settled_at.is_(None))
    return Message.mailing_id.in_(unsettled)
