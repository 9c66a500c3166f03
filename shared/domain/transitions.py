"""The state machine: every legal transition of a message and of a mailing, with its actor and its cause.

The table is data, shared by services, workers, the checker of the chaos tests and docs/state-machine.md. The statements
that make the transitions are in shared/sql/.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

from shared.domain.statuses import MailingStatus, MessageStatus


class Actor(enum.StrEnum):
    """Who makes a transition."""

    HOLDER = "the worker that holds the lease"
    WORKER = "any worker"
    PERSON = "a user, through the API"
    OPERATOR = "an administrator, on the command line"


class MessageCause(enum.StrEnum):
    """Why a message moves."""

    LAUNCHED = "its mailing was launched"
    TEST_SENT = "a test send was requested"
    KEYWORD_ANSWERED = "the client wrote a keyword, to which it is the reply"
    CLAIMED = "it was due, and was claimed"
    RELEASED = "it was released: no request was sent"
    RETRIED_LATER = "it was not accepted, or may not have been, and will be retried"
    ACCEPTED = "the gateway accepted it"
    REFUSED = "it was refused permanently, or has no attempts left"
    ENDED_IN_DOUBT = "it may have been accepted, and will not be retried"
    LEASE_EXPIRED = "the lease expired"
    ACCEPTED_LATE = "a late acceptance was recorded"
    RECEIPT_CAME = "a receipt said that the gateway has it"
    WINDOW_CLOSED = "the window closed"
    MAILING_CANCELLED = "the mailing was cancelled"
    CLIENT_REMOVED = "the client was removed"
    NUMBER_ERASED = "the data about its number was erased"
    SUPPRESSED = "the number was suppressed, or its last consent withdrawn"
    RULED_OUT = "a rule forbids it: a suppression, missing consent, the local window, or a cap"
    RETRIED = "a retry was requested"
    RESOLVED = "its outcome was set"
    RESTORED = "the database was restored from a backup"
    PURGED = "RETENTION_DAYS have passed"


class MailingCause(enum.StrEnum):
    """Why a mailing moves."""

    ADDED = "it was created"
    TEST_SENT = "it is a test send of another mailing"
    KEYWORD_ANSWERED = "a keyword was answered"
    STARTED = "its start was reached"
    PAUSED = "it was paused"
    NOT_LISTED = "its audience could not be listed"
    APPROVAL_TAKEN_BACK = "a change took its approval back"
    LIMIT_REACHED = "a spending limit was reached"
    RESUMED = "it was resumed"
    CANCELLED = "it was cancelled"
    FINISHED = "all its messages have ended"
    MESSAGES_RETRIED = "a retry of its messages was requested"
    REOPENED = "it had ended with open messages"
    REMOVED = "it was removed"
    RESTORED = "the database was restored from a backup"
    PURGED = "it was removed, and RETENTION_DAYS have passed"


class MessageTransition(NamedTuple):
    """A legal transition of a message. `before` is None where it begins, `after` is None where its row is deleted."""

    before: MessageStatus | None
    after: MessageStatus | None
    actor: Actor
    cause: MessageCause


class MailingTransition(NamedTuple):
    """A legal transition of a mailing. `before` is None where it begins, `after` is None where its row is deleted."""

    before: MailingStatus | None
    after: MailingStatus | None
    actor: Actor
    cause: MailingCause


def _message_transitions() -> Iterable[MessageTransition]:
    pending, sending, sent = MessageStatus.PENDING, MessageStatus.SENDING, MessageStatus.SENT
    failed, expired, cancelled = MessageStatus.FAILED, MessageStatus.EXPIRED, MessageStatus.CANCELLED
    unknown = MessageStatus.UNKNOWN
    holder, worker, person, operator = Actor.HOLDER, Actor.WORKER, Actor.PERSON, Actor.OPERATOR
    yield MessageTransition(None, pending, worker, MessageCause.LAUNCHED)
    yield MessageTransition(None, pending, person, MessageCause.TEST_SENT)
    yield MessageTransition(None, pending, worker, MessageCause.KEYWORD_ANSWERED)
    yield MessageTransition(pending, sending, worker, MessageCause.CLAIMED)
    # Only the holder of a claim moves its message, or any worker once the lease has expired.
    yield MessageTransition(sending, pending, holder, MessageCause.RELEASED)
    yield MessageTransition(sending, pending, holder, MessageCause.RETRIED_LATER)
    yield MessageTransition(sending, sent, holder, MessageCause.ACCEPTED)
    yield MessageTransition(sending, failed, holder, MessageCause.REFUSED)
    yield MessageTransition(sending, unknown, holder, MessageCause.ENDED_IN_DOUBT)
    yield MessageTransition(sending, pending, worker, MessageCause.LEASE_EXPIRED)
    yield MessageTransition(sending, unknown, worker, MessageCause.LEASE_EXPIRED)
    # An acceptance is true whatever has happened since.
    for before in (pending, sending, failed, expired, cancelled, unknown):
        yield MessageTransition(before, sent, worker, MessageCause.ACCEPTED_LATE)
    # So is a receipt. While a message is being sent, the answer comes first.
    for before in (pending, failed, expired, cancelled, unknown):
        yield MessageTransition(before, sent, worker, MessageCause.RECEIPT_CAME)
    # A message that may have been sent neither expires nor is cancelled: `end_unless_in_doubt`.
    for cause, end in ((MessageCause.WINDOW_CLOSED, expired), (MessageCause.MAILING_CANCELLED, cancelled)):
        yield MessageTransition(pending, end, worker, cause)
        yield MessageTransition(pending, unknown, worker, cause)
    for actor in (person, worker):
        yield MessageTransition(pending, cancelled, actor, MessageCause.CLIENT_REMOVED)
        yield MessageTransition(pending, unknown, actor, MessageCause.CLIENT_REMOVED)
        yield MessageTransition(pending, cancelled, actor, MessageCause.NUMBER_ERASED)
        yield MessageTransition(pending, unknown, actor, MessageCause.NUMBER_ERASED)
    for actor in (person, worker):
        yield MessageTransition(pending, cancelled, actor, MessageCause.SUPPRESSED)
        yield MessageTransition(pending, unknown, actor, MessageCause.SUPPRESSED)
    for end in (failed, expired, cancelled):
        yield MessageTransition(None, end, worker, MessageCause.RULED_OUT)
        yield MessageTransition(pending, end, worker, MessageCause.RULED_OUT)
    yield MessageTransition(pending, unknown, worker, MessageCause.RULED_OUT)
    yield MessageTransition(failed, pending, person, MessageCause.RETRIED)
    yield MessageTransition(unknown, pending, person, MessageCause.RETRIED)
    yield MessageTransition(unknown, sent, person, MessageCause.RESOLVED)
    yield MessageTransition(unknown, failed, person, MessageCause.RESOLVED)
    yield MessageTransition(sending, pending, operator, MessageCause.RESTORED)
    yield MessageTransition(pending, unknown, operator, MessageCause.RESTORED)
    for before in (sent, failed, expired, cancelled, unknown):
        yield MessageTransition(before, None, worker, MessageCause.PURGED)


def _mailing_transitions() -> Iterable[MailingTransition]:
    scheduled, running, paused = MailingStatus.SCHEDULED, MailingStatus.RUNNING, MailingStatus.PAUSED
    finished, cancelled = MailingStatus.FINISHED, MailingStatus.CANCELLED
    worker, person, operator = Actor.WORKER, Actor.PERSON, Actor.OPERATOR
    yield MailingTransition(None, scheduled, person, MailingCause.ADDED)
    yield MailingTransition(None, running, person, MailingCause.TEST_SENT)
    yield MailingTransition(None, running, worker, MailingCause.KEYWORD_ANSWERED)
    yield MailingTransition(scheduled, running, worker, MailingCause.STARTED)
    for before in (scheduled, running):
        yield MailingTransition(before, paused, person, MailingCause.PAUSED)
        yield MailingTransition(before, paused, operator, MailingCause.RESTORED)
    yield MailingTransition(running, paused, worker, MailingCause.NOT_LISTED)
    yield MailingTransition(running, paused, person, MailingCause.APPROVAL_TAKEN_BACK)
    yield MailingTransition(running, paused, worker, MailingCause.LIMIT_REACHED)
    # Back to the status before the pause: scheduled until the launch has begun.
    yield MailingTransition(paused, scheduled, person, MailingCause.RESUMED)
    yield MailingTransition(paused, running, person, MailingCause.RESUMED)
    for before in (scheduled, running, paused):
        yield MailingTransition(before, cancelled, person, MailingCause.CANCELLED)
    for before in (running, paused):
        yield MailingTransition(before, finished, worker, MailingCause.FINISHED)
        # Once it is launched, removing it cancels and hides it.
        yield MailingTransition(before, cancelled, person, MailingCause.REMOVED)
    yield MailingTransition(finished, running, person, MailingCause.MESSAGES_RETRIED)
    yield MailingTransition(finished, running, worker, MailingCause.KEYWORD_ANSWERED)
    yield MailingTransition(finished, running, operator, MailingCause.REOPENED)
    # A removed mailing: the rest of its messages is cancelled, not sent.
    yield MailingTransition(finished, cancelled, operator, MailingCause.REOPENED)
    # A mailing that was not launched is deleted with everything that belongs to it.
    for before in (scheduled, paused, cancelled):
        yield MailingTransition(before, None, person, MailingCause.REMOVED)
    for before in (finished, cancelled):
        yield MailingTransition(before, None, worker, MailingCause.PURGED)


MESSAGE_TRANSITIONS = tuple(_message_transitions())

MAILING_TRANSITIONS = tuple(_mailing_transitions())


def message_transitions(before: str | None, after: str | None) -> tuple[MessageTransition, ...]:
    """The legal transitions of a message from one status to another; None is where it begins, or its row is deleted."""
    return tuple(one for one in MESSAGE_TRANSITIONS if (one.before, one.after) == (before, after))


def mailing_transitions(before: str | None, after: str | None) -> tuple[MailingTransition, ...]:
    """The legal transitions of a mailing, as `message_transitions`."""
    return tuple(one for one in MAILING_TRANSITIONS if (one.before, one.after) == (before, after))


def message_sources(cause: MessageCause) -> frozenset[MessageStatus]:
    """The statuses from which a message may move for that cause."""
    return frozenset(one.before for one in MESSAGE_TRANSITIONS if one.cause is cause and one.before is not None)


def mailing_destinations(before: MailingStatus, cause: MailingCause) -> frozenset[MailingStatus]:
    """The statuses that a mailing may move to for that cause; empty if it may not move."""
    transitions = (one for one in MAILING_TRANSITIONS if (one.before, one.cause) == (before, cause))
    return frozenset(one.after for one in transitions if one.after is not None)


def mailing_ends(cause: MailingCause) -> frozenset[MailingStatus]:
    """The statuses that the cause leads to, from any status."""
    return frozenset(one.after for one in MAILING_TRANSITIONS if one.cause is cause and one.after is not None)


def end_unless_in_doubt(end: MessageStatus, *, in_doubt: bool) -> MessageStatus:
    """The status in which a message ends: `end`, or `unknown` if it is in doubt.

    A message that may have reached the provider must not be reported as not sent. (The same rule in SQL:
    shared/sql/conditions.py.)
    """
    return MessageStatus.UNKNOWN if in_doubt else end
