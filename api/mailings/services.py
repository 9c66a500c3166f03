"""Writes of mailings: adding, changing, removing, pausing, cancelling, retrying, and their history."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from api.audit.recorder import changes_of, nothing_changed, record_changes
from api.clock import CLOCK, now
from api.database import execute
from api.extensions import db
from api.holiday_calendars.queries import check_calendar
from api.mailing_history import add_history_entry
from api.mailings.audiences import check_segments, tree_of
from api.mailings.plans import plan_mailing
from api.mailings.texts import copy_text, present_text, write_text
from api.message_routes.queries import route_name
from api.message_routes.services import route_id_of
from api.principal import actor_of_caller
from api.statistics.queries import unfinished_mailings
from api.templates.queries import SavedText
from shared.domain.approval_rules import check_is_approved
from shared.domain.erasure import ERASED_NUMBER
from shared.domain.mailing_rules import (
    RULES,
    TIME_RULES,
    Action,
    MailingFields,
    check_change,
    check_fields,
    check_retry,
    status_after,
)
from shared.domain.sentences import ErrorCode, EventDetail
from shared.domain.statuses import MailingStatus, MessageStatus
from shared.domain.transitions import MessageCause, message_sources
from shared.errors import Conflict, NotFound
from shared.schema import Client, Mailing, MailingText, Message, MessageUnsent, SendingRules
from shared.sql import mailings, messages, queue, rescheduling

RETRY_LIMIT = 50_000
"""Messages retried by one request at most: a few seconds of work."""

WINDOW_FIELDS = (*TIME_RULES, "end_datetime")
"""The fields that decide when messages that wait for a local window are due."""

_REQUIRES_APPROVAL = select(SendingRules.requires_approval)

SEGMENTS = ("segment", "segment_id", "excluded_segment_ids")
"""The fields of a mailing that name segments."""


class Resolution(enum.StrEnum):
    """What a person can decide about a message that is `unknown`."""

    ARRIVED = "arrived"
    """The gateway accepted it: it becomes `sent`."""
    NOT_ARRIVED = "not_arrived"
    RESEND = "resend"


class RetryResult(NamedTuple):
    """The result of a retry."""

    retried: int
    more: bool
    """Whether there are more such messages than one request retries."""


def lock_mailing(mailing_id: int, *, removed: bool = False) -> tuple[Mailing, MailingFields]:
    """The mailing and its fields, locked against workers and all other writers until the end of the transaction.

    Raises NotFound, also for a removed one unless `removed` is set.
    """
    # First the lock that claims take too, for which requests queue. The row lock alone would never be free, since
    # consecutive claims hold it (shared/sql/queue.py).
    db.session.execute(select(func.pg_advisory_xact_lock(mailing_id)))
    mailing = db.session.get(Mailing, mailing_id, with_for_update=True, populate_existing=True)
    if mailing is None or (mailing.deleted_at is not None and not removed):
        raise NotFound(ErrorCode.NO_SUCH_MAILING, mailing=mailing_id)
    # Read after the lock: a join would not see a text that was written while this transaction waited for it.
    text = present_text(mailing)
    return mailing, MailingFields(
        mark=mailing.mark,
        segment=mailing.segment if mailing.segment_id is None else None,
        segment_id=mailing.segment_id,
        excluded_segment_ids=tuple(mailing.excluded_segment_ids),
        text=text.text,
        start_datetime=mailing.start_datetime,
        end_datetime=mailing.end_datetime,
        on_unknown=mailing.on_unknown,
        route=route_name(mailing.route_id),
        exclude_unknown_after=mailing.exclude_unknown_after,
        **{name: getattr(mailing, name) for name in RULES},
    )


def add_mailing(
    fields: MailingFields,
    saved: SavedText | None = None,
    copied: MailingText | None = None,
    *,
    is_test: bool = False,
) -> int:
    """Adds a mailing and returns its id. Raises Invalid.

    `saved` is the text of a template that its text is; `copied` is the text of another mailing that it is. A test
    needs no approval.
    """
    check_fields(fields)
    check_segments(fields)
    check_calendar(fields.holiday_calendar_id)
    mailing = Mailing(
        mark=fields.mark,
        segment=fields.segment,
        segment_tree=tree_of(fields.segment),
        segment_id=fields.segment_id,
        excluded_segment_ids=list(fields.excluded_segment_ids),
        start_datetime=fields.start_datetime,
        end_datetime=fields.end_datetime,
        on_unknown=fields.on_unknown,
        route_id=route_id_of(fields.route),
        exclude_unknown_after=fields.exclude_unknown_after,
        **{name: getattr(fields, name) for name in RULES},
        text_revision=1,
        requires_approval=not is_test and db.session.scalars(_REQUIRES_APPROVAL).one(),
        created_by=actor_of_caller(),
    )
    db.session.add(mailing)
    db.session.flush()
    if copied is None:
        write_text(mailing, fields.text, saved)
    else:
        copy_text(mailing, copied)
    return mailing.id


def change_mailing(
    mailing: Mailing, before: MailingFields, after: MailingFields, saved: SavedText | None = None
) -> None:
    """Changes a locked mailing; a new text is a new revision. Raises Invalid and Conflict.

    `saved` is the text of a template that the new text is. Until its launch begins, the mailing is planned anew. Later
    its plan stays, to be compared with what was sent.
    """
    changed = check_change(mailing, before, after)
    if not changed:
        nothing_changed()
        return
    record_changes(asdict(before), asdict(after))
    changes = changes_of(asdict(before), asdict(after))
    if "text" in changed:
        mailing.text_revision += 1
        write_text(mailing, after.text, saved)
        changes["text"] = [mailing.text_revision - 1, mailing.text_revision]
    if "route" in changed:
        mailing.route_id = route_id_of(after.route)
    if "holiday_calendar_id" in changed:
        check_calendar(after.holiday_calendar_id)
    if set(SEGMENTS).intersection(changed):
        check_segments(after)
        tree = tree_of(after.segment)
        # All at once: the database refuses a mailing with half of an audience.
        mailing.mark, mailing.segment, mailing.segment_tree = after.mark, after.segment, tree
        mailing.segment_id, mailing.excluded_segment_ids = after.segment_id, list(after.excluded_segment_ids)
    for name in changed:
        if name not in ("text", "route", *SEGMENTS):
            setattr(mailing, name, getattr(after, name))
    mailing.updated_at, mailing.edited_by = CLOCK, actor_of_caller()
    add_history_entry(mailing.id, "edit", changes=changes)
    if set(WINDOW_FIELDS).intersection(changed) and mailing.launch_began:
        execute(rescheduling.REQUEST_FOR_MAILING, {"mailing_id": mailing.id})
    if mailing.approved_at is not None:
        _take_approval_back(mailing)
    if not mailing.launch_began:
        plan_mailing(mailing.id, after)


def _take_approval_back(mailing: Mailing) -> None:
    """Takes the approval of a locked mailing back. If it runs, it is paused: nothing is sent that was not approved."""
    given = {"ids": [mailing.id], "actor": actor_of_caller()}
    if execute(mailings.TAKE_APPROVALS_BACK, given, changes=[mailing]).one().was_running:
        add_history_entry(mailing.id, "pause", EventDetail.APPROVAL_TAKEN_BACK())


def remove_mailing(mailing: Mailing) -> None:
    """Deletes a locked mailing that has not been launched; cancels one that has, and hides it."""
    if not mailing.launch_began:
        execute(mailings.DELETE_MAILING, {"mailing_id": mailing.id})
        db.session.expunge(mailing)
        return
    execute(mailings.HIDE_MAILING, {"mailing_id": mailing.id}, changes=[mailing])
    add_history_entry(mailing.id, "remove")


def apply_action(mailing_id: int, action: Action) -> None:
    """Applies an action to a mailing, and adds it to the history. Raises NotFound and Conflict."""
    mailing, _ = lock_mailing(mailing_id)
    status = status_after(mailing, action)
    if status is mailing.status:
        nothing_changed()
        return
    if status is MailingStatus.RUNNING:
        check_is_approved(mailing)
    execute(mailings.SET_STATUS, {"mailing_id": mailing_id, "status": status.value}, changes=[mailing])
    add_history_entry(mailing.id, action.value)


def retry(mailing_id: int, status: MessageStatus) -> RetryResult:
    """Makes the messages in a status pending again, and the mailing running. Raises NotFound and Conflict."""
    if status not in message_sources(MessageCause.RETRIED):
        raise Conflict("status", ErrorCode.STATUS_NOT_RETRIED, status=status.value)
    mailing, _ = lock_mailing(mailing_id)
    check_retry(mailing, now())
    check_is_approved(mailing)
    ids = _retriable(mailing, status)
    # May be fewer than were found: an acceptance may have been recorded since.
    retried = _make_pending(ids[:RETRY_LIMIT], status)
    if retried:
        _run_again(mailing)
        add_history_entry(mailing.id, "retry", EventDetail.RETRIED(count=retried, status=status.value))
    else:
        nothing_changed()
    return RetryResult(retried, more=len(ids) > RETRY_LIMIT)


def resolve(message_id: int, resolution: Resolution) -> None:
    """Applies a person's decision about an `unknown` message. Raises NotFound and Conflict."""
    found = db.session.get(Message, message_id)
    if found is None:
        raise NotFound(ErrorCode.NO_SUCH_MESSAGE, message=message_id)
    # The mailing is locked first, as always before messages become pending: a worker may be about to settle it.
    mailing, _ = lock_mailing(found.mailing_id, removed=True)
    message = db.session.get(Message, message_id, with_for_update=True, populate_existing=True)
    if message is None:
        raise NotFound(ErrorCode.NO_SUCH_MESSAGE, message=message_id)
    if message.status not in message_sources(MessageCause.RESOLVED):
        raise Conflict("status", ErrorCode.MESSAGE_NOT_UNKNOWN, message=message_id, status=message.status.value)
    if resolution is Resolution.RESEND:
        _resend(mailing, message)
    elif resolution is Resolution.ARRIVED:
        execute(messages.RESOLVE_AS_ARRIVED, {"id": message_id}, changes=[message])
    else:
        execute(messages.RESOLVE_AS_NOT_ARRIVED, {"id": message_id}, changes=[message])
    add_history_entry(mailing.id, "resolve", EventDetail.RESOLVED(message=message_id, outcome=resolution.value))


