"""What the API does to a mailing as a whole, and its journal."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from api.audit.recorder import nothing_changed
from api.database import execute
from api.extensions import db
from api.mailings.queries import NOW, lock_mailing, write_down
from api.statistics.queries import unended_mailings
from shared.domain.mailing_rules import Action, check_retry, status_after
from shared.domain.statuses import MessageStatus
from shared.domain.transitions import MessageCause, message_sources
from shared.errors import Conflict, NotFound
from shared.schema import Client, Mailing, MailingEvent, Message
from shared.sql import mailings, messages

RETRY_LIMIT = 50_000
"""Messages retried by one request at most: a few seconds of work."""


class Resolution(enum.StrEnum):
    """What a person can say about a message that is `unknown`."""

    ARRIVED = "arrived"
    NOT_ARRIVED = "not_arrived"
    RESEND = "resend"


class RetryResult(NamedTuple):
    """What a retry came to."""

    retried: int
    more: bool
    """Whether there are more such messages than one request retries."""


def apply_action(mailing_id: int, action: Action) -> None:
    """Takes a mailing to where the action leads, and writes that down. Raises NotFound and Conflict."""
    mailing, _ = lock_mailing(mailing_id)
    status = status_after(mailing, action)
    if status is mailing.status:
        nothing_changed()
        return
    execute(mailings.SET_STATUS, {"mailing_id": mailing_id, "status": status.value}, changes=[mailing])
    write_down(mailing, action.value)


def retry(mailing_id: int, status: MessageStatus) -> RetryResult:
    """Makes the messages in a status pending again, and the mailing run. Raises NotFound and Conflict."""
    if status not in message_sources(MessageCause.RETRIED):
        raise Conflict("status", f"Messages that are {status.value} are not tried again.")
    mailing, _ = lock_mailing(mailing_id)
    check_retry(mailing, db.session.scalars(select(NOW)).one())
    ids = _retriable(mailing, status)
    # Not all that were found: an acceptance may have come meanwhile.
    retried = _make_pending(ids[:RETRY_LIMIT], status)
    if retried:
        _run_again(mailing)
        write_down(mailing, "retry", f"{retried} {status.value}")
    else:
        nothing_changed()
    return RetryResult(retried, more=len(ids) > RETRY_LIMIT)


def resolve(message_id: int, resolution: Resolution) -> None:
    """Ends the doubt about a message that is `unknown`, by a person's word. Raises NotFound and Conflict."""
    found = db.session.get(Message, message_id)
    if found is None:
        raise NotFound("message", message_id)
    # The mailing first, as everybody who makes messages pending: a worker may be about to settle it.
    mailing, _ = lock_mailing(found.mailing_id, removed=True)
    message = db.session.get(Message, message_id, with_for_update=True, populate_existing=True)
    if message is None:
        raise NotFound("message", message_id)
    if message.status not in message_sources(MessageCause.RESOLVED):
        raise Conflict(
            "status", f"Message {message_id} is {message.status.value}: only what is unknown can be decided."
        )
    if resolution is Resolution.RESEND:
        _resend(mailing, message)
    elif resolution is Resolution.ARRIVED:
        execute(messages.RESOLVE_AS_ARRIVED, {"id": message_id}, changes=[message])
    else:
        execute(messages.RESOLVE_AS_NOT_ARRIVED, {"id": message_id}, changes=[message])
    write_down(mailing, "resolve", f"message {message_id}: {resolution.value}")


def check_resend(mailing: Mailing, client_id: int | None, now: datetime) -> None:
    """Raises Conflict if no message of the mailing may be sent again to the client; none is one who was removed."""
    if mailing.deleted_at is not None:
        raise Conflict("outcome", f"Mailing {mailing.id} is removed: nothing of it is sent any more.")
    check_retry(mailing, now)
    if client_id is None:
        raise Conflict("outcome", "The client was removed: nothing is sent to them any more.")


def _resend(mailing: Mailing, message: Message) -> None:
    client = select(Client.id).where(Client.id == message.client_id).with_for_update(key_share=True, read=True)
    check_resend(mailing, db.session.scalar(client), db.session.scalars(select(NOW)).one())
    _make_pending([message.id], message.status)
    db.session.expire(message)
    _run_again(mailing)


def _run_again(mailing: Mailing) -> None:
    """Messages of it are pending again: it has not ended, and is not settled."""
    execute(mailings.RUN_AGAIN, {"mailing_id": mailing.id}, changes=[mailing])


def reopen_unended() -> Sequence[int]:
    """Opens the mailings again that have ended although messages of theirs have not; returns their ids, in order.

    Workers then send what the window still allows, and end the rest. The messages of a mailing that is cancelled or
    removed are cancelled.
    """
    reopened: list[int] = []
    found = unended_mailings().subquery()
    for mailing_id in db.session.scalars(select(Mailing.id).join(found, found.c.mailing_id == Mailing.id)).all():
        mailing, _ = lock_mailing(mailing_id, removed=True)
        if mailing.settled_at is None or mailing.purge_started_at is not None:
            continue
        if mailing.deleted_at is not None:
            execute(mailings.CANCEL_AGAIN, {"mailing_id": mailing_id}, changes=[mailing])
        else:
            _run_again(mailing)
        write_down(mailing, "reopen", "messages of it had no end")
        reopened.append(mailing_id)
    return sorted(reopened)


def journal_after(mailing_id: int, after: int, limit: int) -> Sequence[MailingEvent]:
    """The entries of a mailing with a greater id, in order."""
    entries = select(MailingEvent).where(MailingEvent.mailing_id == mailing_id, MailingEvent.id > after)
    return db.session.scalars(entries.order_by(MailingEvent.id).limit(limit)).all()


def _retriable(mailing: Mailing, status: MessageStatus) -> Sequence[int]:
    # With their clients locked: a removal waits, and then finds the messages pending.
    messages = select(Message.id).join(Client, Client.id == Message.client_id)
    of_status = messages.where(Message.mailing_id == mailing.id, Message.status == status).order_by(Message.id)
    return db.session.scalars(
        of_status.limit(RETRY_LIMIT + 1).with_for_update(key_share=True, read=True, of=Client)
    ).all()


def _make_pending(ids: Sequence[int], status: MessageStatus) -> int:
    return execute(messages.RETRY_MESSAGES, {"ids": list(ids), "status": status.value}).rowcount
