"""Claims: leasing messages, releasing them, and finding expired leases.

`(message id, attempt number)` identifies a claim: each claim increments the number. Statements that move a claimed
message name the pair, so a claim that has ended moves nothing.
"""

from __future__ import annotations

from shared import locks

# Lease due messages of the running mailings whose window is open, an equal share of the limit for each mailing.
#
# Pause, cancel and edit wait for claims under way: once such a change is acknowledged, no claim that read the old state
# can still be committed. FOR SHARE alone would ensure that, but it does not queue: new claims keep joining those that
# hold the row, and the change may starve. So a claim first takes the mailing's advisory lock, shared, and a change
# takes it exclusively: once the change has requested the lock, no claim gets it any more. Mailings whose lock is not
# available are skipped, or waited for, if `wait`. The lock is requested only once the mailings are chosen. FOR SHARE
# comes after it, and reads the mailing as it is by then. (A mailing's lock is its id: see shared/locks.py.) At most 100
# mailings, since the server's lock table is small.
#
# The ids go through an array because the planner cannot estimate a computed LIMIT: joined with the CTE, it would read
# the whole table. It would also do so for an EXISTS, which it may turn into a join; for a query with ORDER BY and LIMIT
# it uses the index. The "+ 0" keeps it from looking up all messages of a mailing in addition to the few by their ids.
#
# For a computed LIMIT the planner also expects a tenth of all rows: with some hundred thousand pending messages the
# estimated cost would exceed jit_above_cost (100,000), and compiling takes longer than the claim. So each mailing's
# share is read from a scan with a constant LIMIT, and all of them together have that limit as well. Rows are locked one
# by one as the outer limit needs them.
#
# `reached` is the position that earlier claims reached. Index entries of moved messages remain while any transaction
# still sees the old rows, and a claim that starts from the beginning steps over every one of them.
_CLAIM = """
WITH running AS MATERIALIZED (
    SELECT mailing.id, reached_due_at, reached_id
    FROM mailing CROSS JOIN LATERAL (
        SELECT coalesce(min(due_at), '-infinity') AS reached_due_at, coalesce(min(id), 0) AS reached_id
        FROM unnest(%(mailings)s::bigint[], %(due_ats)s::timestamptz[], %(ids)s::bigint[])
            AS place(mailing_id, due_at, id)
        WHERE mailing_id = mailing.id
    ) AS reached CROSS JOIN LATERAL (
        SELECT 1
        FROM message
        WHERE mailing_id = mailing.id AND status = 'pending' AND {due}
        ORDER BY due_at, id
        LIMIT 1
    ) AS first_due
    WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND status = 'running' AND now() < end_datetime
    ORDER BY random()
    LIMIT least(%(limit)s, 100)
), open AS (
    SELECT mailing.id, text_revision, on_unknown, end_datetime, reached_due_at, reached_id
    FROM running JOIN mailing USING (id)
    WHERE CASE WHEN %(wait)s THEN pg_advisory_xact_lock_shared(running.id) IS NOT NULL
        ELSE pg_try_advisory_xact_lock_shared(running.id) END
      AND status = 'running' AND now() < end_datetime{unless}
    FOR SHARE OF mailing
), due AS (
    SELECT message.id
    FROM open CROSS JOIN LATERAL (
        SELECT id
        FROM ({first}) AS first
        LIMIT greatest(1, %(limit)s / (SELECT count(*) FROM open))
    ) AS message
    LIMIT %(limit)s
)
UPDATE message
SET status = 'sending',
    attempts = attempts + 1,
    text_revision = coalesce(message.text_revision, open.text_revision),
    claimed_at = now(),
    lease_until = now() + %(lease)s * interval '1 second',
    lease_worker = %(worker)s
FROM open
WHERE open.id = message.mailing_id + 0 AND message.id = ANY(ARRAY(SELECT id FROM due))
RETURNING message.id, attempts, mailing_id, client_id, phone_number, uncounted_attempts, in_doubt, on_unknown,
    message.text_revision, due_at, date_part('epoch', end_datetime - now()) AS window_left,
    date_part('epoch', now()) AS claimed_at
"""

CLAIM = _CLAIM.format(
    due="due_at <= now() AND (due_at, id) >= (reached_due_at, reached_id)",
    unless="",
    first="""
            SELECT id
            FROM message
            WHERE mailing_id = open.id AND status = 'pending' AND due_at <= now()
              AND (due_at, id) >= (reached_due_at, reached_id)
            ORDER BY due_at, id
            LIMIT %(limit)s
            FOR UPDATE SKIP LOCKED
        """,
)

