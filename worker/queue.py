"""The queue: claiming due messages under a lease, recording their attempts, releasing what was not sent.

Every method is a separate transaction. `(message id, attempt number)` identifies a claim: each claim increments the
number, so a claim that has ended changes nothing.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.reasons import Reason, ReasonCode
from shared.gateways.base import DEFAULT_GATEWAY_ID
from shared.sql import claims, queue
from worker import spending
from worker.attempt_decision import Retries
from worker.attempt_recorder import AttemptRecorder, clients_locked
from worker.claim_rows import ON_UNKNOWN, ClaimedRow, ClaimRow, TakenRow, delete_ended, lock_held
from worker.claim_rules import apply_rules
from worker.claimed_message import DEFAULT, AttemptResult, Claim, ClaimedMessage, MessageGateway
from worker.database import Database
from worker.lanes.account_refusals import EarlierRefusals
from worker.lanes.circuit_breaker import Pick
from worker.lanes.fleet_rate_limiter import ANY_TIME, FleetRateLimiter, Slot
from worker.lanes.send_permits import Permits
from worker.message_bodies import bodies_of, refused
from worker.open_claims import OpenClaims
from worker.parameters import array_literal, bigints, bounded, is_range
from worker.rows import fetch_all
from worker.spending import Pricing
from worker.text_cache import TextCache

log = logging.getLogger(__name__)

DEFAULT_PATHS = (1, 2)
"""The paths of an installation with one gateway: of the route `default`, and of the gateway `default` alone."""


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
    closes_in: dict[int, float] = {}
    """Seconds after the claim until the local windows of messages that have one close."""
    withdrawn: Mapping[ReasonCode, int] = {}
    """How many messages were leased and must not be sent now, by the reasons."""


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
        opt_out_url: str = "",
        pricing: Pricing | None = None,
    ) -> None:
        """Durations are in seconds; `request_timeout` is the total deadline of one request.

        The queues of one worker share `open_claims`: a claim that is not in it is released. Without `opt_out_url`,
        messages have no links to opt out. `pricing` has the prices of the gateway; None if they are not known.
        """
        self._database = database
        self._texts = TextCache(database)
        self._opt_out_url = opt_out_url
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._request_timeout = request_timeout
        self.recorder = AttemptRecorder(lease_seconds=lease_seconds, retries=retries, random=random)
        self._rate_limiter = rate_limiter
        self._gateway = gateway
        self._gateway_id = gateway_id
        self._pricing = pricing
        self.paths: Sequence[int] = DEFAULT_PATHS
        """The paths whose messages it claims: those that are assigned to its gateway now."""
        self.may_have_more = False
        """Whether the last claim has ended or postponed messages, so that others may be due behind them."""
        self.withdrawn: Counter[ReasonCode] = Counter()
        """How many messages its claims have withdrawn (ended or postponed, as a rule demands), by the reasons."""
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
        """Records attempts and the transitions of their messages. Safe to repeat.

        An attempt that the database rejects is recorded alone, and left until its lease expires if that fails too: one
        invalid row does not block the others.
        """
        self._record_or_split(attempted, acceptances_apart=True)

    def _record_or_split(self, attempted: Sequence[AttemptResult], *, acceptances_apart: bool) -> None:
        if not attempted:
            return
        try:
            messages = [attempt.message for attempt in attempted]
            self._end(messages, lambda cursor: self._record(cursor, attempted, acceptances_apart=acceptances_apart))
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            if len(attempted) == 1 and not acceptances_apart:
                log.exception("attempt.not_recorded", extra=attempted[0].message.log_fields())
                return
            log.warning("attempts.batch_split", extra={"attempts": len(attempted), "error": type(error).__name__})
            middle = len(attempted) // 2
            for half in (attempted[:middle], attempted[middle:]):
                self._record_or_split(half, acceptances_apart=False)

    def release(self, claimed: Iterable[ClaimedMessage]) -> None:
        """Releases claims whose request certainly never left."""
        released = sorted(claimed, key=lambda message: message.message_id)  # the order in which others lock them
        if released:
            self._end(released, lambda cursor: self._release_and_return(cursor, released))

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
        rows, mailings, slots, closes_in, withdrawn = granted.claimed
        self.may_have_more = bool(withdrawn)
        self.withdrawn.update(withdrawn)
        if not rows:
            return []
        claim = Claim(rows[0].claim_id, mailings[rows[0].mailing_id].now, granted.requested_at)
        closing = {mailing.mailing_id: claim.monotonic + mailing.window_left for mailing in mailings.values()}
        permits = self._permits.grant(closing, granted.read_at)
        texts = self._texts.get_many({(row.mailing_id, row.text_revision) for row in rows})
        bodies = bodies_of(rows, texts)
        # The lease and the window are computed from before the claim was requested, so that they never end too late.
        lease_ends = claim.monotonic + self._lease_seconds - self._request_timeout
        latest = {mailing_id: min(lease_ends, closes_at) for mailing_id, closes_at in closing.items()}
        on_unknown = {mailing_id: ON_UNKNOWN[mailing.on_unknown] for mailing_id, mailing in mailings.items()}
        claimed, without = [], list[AttemptResult]()
        for row, slot, body in zip(rows, slots, bodies, strict=True):
            message = ClaimedMessage(
                message_id=row.id,
                number=row.attempts,
                mailing_id=row.mailing_id,
                client_id=row.client_id,
                phone_number=row.phone_number,
                text=body if isinstance(body, str) else "",
                uncounted=row.uncounted_attempts,
                in_doubt=row.in_doubt,
                on_unknown=on_unknown[row.mailing_id],
                worker=self._worker,
                claim=claim,
                start_from=slot.begins,
                start_by=min(latest[row.mailing_id], claim.monotonic + closes_in[row.id])
                if row.id in closes_in
                else latest[row.mailing_id],
                begin_by=slot.ends,
                permit=permits[row.mailing_id],
                gateway=self._gateway,
            )
            if isinstance(body, Reason):
                without.append(refused(message, body))
            else:
                claimed.append(message)
        if self._gateway.look_up_after is not None:
            self._read_doubt_ages([message for message in claimed if message.in_doubt])
        self.may_have_more = self.may_have_more or bool(without)
        self.record(without)
        limited = [message for message in claimed if mailings[message.mailing_id].has_spending_limit]
        return self._reserve(claimed, limited) if limited else claimed

    def _reserve(self, claimed: list[ClaimedMessage], limited: Sequence[ClaimedMessage]) -> list[ClaimedMessage]:
        """Reserves the cost of the limited messages. Releases those that cost more than a limit allows, and pauses
        their mailings. Returns the messages that may be submitted.
        """
        reserved = self._database.transaction(
            lambda cursor: spending.reserve(cursor, limited, self._gateway.name, self._pricing)
        )
        for mailing_id, limit in reserved.limits.items():
            if self._database.transaction(partial(spending.pause, mailing_id=mailing_id, reached=limit)):
                code = str(limit.detail.code)
                log.warning("mailing.limit_reached", extra={"mailing_id": mailing_id, "reason": code})
        self.release(reserved.over)
        self.may_have_more = self.may_have_more or bool(reserved.over)
        over = {id(message) for message in reserved.over}
        return [message for message in claimed if id(message) not in over]

    def _record(self, cursor: Cursor, attempted: Sequence[AttemptResult], *, acceptances_apart: bool) -> None:
        changed = spending.differences(cursor, attempted)
        self.recorder.record(cursor, attempted, acceptances_apart=acceptances_apart)
        spending.add(cursor, changed)

    def _release_and_return(self, cursor: Cursor, released: Sequence[ClaimedMessage]) -> None:
        returned = spending.returns(cursor, released)
        self._release(cursor, released)
        spending.add(cursor, returned)

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
                claimed = self._take_and_lease(cursor, statement, limit, wait=wait)
                if claimed.rows:
                    return claimed._replace(slots=self._slots(cursor, len(claimed.rows)))
                if claimed.withdrawn:
                    return claimed
        return NOTHING

    def _slots(self, cursor: Cursor, number: int) -> list[Slot]:
        return [ANY_TIME] * number if self._rate_limiter is None else self._rate_limiter.take(cursor, number)

    def _claim_poison_message(self, cursor: Cursor) -> Claimed:
        cursor.execute(queue.LOCK_POISON_MESSAGES)
        if cursor.fetchone() != (True,):
            return NOTHING
        claimed = self._take_and_lease(cursor, queue.TAKE_POISON_MESSAGE, 1, wait=False, poison=True)
        return claimed._replace(slots=[ANY_TIME] * len(claimed.rows))

    def _take_and_lease(self, cursor: Cursor, take: str, limit: int, *, wait: bool, poison: bool = False) -> Claimed:
        """Takes messages out of the queue and leases them. Goes on while all that were taken have ended since."""
        while True:
            wanted = {"limit": limit, "wait": wait, "gateway_id": self._gateway_id, "paths": bigints(self.paths)}
            cursor.execute(take, wanted)
            taken = fetch_all(cursor, TakenRow)
            if not taken:
                return NOTHING
            ids = [message_id for row in taken for message_id in row.message_ids]
            personalised = any(row.personalised for row in taken)
            given = {
                **bounded(ids),
                "worker": self._worker,
                "gateway": self._gateway.name,
                "gateway_id": self._gateway_id,
                "lease": self._lease_seconds,
                "mailings": array_literal(row.mailing_id for row in taken),
                "revisions": array_literal(row.text_revision for row in taken),
                "opt_out_url": self._opt_out_url or None,
            }
            if poison:
                lease = claims.CLAIM_POISON_MESSAGE
            elif is_range(ids):
                lease = claims.CLAIM_RANGE_WITH_VALUES if personalised else claims.CLAIM_RANGE
            else:
                lease = claims.CLAIM_WITH_VALUES if personalised else claims.CLAIM
            cursor.execute(lease, given)
            rows = fetch_all(cursor, ClaimedRow)
            mailings = {row.mailing_id: row for row in taken}
            checked = apply_rules(cursor, rows, mailings, self._gateway_id, self._lease_seconds)
            if not checked.rows:
                cursor.execute(claims.DELETE_EMPTY)
            if rows:
                return Claimed(checked.rows, mailings, [], checked.closes_in, checked.withdrawn)

    def _release(self, cursor: Cursor, claimed: Sequence[ClaimedMessage]) -> None:
        if not claimed:
            return
        given = {
            **bounded([message.message_id for message in claimed]),
            "claims": bigints(message.claim.id for message in claimed),
            "clients": bigints(message.client_id for message in claimed),
        }
        with clients_locked(cursor, claimed):
            cursor.execute(claims.RELEASE, given)
            if cursor.rowcount < len(claimed):
                numbers = bigints(message.number for message in claimed)
                cursor.execute(claims.RELEASE_ATTEMPTS, {**given, "numbers": numbers, "worker": self._worker})
