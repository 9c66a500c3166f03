"""Receipts: received by the API, then matched and applied by workers.

`receipt_queue` has those that are not applied yet. A worker takes some, finds their messages, moves the receipts to
`receipt`, and folds all receipts of each message (shared/domain/delivery.py). Those that match no message go to
`receipt_orphan`, and come back when a provider's id is recorded that they name.
"""

from __future__ import annotations

from shared import locks
from shared.domain.erasure import ERASED_NUMBER
from shared.domain.reasons import ReasonCode
from shared.sql.conditions import is_one_of_many
from shared.sql.mailings import MAY_START

# What a provider said: the columns that all tables of receipts have.
SAID = "gateway_id, fingerprint, provider_message_id, part, parts, state, reason, code, words, event_at, raw"

# Add the receipts of callbacks, each with the columns of the JSON array's objects.
ADD_RECEIPTS = f"""
INSERT INTO receipt_queue (message_id, recipient, {SAID})
SELECT message_id, recipient, {SAID}
FROM json_to_recordset(%(receipts)s) AS receipt(
    message_id bigint, recipient text, gateway_id int, fingerprint uuid, provider_message_id text, part text,
    parts smallint, state receipt_state, reason undelivered_reason, code text, words text, event_at timestamptz,
    raw text)
"""  # noqa: S608  put together of constants

# About how many receipts are not applied yet, as PostgreSQL's statistics count rows: to count them would read them all.
ESTIMATE_WAITING_RECEIPTS = "SELECT pg_stat_get_live_tuples('receipt_queue'::regclass) AS receipts"

# A receipt whose message is being sent or changed waits as long again as it has waited, within these seconds: a message
# of a worker that was killed is being sent until its lease expires.
_SHORTEST_WAIT = 1
_LONGEST_WAIT = 15

# A provider may give an id again, weeks later: a receipt is never of a submission that is older than the gateway's
# deadline and a week more.
_REUSED_AFTER_HOURS = 168

# A receipt is never of a submission that began after it, but for the error of that time (worker/claimed_message.py).
_EARLY_SECONDS = 5

# The end of a phone number that no provider changes.
_SAME_END = 7

# Whether a message is to the recipient that a receipt names, as far as both are known.
_IS_RECIPIENT = f"""(recipient IS NULL OR phone_number = {ERASED_NUMBER}
                OR right(recipient, {_SAME_END}) = right(phone_number::text, {_SAME_END}))"""

# The message that a receipt is about. By our id, if the provider returned it: the message must have been submitted to
# that gateway, and for that recipient. Else by the provider's id: the last submission to that gateway that got it.
_MATCH = f"""
    LEFT JOIN gateway ON gateway.id = taken.gateway_id
    LEFT JOIN LATERAL (
        SELECT message.id, client_id, delivery_reason FROM message
        WHERE message.id = taken.message_id
            AND {_IS_RECIPIENT}
            AND (message.gateway_id = taken.gateway_id OR EXISTS (
                SELECT FROM attempt WHERE attempt.message_id = message.id AND gateway = name))
        UNION ALL
        (SELECT message.id, client_id, delivery_reason FROM attempt JOIN message ON message.id = attempt.message_id
        WHERE taken.message_id IS NULL AND attempt.provider_message_id = taken.provider_message_id AND gateway = name
            AND started_at > taken.received_at - (receipt_hours + {_REUSED_AFTER_HOURS}) * interval '1 hour'
            AND started_at < taken.received_at + {_EARLY_SECONDS} * interval '1 second'
            AND {_IS_RECIPIENT}
        ORDER BY started_at DESC
        LIMIT 1)
        LIMIT 1
    ) AS matched ON TRUE
"""  # noqa: S608  put together of constants

# The latest parts of inbound messages among which a whole message is looked for: those before may wait for others.
_LATEST_PARTS = 100

# Whether a receipt is due, a mailing to be started, and an inbound message of one part to be stored, as those that
# refuse further messages are: what an idle worker checks twice a second.
FIND_DUE = f"""
SELECT EXISTS (SELECT FROM receipt_queue WHERE due_at <= now() AND due_at > %(after)s) AS receipts,
    EXISTS (SELECT FROM mailing WHERE {MAY_START}) AS mailings,
    EXISTS (
        SELECT
        FROM (
            SELECT parts FROM inbound_part WHERE inbound_message_id IS NULL ORDER BY id DESC LIMIT {_LATEST_PARTS}
        ) AS latest
        WHERE parts = 1
    ) AS inbound
"""  # noqa: S608  put together of constants

