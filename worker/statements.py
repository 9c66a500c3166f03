"""The SQL of the queue. What each statement does, and why it does it so.

`(message id, attempt number)` names a claim: the number is counted up by each claim, so whoever moves a message on
names the pair, and a claim that was lost moves nothing.
"""

from __future__ import annotations

from shared import locks

# Take due messages of the running mailings whose window is open, each mailing its share of the limit, and lease them.
#
# Pause, cancel and edit wait for claims under way: once such a change is acknowledged, no claim that knew the old state
# can still be committed. FOR SHARE alone would see to that, but it does not queue: claim after claim joins those that
# hold the row, and whoever wants to change it may wait for ever. So a claim first takes the mailing's advisory lock,
# shared, and whoever changes the mailing takes it exclusively: once that is asked for, no claim gets it any more.
# Mailings whose lock is not to be had are left out, or waited for, if `wait`. The lock is asked for only when it is
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
RETURNING message.id, attempts, mailing_id, client_id, phone_number, attempts_spared, in_doubt, on_unknown,
    message.text_revision, due_at, date_part('epoch', end_datetime - now()), date_part('epoch', now())
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

# A suspect is a message whose last two attempts both ended with a lapsed lease: it may be what ends its workers. It has
# `due_at` 'infinity', so that claims neither take it nor step over it, until an answer, or its end. One suspect at a
# time is sent in the whole fleet, by a worker that sends nothing else meanwhile. The lease says that one is: if it
# ends its worker, no other worker follows for as long.
#
# Of the first hundred the one with the fewest attempts: what ends its workers comes after those that it took along. The
# CASE keeps the look at what is sending, which may be much, for when there is a suspect.
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
                ) AS suspect
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

# An answer that came after its lease had lapsed: the message is no suspect any more, if it was one for that attempt.
CLEAR_POISON_MESSAGES = """
UPDATE message
SET due_at = now()
FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]) AS answered(id, number)
WHERE message.id = answered.id AND status = 'pending' AND due_at = 'infinity' AND answered.number > attempts - 2
"""

# Where a probe looks for its message, as CLAIM takes it: per mailing, the place of the message that became due last, or
# any place among the messages that became due together with the first; then mailings that have only messages tried
# before are passed over, by a place behind all that is due. Each is a look at one end of an index.
PROBE_PLACES = """
SELECT mailing.id,
    CASE WHEN %(any)s AND first_due.attempts > 0 THEN now() + interval '1 day' ELSE place.due_at END,
    place.id
FROM mailing CROSS JOIN LATERAL (
    SELECT due_at, id, attempts
    FROM message
    WHERE mailing_id = mailing.id AND status = 'pending' AND due_at <= now()
    ORDER BY due_at, id
    LIMIT 1
) AS first_due CROSS JOIN LATERAL (
    SELECT due_at, CASE WHEN %(any)s THEN first_due.id + floor(random() * (1 + id - first_due.id))::bigint ELSE id END
        AS id
    FROM message
    WHERE mailing_id = mailing.id AND status = 'pending'
      AND due_at <= CASE WHEN %(any)s THEN first_due.due_at ELSE now() END
    ORDER BY message.due_at DESC, message.id DESC
    LIMIT 1
) AS place
WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND status = 'running' AND now() < end_datetime
ORDER BY random()
LIMIT 100
"""

# Earlier attempts at a gateway that refused the account, by message.
EARLIER_REFUSALS = """
SELECT message_id, date_part('epoch', min(started_at)), date_part('epoch', max(started_at)),
    coalesce(max(duration), 0)
FROM attempt
WHERE message_id = ANY(%s) AND gateway = %s AND result IN ('misconfigured', 'no_credit')
GROUP BY message_id
"""

