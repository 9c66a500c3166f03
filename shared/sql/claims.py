"""Claims: taking messages under a lease, giving them back, and finding leases that have expired.

`(message id, attempt number)` names a claim: the number is counted up by each claim, so whoever moves a message on
names the pair, and a claim that was lost moves nothing.
"""

from __future__ import annotations

from shared import locks

# Take due messages of the running mailings whose window is open, each mailing its share of the limit, and lease them.
#
# Pause, cancel and edit wait for claims under way: once such a change is acknowledged, no claim that knew the old state
# can still be committed. FOR SHARE alone would see to that, but it does not queue: claim after claim joins those that
# hold the row, and a change may wait for ever. So a claim first takes the mailing's advisory lock, shared, and a change
# takes it exclusively: once that is asked for, no claim gets it any more. Mailings whose lock is not available are left
# out, or waited for, if `wait`. The lock is asked for only when it is
# settled which mailings are taken; FOR SHARE comes after it, and looks at the mailing as it is by then. (A mailing's
# lock is its id: see shared/locks.py.) No more than 100 mailings, since the server's table of locks is small.
#
# The ids go through an array because the planner knows nothing of a computed LIMIT: joined with the CTE, it would read
# the whole table. It would also do so for an EXISTS, which it may turn into a join; what has an order and a limit it
# leaves to the index. The "+ 0" keeps it from looking a mailing's messages up by their mailing, all of them, beside the
# few by their ids.
#
# Of a computed LIMIT the planner also expects a tenth of all there is, and estimates the cost accordingly: with some
# hundred thousand pending it would compile the statement (jit_above_cost, 100,000), for longer than a claim takes. So
# each mailing's share is taken of a scan whose LIMIT is a constant, and all of them together have that limit as well.
# Rows are locked one by one as the outer limit asks for them.
#
# `reached` is how far the claims before got. Index entries of messages that have moved on stay where they were while
# any transaction still sees the old rows, and a claim that begins at the beginning steps over every one of them.
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

# Take one poison message: one whose last two attempts both ended with an expired lease, so that it may be what ends its
# workers. It has `due_at` 'infinity', so that claims neither take it nor step over it, until an answer, or its end. One
# at a time is sent in the whole fleet, by a worker that sends nothing else meanwhile. The lease says that one is: if it
# ends its worker, no other worker follows for as long.
#
# Of the first hundred the one with the fewest attempts: what ends its workers comes after those that it took along. The
# CASE keeps the look at what is sending, which may be much, for when there is such a message.
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

# To be held before CLAIM_POISON_MESSAGE, by a statement of its own: no other worker claims one between its look at what
# is sending and its commit.
LOCK_POISON_MESSAGES = "SELECT pg_try_advisory_xact_lock({}, {})".format(*locks.POISON_MESSAGES)

# Messages under a lease, with the columns of LeasedRow in worker/queue.py.
_LEASED = """
SELECT message.id, attempts, mailing_id, client_id, phone_number, uncounted_attempts, in_doubt, on_unknown,
    lease_worker, date_part('epoch', claimed_at) AS claimed_at
FROM message JOIN mailing ON mailing.id = mailing_id
WHERE message.status = 'sending'
"""

# Lock the messages whose lease has expired: since the last look, lest it step over the index entries of all that have
# been sent, which stay while any transaction still sees the old rows.
FIND_EXPIRED_LEASES = f"""{_LEASED}
  AND lease_until < now() AND lease_until >= %(since)s
ORDER BY lease_until
LIMIT %(limit)s
FOR UPDATE OF message SKIP LOCKED
"""

# Leases of claims that lie in the future: they were dated before the database's clock was put back, and would hold for
# as long as it was ahead. Their holders may live, so they get a whole lease from now on, and no more. `lease` is this
# worker's; leases of others may be longer, and the claim's own date decides, by a clock that is read after the rows.
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

# Give back claims whose request certainly never left: as if they had not been claimed, so what has changed for messages
# never attempted has changed for them. The next claim has the same number, so the holder is named too: should this be
# repeated because its answer was lost, that claim may be another's.
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

# Of those, claims that RECORD has ended for them meanwhile: their attempts say that there was no request after all.
RELEASE_ATTEMPTS = """
UPDATE attempt
SET duration = 0,
    reason_params = coalesce(reason_params, '{}') || '{"late_result": "not_submitted"}'
FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]) AS given(id, number)
WHERE message_id = given.id AND attempt.number = given.number AND worker = %(worker)s AND duration IS NULL
"""

# What this worker has claimed without knowing it: a claim was committed and the answer was lost with the connection.
# Nobody sends these, and only their holder can tell.
FIND_UNACKNOWLEDGED = f"""{_LEASED}
  AND lease_worker = %(worker)s
  AND (message.id, attempts) NOT IN (SELECT * FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]))
"""  # noqa: S608  put together of constants