# Take receipts that are due, locked, with the messages that they are about. `after` is a time before which none are
# expected: while any transaction still sees them, those that were taken before would be read again.
TAKE_RECEIPTS = f"""
WITH taken AS MATERIALIZED (
    SELECT id, message_id, recipient, gateway_id, provider_message_id, received_at, state, reason, due_at
    FROM receipt_queue
    WHERE due_at <= now() AND due_at > %(after)s
    ORDER BY due_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
SELECT taken.id, due_at, matched.id AS message_id, client_id, state = 'delivered' AS delivered,
    'unknown_subscriber' IN (coalesce(reason, 'other'), coalesce(delivery_reason, 'other')) AS unknown_subscriber
FROM taken {_MATCH}
"""  # noqa: S608  put together of constants

# The clients whose count of unknown numbers may change. The ids go through subqueries here and below, so that the
# planner never takes them for so many that it reads a whole table.
FIND_CLIENTS = """
SELECT id FROM client WHERE id = ANY(ARRAY(SELECT unnest(%(unknown)s)))
UNION
SELECT id FROM client WHERE id = ANY(ARRAY(SELECT unnest(%(delivered)s))) AND unknown_subscriber_count > 0
"""

# Lock them. Before the messages, as everywhere.
LOCK_CLIENTS = """
SELECT id, phone_number FROM client WHERE id = ANY(ARRAY(SELECT unnest(%(ids)s)))
ORDER BY id
FOR NO KEY UPDATE SKIP LOCKED
"""

# Lock messages, but for those that are being recorded at this moment.
LOCK_MESSAGES = """
SELECT message.id, client_id, phone_number, mailing_id, text_revision, text_values, message.status, in_doubt, delivery,
    delivery_reason, receipts,
    phone_number::text LIKE ANY(ARRAY(SELECT prefix || '%%' FROM unnest(no_receipt_prefixes) AS prefix))
        AS none_expected
FROM message LEFT JOIN gateway ON gateway.id = gateway_id
WHERE message.id = ANY(%(ids)s)
ORDER BY message.id
FOR UPDATE OF message SKIP LOCKED
"""

# Let receipts wait whose messages are being sent or recorded.
DEFER_RECEIPTS = f"""
UPDATE receipt_queue
SET due_at = clock_timestamp() + least(
    greatest(clock_timestamp() - received_at, {_SHORTEST_WAIT} * interval '1 second'),
    {_LONGEST_WAIT} * interval '1 second')
WHERE id = ANY(%(ids)s)
"""  # noqa: S608  put together of constants

# Move receipts to the messages that they are about. An equal one is counted.
MOVE_RECEIPTS = f"""
WITH moved AS (
    DELETE FROM receipt_queue WHERE id = ANY(%(ids)s) RETURNING *
), given AS (
    SELECT matched.message_id AS matched_id, moved.*,
        row_number() OVER (PARTITION BY matched.message_id, fingerprint ORDER BY id) AS number,
        count(*) OVER (PARTITION BY matched.message_id, fingerprint) AS times
    FROM moved JOIN unnest(%(ids)s, %(message_ids)s) AS matched(id, message_id) USING (id)
)
INSERT INTO receipt (message_id, received_at, repeats, {SAID})
SELECT matched_id, received_at, times - 1, {SAID} FROM given WHERE number = 1
ON CONFLICT (message_id, fingerprint) DO UPDATE SET repeats = receipt.repeats + excluded.repeats + 1
"""  # noqa: S608  put together of constants

# Receipts of one message that are read at most, so that one that gets very many does not delay all others. No message
# has as many that are in earnest: it has 255 parts at most, and a part has few states.
RECEIPTS_READ = 1000

# All receipts of messages, to fold. Of too many, the same ones whatever their order: final ones first.
READ_RECEIPTS = f"""
SELECT message_id, gateway_id, state, reason, code, event_at, part, parts, received_at, provider_message_id
FROM (
    SELECT *, row_number() OVER (PARTITION BY message_id ORDER BY state DESC, fingerprint) AS number
    FROM receipt
    WHERE {is_one_of_many("message_id")}
) AS numbered
WHERE number <= {RECEIPTS_READ}
"""  # noqa: S608  put together of constants

