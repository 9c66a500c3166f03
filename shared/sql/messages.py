"""Messages: changes by attempts, closed windows, removed clients, people and restores."""

from __future__ import annotations

from shared.domain.reasons import ReasonCode
from shared.sql.fragments import end_unless_in_doubt

# Record attempts and move their messages: for the claim's holder only, with one exception. An acceptance that was
# received is recorded as `sent` whatever has happened since, because it is true. A message must not occur twice in the
# parameter: a statement updates a row only once.
#
# That exception may end another worker's claim, whose request may be in flight. The other claim's attempt is added
# here, so that it is in the ledger even if its holder crashes. For this the message keeps its holder's name.
#
# A recorded attempt is never changed. One that was recorded when its lease expired (no duration: no response was seen)
# is completed if the response comes later. It stays ambiguous: that is why the message was repeated.
#
# The start of an attempt is computed twice, from its claim and from now (`ago`). Both are late by the time to the
# database, so the earlier one is more exact.
#
# A message whose last two attempts both ended with an expired lease becomes a poison message (CLAIM_POISON_MESSAGE).
#
# Times are whole microseconds, `started_at` since 1970, and null or false values are left out: whole rows with
# fractions would cost twice as much to write and read, here and in the worker.
RECORD = """
WITH attempted AS (
    SELECT * FROM json_to_recordset(%(attempted)s) AS attempted(
        message_id bigint, number int, started_at float8, ago float8, duration float8,
        gateway text, result attempt_result, provider_code text, reason_code text, reason_params jsonb,
        provider_message_id text, worker text,
        status message_status, status_reason_code text, status_reason_params jsonb, delay float8, in_doubt boolean,
        uncounted boolean)
), moved AS (
    UPDATE message
    SET status = attempted.status,
        uncounted_attempts = uncounted_attempts + coalesce(attempted.uncounted, FALSE)::int,
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
        reason_code = attempted.status_reason_code,
        reason_params = attempted.status_reason_params
    FROM attempted
    WHERE message.id = attempted.message_id
      AND ((message.status = 'sending' AND message.attempts = attempted.number)
           OR (attempted.status = 'sent' AND message.status <> 'sent'))
    RETURNING message.id, attempts, claimed_at, lease_worker, attempted.gateway
)
INSERT INTO attempt (message_id, number, started_at, duration,
    gateway, result, provider_code, reason_code, reason_params, provider_message_id, worker)
SELECT message_id, number, least(to_timestamp(started_at / 1e6), now() - ago * interval '1 microsecond'),
    duration / 1e6, gateway, result, provider_code, reason_code, reason_params, provider_message_id, worker
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

# Make poison messages due for which a response came after the lease had expired, if it belongs to one of the attempts
# that made them poison messages.
CLEAR_POISON_MESSAGES = """
UPDATE message
SET due_at = now()
FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]) AS answered(id, number)
WHERE message.id = answered.id AND status = 'pending' AND due_at = 'infinity' AND answered.number > attempts - 2
"""

# Lock the clients of messages that become pending again: a removal then waits for this commit, and finds the messages.
# After a removal that came first, CANCEL_WITHOUT_CLIENT ends them.
LOCK_CLIENTS = "SELECT FROM client WHERE id = ANY(%(clients)s) ORDER BY id FOR KEY SHARE"

# End those of the messages that became pending again whose client was removed meanwhile.
CANCEL_WITHOUT_CLIENT = f"""
UPDATE message
SET status = {end_unless_in_doubt("'cancelled'")},
    ended_at = now(),
    reason_code = '{ReasonCode.CLIENT_REMOVED}',
    reason_params = NULL
WHERE id = ANY(%(ids)s) AND status = 'pending' AND NOT EXISTS (SELECT FROM client WHERE client.id = client_id)
"""  # noqa: S608  put together of constants

# End the pending messages of a client who is being removed. They are locked in the order of their ids, as everywhere,
# so that there is no deadlock.
CANCEL_FOR_CLIENT = f"""
UPDATE message
SET status = {end_unless_in_doubt("'cancelled'")},
    ended_at = now(),
    reason_code = '{ReasonCode.CLIENT_REMOVED}',
    reason_params = NULL
