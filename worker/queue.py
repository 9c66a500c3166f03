"""The queue: claiming due messages under a lease, recording their attempts, releasing what was not sent.

Every method is a separate transaction. `(message id, attempt number)` identifies a claim: each claim increments the
number, so a claim that has ended changes nothing.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.gateways.base import DEFAULT_GATEWAY_ID, SubmitResult
from shared.sql import claims, queue
from worker.attempt_decision import Retries
from worker.attempt_recorder import AttemptRecorder, clients_locked
from worker.claim_rows import ON_UNKNOWN, ClaimedRow, ClaimRow, TakenRow, delete_ended, lock_held
from worker.claimed_message import DEFAULT, AttemptResult, Claim, ClaimedMessage, MessageGateway
from worker.database import Database
from worker.lanes.account_refusals import EarlierRefusals
from worker.lanes.circuit_breaker import Pick
from worker.lanes.fleet_rate_limiter import ANY_TIME, FleetRateLimiter, Slot
from worker.lanes.send_permits import Permits
from worker.open_claims import OpenClaims
from worker.parameters import bigints
from worker.rows import fetch_all
from worker.text_cache import TextCache

log = logging.getLogger(__name__)

DEFAULT_PATHS = (1, 2)
"""The paths of an installation with one gateway: of the route `default`, and of the gateway `default` alone."""

NO_TEXT = SubmitResult(Result.REFUSED, reason=Reason(ReasonCode.TEXT_MISSING))


TAKE = {Pick.FIRST: queue.TAKE_DUE, Pick.LAST: queue.TAKE_LAST_DUE, Pick.ANY: queue.TAKE_ANY_UNTRIED}
"""The statement that takes messages out of the queue; those of a probe take one."""

# The age of the last ambiguous attempt of messages in doubt.
DOUBT_AGES = """
SELECT message_id, date_part('epoch', now() - max(started_at)) AS age
FROM attempt
WHERE message_id = ANY(%(ids)s) AND result = 'ambiguous'
GROUP BY message_id
"""

# Earlier attempts at a gateway that refused the account, by message.
EARLIER_REFUSALS = """
SELECT message_id, date_part('epoch', min(started_at)) AS first, date_part('epoch', max(started_at)) AS last,
    coalesce(max(duration), 0) AS longest