def check_resend(mailing: Mailing, client_id: int | None, phone_number: int, now: datetime) -> None:
    """Raises Conflict if a message of the mailing to the client must not be sent again; None is a removed client.

    `phone_number` is that of the message. It may have been erased while the client has another.
    """
    if mailing.deleted_at is not None:
        raise Conflict("outcome", ErrorCode.MAILING_IS_REMOVED, mailing=mailing.id)
    check_retry(mailing, now)
    check_is_approved(mailing)
    if client_id is None:
        raise Conflict("outcome", ErrorCode.CLIENT_IS_REMOVED)
    if phone_number == ERASED_NUMBER:
        raise Conflict("outcome", ErrorCode.NUMBER_IS_ERASED)


def _resend(mailing: Mailing, message: Message) -> None:
    client = select(Client.id).where(Client.id == message.client_id).with_for_update(key_share=True, read=True)
    check_resend(mailing, db.session.scalar(client), message.phone_number, now())
    _make_pending([message.id], message.status)
    db.session.expire(message)
    _run_again(mailing)


def _run_again(mailing: Mailing) -> None:
    """Reopens a mailing whose messages are pending again."""
    execute(mailings.RUN_AGAIN, {"mailing_id": mailing.id}, changes=[mailing])


def reopen_unfinished() -> Sequence[int]:
    """Reopens mailings that have ended but have messages that are not final; returns their ids, in order.

    Workers then send messages while the window is open, and expire the rest. The messages of a cancelled or removed
    mailing are cancelled.
    """
    reopened: list[int] = []
    found = unfinished_mailings().subquery()
    for mailing_id in db.session.scalars(select(Mailing.id).join(found, found.c.mailing_id == Mailing.id)).all():
        mailing, _ = lock_mailing(mailing_id, removed=True)
        if mailing.settled_at is None or mailing.purge_started_at is not None:
            continue
        if mailing.deleted_at is not None or mailing.status is MailingStatus.CANCELLED:
            execute(mailings.CANCEL_AGAIN, {"mailing_id": mailing_id}, changes=[mailing])
        elif mailing.requires_approval and mailing.approved_at is None:
            continue  # it must not run
        else:
            _run_again(mailing)
        execute(queue.QUEUE_AGAIN, {"mailing_id": mailing_id})
        add_history_entry(mailing.id, "reopen", EventDetail.REOPENED())
        reopened.append(mailing_id)
    return sorted(reopened)


def _retriable(mailing: Mailing, status: MessageStatus) -> Sequence[int]:
    # The clients are locked, so that a removal waits, and then finds the messages pending.
    unsent = select(MessageUnsent.message_id).where(
        MessageUnsent.mailing_id == mailing.id, MessageUnsent.status == status, Message.phone_number != ERASED_NUMBER
    )
    messages = unsent.join(Message, Message.id == MessageUnsent.message_id).join(Client, Client.id == Message.client_id)
    first = messages.order_by(MessageUnsent.message_id).limit(RETRY_LIMIT + 1)
    return db.session.scalars(first.with_for_update(key_share=True, read=True, of=Client)).all()


def _make_pending(ids: Sequence[int], status: MessageStatus) -> int:
    return execute(messages.RETRY_MESSAGES, {"ids": list(ids), "status": status.value}).rowcount