# Lease one poison message: one whose last two attempts both ended with an expired lease, so that it may crash its
# workers. Until a response or its end it has `due_at` 'infinity', so that claims neither take it nor step over it. Only
# one is sent at a time in the whole fleet, by a worker that sends nothing else meanwhile. Its lease shows that one is
# in flight: if it crashes its worker, no other worker claims one until the lease expires.
#
# Of the first hundred, the one with the fewest attempts: messages that only shared a lease with the one that crashes
# workers come before it. The CASE reads the messages in flight, which may be many, only if there is a poison message.
CLAIM_POISON_MESSAGE = _CLAIM.format(
    due="due_at = 'infinity'",
    unless="""
      AND CASE WHEN running.id IS NOT NULL THEN (
            SELECT id FROM message WHERE status = 'sending' AND lease_until >= now() AND due_at = 'infinity'
            ORDER BY lease_until
            LIMIT 1
        ) IS NULL END""",
    first="""
            SELECT id
            FROM message
            WHERE status = 'pending' AND id = (
                SELECT id FROM (
                    SELECT id, attempts
                    FROM message
                    WHERE mailing_id = open.id AND status = 'pending' AND due_at = 'infinity'
                    ORDER BY due_at, id
                    LIMIT 100
                ) AS poison
                ORDER BY attempts, id
                LIMIT 1
            )
            LIMIT %(limit)s
            FOR UPDATE SKIP LOCKED
        """,
)

# To be executed before CLAIM_POISON_MESSAGE, as a statement of its own: no other worker claims a poison message between
# that statement's check and its commit.
LOCK_POISON_MESSAGES = "SELECT pg_try_advisory_xact_lock({}, {})".format(*locks.POISON_MESSAGES)

# Messages under a lease, with the columns of LeasedRow in worker/claim_rows.py.
_LEASED = """
SELECT message.id, attempts, mailing_id, client_id, phone_number, uncounted_attempts, in_doubt, on_unknown,
    lease_worker, date_part('epoch', claimed_at) AS claimed_at
FROM message JOIN mailing ON mailing.id = mailing_id
WHERE message.status = 'sending'
"""

# Lock the messages whose lease has expired since the last check. A scan from the beginning would step over the index
# entries of all messages sent, which remain while any transaction still sees the old rows.
FIND_EXPIRED_LEASES = f"""{_LEASED}
  AND lease_until < now() AND lease_until >= %(since)s
ORDER BY lease_until
LIMIT %(limit)s
FOR UPDATE OF message SKIP LOCKED
"""

# Renew leases of claims that are dated in the future: the database's clock was set back since, and they would last too
# long by that difference. Their holders may be alive, so they get a whole lease from now on, and no more. `lease` is
# this worker's. Leases of others may be longer, so the claim's own date decides, by a clock that is read after the
# rows.
RENEW_LEASES = """
UPDATE message
SET claimed_at = now(),
    lease_until = now() + (lease_until - claimed_at)
WHERE id = ANY(ARRAY(
    SELECT id FROM message
    WHERE status = 'sending' AND lease_until > now() + %(lease)s * interval '1 second'
      AND claimed_at > clock_timestamp()
    ORDER BY lease_until
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
"""

# Release claims whose request certainly never left. They become as if never claimed, and changes for messages without
# an attempt apply to them. The next claim has the same number, so the holder is compared too: if this statement is
# repeated because its acknowledgement was lost, that claim may be another worker's.
RELEASE = """
UPDATE message
SET status = 'pending',
    attempts = attempts - 1,
    text_revision = CASE attempts WHEN 1 THEN NULL ELSE text_revision END,
    phone_number = CASE attempts WHEN 1 THEN coalesce(client.phone_number, message.phone_number)
        ELSE message.phone_number END,
    claimed_at = NULL,
    lease_until = NULL,
    lease_worker = NULL
FROM unnest(%(ids)s::bigint[], %(numbers)s::int[], %(clients)s::bigint[]) AS given(id, number, client_id)
    LEFT JOIN client ON client.id = given.client_id
WHERE message.id = given.id AND status = 'sending' AND attempts = given.number AND lease_worker = %(worker)s
"""

# Complete the attempts of released claims that RECORD has ended meanwhile: there was no request.
RELEASE_ATTEMPTS = """
UPDATE attempt
SET duration = 0,
    reason_params = coalesce(reason_params, '{}') || '{"late_result": "not_submitted"}'
FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]) AS given(id, number)
WHERE message_id = given.id AND attempt.number = given.number AND worker = %(worker)s AND duration IS NULL
"""

# Find claims of this worker that were committed but whose acknowledgement was lost with the connection. They are not
# being sent, and only their holder can detect that.
FIND_UNACKNOWLEDGED = f"""{_LEASED}
  AND lease_worker = %(worker)s
  AND (message.id, attempts) NOT IN (SELECT * FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]))
"""  # noqa: S608  put together of constants