FROM attempt
WHERE message_id = ANY(%(ids)s) AND gateway = %(gateway)s AND result IN ('misconfigured', 'no_credit')
GROUP BY message_id
"""


class Claimed(NamedTuple):
    """What a claim has leased: rows of messages, their mailings, and the slots of their requests."""

    rows: list[ClaimedRow]
    mailings: dict[int, TakenRow]
    slots: list[Slot]


NOTHING = Claimed([], {}, [])


class Granted(NamedTuple):
    """A claim that has been committed. Times are monotonic."""

    claimed: Claimed
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


class DoubtAge(NamedTuple):
    """A row of DOUBT_AGES: seconds."""

    message_id: int
    age: float


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
        gateway: MessageGateway = DEFAULT,
        gateway_id: int = DEFAULT_GATEWAY_ID,
        open_claims: OpenClaims | None = None,
    ) -> None:
        """Durations are in seconds; `request_timeout` is the total deadline of one request.

        The queues of one worker share `open_claims`: a claim that is not in it is released.
        """
        self._database = database
        self._texts = TextCache(database)
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._request_timeout = request_timeout
        self.recorder = AttemptRecorder(lease_seconds=lease_seconds, retries=retries, random=random)
        self._rate_limiter = rate_limiter
        self._gateway = gateway
        self._gateway_id = gateway_id
        self.paths: Sequence[int] = DEFAULT_PATHS
        """The paths whose messages it claims: those that are assigned to its gateway now."""
        self._permits = Permits(database)
        self._open = OpenClaims() if open_claims is None else open_claims

    @property
    def claimable_at(self) -> float:
        """Monotonic time before which the rate limit allows no claim."""
        return 0.0 if self._rate_limiter is None else self._rate_limiter.resume_at

    def claim(self, limit: int, *, idle: bool = True, pick: Pick = Pick.FIRST) -> list[ClaimedMessage]:
        """Claims at most `limit` due messages, under a lease that is committed before this returns.

        `idle` means that nothing is in flight: then, if all due messages belong to mailings that a change has locked,
        those locks are waited for. `pick` selects which of the due messages of a mailing are claimed.
        """
        return self._messages(self._make_claim(partial(self._claim, limit=limit, idle=idle, pick=pick)))

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
                EARLIER_REFUSALS,
                {"ids": bigints(message.message_id for message in claimed), "gateway": self._gateway.name},
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
            messages = [attempt.message for attempt in attempted]
            self._end(messages, lambda cursor: self.recorder.record(cursor, attempted))
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
            self._end(released, lambda cursor: self._release(cursor, released))

    def refresh_permits(self) -> bool:
        """Reads, when it is due, whether the mailings of claimed messages run. Returns whether any does not."""
        return self._permits.refresh()

    def seconds_until_refresh(self) -> float:
        """Seconds until the next refresh is due."""
        return self._permits.seconds_until_refresh()

    def _end(self, messages: Sequence[ClaimedMessage], work: Callable[[Cursor], None]) -> None:
        """Executes what records or releases these messages, and deletes the claims that end with it."""
        ended = self._open.ended_with(messages)

        def work_and_delete(cursor: Cursor) -> None:
            work(cursor)
            if ended:
                cursor.execute(claims.DELETE_CLAIMS, {"claims": bigints(ended)})

        self._database.transaction(work_and_delete)
        self._open.end(messages)

    def _make_claim(self, work: Callable[[Cursor], Claimed]) -> Granted:
        """Executes a claim; after a retry, first releases claims whose acknowledgement was lost."""
        tried_at: list[float] = []

        def claim_and_time(cursor: Cursor) -> Granted:
            tried_at.append(time.monotonic())
            if len(tried_at) > 1:
                self._release_unacknowledged(cursor)
            return Granted(work(cursor), tried_at[-1], time.monotonic())

        granted = self._database.transaction(claim_and_time)
        if granted.claimed.rows:
            self._open.add(granted.claimed.rows[0].claim_id, len(granted.claimed.rows))
        return granted

    def _messages(self, granted: Granted) -> list[ClaimedMessage]:
        """The messages of a claim, except those without a text."""
        rows, mailings, slots = granted.claimed
        if not rows:
            return []
        claim = Claim(rows[0].claim_id, mailings[rows[0].mailing_id].now, granted.requested_at)
        closing = {mailing.mailing_id: claim.monotonic + mailing.window_left for mailing in mailings.values()}
        permits = self._permits.grant(closing, granted.read_at)
        texts = self._texts.get_many({(row.mailing_id, row.text_revision) for row in rows})
        # The lease and the window are computed from before the claim was requested, so that they never end too late.
        lease_ends = claim.monotonic + self._lease_seconds - self._request_timeout
        claimed = [
            ClaimedMessage(
                message_id=row.id,
                number=row.attempts,
                mailing_id=row.mailing_id,
                client_id=row.client_id,
                phone_number=row.phone_number,
                text=texts.get((row.mailing_id, row.text_revision), ""),
                uncounted=row.uncounted_attempts,
                in_doubt=row.in_doubt,
                on_unknown=ON_UNKNOWN[mailings[row.mailing_id].on_unknown],
                worker=self._worker,
                claim=claim,
                start_from=slot.begins,
                start_by=min(lease_ends, closing[row.mailing_id]),
                begin_by=slot.ends,
                permit=permits[row.mailing_id],
                gateway=self._gateway,
            )
            for row, slot in zip(rows, slots, strict=True)
        ]
        if self._gateway.look_up_after is not None:
            self._read_doubt_ages([message for message in claimed if message.in_doubt])
        without_text = [message for message in claimed if not message.text]
        self._end_without_text(without_text)
        return [message for message in claimed if message.text] if without_text else claimed

    def _read_doubt_ages(self, in_doubt: Sequence[ClaimedMessage]) -> None:
        """Reads when the attempts were made that are to be looked up."""
        if not in_doubt:
            return

        def work(cursor: Cursor) -> list[DoubtAge]:
            cursor.execute(DOUBT_AGES, {"ids": bigints(message.message_id for message in in_doubt)})
            return fetch_all(cursor, DoubtAge)

        ages = dict(self._database.transaction(work))
        for message in in_doubt:
            message.doubt_age = ages.get(message.message_id, math.inf)

    def _end_without_text(self, claimed: Sequence[ClaimedMessage]) -> None:
        """Ends messages without a text. The text was deleted by hand, so a retry would not find it either."""
        for message in claimed:
            log.error("message.text_missing", extra=message.log_fields())
        self.record([AttemptResult(message, NO_TEXT, started_at=message.claim.at, duration=0.0) for message in claimed])

    def _release_unacknowledged(self, cursor: Cursor) -> None:
        cursor.execute(claims.FIND_UNACKNOWLEDGED, {"worker": self._worker, "known": bigints(self._open.ids())})
        found = fetch_all(cursor, ClaimRow)
        self._release(cursor, lock_held(cursor, found, {}))
        delete_ended(cursor, found)

    def _claim(self, cursor: Cursor, limit: int, *, idle: bool, pick: Pick = Pick.FIRST) -> Claimed:
        if self._rate_limiter is not None:
            limit = min(limit, self._rate_limiter.free_slots(cursor))
        if limit == 0:
            return NOTHING
        # First the mailings that are not locked. When nothing is in flight there is time to wait for the others, and a
        # poll is longer; but not while this transaction holds the lock of the rate limit, or the fleet would wait too.
        for wait in (False, True) if idle and self._rate_limiter is None else (False,):
            # A probe prefers certain messages; if there are none, it takes any due message.
            for statement in dict.fromkeys((TAKE[pick], queue.TAKE_DUE)):
                rows, mailings = self._take_and_lease(cursor, statement, claims.CLAIM, limit, wait=wait)
                if rows:
                    return Claimed(rows, mailings, self._slots(cursor, len(rows)))
        return NOTHING

    def _slots(self, cursor: Cursor, number: int) -> list[Slot]:
        return [ANY_TIME] * number if self._rate_limiter is None else self._rate_limiter.take(cursor, number)

    def _claim_poison_message(self, cursor: Cursor) -> Claimed:
        cursor.execute(queue.LOCK_POISON_MESSAGES)
        if cursor.fetchone() != (True,):
            return NOTHING
        rows, mailings = self._take_and_lease(
            cursor, queue.TAKE_POISON_MESSAGE, claims.CLAIM_POISON_MESSAGE, 1, wait=False
        )
        return Claimed(rows, mailings, [ANY_TIME] * len(rows))

    def _take_and_lease(
        self, cursor: Cursor, take: str, lease: str, limit: int, *, wait: bool
    ) -> tuple[list[ClaimedRow], dict[int, TakenRow]]:
        """Takes messages out of the queue and leases them. Goes on while all that were taken have ended since."""
        while True:
            wanted = {"limit": limit, "wait": wait, "gateway_id": self._gateway_id, "paths": bigints(self.paths)}
            cursor.execute(take, wanted)
            taken = fetch_all(cursor, TakenRow)
            if not taken:
                return [], {}
            given = {
                "ids": bigints(message_id for row in taken for message_id in row.message_ids),
                "worker": self._worker,
                "gateway": self._gateway.name,
                "gateway_id": self._gateway_id,
                "lease": self._lease_seconds,
            }
            cursor.execute(lease, given)
            if rows := fetch_all(cursor, ClaimedRow):
                return rows, {row.mailing_id: row for row in taken}
            cursor.execute(claims.DELETE_EMPTY)

    def _release(self, cursor: Cursor, claimed: Sequence[ClaimedMessage]) -> None:
        if not claimed:
            return
        given = {
            "ids": bigints(message.message_id for message in claimed),
            "claims": bigints(message.claim.id for message in claimed),
            "clients": bigints(message.client_id for message in claimed),
        }
        with clients_locked(cursor, claimed):
            cursor.execute(claims.RELEASE, given)
            if cursor.rowcount < len(claimed):
                numbers = bigints(message.number for message in claimed)
                cursor.execute(claims.RELEASE_ATTEMPTS, {**given, "numbers": numbers, "worker": self._worker})
