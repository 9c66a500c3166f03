"""The queue: claiming due messages under a lease, recording their attempts, releasing what was not sent.

Every method is a transaction of its own. `(message id, attempt number)` identifies a claim: each claim increments the
number, so a claim that has ended moves nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from random import Random
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.gateways.base import DEFAULT_GATEWAY, SubmitResult
from shared.sql import claims
from worker.attempt_decision import Retries
from worker.attempt_recorder import AttemptRecorder, clients_locked
from worker.claim_cursor import ClaimCursor, Position, as_parameters
from worker.claim_rows import ClaimedRow, LeasedRow, claimed_message, leased_message
from worker.claimed_message import AttemptResult, Claim, ClaimedMessage
from worker.database import Database
from worker.lanes.account_refusals import EarlierRefusals
from worker.lanes.circuit_breaker import Pick
from worker.lanes.fleet_rate_limiter import ANY_TIME, FleetRateLimiter, Slot
from worker.lanes.send_permits import Permits
from worker.queue_queries import EARLIER_REFUSALS, PROBE_POSITIONS
from worker.rows import fetch_all
from worker.text_cache import TextCache

log = logging.getLogger(__name__)

ClaimKey = tuple[int, int]
"""A message's id and its attempt's number."""

Claimed = tuple[list[ClaimedRow], list[Slot]]
"""The claimed rows, and the slots of their requests."""

MAX_PAUSE = 30.0
"""Seconds by which a rescan is delayed at most; a lease, if that is shorter. The default of LEASE_SECONDS."""

NO_TEXT = SubmitResult(Result.REFUSED, reason=Reason(ReasonCode.TEXT_MISSING))


class Granted(NamedTuple):
    """A claim that has been committed. Times are monotonic."""

    rows: list[ClaimedRow]
    slots: list[Slot]
    requested_at: float
    """Before the statement was sent."""
    read_at: float
    """When the result came: until then the mailings were locked against changes."""


class EarlierRow(NamedTuple):
    """A row of EARLIER_REFUSALS: `first` and `last` are seconds since 1970 (UTC)."""

    message_id: int
    first: float
    last: float
    longest: float


class Queue:
    """The queue as one worker sees it. For one thread."""

    def __init__(
        self,
        database: Database,
        *,
        worker: str,
        lease_seconds: float,
        request_timeout: float,
        retries: Retries,
        random: Random,
        rate_limiter: FleetRateLimiter | None = None,
        gateway: str = DEFAULT_GATEWAY,
    ) -> None:
        """Durations are in seconds; `request_timeout` is the total deadline of one request."""
        self._database = database
        self._texts = TextCache(database)
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._request_timeout = request_timeout
        self.recorder = AttemptRecorder(lease_seconds=lease_seconds, retries=retries, random=random)
        self._rate_limiter = rate_limiter
        self._gateway = gateway
        self._permits = Permits(database)
        self._unrecorded: set[ClaimKey] = set()
        """Claims not yet recorded or released."""
        self._cursor = ClaimCursor(min(MAX_PAUSE, lease_seconds))

    @property
    def claimable_at(self) -> float:
        """Monotonic time before which the rate limit allows no claim."""
        return 0.0 if self._rate_limiter is None else self._rate_limiter.resume_at

    def claim(self, limit: int, *, idle: bool = True, pick: Pick = Pick.FIRST) -> list[ClaimedMessage]:
        """Claims at most `limit` due messages, under a lease that is committed before this returns.

        `idle` means that nothing is in flight: then, if all due messages belong to mailings that a change has locked,
        those locks are waited for. `pick` selects which of the due messages of a mailing are claimed.
        """
        self._cursor.reset_if_due()
        before = self._database.seconds
        granted = self._make_claim(partial(self._claim, limit=limit, idle=idle, pick=pick))
        if pick is Pick.FIRST:
            positions = [Position(row.mailing_id, row.due_at, row.id) for row in granted.rows]
            self._cursor.extend(positions, self._database.seconds - before)
        return self._messages(granted)

    def claim_poison_message(self) -> ClaimedMessage | None:
        """Claims a message whose last two attempts both ended with an expired lease, unless the fleet is sending one.

        It is to be sent alone. It has no slot of the rate limit: `take_slot` assigns one when it is to be sent.
        """
        return next(iter(self._messages(self._make_claim(self._claim_poison_message))), None)

    def take_slot(self, claimed: ClaimedMessage) -> bool:
        """Assigns a slot of the rate limit to a message, if there is a limit. Returns whether it may be sent."""
        if self._rate_limiter is None:
            return True
        rate_limiter = self._rate_limiter
        for slot in self._database.transaction(
            lambda cursor: rate_limiter.take(cursor, min(1, rate_limiter.free_slots(cursor)))
        ):
            claimed.start_from, claimed.begin_by = slot.begins, slot.ends
            return True
        return False

    def earlier_refusals(self, claimed: Sequence[ClaimedMessage]) -> dict[int, EarlierRefusals]:
        """By message, the earlier attempts at this gateway that refused the account, by any worker."""

        def work(cursor: Cursor) -> list[EarlierRow]:
            cursor.execute(
                EARLIER_REFUSALS, {"ids": [message.message_id for message in claimed], "gateway": self._gateway}
            )
            return fetch_all(cursor, EarlierRow)

        rows = self._database.transaction(work)
        return {row.message_id: EarlierRefusals(first=row.first, last=row.last, longest=row.longest) for row in rows}

    def record(self, attempted: Sequence[AttemptResult]) -> None:
        """Records attempts and moves their messages. Safe to repeat.

        An attempt that the database rejects is recorded alone, and left until its lease expires if that fails too: one
        invalid row does not block the others.
        """
        if not attempted:
            return
        try:
            self._database.transaction(lambda cursor: self.recorder.record(cursor, attempted))
            self._unrecorded.difference_update(_key(attempt.message) for attempt in attempted)
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            if len(attempted) == 1:
                log.exception("attempt.not_recorded", extra=attempted[0].message.log_fields())
                return
            log.warning("attempts.batch_split", extra={"attempts": len(attempted), "error": type(error).__name__})
            middle = len(attempted) // 2
            self.record(attempted[:middle])
            self.record(attempted[middle:])

    def release(self, claimed: Iterable[ClaimedMessage]) -> None:
        """Releases claims whose request certainly never left."""
        released = list(claimed)
        if released:
            self._database.transaction(lambda cursor: self._release(cursor, released))
            self._unrecorded.difference_update(_key(message) for message in released)
            self._cursor.reset()

    def refresh_permits(self) -> bool:
        """Reads, when it is due, whether the mailings of claimed messages run. Returns whether any does not."""
        return self._permits.refresh()

    def seconds_until_refresh(self) -> float:
        """Seconds until the next refresh is due."""
        return self._permits.seconds_until_refresh()

    def _make_claim(self, work: Callable[[Cursor], Claimed]) -> Granted:
        """Executes a claim; after a retry, first releases claims whose acknowledgement was lost."""
        tried_at: list[float] = []

        def claim_and_time(cursor: Cursor) -> Granted:
            tried_at.append(time.monotonic())
            if len(tried_at) > 1:
                self._release_unacknowledged(cursor)
            rows, slots = work(cursor)
            return Granted(rows, slots, tried_at[-1], time.monotonic())

        granted = self._database.transaction(claim_and_time)
        self._unrecorded.update([(row.id, row.attempts) for row in granted.rows])
        return granted

    def _messages(self, granted: Granted) -> list[ClaimedMessage]:
        """The messages of a claim, except those without a text."""
        rows = granted.rows
        if not rows:
            return []
        claim = Claim(rows[0].claimed_at, granted.requested_at)
        closing = {row.mailing_id: claim.monotonic + row.window_left for row in rows}
        permits = self._permits.grant(closing, granted.read_at)
        texts = self._texts.get_many({(row.mailing_id, row.text_revision) for row in rows})
        # The lease and the window are computed from before the claim was requested, so that they never end too late.
        lease_ends = claim.monotonic + self._lease_seconds - self._request_timeout
        claimed = [
            claimed_message(
                row,
                self._worker,
                claim,
                text=texts.get((row.mailing_id, row.text_revision), ""),
                start_from=slot.begins,
                start_by=min(lease_ends, closing[row.mailing_id]),
                begin_by=slot.ends,
                permit=permits[row.mailing_id],
                gateway=self._gateway,
            )
            for row, slot in zip(rows, granted.slots, strict=True)
        ]
        without_text = [message for message in claimed if not message.text]
        self._end_without_text(without_text)
        return [message for message in claimed if message.text] if without_text else claimed

    def _end_without_text(self, claimed: Sequence[ClaimedMessage]) -> None:
        """Ends messages without a text. The text was deleted by hand, so a retry would not find it either."""
        for message in claimed:
            log.error("message.text_missing", extra=message.log_fields())
        self.record([AttemptResult(message, NO_TEXT, started_at=message.claim.at, duration=0.0) for message in claimed])

    def _release_unacknowledged(self, cursor: Cursor) -> None:
        ids, numbers = [message_id for message_id, _ in self._unrecorded], [number for _, number in self._unrecorded]
        cursor.execute(claims.FIND_UNACKNOWLEDGED, {"worker": self._worker, "ids": ids, "numbers": numbers})
        self._release(cursor, [leased_message(row) for row in fetch_all(cursor, LeasedRow)])

    def _claim(self, cursor: Cursor, limit: int, *, idle: bool, pick: Pick = Pick.FIRST) -> Claimed:
        if self._rate_limiter is not None:
            limit = min(limit, self._rate_limiter.free_slots(cursor))
        if limit == 0:
            return [], []
        # First the mailings that are not locked. When nothing is in flight there is time to wait for the others, and a
        # poll is longer; but not while this transaction holds the lock of the rate limit, or the fleet would wait too.
        for wait in (False, True) if idle and self._rate_limiter is None else (False,):
            for positions in self._positions(cursor, pick):
                rows = self._execute_claim(cursor, claims.CLAIM, limit, positions, wait=wait)
                if rows:
                    return rows, self._slots(cursor, len(rows))
        return [], []

    def _positions(self, cursor: Cursor, pick: Pick) -> Iterator[dict[str, list[Any]]]:
        """Where a claim starts in each mailing: as `pick` says; if that finds nothing, as for any other claim."""
        if pick is not Pick.FIRST:
            cursor.execute(PROBE_POSITIONS, {"any": pick is Pick.ANY})
            yield as_parameters(fetch_all(cursor, Position))
        yield self._cursor.positions()

    def _slots(self, cursor: Cursor, number: int) -> list[Slot]:
        return [ANY_TIME] * number if self._rate_limiter is None else self._rate_limiter.take(cursor, number)

    def _claim_poison_message(self, cursor: Cursor) -> Claimed:
        cursor.execute(claims.LOCK_POISON_MESSAGES)
        locked = cursor.fetchone() == (True,)
        from_the_start = as_parameters([])
        rows = self._execute_claim(cursor, claims.CLAIM_POISON_MESSAGE, 1, from_the_start, wait=False) if locked else []
        return rows, [ANY_TIME] * len(rows)

    def _execute_claim(
        self, cursor: Cursor, statement: str, limit: int, positions: dict[str, list[Any]], *, wait: bool
    ) -> list[ClaimedRow]:
        given = {"limit": limit, "lease": self._lease_seconds, "worker": self._worker, "wait": wait}
        cursor.execute(statement, {**given, **positions})
        return fetch_all(cursor, ClaimedRow)

    def _release(self, cursor: Cursor, claimed: Sequence[ClaimedMessage]) -> None:
        given = {
            "ids": [message.message_id for message in claimed],
            "numbers": [message.number for message in claimed],
            "clients": [message.client_id for message in claimed],
            "worker": self._worker,
        }
        with clients_locked(cursor, claimed):
            cursor.execute(claims.RELEASE, given)
            if cursor.rowcount < len(claimed):
                cursor.execute(claims.RELEASE_ATTEMPTS, given)


def _key(claimed: ClaimedMessage) -> ClaimKey:
    return claimed.message_id, claimed.number
