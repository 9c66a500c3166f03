"""The queue: claiming due messages under a lease, and recording in the ledger what came of them.

Every statement here is a transaction of its own. `(message id, attempt number)` names a claim: the number is counted
up by each claim, so whoever moves a message on names the pair, and a claim that was lost moves nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.results import Result
from shared.domain.statuses import MessageStatus, OnUnknown
from shared.gateways.base import DEFAULT_GATEWAY, SubmitResult
from worker.attempt_payload import entries
from worker.claim_cursor import LOOK_BACK_SHARE, ClaimCursor
from worker.database import Database
from worker.delivery import AttemptResult, Claim, ClaimedMessage, Retries, judge
from worker.lanes.account_refusals import EarlierRefusals
from worker.lanes.circuit_breaker import Pick
from worker.lanes.fleet_rate_limiter import ANY_TIME, FleetRateLimiter, Slot
from worker.lanes.send_permits import ALWAYS, Permit, Permits
from worker.statements import (
    CLAIM,
    CLAIM_POISON_MESSAGE,
    CLEAR_POISON_MESSAGES,
    EARLIER_REFUSALS,
    END_ORPHANS,
    FIND_EXPIRED_LEASES,
    FIND_UNACKNOWLEDGED,
    LOCK_CLIENTS,
    LOCK_POISON_MESSAGES,
    PROBE_PLACES,
    RECORD,
    RELEASE,
    RELEASE_ATTEMPTS,
    RENEW_LEASES,
)
from worker.text_cache import TextCache
from worker.time_budget import TimeBudget

log = logging.getLogger(__name__)

ClaimKey = tuple[int, int]
"""A message's id and its attempt's number."""

Rows = list[tuple[Any, ...]]
"""What CLAIM answers."""

Claimed = tuple[Rows, list[Slot]]
"""The claimed rows, and the slots of their requests."""

NO_PLACES: dict[str, list[Any]] = {"mailings": [], "due_ats": [], "ids": []}
"""For a claim that begins at the beginning."""

LATE = timedelta(seconds=5)
"""How much later than it says a lease may have been committed, or had its row locked, and be found in the next look."""

LEASE_RAN_OUT = SubmitResult(Result.AMBIGUOUS, reason=Reason(ReasonCode.LEASE_EXPIRED))

LONGEST_PAUSE = 30.0
"""Seconds by which a look back is put off at most, or by a lease, if that is shorter: the default of LEASE_SECONDS."""

NO_TEXT = SubmitResult(Result.REFUSED, reason=Reason(ReasonCode.TEXT_MISSING))

ON_UNKNOWN = {one.value: one for one in OnUnknown}
"""By their names in the database: OnUnknown(name) takes ten times as long, once a message."""


class Granted(NamedTuple):
    """A claim that has been committed. Times are monotonic."""

    rows: Rows
    slots: list[Slot]
    asked_at: float
    """Before the database was asked."""
    seen_at: float
    """When it had answered: until then nobody could change the mailings."""


class Queue:
    """The queue as one worker sees it. For one thread."""

    def __init__(
        self,
        database: Database,
        *,
        worker: str,
        lease_seconds: float,
        delivery_seconds: float,
        retries: Retries,
        random: Random,
        pace: FleetRateLimiter | None = None,
        gateway: str = DEFAULT_GATEWAY,
    ) -> None:
        """Durations are in seconds; `delivery_seconds` is the total deadline of one request."""
        self._database = database
        self._texts = TextCache(database)
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._delivery_seconds = delivery_seconds
        self._retries = retries
        self._random = random
        self._pace = pace
        self._gateway = gateway
        self._permits = Permits(database)
        self._held: set[ClaimKey] = set()
        """Claims not yet recorded or released."""
        longest_pause = min(LONGEST_PAUSE, lease_seconds)
        self._reach = ClaimCursor(longest_pause)
        self._lost_since: datetime | str = "-infinity"
        """Leases that ran out before have been looked for. For those that were locked, or committed very late, all are
        from time to time."""
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        """When they were last looked for, by the database's clock."""
        self._look_back = TimeBudget(LOOK_BACK_SHARE, longest_pause)

    @property
    def claimable_at(self) -> float:
        """Monotonic time before which the fleet's pace leaves nothing to claim."""
        return 0.0 if self._pace is None else self._pace.resume_at

    def claim(self, limit: int, *, alone: bool = True, pick: Pick = Pick.FIRST) -> list[ClaimedMessage]:
        """Takes at most `limit` due messages, under a lease that is committed before this returns.

        `alone` says that there is nothing else in hand: then, if all there is belongs to mailings that somebody is just
        changing, those are waited for. `pick` says which of the due messages of a mailing are taken.
        """
        self._reach.reset_if_due()
        before = self._database.seconds
        granted = self._make_claim(partial(self._claim, limit=limit, alone=alone, pick=pick))
        if pick is Pick.FIRST:
            places = [(row[2], (row[9], row[0])) for row in granted.rows]
            self._reach.extend(places, self._database.seconds - before)
        return self._deliveries(granted)

    def claim_poison_message(self) -> ClaimedMessage | None:
        """Takes a message whose last two attempts both ended with a lapsed lease, unless the fleet is sending one.

        It is to be sent alone. It has no slot of the fleet's pace: `take_slot` gives it one when it is to be sent.
        """
        return next(iter(self._deliveries(self._make_claim(self._claim_poison_message))), None)

    def take_slot(self, delivery: ClaimedMessage) -> bool:
        """Gives a delivery a slot of the fleet's pace, if there is a pace. Returns whether it may be sent."""
        if self._pace is None:
            return True
        pace = self._pace
        for slot in self._database.transaction(lambda cursor: pace.take(cursor, min(1, pace.free_slots(cursor)))):
            delivery.start_from, delivery.begin_by = slot.begins, slot.ends
            return True
        return False

    def earlier_refusals(self, deliveries: Sequence[ClaimedMessage]) -> dict[int, EarlierRefusals]:
        """By message, the earlier attempts at this gateway that refused the account, by any worker."""

        def work(cursor: Cursor) -> list[tuple[Any, ...]]:
            cursor.execute(EARLIER_REFUSALS, ([delivery.message_id for delivery in deliveries], self._gateway))
            return cursor.fetchall()

        return {row[0]: EarlierRefusals(*row[1:]) for row in self._database.transaction(work)}

    def record(self, attempted: Sequence[AttemptResult]) -> None:
        """Writes down attempts and moves their messages on. Safe to repeat.

        A row that the database will not take is written alone, and left to its lease if that fails too: one bad row
        does not hold up the good ones.
        """
        if not attempted:
            return
        try:
            self._database.transaction(lambda cursor: self._write(cursor, attempted))
            self._held.difference_update(_name(one.delivery) for one in attempted)
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            if len(attempted) == 1:
                log.exception("an attempt can't be recorded", extra=attempted[0].delivery.named())
                return
            log.warning("a batch can't be recorded, trying its halves", extra={"trouble": type(error).__name__})
            middle = len(attempted) // 2
            self.record(attempted[:middle])
            self.record(attempted[middle:])

    def release(self, deliveries: Iterable[ClaimedMessage]) -> None:
        """Gives back claims whose request certainly never left."""
        given_back = list(deliveries)
        if given_back:
            self._database.transaction(lambda cursor: self._release(cursor, given_back))
            self._held.difference_update(_name(delivery) for delivery in given_back)
            self._reach.forget()

    def reclaim_expired_leases(self, limit: int) -> int:
        """Ends claims whose lease ran out, as attempts that may have landed. Returns how many there were."""

        def work(cursor: Cursor) -> list[AttemptResult]:
            cursor.execute("SELECT now()")
            [(looked_at,)] = cursor.fetchall()
            if looked_at < self._looked_at:  # the database's clock was put back
                self._lost_since = "-infinity"
            self._looked_at = looked_at
            cursor.execute(RENEW_LEASES, {"lease": self._lease_seconds, "limit": limit})
            if cursor.rowcount:
                log.warning(
                    "leases are dated in the future: the database's clock was put back, and they begin anew",
                    extra={"messages": cursor.rowcount},
                )
            cursor.execute(FIND_EXPIRED_LEASES, (self._lost_since, limit))
            deliveries = [_held(row) for row in cursor.fetchall()]
            if len(deliveries) < limit:
                self._lost_since = looked_at - LATE
            lost = [AttemptResult(one, LEASE_RAN_OUT, started_at=one.claim.at, duration=None) for one in deliveries]
            self._write(cursor, lost)
            return lost

        if look_back := self._look_back.is_due:
            self._lost_since = "-infinity"
        before = self._database.seconds
        lost = self._database.transaction(work)
        if look_back:
            self._look_back.spend(self._database.seconds - before)
        for attempted in lost:
            log.warning("a lease ran out", extra={**attempted.delivery.named(), "holder": attempted.delivery.worker})
        return len(lost)

    def look_at_mailings(self) -> bool:
        """Asks, when it is time to, whether the mailings of claimed messages run. Returns whether any does not."""
        return self._permits.look()

    def seconds_until_look(self) -> float:
        """How long that may wait."""
        return self._permits.seconds_until_look()

    def _make_claim(self, work: Callable[[Cursor], Claimed]) -> Granted:
        """Makes a claim, once for each time that the database had to be asked."""
        asked: list[float] = []

        def ask(cursor: Cursor) -> Granted:
            asked.append(time.monotonic())
            if len(asked) > 1:
                self._release_unacknowledged(cursor)
            rows, slots = work(cursor)
            return Granted(rows, slots, asked[-1], time.monotonic())

        granted = self._database.transaction(ask)
        self._held.update([(row[0], row[1]) for row in granted.rows])
        return granted

    def _deliveries(self, granted: Granted) -> list[ClaimedMessage]:
        """The deliveries of a claim, but for those that have no text."""
        rows = granted.rows
        if not rows:
            return []
        claim = Claim(rows[0][11], granted.asked_at)
        permits = self._permits.grant({row[2]: claim.monotonic + row[10] for row in rows}, granted.seen_at)
        texts = self._texts.of({(row[2], row[8]) for row in rows})
        lease_allows = self._lease_seconds - self._delivery_seconds
        # The lease and the window are reckoned from before the claim was asked for: on the safe side by its duration.
        deliveries = [
            _delivery(
                row,
                self._worker,
                claim,
                text=texts.get((row[2], row[8]), ""),
                start_from=slot.begins,
                start_by=claim.monotonic + min(lease_allows, row[10]),
                begin_by=slot.ends,
                permit=permits[row[2]],
                gateway=self._gateway,
            )
            for row, slot in zip(rows, granted.slots, strict=True)
        ]
        without_text = [delivery for delivery in deliveries if not delivery.text]
        self._end_without_text(without_text)
        return [delivery for delivery in deliveries if delivery.text] if without_text else deliveries

    def _end_without_text(self, deliveries: Sequence[ClaimedMessage]) -> None:
        """Ends what has nothing to say. Somebody has removed texts by hand, and no repeat would find them again."""
        for delivery in deliveries:
            log.error("a message has no text", extra=delivery.named())
        self.record([AttemptResult(one, NO_TEXT, started_at=one.claim.at, duration=0.0) for one in deliveries])

    def _release_unacknowledged(self, cursor: Cursor) -> None:
        ids, numbers = [message_id for message_id, _ in self._held], [number for _, number in self._held]
        cursor.execute(FIND_UNACKNOWLEDGED, {"worker": self._worker, "ids": ids, "numbers": numbers})
        self._release(cursor, [_held(row) for row in cursor.fetchall()])

    def _claim(self, cursor: Cursor, limit: int, *, alone: bool, pick: Pick = Pick.FIRST) -> Claimed:
        if self._pace is not None:
            limit = min(limit, self._pace.free_slots(cursor))
        if limit == 0:
            return [], []
        # First what nobody holds up. With nothing in hand there is time to wait for the rest, and a poll is longer; but
        # not with the fleet's pace in hand, which would wait with us.
        for wait in (False, True) if alone and self._pace is None else (False,):
            for places in self._places(cursor, pick):
                rows = self._ask_for_claim(cursor, CLAIM, limit, places, wait=wait)
                if rows:
                    return rows, self._slots(cursor, len(rows))
        return [], []

    def _places(self, cursor: Cursor, pick: Pick) -> Iterator[dict[str, list[Any]]]:
        """Where a claim may begin in each mailing: where `pick` says; if nothing is to be had there, as any claim."""
        if pick is not Pick.FIRST:
            cursor.execute(PROBE_PLACES, {"any": pick is Pick.ANY})
            rows = cursor.fetchall()
            yield {name: [row[at] for row in rows] for at, name in enumerate(("mailings", "due_ats", "ids"))}
        yield self._reach.places()

    def _slots(self, cursor: Cursor, number: int) -> list[Slot]:
        return [ANY_TIME] * number if self._pace is None else self._pace.take(cursor, number)

    def _claim_poison_message(self, cursor: Cursor) -> Claimed:
        cursor.execute(LOCK_POISON_MESSAGES)
        held = cursor.fetchone() == (True,)
        rows = self._ask_for_claim(cursor, CLAIM_POISON_MESSAGE, 1, NO_PLACES, wait=False) if held else []
        return rows, [ANY_TIME] * len(rows)

    def _ask_for_claim(
        self, cursor: Cursor, statement: str, limit: int, places: dict[str, list[Any]], *, wait: bool
    ) -> Rows:
        given = {"limit": limit, "lease": self._lease_seconds, "worker": self._worker, "wait": wait}
        cursor.execute(statement, {**given, **places})
        return cursor.fetchall()

    def _release(self, cursor: Cursor, deliveries: Sequence[ClaimedMessage]) -> None:
        given = {
            "ids": [delivery.message_id for delivery in deliveries],
            "numbers": [delivery.number for delivery in deliveries],
            "clients": [delivery.client_id for delivery in deliveries],
            "worker": self._worker,
        }
        with _clients_of(cursor, deliveries):
            cursor.execute(RELEASE, given)
            if cursor.rowcount < len(deliveries):
                cursor.execute(RELEASE_ATTEMPTS, given)

    def _write(self, cursor: Cursor, attempted: Sequence[AttemptResult]) -> None:
        judged = [(one, judge(one.delivery, one.answer, self._retries, self._random)) for one in attempted]
        again = [one.delivery for one, verdict in judged if verdict.status is MessageStatus.PENDING]
        with _clients_of(cursor, again):
            for part in entries(judged, time.monotonic()):
                cursor.execute(RECORD, (part,))
            self._clear_poison_messages(cursor, attempted)

    def _clear_poison_messages(self, cursor: Cursor, attempted: Sequence[AttemptResult]) -> None:
        """An answer that came after its lease had lapsed: the message was perhaps taken for a suspect meanwhile."""
        lapsed = time.monotonic() - self._lease_seconds
        late = [_name(one.delivery) for one in attempted if one.delivery.claim.monotonic < lapsed and one.duration]
        if late:
            ids, numbers = zip(*late, strict=True)
            cursor.execute(CLEAR_POISON_MESSAGES, {"ids": list(ids), "numbers": list(numbers)})


