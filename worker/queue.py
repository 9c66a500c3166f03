"""The queue: claiming due messages under a lease, and recording in the ledger what came of them.

Every statement here is a transaction of its own. `(message id, attempt number)` names a claim: the number is counted
up by each claim, so whoever moves a message on names the pair, and a claim that was lost moves nothing.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from random import Random

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
# acknowledged, no claim that knew the old state can still be committed.
CLAIM = """
WITH open AS (
    SELECT id, text_revision, on_unknown, end_datetime
    FROM mailing
    WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND status = 'running' AND now() < end_datetime
      AND EXISTS (SELECT FROM message WHERE mailing_id = mailing.id AND status = 'pending' AND due_at <= now())
    ORDER BY random()
    LIMIT %(limit)s
    FOR SHARE
), due AS (
    SELECT message.id, open.text_revision, open.on_unknown, open.end_datetime
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
    text_revision = coalesce(message.text_revision, due.text_revision),
    claimed_at = now(),
    lease_until = now() + %(lease)s * interval '1 second',
    lease_worker = %(worker)s
FROM due
WHERE message.id = due.id
RETURNING message.id, attempts, mailing_id, message.text_revision, client_id, phone_number, attempts_spared, in_doubt,
    on_unknown, claimed_at, extract(epoch FROM end_datetime - now())::float8
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
SELECT message.id, attempts, mailing_id, client_id, phone_number, attempts_spared, in_doubt, on_unknown, lease_worker,
    claimed_at
FROM message JOIN mailing ON mailing.id = mailing_id
WHERE message.status = 'sending' AND lease_until < now()
ORDER BY lease_until
LIMIT %s
FOR UPDATE OF message SKIP LOCKED
"""

# Give back claims whose request certainly never left: as if they had not been claimed.
RELEASE = """
UPDATE message
SET status = 'pending',
    attempts = attempts - 1,
    text_revision = CASE attempts WHEN 1 THEN NULL ELSE text_revision END,
    claimed_at = NULL,
    lease_until = NULL,
    lease_worker = NULL
FROM unnest(%s::bigint[], %s::int[]) AS given(id, number)
WHERE message.id = given.id AND status = 'sending' AND attempts = given.number
"""

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

    def claim(self, limit: int) -> list[Delivery]:
        """Takes at most `limit` due messages, under a lease that is committed before this returns."""
        asked = time.monotonic()

        def work(cursor: Cursor) -> list[tuple]:  # type: ignore[type-arg]
            cursor.execute(CLAIM, {"limit": limit, "lease": self._lease_seconds, "worker": self._worker})
            return cursor.fetchall()

        rows = self._database.transaction(work)
        texts = self._texts.of({(mailing_id, revision) for _, _, mailing_id, revision, *_ in rows})
        # The lease and the window are reckoned from before the claim was asked for: on the safe side by its duration.
        lease_allows = asked + self._lease_seconds - self._delivery_seconds
        return [
            Delivery(
                message_id=message_id,
                number=number,
                mailing_id=mailing_id,
                client_id=client_id,
                phone_number=phone_number,
                text=texts[mailing_id, revision],
                spared=spared,
                in_doubt=in_doubt,
                on_unknown=OnUnknown(on_unknown),
                worker=self._worker,
                claim=Claim(claimed_at, asked),
                start_by=min(lease_allows, asked + window),
            )
            for (
                message_id,
                number,
                mailing_id,
                revision,
                client_id,
                phone_number,
                spared,
                in_doubt,
                on_unknown,
                claimed_at,
                window,
            ) in rows
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
        claims = [(delivery.message_id, delivery.number) for delivery in deliveries]
        if claims:
            ids, numbers = zip(*claims, strict=True)
            self._database.transaction(lambda cursor: cursor.execute(RELEASE, (list(ids), list(numbers))))

    def take_back(self, limit: int) -> int:
        """Ends claims whose lease ran out, as attempts that may have landed. Returns how many there were."""

        def work(cursor: Cursor) -> list[Attempted]:
            cursor.execute(FIND_LOST, (limit,))
            lost = [_lost(*row) for row in cursor.fetchall()]
            self._write(cursor, lost)
            return lost

        lost = self._database.transaction(work)
        for attempted in lost:
            log.warning("a lease ran out", extra={**_of(attempted.delivery), "holder": attempted.delivery.worker})
        return len(lost)

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


def _lost(  # type: ignore[no-untyped-def]
    message_id, number, mailing_id, client_id, phone_number, spared, in_doubt, on_unknown, worker, claimed_at
) -> Attempted:
    delivery = Delivery(
        message_id=message_id,
        number=number,
        mailing_id=mailing_id,
        client_id=client_id,
        phone_number=phone_number,
        text="",
        spared=spared,
        in_doubt=in_doubt,
        on_unknown=OnUnknown(on_unknown),
        worker=worker,
        claim=Claim(claimed_at, 0.0),
        start_by=0.0,
    )
    return Attempted(delivery, LEASE_RAN_OUT, started_at=claimed_at, duration=None)


def _of(delivery: Delivery) -> dict[str, int]:
    return {
        "mailing_id": delivery.mailing_id,
        "message_id": delivery.message_id,
        "client_id": delivery.client_id,
        "attempt": delivery.number,
    }
