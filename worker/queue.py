"""The queue: claiming due messages under a lease, and recording in the ledger what came of them.

Every statement here is a transaction of its own. `(message id, attempt number)` names a claim: the number is counted
up by each claim, so whoever moves a message on names the pair, and a claim that was lost moves nothing.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from random import Random
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.ledger import OnUnknown, Outcome
from worker.answers import Answer
from worker.database import Database
from worker.delivery import Attempted, Claim, Delivery, Retries, judge
from worker.texts import Texts

log = logging.getLogger(__name__)

# Take due messages of the running mailings whose window is open, each mailing its share of the limit, and lease them.
# Locking the mailings FOR SHARE makes pause, cancel and edit wait for claims under way: once such a change is
# acknowledged, no claim that knew the old state can still be committed. The ids go through an array because the
# planner knows nothing of a computed LIMIT: joined with the CTE, it would read the whole table. It would also do so
# for an EXISTS, which it may turn into a join; what has an order and a limit it leaves to the index.
CLAIM = """
WITH open AS (
    SELECT id, text_revision, on_unknown, end_datetime
    FROM mailing CROSS JOIN LATERAL (
        SELECT 1
        FROM message
        WHERE mailing_id = mailing.id AND status = 'pending' AND due_at <= now()
        ORDER BY due_at, id
        LIMIT 1
    ) AS first_due
    WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND status = 'running' AND now() < end_datetime
    ORDER BY random()
    LIMIT %(limit)s
    FOR SHARE OF mailing
), due AS (
    SELECT message.id
    FROM open CROSS JOIN LATERAL (
        SELECT id
        FROM message
        WHERE mailing_id = open.id AND status = 'pending' AND due_at <= now()
        ORDER BY due_at, id
        LIMIT greatest(1, %(limit)s / (SELECT count(*) FROM open))
        FOR UPDATE SKIP LOCKED
    ) AS message
)
UPDATE message
SET status = 'sending',
    attempts = attempts + 1,
    text_revision = coalesce(message.text_revision, open.text_revision),
    claimed_at = now(),
    lease_until = now() + %(lease)s * interval '1 second',
    lease_worker = %(worker)s
FROM open
WHERE message.id = ANY(ARRAY(SELECT id FROM due)) AND open.id = message.mailing_id
RETURNING message.id, attempts, mailing_id, client_id, phone_number, attempts_spared, in_doubt, on_unknown,
    lease_worker, claimed_at, message.text_revision, extract(epoch FROM end_datetime - now())::float8
"""

# Write down what came of each attempt and move its message on: by the claim's holder only, with one exception, a 2xx
# in hand, which is true whatever has happened since.
#
# An attempt, once written, is never changed. One that was given up when its lease ran out (no duration: nobody saw
# its answer) is completed if the answer comes after all; it stays ambiguous: that is why the message was repeated.
RECORD = """
WITH attempted AS (
    SELECT * FROM json_to_recordset(%s) AS attempted(
        message_id bigint, number int, started_at timestamptz, duration float8, outcome outcome, http_status smallint,
        detail text, worker text,
        status message_status, reason text, delay float8, in_doubt boolean, spared boolean)
), moved AS (
    UPDATE message
    SET status = attempted.status,
        attempts_spared = attempts_spared + attempted.spared::int,
        in_doubt = attempted.in_doubt,
        due_at = CASE attempted.status WHEN 'pending' THEN now() + delay * interval '1 second' ELSE due_at END,
        claimed_at = NULL,
        lease_until = NULL,
        lease_worker = NULL,
        sent_at = CASE attempted.status WHEN 'sent' THEN now() END,
        ended_at = CASE attempted.status WHEN 'pending' THEN NULL ELSE now() END,
        reason = attempted.reason
    FROM attempted
    WHERE message.id = attempted.message_id
      AND ((message.status = 'sending' AND message.attempts = attempted.number)
           OR (attempted.status = 'sent' AND message.status <> 'sent'))
)
INSERT INTO attempt (message_id, number, started_at, duration, outcome, http_status, detail, worker)
SELECT message_id, number, started_at, duration, outcome, http_status, detail, worker
FROM attempted
ON CONFLICT (message_id, number) DO UPDATE
SET duration = excluded.duration,
    http_status = excluded.http_status,
    detail = concat_ws(' ', attempt.detail || '; the answer came after all:', excluded.outcome, excluded.detail)
WHERE attempt.duration IS NULL AND excluded.duration IS NOT NULL
"""

# Take messages whose lease ran out out of their holder's hands.
FIND_LOST = """
SELECT message.id, attempts, mailing_id, client_id, phone_number, attempts_spared, in_doubt, on_unknown,
    lease_worker, claimed_at
FROM message JOIN mailing ON mailing.id = mailing_id
WHERE message.status = 'sending' AND lease_until < now()
ORDER BY lease_until
LIMIT %s
FOR UPDATE OF message SKIP LOCKED
"""

# Give back claims whose request certainly never left: as if they had not been claimed. The next claim has the same
# number, so the holder is named too: should this be repeated because its answer was lost, that claim may be another's.
RELEASE = """
UPDATE message
SET status = 'pending',
    attempts = attempts - 1,
    text_revision = CASE attempts WHEN 1 THEN NULL ELSE text_revision END,
    claimed_at = NULL,
    lease_until = NULL,
    lease_worker = NULL
FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]) AS given(id, number)
WHERE message.id = given.id AND status = 'sending' AND attempts = given.number AND lease_worker = %(worker)s
"""

# Give back what this worker has claimed without knowing it: a claim was committed and the answer was lost with the
# connection. Nobody sends these, and only their holder can tell.
RELEASE_UNKNOWN = """
UPDATE message
SET status = 'pending',
    attempts = attempts - 1,
    text_revision = CASE attempts WHEN 1 THEN NULL ELSE text_revision END,
    claimed_at = NULL,
    lease_until = NULL,
    lease_worker = NULL