# Write down what came of each attempt and move its message on: by the claim's holder only, with one exception, a 2xx
# in hand, which is true whatever has happened since. No message may be in it twice: a statement moves a row once.
#
# That exception may take a message out of another worker's claim, whose request may be under way. The other claim's
# attempt is written down here, so that it is in the ledger even if its holder does not live to tell; the message keeps
# its holder's name to that end.
#
# An attempt, once written, is never changed. One that was given up when its lease ran out (no duration: nobody saw
# its answer) is completed if the answer comes after all; it stays ambiguous: that is why the message was repeated.
#
# When an attempt started is reckoned twice, from its claim and from now (`ago`). Both are late by what their way to the
# database took, so the earlier one is nearer.
#
# What comes back from a lapsed lease, and came back from one before, is a suspect (see CLAIM_POISON_MESSAGE).
#
# Times are whole microseconds, `started_at` since 1970, and what is null or false is left out: reading and writing
# whole rows with fractions would cost twice as much, here and in the worker.
RECORD = """
WITH attempted AS (
    SELECT * FROM json_to_recordset(%s) AS attempted(
        message_id bigint, number int, started_at float8, ago float8, duration float8,
        gateway text, result attempt_result, provider_code text, reason_code text, reason_params jsonb,
        provider_message_id text, worker text,
        status message_status, reason text, delay float8, in_doubt boolean, spared boolean)
), moved AS (
    UPDATE message
    SET status = attempted.status,
        attempts_spared = attempts_spared + coalesce(attempted.spared, FALSE)::int,
        in_doubt = coalesce(attempted.in_doubt, FALSE),
        due_at = CASE
            WHEN attempted.status <> 'pending' THEN least(due_at, now())
            WHEN attempted.duration IS NULL AND (
                SELECT before.duration IS NULL FROM attempt AS before
                WHERE before.message_id = attempted.message_id AND before.number = attempted.number - 1
            ) THEN 'infinity'
            ELSE now() + delay * interval '1 second'
        END,
        claimed_at = CASE WHEN message.status = 'sending' AND attempts <> number THEN claimed_at END,
        lease_until = NULL,
        lease_worker = CASE WHEN message.status = 'sending' AND attempts <> number THEN lease_worker END,
        sent_at = CASE attempted.status WHEN 'sent' THEN now() END,
        ended_at = CASE attempted.status WHEN 'pending' THEN NULL ELSE now() END,
        reason = attempted.reason
    FROM attempted
    WHERE message.id = attempted.message_id
      AND ((message.status = 'sending' AND message.attempts = attempted.number)
           OR (attempted.status = 'sent' AND message.status <> 'sent'))
    RETURNING message.id, attempts, claimed_at, lease_worker, attempted.gateway
)
INSERT INTO attempt (message_id, number, started_at, duration,
    gateway, result, provider_code, reason_code, reason_params, provider_message_id, worker)
SELECT message_id, number, least(to_timestamp(started_at / 1e6), now() - ago * interval '1 microsecond'),
    duration / 1e6, gateway, result, provider_code, reason_code, reason_params,
    provider_message_id, worker
FROM attempted
UNION ALL
SELECT id, attempts, claimed_at, NULL, gateway, 'ambiguous', NULL, 'sent_meanwhile', NULL, NULL, lease_worker
FROM moved
WHERE lease_worker IS NOT NULL
ON CONFLICT (message_id, number) DO UPDATE
SET duration = excluded.duration,
    provider_code = excluded.provider_code,
    provider_message_id = excluded.provider_message_id,
    reason_params = coalesce(attempt.reason_params, '{}') || jsonb_strip_nulls(jsonb_build_object(
        'late_result', excluded.result, 'late_words', excluded.reason_params -> 'words'))
WHERE attempt.duration IS NULL AND excluded.duration IS NOT NULL
"""

# Messages in somebody's hands, with the columns that CLAIM answers first.
_HELD = """
SELECT message.id, attempts, mailing_id, client_id, phone_number, attempts_spared, in_doubt, on_unknown,
    lease_worker, date_part('epoch', claimed_at)
FROM message JOIN mailing ON mailing.id = mailing_id
WHERE message.status = 'sending'
"""

# Take messages whose lease ran out out of their holder's hands: since the last look, lest it step over the index
# entries of all that have been sent, which stay while any transaction still sees the old rows.
FIND_EXPIRED_LEASES = f"""{_HELD}
  AND lease_until < now() AND lease_until >= %s
ORDER BY lease_until
LIMIT %s
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
FIND_UNACKNOWLEDGED = f"""{_HELD}
  AND lease_worker = %(worker)s
  AND (message.id, attempts) NOT IN (SELECT * FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]))
"""  # noqa: S608  put together of constants

# Messages that go back to pending must still have their clients: locking those makes a removal wait for this commit,
# and then find the messages; a removal that came first is made good by END_ORPHANS.
LOCK_CLIENTS = "SELECT FROM client WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"

END_ORPHANS = """
UPDATE message
SET status = CASE WHEN in_doubt THEN 'unknown' ELSE 'cancelled' END::message_status,
    ended_at = now(),
    reason = 'the client was removed' || CASE WHEN in_doubt THEN ' after an attempt that may have landed' ELSE '' END
WHERE id = ANY(%s) AND status = 'pending' AND NOT EXISTS (SELECT FROM client WHERE client.id = client_id)
"""
