"""Retention: deleting what is older than its retention time."""

from __future__ import annotations

from shared import locks

# Lock retention: one worker at a time deletes messages.
LOCK_RETENTION = "SELECT pg_try_advisory_xact_lock({}, {}) AS locked".format(*locks.RETENTION)

# Begin or continue the purge of the next mailing. Its row stays locked for the step, so that a retry, which would make
# its messages pending again, comes before the first step or is rejected. Once the purge has begun, deletions no longer
# change its counts.
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

# Delete the next messages of a mailing, with their attempts. The ids go through an array, as in CLAIM: otherwise the
# planner may read all attempts. Each step starts where the previous one ended: index entries of deleted messages may
# remain, and stepping over them takes time.
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

# Record that none of its messages are left.
END_PURGE = "UPDATE mailing SET purged_at = now() WHERE id = %(mailing_id)s"

# Delete the counts and the row of a mailing that a person has removed.
DELETE_COUNTS = "DELETE FROM message_count_delta WHERE mailing_id = %(mailing_id)s"
DELETE_PURGED_MAILING = "DELETE FROM mailing WHERE id = %(mailing_id)s"

# Delete stored responses to requests with an Idempotency-Key that are older than IDEMPOTENCY_TTL. The API deletes some
# with each new one.
DELETE_IDEMPOTENCY_KEYS = """
DELETE FROM idempotency_key
WHERE key IN (
    SELECT key FROM idempotency_key WHERE created_at <= now() - %(kept)s
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
"""
