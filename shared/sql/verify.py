"""Checks of the whole ledger: what foreign keys and constraints would cost too much to ensure with every statement.

Each statement finds the ids of what contradicts one rule. They are executed in one snapshot.
"""

from __future__ import annotations

from shared.domain.erasure import ERASED_NUMBER
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
    SELECT mailing_id, status, delivery, count(*) AS messages FROM message GROUP BY mailing_id, status, delivery
    UNION ALL
    SELECT mailing_id, status, delivery, -sum(delta) FROM message_count_delta WHERE mailing_id IS NOT NULL
    GROUP BY mailing_id, status, delivery
) AS counted
WHERE NOT EXISTS (SELECT FROM mailing WHERE mailing.id = mailing_id AND purge_started_at IS NOT NULL)
GROUP BY mailing_id, status, delivery
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

# Values are fixed with the text of a message, as many as the text has fields; a plain text has neither.
WRONG_TEXT_VALUES = """
SELECT message.id
FROM message LEFT JOIN mailing_text
    ON mailing_text.mailing_id = message.mailing_id AND mailing_text.revision = message.text_revision
WHERE cardinality(text_values) IS DISTINCT FROM cardinality(fields)
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
) AND NOT EXISTS (SELECT FROM receipt WHERE message_id = id)
"""  # noqa: S608  put together of constants

UNENDED_OF_SETTLED = """
SELECT message.id
FROM message JOIN mailing ON mailing.id = mailing_id
WHERE message.status IN ('pending', 'sending') AND settled_at IS NOT NULL
"""

# Mailings.
AUDIENCES_OF_SETTLED = """
SELECT DISTINCT mailing_id AS id
FROM mailing_audience
WHERE NOT EXISTS (SELECT FROM mailing WHERE mailing.id = mailing_id AND settled_at IS NULL)
"""

WRONG_UNDELIVERED = """
SELECT coalesce(message.id, message_id) AS id
FROM (SELECT * FROM message WHERE delivery = 'undelivered') AS message
    FULL JOIN message_undelivered ON message_id = message.id AND message_undelivered.mailing_id = message.mailing_id
WHERE message.id IS NULL OR message_id IS NULL
"""

RECEIPTS_WITHOUT_MESSAGE = """
SELECT DISTINCT message_id AS id FROM receipt WHERE NOT EXISTS (SELECT FROM message WHERE message.id = message_id)
"""

AWAITING_WITHOUT_DEADLINE = """
SELECT message.id
FROM message LEFT JOIN (SELECT unnest(message_ids) AS id, gateway_id FROM receipt_wait) AS listed
    ON listed.id = message.id AND listed.gateway_id = message.gateway_id
WHERE delivery = 'awaiting' AND listed.id IS NULL
"""

# A delivered message has a receipt that says so, and one without a receipt has no delivery that one would give.
DELIVERY_WITHOUT_RECEIPT = """
SELECT id
FROM message
WHERE delivery IN ('delivered', 'undelivered') AND NOT EXISTS (
    SELECT FROM receipt WHERE message_id = id AND receipt.state::text = delivery::text
)
"""

# Claims after a suppression was recorded do not take what it covers. A claim before it may send until its lease
# expires, an hour later at most (LEASE_SECONDS). Nor does a suppression take longer than another hour to be committed.
# Attempts that a restore has added say nothing of when they were. A gateway's own suppressions are left out: its
# attempts are in the ledger by its name only.
_LATEST_AFTER_SUPPRESSION = "interval '2 hours'"

SENT_DESPITE_SUPPRESSION = f"""
SELECT DISTINCT message.id
FROM suppression
    JOIN message ON message.phone_number = suppression.phone_number
    JOIN mailing ON mailing.id = mailing_id
    JOIN attempt ON message_id = message.id
WHERE started_at > recorded_at + {_LATEST_AFTER_SUPPRESSION} AND (lifted_at IS NULL OR started_at < lifted_at)
    AND (scope = 'everything' AND kind <> 'reply' OR scope = 'marketing' AND kind = 'marketing')
    AND attempt.reason_code IS DISTINCT FROM '{ReasonCode.RESTORED}'
"""  # noqa: S608  put together of constants

# Suppressions are lifted and never deleted. Of one whose number was erased it cannot be told which number it was, and
# neither of such a message, though the suppression may have its number again.
SUPPRESSED_WITHOUT_SUPPRESSION = f"""
SELECT message.id
FROM message
WHERE message.reason_code = '{ReasonCode.SUPPRESSED}' AND status IN ('cancelled', 'unknown')
    AND phone_number <> {ERASED_NUMBER}
    AND NOT EXISTS (SELECT FROM suppression WHERE suppression.phone_number = message.phone_number)
    AND NOT EXISTS (SELECT FROM suppression WHERE suppression.phone_number IS NULL)
"""  # noqa: S608  put together of constants

# What has been read, for the report.
COUNT_ROWS = """
SELECT (SELECT count(*) FROM mailing) AS mailings, (SELECT count(*) FROM message) AS messages,
    (SELECT count(*) FROM attempt) AS attempts
"""
