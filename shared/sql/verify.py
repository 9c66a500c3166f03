"""Checks of the whole ledger: what foreign keys and constraints would cost too much to ensure with every statement.

Each statement finds the ids of what contradicts one rule. They are executed in one snapshot.
"""

from __future__ import annotations

from shared.domain.reasons import ReasonCode

MESSAGES_WITHOUT_MAILING = """
SELECT id FROM message WHERE NOT EXISTS (SELECT FROM mailing WHERE mailing.id = mailing_id)
"""

# Those that are not the first message of their mailing to their client. (Within a partition an index ensures it.)
REPEATED_MESSAGES = """
SELECT id
FROM (SELECT id, row_number() OVER (PARTITION BY client_id, mailing_id ORDER BY id) AS number FROM message) AS numbered
WHERE number > 1
"""

# Mailings. The counts of those of which messages are gone are no longer those of the messages.
WRONG_COUNTS = """
SELECT DISTINCT mailing_id AS id
FROM (
    SELECT mailing_id, status, count(*) AS messages FROM message GROUP BY mailing_id, status
    UNION ALL
    SELECT mailing_id, status, -sum(delta) FROM message_count_delta WHERE mailing_id IS NOT NULL
    GROUP BY mailing_id, status
) AS counted
WHERE NOT EXISTS (SELECT FROM mailing WHERE mailing.id = mailing_id AND purge_started_at IS NOT NULL)
GROUP BY mailing_id, status
HAVING sum(messages) <> 0
"""

# Mailings.
WRONG_AUDIENCES = """
SELECT mailing.id
FROM mailing LEFT JOIN (SELECT mailing_id, count(*) AS messages FROM message GROUP BY mailing_id) AS counted
    ON mailing_id = mailing.id
WHERE launch_started_at IS NOT NULL AND purge_started_at IS NULL AND audience <> coalesce(messages, 0)
"""

# A batch becomes due with its messages or up to 250 ms later. One that is due before a message is taken without it.
PENDING_NOT_QUEUED = """
SELECT message.id
FROM message LEFT JOIN (
    SELECT unnest(message_ids) AS id, mailing_id, due_at FROM queue_batch
) AS queued ON queued.id = message.id AND queued.mailing_id = message.mailing_id
    AND queued.due_at BETWEEN message.due_at AND message.due_at + interval '250 ms'
WHERE status = 'pending' AND queued.id IS NULL
    AND NOT EXISTS (SELECT FROM mailing WHERE mailing.id = message.mailing_id AND settled_at IS NOT NULL)
"""

SENDING_NOT_CLAIMED = """
SELECT message.id
FROM message LEFT JOIN (SELECT id AS claim_id, unnest(message_ids) AS id FROM claim) AS held
    ON held.id = message.id AND held.claim_id = message.claim_id
WHERE status = 'sending' AND held.id IS NULL
"""

WRONG_UNSENT = """
SELECT coalesce(message.id, message_id) AS id
FROM (SELECT * FROM message WHERE status IN ('failed', 'expired', 'cancelled', 'unknown')) AS message
    FULL JOIN message_unsent
    ON message_id = message.id AND message_unsent.mailing_id = message.mailing_id
        AND message_unsent.status = message.status
WHERE message.id IS NULL OR message_id IS NULL
"""

ATTEMPTS_WITHOUT_MESSAGE = """
SELECT DISTINCT message_id AS id FROM attempt WHERE NOT EXISTS (SELECT FROM message WHERE message.id = message_id)
"""

# The attempt in flight is not in the ledger yet.
WRONG_ATTEMPT_NUMBERS = """
SELECT id
FROM message LEFT JOIN (
    SELECT message_id, count(*) AS made, min(number) AS first, max(number) AS last FROM attempt GROUP BY message_id
) AS counted ON message_id = id
WHERE attempts - (status = 'sending')::int <> coalesce(made, 0) OR made <> last OR first <> 1
"""

# An acceptance that came after the lease had expired completes the ambiguous attempt.
SENT_NOT_ACCEPTED = f"""
SELECT id
FROM message
WHERE status = 'sent' AND reason_code IS DISTINCT FROM '{ReasonCode.RESOLVED_ARRIVED}' AND NOT EXISTS (
    SELECT FROM attempt
    WHERE message_id = id AND (result IN ('accepted', 'duplicate')
        OR reason_params ->> 'late_result' IN ('accepted', 'duplicate'))
)
"""  # noqa: S608  put together of constants

UNENDED_OF_SETTLED = """
SELECT message.id
FROM message JOIN mailing ON mailing.id = mailing_id
WHERE message.status IN ('pending', 'sending') AND settled_at IS NOT NULL
"""

# What has been read, for the report.
COUNT_ROWS = """
SELECT (SELECT count(*) FROM mailing) AS mailings, (SELECT count(*) FROM message) AS messages,
    (SELECT count(*) FROM attempt) AS attempts
"""
