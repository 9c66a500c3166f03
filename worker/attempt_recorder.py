"""Recording attempts: the result of each, and the transition of its message."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.statuses import MessageStatus
from shared.sql import messages
from worker.attempt_decision import Retries, decide
from worker.attempt_payload import (
    Decided,
    accepted_parameters,
    attempted_parameters,
    has_details,
    is_dense,
    parts_of,
    plain_acceptances,
    range_parameters,
)
from worker.claimed_message import AttemptResult, ClaimedMessage
from worker.erased_numbers import without_erased_numbers
from worker.orphan_receipts import adopt_orphans
from worker.parameters import bigints
from worker.provider_opt_outs import suppress_opted_out
from worker.rows import fetch_all


class RecordedRow(NamedTuple):
    """The row of RECORD_ACCEPTED."""

    recorded: int


class AcceptedElsewhere(NamedTuple):
    """A row of RECORD: a message that was accepted while another claim held it."""

    id: int


class AttemptRecorder:
    """Records attempts within the caller's transaction. For one thread."""

    def __init__(self, *, lease_seconds: float, retries: Retries, random: Random) -> None:
        self._lease_seconds = lease_seconds
        self._retries = retries
        self._random = random

    def record(self, cursor: Cursor, attempted: Sequence[AttemptResult], *, acceptances_apart: bool = True) -> None:
        """Records attempts and the transitions of their messages. Safe to repeat.

        A recipient who has opted out at the gateway is suppressed there. Without `acceptances_apart`, RECORD takes all
        of the attempts: it also takes one of which the database has another result already.
        """
        # In the order of the ids, as everywhere: another claim may hold messages whose acceptances come late, and two
        # transactions that lock the same messages in different orders would be a deadlock.
        in_order = sorted(attempted, key=lambda attempt: attempt.message.message_id)
        decided = [
            (attempt, decide(attempt.message, attempt.submitted, self._retries, self._random)) for attempt in in_order
        ]
        again = [attempt.message for attempt, transition in decided if transition.status is MessageStatus.PENDING]
        named = [attempt.message.message_id for attempt in attempted if _may_have_orphans(attempt)]
        with clients_locked(cursor, again):
            for part in parts_of(decided):
                self._record_part(cursor, part, plain_acceptances(part) if acceptances_apart else [])
            self._clear_poison_messages(cursor, attempted)
        suppress_opted_out(cursor, without_erased_numbers(cursor, attempted))
        if named:
            adopt_orphans(cursor, named)

    def _record_part(self, cursor: Cursor, part: Sequence[Decided], plain: Sequence[AttemptResult]) -> None:
        now, others = time.monotonic(), part
        if plain:
            cursor.execute(*_recording(plain, now))
            [(recorded,)] = fetch_all(cursor, RecordedRow)
            # If some claims have ended, it is not known which. To record an attempt again changes nothing.
            if recorded == len(plain):
                others = _without(part, plain)
        if others:
            cursor.execute(messages.RECORD, attempted_parameters(others, now))
            if elsewhere := [message.id for message in fetch_all(cursor, AcceptedElsewhere)]:
                cursor.execute(messages.ADD_ATTEMPTS_IN_FLIGHT, {"ids": bigints(elsewhere)})

    def _clear_poison_messages(self, cursor: Cursor, attempted: Sequence[AttemptResult]) -> None:
        """For responses that came after the lease had expired: the message may have become a poison message."""
        expired = time.monotonic() - self._lease_seconds
        late = [
            attempt.message for attempt in attempted if attempt.message.claim.monotonic < expired and attempt.duration
        ]
        if late:
            given = {
                "ids": bigints(message.message_id for message in late),
                "numbers": bigints(message.number for message in late),
            }
            cursor.execute(messages.CLEAR_POISON_MESSAGES, given)


def _recording(plain: Sequence[AttemptResult], now: float) -> tuple[str, dict[str, Any]]:
    """The statement that records acceptances, and its parameters."""
    dense = is_dense(plain)
    if any(map(has_details, plain)):
        given = accepted_parameters(plain, now, details=True)
        return messages.RECORD_ACCEPTED_RANGE_WITH_DETAILS if dense else messages.RECORD_ACCEPTED_WITH_DETAILS, given
    if dense:
        return messages.RECORD_ACCEPTED_RANGE, range_parameters(plain, now)
    return messages.RECORD_ACCEPTED, accepted_parameters(plain, now, details=False)


def _without(part: Sequence[Decided], recorded: Sequence[AttemptResult]) -> Sequence[Decided]:
    if len(recorded) == len(part):
        return []
    ids = {attempt.message.message_id for attempt in recorded}
    return [one for one in part if one[0].message.message_id not in ids]


def _may_have_orphans(attempt: AttemptResult) -> bool:
    """Whether receipts may have come before the provider's id was known."""
    return attempt.message.gateway.receipts and attempt.submitted.provider_message_id is not None


@contextmanager
def clients_locked(cursor: Cursor, claimed: Sequence[ClaimedMessage]) -> Iterator[None]:
    """Wraps statements that make messages pending again: ends those whose client has been removed meanwhile."""
    if claimed:
        cursor.execute(messages.LOCK_CLIENTS, {"clients": bigints(message.client_id for message in claimed)})
    yield
    if claimed:
        cursor.execute(messages.CANCEL_WITHOUT_CLIENT, {"ids": bigints(message.message_id for message in claimed)})