WHERE id IN (SELECT id FROM message WHERE client_id = %(client_id)s AND status = 'pending' ORDER BY id FOR UPDATE)
"""  # noqa: S608  put together of constants

# Set a client's new phone number on the messages without an attempt.
CHANGE_PHONE_NUMBER = """
UPDATE message
SET phone_number = %(phone_number)s
WHERE id IN (
    SELECT id FROM message
    WHERE client_id = %(client_id)s AND status = 'pending' AND attempts = 0
    ORDER BY id
    FOR UPDATE
)
"""

# End the pending messages of mailings that are cancelled or whose window has closed. Each call continues at the
# position that the previous one reached, as claims do.
EXPIRE_MESSAGES = f"""
WITH over AS (
    SELECT mailing.id, status = 'cancelled' AS cancelled, coalesce(due_at, '-infinity') AS reached_due_at,
        coalesce(place.id, 0) AS reached_id
    FROM mailing LEFT JOIN unnest(%(mailings)s::bigint[], %(due_ats)s::timestamptz[], %(ids)s::bigint[])
        AS place(mailing_id, due_at, id) ON mailing_id = mailing.id
    WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND (status = 'cancelled' OR end_datetime <= now())
    FOR SHARE OF mailing
), closing AS (
    SELECT message.id
    FROM over CROSS JOIN LATERAL (
        SELECT id
        FROM message
        WHERE mailing_id = over.id AND status = 'pending' AND (due_at, id) >= (reached_due_at, reached_id)
        ORDER BY due_at, id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS message
    LIMIT %(limit)s
)
UPDATE message
SET status = {end_unless_in_doubt("CASE WHEN cancelled THEN 'cancelled' ELSE 'expired' END")},
    ended_at = now(),
    reason_code = CASE WHEN cancelled THEN '{ReasonCode.MAILING_CANCELLED}' ELSE '{ReasonCode.WINDOW_CLOSED}' END,
    reason_params = NULL
FROM over
WHERE message.id = ANY(ARRAY(SELECT id FROM closing)) AND over.id = message.mailing_id + 0
RETURNING mailing_id, due_at, message.id
"""  # noqa: S608  put together of constants

# Make messages due that are due later than any retry can be: the database's clock was set back since. (Those that are
# due at infinity are poison messages: see CLAIM_POISON_MESSAGE.)
ADVANCE_DUE = """
UPDATE message
SET due_at = now()
WHERE id = ANY(ARRAY(
    SELECT message.id
    FROM mailing CROSS JOIN LATERAL (
        SELECT id
        FROM message
        WHERE mailing_id = mailing.id AND status = 'pending'
            AND due_at > now() + %(wait)s * interval '1 second' AND due_at < 'infinity'
        ORDER BY due_at, id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS message
    WHERE launch_started_at IS NOT NULL AND settled_at IS NULL
    LIMIT %(limit)s
))
"""

# Make messages pending again, with the full number of attempts. Those made so far stay in the ledger. The status is
# compared again: an acceptance may have come since the messages were listed.
RETRY_MESSAGES = """
UPDATE message
SET status = 'pending',
    due_at = now(),
    ended_at = NULL,
    reason_code = NULL,
    reason_params = NULL,
    uncounted_attempts = attempts
WHERE id = ANY(%(ids)s::bigint[]) AND status = %(status)s::message_status
"""

# A person confirms that an unknown message has arrived. (The clock and not now(), which is when the transaction began:
# it may have waited for the mailing's lock since.)
RESOLVE_AS_ARRIVED = f"""
UPDATE message
SET status = 'sent',
    sent_at = clock_timestamp(),
    ended_at = clock_timestamp(),
    reason_code = '{ReasonCode.RESOLVED_ARRIVED}',
    reason_params = NULL
WHERE id = %(id)s AND status = 'unknown'
"""  # noqa: S608  put together of constants

# A person confirms that it has not arrived: it is no longer in doubt.
RESOLVE_AS_NOT_ARRIVED = f"""
UPDATE message
SET status = 'failed',
    in_doubt = FALSE,
    ended_at = clock_timestamp(),
    reason_code = '{ReasonCode.RESOLVED_NOT_ARRIVED}',
    reason_params = NULL
WHERE id = %(id)s AND status = 'unknown'
"""  # noqa: S608  put together of constants