@contextmanager
def _clients_of(cursor: Cursor, deliveries: Sequence[ClaimedMessage]) -> Iterator[None]:
    """Around what sends messages back to pending: ends those whose client has been removed meanwhile."""
    if deliveries:
        cursor.execute(LOCK_CLIENTS, ([delivery.client_id for delivery in deliveries],))
    yield
    if deliveries:
        cursor.execute(END_ORPHANS, ([delivery.message_id for delivery in deliveries],))


def _delivery(
    row: tuple[Any, ...],
    worker: str,
    claim: Claim,
    *,
    text: str = "",
    start_from: float = 0.0,
    start_by: float = 0.0,
    begin_by: float = 0.0,
    permit: Permit = ALWAYS,
    gateway: str = DEFAULT_GATEWAY,
) -> ClaimedMessage:
    """A delivery of a row that begins with the columns that CLAIM and the looks at what is claimed have in common."""
    message_id, number, mailing_id, client_id, phone_number, spared, in_doubt, on_unknown = row[:8]
    return ClaimedMessage(
        message_id,
        number,
        mailing_id,
        client_id,
        phone_number,
        text,
        spared,
        in_doubt,
        ON_UNKNOWN[on_unknown],
        worker,
        claim,
        start_from,
        start_by,
        begin_by,
        permit,
        gateway,
    )


def _held(row: tuple[Any, ...]) -> ClaimedMessage:
    """A delivery that is not to be sent, of a row of FIND_EXPIRED_LEASES or FIND_UNACKNOWLEDGED."""
    worker, claimed_at = row[8:]
    return _delivery(row, worker, Claim(claimed_at, 0.0))


def _name(delivery: ClaimedMessage) -> ClaimKey:
    return delivery.message_id, delivery.number
