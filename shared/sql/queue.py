"""The queue: taking messages out of it, for a claim or because their mailing has ended.

`queue_batch` names the pending messages in batches of one mailing and path that become due together. A trigger on
`message` adds a batch for whatever becomes pending or gets another due time or path, so no statement here does. A batch
may name messages that have ended, or are due at another time, since: a transaction that takes a batch moves only those
that are still as the batch says. What it takes and does not move in the same transaction would be lost.

A claim is for one gateway, and takes only batches of the paths that are assigned to that gateway
(worker/lanes/lane_set.py). A message in doubt waits on the path of its gateway alone.
"""

from __future__ import annotations

from shared import locks
from shared.domain.reasons import ReasonCode
from shared.sql.conditions import NOT_IN_DOUBT_ELSEWHERE
from shared.sql.local_windows import ARGUMENTS, effective_timezone

# The running mailings whose window is open and that have messages due, locked against changes.
#
# Pause, cancel and edit wait for claims under way: once such a change is acknowledged, no claim that read the old state
# can still be committed. FOR SHARE alone would ensure that, but it does not queue: new claims keep joining those that
# hold the row, and the change may starve. So a claim first takes the mailing's advisory lock, shared, and a change
# takes it exclusively: once the change has requested the lock, no claim gets it any more. Mailings whose lock is not
# available are skipped, or waited for, if `wait`. The lock is requested only once the mailings are chosen. FOR SHARE
# comes after it, and reads the mailing as it is by then. (A mailing's lock is its id: see shared/locks.py.) At most 100
# mailings, since the server's lock table is small.
#
# ORDER BY and LIMIT in the first subquery keep the planner from turning it into a join that reads the whole queue.
_OPEN = """
WITH running AS MATERIALIZED (
    SELECT mailing.id
    FROM mailing CROSS JOIN LATERAL (
        SELECT FROM unnest(%(paths)s) AS path(id) CROSS JOIN LATERAL (
            SELECT FROM queue_batch
            WHERE mailing_id = mailing.id AND path_id = path.id AND {due}
            ORDER BY due_at, id
            LIMIT 1
        ) AS first_of_path
        LIMIT 1
    ) AS first_due
    WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND status = 'running' AND now() < end_datetime{unless}
    ORDER BY random()
    LIMIT {mailings}
), open AS (
    SELECT mailing.id, kind, on_unknown, text_revision, personalised,
        date_part('epoch', end_datetime - now()) AS window_left,
        local_from IS NOT NULL AS has_local_window, requires_consent,
        kind = 'marketing' AND EXISTS (SELECT FROM message_cap) AS is_capped,
        spending_limit IS NOT NULL OR kind <> 'reply' AND EXISTS (
            SELECT FROM sending_rules WHERE daily_spending_limit IS NOT NULL) AS has_spending_limit
    FROM running JOIN mailing USING (id)
    WHERE CASE WHEN %(wait)s THEN pg_advisory_xact_lock_shared(running.id) IS NOT NULL
        ELSE pg_try_advisory_xact_lock_shared(running.id) END
      AND status = 'running' AND now() < end_datetime
    FOR SHARE OF mailing
)"""

# Shorten the batches by what is taken, or delete them.
_TAKE = """, emptied AS (
    DELETE FROM queue_batch WHERE id = ANY(ARRAY(SELECT id FROM taken WHERE cardinality(rest) = 0))
), shortened AS (
    UPDATE queue_batch
    SET message_ids = (SELECT rest FROM taken WHERE taken.id = queue_batch.id)
    WHERE id = ANY(ARRAY(SELECT id FROM taken WHERE cardinality(rest) > 0))
)
SELECT mailing_id, kind, on_unknown, text_revision, personalised, window_left, has_local_window, requires_consent,
    is_capped, has_spending_limit, date_part('epoch', now()) AS now, message_ids
FROM taken JOIN open ON open.id = mailing_id
"""