# How many parts of messages were accepted, as far as that was counted.
READ_SEGMENTS = f"""
SELECT message_id, max(segments) AS segments
FROM attempt
WHERE {is_one_of_many("message_id")} AND result IN ('accepted', 'duplicate')
GROUP BY message_id
HAVING max(segments) IS NOT NULL
"""  # noqa: S608  put together of constants

# Move messages as their receipts say. They are locked.
APPLY_DELIVERY = f"""
UPDATE message
SET status = given.status,
    sent_at = CASE WHEN message.status = 'sent' THEN sent_at ELSE clock_timestamp() END,
    ended_at = CASE WHEN message.status = 'sent' THEN ended_at ELSE clock_timestamp() END,
    due_at = least(due_at, now()),
    reason_code = CASE WHEN message.status = 'sent' THEN reason_code ELSE '{ReasonCode.RECEIPT_CAME}' END,
    reason_params = CASE WHEN message.status = 'sent' THEN reason_params END,
    delivery = given.delivery,
    delivery_at = given.delivery_at,
    delivery_reason = given.delivery_reason,
    delivery_code = given.delivery_code,
    delivery_conflicting = given.delivery_conflicting,
    parts = given.parts,
    parts_delivered = given.parts_delivered
FROM json_to_recordset(%(messages)s) AS given(
    id bigint, status message_status, delivery delivery, delivery_at timestamptz, delivery_reason undelivered_reason,
    delivery_code text, delivery_conflicting boolean, parts smallint, parts_delivered smallint)
WHERE message.id = ANY(%(ids)s) AND message.id = given.id
"""  # noqa: S608  put together of constants

# Complete the attempts that a receipt has settled: the provider's id, by which its later receipts are found.
NAME_SUBMISSIONS = """
UPDATE attempt
SET provider_message_id = given.provider_message_id
FROM unnest(%(ids)s, %(provider_message_ids)s::text[]) AS given(message_id, provider_message_id)
WHERE attempt.message_id = ANY(%(ids)s) AND attempt.message_id = given.message_id AND result = 'ambiguous'
    AND attempt.provider_message_id IS NULL AND number = (
        SELECT max(number) FROM attempt AS last WHERE last.message_id = given.message_id AND result = 'ambiguous'
    )
"""

# Count consecutive messages whose number was unknown: `steps` are added; a step of NULL resets the count.
COUNT_UNKNOWN = """
UPDATE client
SET unknown_subscriber_count = CASE WHEN step IS NULL THEN 0
    ELSE greatest(unknown_subscriber_count + step, 0) END
FROM unnest(%(ids)s, %(steps)s::int[]) AS given(id, step)
WHERE client.id = ANY(ARRAY(SELECT unnest(%(ids)s))) AND client.id = given.id
"""

# Lock what records providers' ids out, until the end of the transaction: see ADOPT_ORPHANS.
LOCK_RECEIPTS = "SELECT pg_advisory_xact_lock({}, {})".format(*locks.RECEIPTS)

# The same for what records such ids, before ADOPT_ORPHANS: these do not exclude each other.
SHARE_RECEIPTS = "SELECT pg_advisory_xact_lock_shared({}, {})".format(*locks.RECEIPTS)

# Move receipts that match no message to the orphans. To be executed under LOCK_RECEIPTS, a statement of its own: it
# finds what has been recorded until that lock was granted, and what is recorded later finds the orphan.
MOVE_ORPHANS = f"""
WITH taken AS MATERIALIZED (
    SELECT * FROM receipt_queue WHERE id = ANY(%(ids)s) FOR UPDATE SKIP LOCKED
), orphan AS (
    SELECT taken.id FROM taken {_MATCH} WHERE matched.id IS NULL
), moved AS (
    DELETE FROM receipt_queue WHERE id = ANY(ARRAY(SELECT id FROM orphan)) RETURNING *
), given AS (
    SELECT *, row_number() OVER (PARTITION BY gateway_id, fingerprint ORDER BY id) AS number,
        count(*) OVER (PARTITION BY gateway_id, fingerprint) AS times
    FROM moved
)
INSERT INTO receipt_orphan (message_id, recipient, received_at, repeats, {SAID})
SELECT message_id, recipient, received_at, times - 1, {SAID} FROM given WHERE number = 1
ON CONFLICT (gateway_id, fingerprint) DO UPDATE
SET repeats = receipt_orphan.repeats + excluded.repeats + 1, received_at = excluded.received_at
"""  # noqa: S608  put together of constants

