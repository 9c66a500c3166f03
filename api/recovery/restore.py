"""What a database restored from a backup needs, since things happened after the backup that it knows nothing of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, CursorResult, and_, exists, func, insert, literal, or_, select, text, update

from api.extensions import db
from api.mailings.queries import write_down
from shared.domain.mailing_rules import Action
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.statuses import OPEN_STATUSES, MailingStatus, MessageStatus, OnUnknown
from shared.gateways.base import DEFAULT_GATEWAY
from shared.schema import Attempt, Client, Mailing, Message

WHY = "after a restore"

NOBODY = "before the restore"
"""Named as the worker of an attempt that may have been made."""


class Skipped(NamedTuple):
    """The id that new rows of a table are above, and whether it had to be moved."""

    last: int
    moved: bool


def disable_statement_timeout() -> None:
    """Lifts the time limit that requests have, until the end of the transaction: these go through whole tables."""
    db.session.execute(text("SET LOCAL statement_timeout = 0"))


def advance_sequences(skip: int) -> dict[str, Skipped]:
    """Moves the identities at least `skip` past the last id in use; answers by table."""
    return {model.__tablename__: _skip_ids(model, skip) for model in (Message, Mailing, Client)}


def pause_mailings() -> list[int]:
    """Pauses the mailings that are running, or would be as soon as a worker looks, and writes that down.

    Answers their ids.
    """
    paused = []
    started = and_(Mailing.status == MailingStatus.SCHEDULED, Mailing.start_datetime <= func.now())
    under_way = or_(Mailing.status == MailingStatus.RUNNING, started)
    for mailing in db.session.scalars(select(Mailing).where(under_way).order_by(Mailing.id).with_for_update()):
        mailing.status = MailingStatus.PAUSED
        write_down(mailing, Action.PAUSE.value, WHY)
        paused.append(mailing.id)
    return paused


def mark_possibly_sent() -> int:
    """Gives each message that something was still to become of an attempt that nobody tells of.

    A request may have left after the backup. So from here on each is what any message is after such an attempt: in
    doubt, with the text and the phone number that it had. Where the mailing holds when in doubt, it ends as unknown.

    In a worker's hands at the time, it has its attempt already. Where the client has been removed meanwhile the lease
    is left alone: it has run out, and the next worker ends the message.

    Answers how many messages were changed, those that ended as unknown counted again.
    """
    has_client = exists().where(Client.id == Message.client_id)
    leased = and_(_unsettled(), Message.status == MessageStatus.SENDING, has_client)
    _add_attempts(leased, Message.attempts, Message.claimed_at, Message.lease_worker)
    no_lease = {"claimed_at": None, "lease_until": None, "lease_worker": None}
    doubtful_now = {"status": MessageStatus.PENDING, "in_doubt": True, "due_at": func.now(), "reason": WHY}
    changed = _update_messages(leased, **no_lease, **doubtful_now)
    pending = and_(_unsettled(), Message.status == MessageStatus.PENDING, Message.in_doubt.is_(False))
    _add_attempts(pending, Message.attempts + 1, func.now(), literal(NOBODY))
    revision = select(Mailing.text_revision).where(Mailing.id == Message.mailing_id).scalar_subquery()
    changed += _update_messages(
        pending,
        in_doubt=True,
        attempts=Message.attempts + 1,
        # What was not of the message's own making does not count towards its limit.
        attempts_spared=Message.attempts_spared + 1,
        text_revision=func.coalesce(Message.text_revision, revision),
    )
    held = select(Mailing.id).where(Mailing.on_unknown == OnUnknown.HOLD)
    doubtful = and_(_unsettled(), Message.status == MessageStatus.PENDING, Message.mailing_id.in_(held))
    return changed + _update_messages(doubtful, status=MessageStatus.UNKNOWN, ended_at=func.now(), reason=WHY)


def paused_mailings() -> Sequence[int]:
    """The ids of the mailings that are paused, in order."""
    return db.session.scalars(
        select(Mailing.id).where(Mailing.status == MailingStatus.PAUSED).order_by(Mailing.id)
    ).all()


def messages_in_doubt() -> int:
    """How many messages that something is still to become of may have been sent already."""
    doubtful = and_(_unsettled(), Message.status.in_(OPEN_STATUSES), Message.in_doubt)
    return db.session.scalars(select(func.count()).select_from(Message).where(doubtful)).one()


def messages_held() -> int:
    """How many messages have ended as unknown because their mailings hold when in doubt."""
    held = and_(Message.status == MessageStatus.UNKNOWN, Message.reason == WHY)
    return db.session.scalars(select(func.count()).select_from(Message).where(held)).one()


_ATTEMPT_COLUMNS = ["message_id", "number", "started_at", "gateway", "result", "reason_code", "worker"]


def _skip_ids(model: type[Message] | type[Mailing] | type[Client], skip: int) -> Skipped:
    sequence = func.pg_get_serial_sequence(model.__tablename__, "id")
    given_out = func.coalesce(func.pg_sequence_last_value(func.to_regclass(sequence)), 0)
    in_use = select(func.coalesce(func.max(model.id), 0)).scalar_subquery()
    before, needed = db.session.execute(select(given_out, in_use + skip)).one()
    if before >= needed:
        return Skipped(before, moved=False)
    return Skipped(db.session.scalars(select(func.setval(sequence, needed))).one(), moved=True)


def _unsettled() -> ColumnElement[bool]:
    unsettled = select(Mailing.id).where(Mailing.launch_started_at.is_not(None), Mailing.settled_at.is_(None))
    return Message.mailing_id.in_(unsettled)


def _add_attempts(which: ColumnElement[bool], number: Any, started_at: Any, worker: Any) -> None:
    result = literal(Result.AMBIGUOUS, Attempt.result.type)
    reason, gateway = literal(ReasonCode.RESTORED.value), literal(DEFAULT_GATEWAY)
    attempts = select(Message.id, number, started_at, gateway, result, reason, worker).where(which)
    db.session.execute(insert(Attempt).from_select(_ATTEMPT_COLUMNS, attempts))


def _update_messages(which: ColumnElement[bool], **values: object) -> int:
    change = update(Message).where(which).values(**values).execution_options(synchronize_session=False)
    return cast(CursorResult[Any], db.session.execute(change)).rowcount