# Take due messages: an equal share of the limit for each mailing, those first that have been due longest.
#
# As many batches are locked on each path as have the share of a mailing, by a count without locks before. Where other
# workers take the same batches at that moment, this takes those after them.
TAKE_DUE = (
    _OPEN.format(due="due_at <= now()", unless="", mailings="least(%(limit)s, 100)")  # noqa: S608  put together of constants
    + """, share AS (
    SELECT greatest(1, %(limit)s / greatest(1, count(*))) AS messages FROM open
), due AS (
    SELECT batch.*,
        sum(cardinality(message_ids)) OVER (PARTITION BY mailing_id ORDER BY due_at, batch.id)
            - cardinality(message_ids) AS before
    FROM open CROSS JOIN unnest(%(paths)s) AS path(id) CROSS JOIN LATERAL (
        SELECT id, mailing_id, due_at, message_ids
        FROM queue_batch
        WHERE mailing_id = open.id AND path_id = path.id AND due_at <= now()
        ORDER BY due_at, id
        LIMIT (
            SELECT count(*)
            FROM (
                SELECT sum(cardinality(message_ids)) OVER (ORDER BY due_at, id) - cardinality(message_ids) AS before
                FROM (
                    SELECT id, due_at, message_ids
                    FROM queue_batch
                    WHERE mailing_id = open.id AND path_id = path.id AND due_at <= now()
                    ORDER BY due_at, id
                    LIMIT 64
                ) AS first
            ) AS counted
            WHERE before < (SELECT messages FROM share)
        )
        FOR UPDATE SKIP LOCKED
    ) AS batch
), taken AS (
    SELECT id, mailing_id, due.message_ids[:(messages - before)::int] AS message_ids,
        due.message_ids[(messages - before)::int + 1:] AS rest
    FROM due CROSS JOIN share
    WHERE before < messages
)"""
    + _TAKE
)

_MAILINGS = 10
"""Mailings among whose messages one is chosen: those of some have no message that is wanted."""

# Take one message that a subquery finds, out of its batch.
_TAKE_ONE = (
    _OPEN.replace("{mailings}", str(_MAILINGS))  # noqa: S608  put together of constants
    + """, found AS (
    SELECT message.id, mailing_id
    FROM open CROSS JOIN unnest(%(paths)s) AS path(id) CROSS JOIN LATERAL (
        SELECT id, mailing_id
        FROM message
        WHERE id = ANY(ARRAY({candidates})) AND status = 'pending' AND {not_elsewhere} AND {found}
        LIMIT 1
    ) AS message
    LIMIT 1
), taken AS (
    SELECT queue_batch.id, queue_batch.mailing_id, ARRAY[found.id] AS message_ids,
        array_remove(queue_batch.message_ids, found.id) AS rest
    FROM found JOIN queue_batch USING (mailing_id)
    WHERE path_id = ANY(%(paths)s) AND queue_batch.{due} AND queue_batch.message_ids @> ARRAY[found.id]
    LIMIT 1
    FOR UPDATE OF queue_batch SKIP LOCKED
)"""
    + _TAKE
).replace("{not_elsewhere}", NOT_IN_DOUBT_ELSEWHERE)

_BATCHES = 10
"""Batches among whose messages a probe is chosen."""

# Take the message that became due last: a retry, if one is due.
TAKE_LAST_DUE = _TAKE_ONE.format(
    due="due_at <= now()",
    unless="",
    candidates=f"""
            SELECT unnest(message_ids)
            FROM (
                SELECT message_ids FROM queue_batch
                WHERE mailing_id = open.id AND path_id = path.id AND due_at <= now()
                ORDER BY due_at DESC, id DESC
                LIMIT {_BATCHES}
            ) AS last""",  # noqa: S608
    found="due_at <= now() ORDER BY due_at DESC, id DESC",
)

# Take a random message without an attempt, of those that have been due longest.
TAKE_ANY_UNTRIED = _TAKE_ONE.format(
    due="due_at <= now()",
    unless="",
    candidates=f"""
            SELECT unnest(message_ids)
            FROM (
                SELECT message_ids
                FROM queue_batch
                WHERE mailing_id = open.id AND path_id = path.id AND due_at = (
                    SELECT due_at FROM queue_batch
                    WHERE mailing_id = open.id AND path_id = path.id AND due_at <= now()
                    ORDER BY due_at, id
                    LIMIT 1
                )
                ORDER BY due_at, id
                LIMIT {_BATCHES}
            ) AS first""",  # noqa: S608
    found="due_at <= now() AND attempts = 0 ORDER BY random()",
)