WHERE status = 'sending' AND lease_worker = %(worker)s
  AND (id, attempts) NOT IN (SELECT * FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]))
"""

ClaimName = tuple[int, int]
"""A message's id and its attempt's number."""

LEASE_RAN_OUT = Answer(Outcome.AMBIGUOUS, detail="the lease ran out before the worker told what came of it")


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
    ) -> None:
        self._database = database
        self._texts = Texts(database)
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._delivery_seconds = delivery_seconds
        self._retries = retries
        self._random = random
        self._held: set[ClaimName] = set()
        """Claims not yet recorded or released."""

    def claim(self, limit: int) -> list[Delivery]:
        """Takes at most `limit` due messages, under a lease that is committed before this returns."""
        asked: list[float] = []  # once for each time that the database had to be asked

        def work(cursor: Cursor) -> list[tuple[Any, ...]]:
            asked.append(time.monotonic())
            if len(asked) > 1:
                cursor.execute(RELEASE_UNKNOWN, self._mine(self._held))
            cursor.execute(CLAIM, {"limit": limit, "lease": self._lease_seconds, "worker": self._worker})
            return cursor.fetchall()

        rows = self._database.transaction(work)
        self._held.update((message_id, number) for message_id, number, *_ in rows)
        texts = self._texts.of({(mailing_id, revision) for _, _, mailing_id, *_, revision, _ in rows})
        # The lease and the window are reckoned from before the claim was asked for: on the safe side by its duration.
        lease_allows = self._lease_seconds - self._delivery_seconds
        return [
            _delivery(
                *leased,
                text=texts[leased[2], revision],
                asked=asked[-1],
                start_by=asked[-1] + min(lease_allows, window),
            )
            for *leased, revision, window in rows
        ]

    def record(self, attempted: Sequence[Attempted]) -> None:
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
                log.exception("an attempt can't be recorded", extra=_of(attempted[0].delivery))
                return
            log.warning("a batch can't be recorded, trying its halves", extra={"trouble": type(error).__name__})
            middle = len(attempted) // 2
            self.record(attempted[:middle])
            self.record(attempted[middle:])

    def release(self, deliveries: Iterable[Delivery]) -> None:
        """Gives back claims whose request certainly never left."""
        claims = [_name(delivery) for delivery in deliveries]
        if claims:
            self._database.transaction(lambda cursor: cursor.execute(RELEASE, self._mine(claims)))
            self._held.difference_update(claims)

    def take_back(self, limit: int) -> int:
        """Ends claims whose lease ran out, as attempts that may have landed. Returns how many there were."""

        def work(cursor: Cursor) -> list[Attempted]:
            cursor.execute(FIND_LOST, (limit,))
            deliveries = [_delivery(*row) for row in cursor.fetchall()]
            lost = [Attempted(one, LEASE_RAN_OUT, started_at=one.claim.at, duration=None) for one in deliveries]
            self._write(cursor, lost)
            return lost

        lost = self._database.transaction(work)
        for attempted in lost:
            log.warning("a lease ran out", extra={**_of(attempted.delivery), "holder": attempted.delivery.worker})
        return len(lost)

    def _mine(self, claims: Collection[ClaimName]) -> dict[str, object]:
        """These claims, as RELEASE and RELEASE_UNKNOWN take them."""
        return {
            "ids": [message_id for message_id, _ in claims],
            "numbers": [number for _, number in claims],
            "worker": self._worker,
        }

    def _write(self, cursor: Cursor, attempted: Sequence[Attempted]) -> None:
        if attempted:
            cursor.execute(RECORD, (json.dumps([self._entry(one) for one in attempted]),))

    def _entry(self, attempted: Attempted) -> dict[str, object]:
        delivery, answer = attempted.delivery, attempted.answer
        verdict = judge(delivery, answer, self._retries, self._random)
        return {
            "message_id": delivery.message_id,
            "number": delivery.number,
            "started_at": attempted.started_at.isoformat(),
            "duration": attempted.duration,
            "outcome": answer.outcome,
            "http_status": answer.http_status,
            "detail": answer.detail,
            "worker": delivery.worker,
            "status": verdict.status,
            "reason": verdict.reason,
            "delay": verdict.delay,
            "in_doubt": verdict.in_doubt,
            "spared": verdict.spared,
        }


def _delivery(
    message_id: int,
    number: int,
    mailing_id: int,
    client_id: int,
    phone_number: int,
    spared: int,
    in_doubt: bool,
    on_unknown: str,
    worker: str,
    claimed_at: datetime,
    *,
    text: str = "",
    asked: float = 0.0,
    start_by: float = 0.0,
) -> Delivery:
    """A delivery of the columns that CLAIM and FIND_LOST both begin with."""
    return Delivery(
        message_id=message_id,
        number=number,
        mailing_id=mailing_id,
        client_id=client_id,
        phone_number=phone_number,
        text=text,
        spared=spared,
        in_doubt=in_doubt,
        on_unknown=OnUnknown(on_unknown),
        worker=worker,
        claim=Claim(claimed_at, asked),
        start_by=start_by,
    )


def _name(delivery: Delivery) -> ClaimName:
    return delivery.message_id, delivery.number


def _of(delivery: Delivery) -> dict[str, int]:
    return {
        "mailing_id": delivery.mailing_id,
        "message_id": delivery.message_id,
        "client_id": delivery.client_id,
        "attempt": delivery.number,
    }
