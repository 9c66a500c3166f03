"""Retention: removing what has been kept for long enough."""

from __future__ import annotations

from shared import locks

# Lock retention: one worker at a time removes messages.
LOCK_RETENTION = "SELECT pg_try_advisory_xact_lock({}, {}) AS locked".format(*locks.RETENTION)

# Begin, or go on with, the purge of the mailing that is next. Its row is held for the step, so that a retry, which
# would make its messages pending again, comes before the first step or is refused. Once the purge has begun, its counts
# no longer follow what is deleted.
BEGIN_PURGE = """
UPDATE mailing
SET purge_started_at = coalesce(purge_started_at, now())
WHERE id = (
    SELECT id FROM mailing
    WHERE settled_at < now() - %(days)s * interval '1 day' AND purged_at IS NULL
      -- Its counts must be final before its messages go.
      AND NOT EXISTS (SELECT FROM message_count_delta WHERE mailing_id = mailing.id AND NOT compacted)
    ORDER BY settled_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, deleted_at IS NOT NULL AS hidden
"""

# Delete the next messages of a mailing, with their attempts. The ids go through an array, as in CLAIM: the planner
# would read all attempts for what it takes for many messages. What has been deleted before is stepped over by beginning
# where the step before ended: its index entries may stay.
PURGE_MESSAGES = """
WITH step AS (
    SELECT id, status FROM message
    WHERE mailing_id = %(mailing_id)s AND status <> 'sending' AND (status, id) > (%(status)s, %(id)s)
    ORDER BY status, id
    LIMIT %(limit)s
), gone AS (
    DELETE FROM message WHERE id = ANY(ARRAY(SELECT id FROM step))
), attempts AS (
    DELETE FROM attempt WHERE message_id = ANY(ARRAY(SELECT id FROM step))
)
SELECT status, id FROM step ORDER BY status, id
"""

# Note that none of its messages are left.
END_PURGE = "UPDATE mailing SET purged_at = now() WHERE id = %(mailing_id)s"

# Of a mailing that a person has removed, its counts and itself go too.
DELETE_COUNTS = "DELETE FROM message_count_delta WHERE mailing_id = %(mailing_id)s"
DELETE_PURGED_MAILING = "DELETE FROM mailing WHERE id = %(mailing_id)s"

# Delete answers to requests with an Idempotency-Key, whose time (IDEMPOTENCY_TTL) is over. The API deletes some with
# each new one.
DELETE_IDEMPOTENCY_KEYS = """
DELETE FROM idempotency_key
WHERE key IN (
    SELECT key FROM idempotency_key WHERE created_at <= now() - %(kept)s
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
"""