# Take one poison message: one whose last two attempts both ended with an expired lease, so that it may crash its
# workers. Until a response or its end it has `due_at` 'infinity'. Only one is sent at a time in the whole fleet, by a
# worker that sends nothing else meanwhile. Its lease shows that one is in flight: if it crashes its worker, no other
# worker claims one until the lease expires.
#
# Those with the fewest attempts come first: messages that only shared a lease with the one that crashes workers. Those
# whose local window is closed are left alone, and those that a cap has put off come last: they stay due at `infinity`,
# and would hold up the others.
_LOCAL_WINDOW_IS_CLOSED = f"""EXISTS (
            SELECT FROM mailing LEFT JOIN client ON client.id = message.client_id
            WHERE mailing.id = message.mailing_id AND local_from IS NOT NULL AND next_permitted(
                now(), end_datetime, {effective_timezone("client.timezone")}, {ARGUMENTS}
            ) > now()
        )"""
TAKE_POISON_MESSAGE = _TAKE_ONE.format(
    due="due_at = 'infinity'",
    unless="""
      AND NOT EXISTS (SELECT FROM claim WHERE poison AND lease_until >= now())""",
    candidates="""
            SELECT unnest(message_ids) FROM queue_batch
            WHERE mailing_id = open.id AND path_id = path.id AND due_at = 'infinity'""",
    found=f"""due_at = 'infinity' AND NOT {_LOCAL_WINDOW_IS_CLOSED}
        ORDER BY reason_code IS NOT DISTINCT FROM '{ReasonCode.OVER_CAP}', attempts, id""",
)

# To be executed before TAKE_POISON_MESSAGE, as a separate statement: no other worker claims a poison message between
# that statement's check and its commit.
LOCK_POISON_MESSAGES = "SELECT pg_try_advisory_xact_lock({}, {}) AS locked".format(*locks.POISON_MESSAGES)

# Take batches of mailings that are cancelled or whose window has closed.
TAKE_ENDED = """
WITH ended AS (
    SELECT id, status = 'cancelled' AS cancelled
    FROM mailing
    WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND (status = 'cancelled' OR end_datetime <= now())
    FOR SHARE
), taken AS (
    SELECT batch.id, cancelled, message_ids
    FROM ended CROSS JOIN LATERAL (
        SELECT id, message_ids
        FROM queue_batch
        WHERE mailing_id = ended.id
        ORDER BY path_id, due_at, id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS batch
    LIMIT %(limit)s
), deleted AS (
    DELETE FROM queue_batch WHERE id = ANY(ARRAY(SELECT id FROM taken))
)
SELECT cancelled, message_ids FROM taken
"""

# Take batches that are due later than any retry can be: the database's clock was set back since. (Those that are due at
# infinity are poison messages.) Messages that wait for a local window or a cap may be due until their mailing ends: no
# step of the clock changes when that is. Messages of one batch wait for the same, so the first one tells; if it has
# ended, the batch is taken, and claims decide about the others again.
TAKE_DUE_TOO_LATE = f"""
DELETE FROM queue_batch
WHERE id = ANY(ARRAY(
    SELECT batch.id
    FROM (
        SELECT id, now() + %(wait)s * interval '1 second' AS latest,
            CASE WHEN local_from IS NOT NULL OR kind = 'marketing' AND EXISTS (SELECT FROM message_cap)
            THEN greatest(end_datetime, now()) END AS latest_waiting
        FROM mailing
        WHERE launch_started_at IS NOT NULL AND settled_at IS NULL
    ) AS mailing CROSS JOIN path CROSS JOIN LATERAL (
        SELECT id FROM queue_batch
        WHERE mailing_id = mailing.id AND path_id = path.id
            AND due_at < 'infinity' AND due_at > latest
            AND (latest_waiting IS NULL OR due_at > latest_waiting OR NOT EXISTS (
                SELECT FROM message
                WHERE message.id = queue_batch.message_ids[1] AND status = 'pending'
                    AND reason_code IN ('{ReasonCode.OUTSIDE_LOCAL_WINDOW}', '{ReasonCode.OVER_CAP}')
            ))
        ORDER BY due_at, id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS batch
    LIMIT %(limit)s
))
RETURNING message_ids
"""  # noqa: S608  put together of constants

# Delete what is left of mailings that have settled: batches that name only messages that have ended.
DELETE_SETTLED = "DELETE FROM queue_batch WHERE mailing_id = ANY(%(mailings)s)"

# Queue pending messages of a mailing that are in no batch: it had settled, and what was left of its batches is deleted.
QUEUE_AGAIN = """
UPDATE message
SET due_at = now()
WHERE mailing_id = %(mailing_id)s AND status = 'pending'
  AND id NOT IN (SELECT unnest(message_ids) FROM queue_batch WHERE mailing_id = %(mailing_id)s)
"""