# An orphan that came more often is queued as often as this: a sender waits for that.
_MOST_REPEATS = 100

# Queue orphans again whose message has been recorded in this transaction: the providers' ids of `ids`. One that is
# older than the submission was about another one, whose id the provider has given again. Each is queued as often as it
# came, so that it is counted as if it had matched at once.
ADOPT_ORPHANS = f"""
WITH adopted AS (
    DELETE FROM receipt_orphan
    USING attempt JOIN gateway ON name = gateway
    WHERE attempt.message_id = ANY(%(ids)s) AND receipt_orphan.gateway_id = gateway.id
        AND receipt_orphan.provider_message_id = attempt.provider_message_id AND receipt_orphan.message_id IS NULL
        AND started_at < receipt_orphan.received_at + {_EARLY_SECONDS} * interval '1 second'
    RETURNING receipt_orphan.*
)
INSERT INTO receipt_queue (message_id, recipient, received_at, {SAID})
SELECT message_id, recipient, received_at, {SAID}
FROM adopted CROSS JOIN generate_series(0, least(repeats, {_MOST_REPEATS}))
"""  # noqa: S608  put together of constants

# Take the batch of messages that has waited longest for its provider to be asked, and set when it is asked again: after
# 2, 4, … minutes, an hour at most, up to the gateway's deadline. `resting` are gateways that are not asked now.
TAKE_TO_POLL = """
WITH taken AS MATERIALIZED (
    SELECT id, gateway_id FROM receipt_wait
    WHERE poll_at <= now() AND gateway_id <> ALL(%(resting)s)
    ORDER BY poll_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
), next AS (
    SELECT taken.id, name, poll_receipts AND receipts AND removed_at IS NULL AS polled, receipt_hours,
        now() + least(2 ^ least(polls + 1, 6), 60) * interval '1 minute' AS at
    FROM taken JOIN receipt_wait USING (id) JOIN gateway ON gateway.id = taken.gateway_id
)
UPDATE receipt_wait
SET polls = polls + 1,
    poll_at = CASE WHEN polled AND at < since + receipt_hours * interval '1 hour' THEN at END
FROM next
WHERE receipt_wait.id = next.id
RETURNING receipt_wait.id, gateway_id, name, polled, message_ids
"""

# Those of the messages that are still awaited, with the providers' ids. Not those whose number was erased: providers
# are asked by the number too.
READ_AWAITED = f"""
SELECT id AS message_id, phone_number, (
    SELECT provider_message_id FROM attempt
    WHERE message_id = message.id AND gateway = %(name)s AND provider_message_id IS NOT NULL
    ORDER BY number DESC
    LIMIT 1
) AS provider_message_id
FROM message
WHERE id = ANY(%(ids)s) AND delivery = 'awaiting' AND gateway_id = %(gateway_id)s AND phone_number <> {ERASED_NUMBER}
ORDER BY id
"""  # noqa: S608  put together of constants

# Ask no more for a batch.
STOP_POLLS = "UPDATE receipt_wait SET poll_at = NULL WHERE id = %(id)s"

# Take the messages whose receipts are overdue.
TAKE_OVERDUE = """
DELETE FROM receipt_wait
WHERE id = ANY(ARRAY(
    SELECT overdue.id
    FROM gateway CROSS JOIN LATERAL (
        SELECT id FROM receipt_wait
        WHERE gateway_id = gateway.id AND since <= now() - receipt_hours * interval '1 hour'
        ORDER BY since
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS overdue
    LIMIT %(limit)s
))
RETURNING message_ids
"""

# End the wait for receipts. A later one still changes the delivery.
END_WAIT = """
UPDATE message
SET delivery = 'no_receipt'
WHERE id = ANY(ARRAY(
    SELECT id FROM message WHERE id = ANY(%(ids)s) AND delivery = 'awaiting' ORDER BY id FOR UPDATE
)) AND delivery = 'awaiting'
"""

# Delete orphans that came `days` ago.
DELETE_ORPHANS = """
DELETE FROM receipt_orphan
WHERE id = ANY(ARRAY(
    SELECT id FROM receipt_orphan
    WHERE received_at < now() - %(days)s * interval '1 day'
    ORDER BY received_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
"""
