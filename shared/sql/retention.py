"""Retention: deleting what is older than its retention time. Old messages go with their partition."""

from __future__ import annotations

from shared import locks

# Lock retention: one worker at a time begins and drops partitions.
LOCK_RETENTION = "SELECT pg_try_advisory_xact_lock({}, {}) AS locked".format(*locks.RETENTION)

# Delete stored responses to requests with an Idempotency-Key that are older than IDEMPOTENCY_TTL. The API deletes some
# with each new one.
DELETE_IDEMPOTENCY_KEYS = """
DELETE FROM idempotency_key
WHERE key IN (
    SELECT key FROM idempotency_key WHERE created_at <= now() - %(kept)s
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
"""
