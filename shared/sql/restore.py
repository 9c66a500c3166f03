"""Statements for a database that was restored from a backup: requests may have been sent after the backup."""

from __future__ import annotations

from shared.domain.erasure import ERASED_NUMBER
from shared.domain.reasons import ReasonCode
from shared.gateways.base import DEFAULT_GATEWAY
from shared.sql.templates import VALUES_OF_MESSAGE

_LEASED = "message.id = ANY(ARRAY(SELECT unnest(message_ids) FROM claim)) AND message.status = 'sending'"

_NOT_SETTLED = "mailing_id IN (SELECT id FROM mailing WHERE launch_started_at IS NOT NULL AND settled_at IS NULL)"

_HAS_CLIENT = f"""(message.phone_number <> {ERASED_NUMBER}
    AND EXISTS (SELECT FROM client WHERE client.id = message.client_id))"""

# Pause the mailings that are running or due to start.
PAUSE_MAILINGS = """
UPDATE mailing
SET status = 'paused'
WHERE id IN (
    SELECT id FROM mailing
    WHERE status = 'running' OR (status = 'scheduled' AND start_datetime <= now())
    ORDER BY id
    FOR UPDATE
)
RETURNING id
"""

# Add the attempt of each leased message, with an unknown result. Where the client was removed or the number was erased,
# the lease is left as it is: it has expired, and the next worker ends the message.
ADD_LEASED_ATTEMPTS = f"""
INSERT INTO attempt (message_id, number, started_at, gateway, result, reason_code, worker)
SELECT message.id, attempts, claimed_at, gateway, 'ambiguous', '{ReasonCode.RESTORED}', worker
FROM message JOIN claim ON claim.id = claim_id
WHERE {_LEASED} AND {_NOT_SETTLED} AND {_HAS_CLIENT}
"""  # noqa: S608  put together of constants

# Those messages are pending again, and in doubt.
MARK_LEASED_POSSIBLY_SENT = f"""
UPDATE message
SET status = 'pending',
    in_doubt = TRUE,
    due_at = now(),
    reason_code = '{ReasonCode.RESTORED}',
    reason_params = NULL
WHERE {_LEASED} AND {_NOT_SETTLED} AND {_HAS_CLIENT}
"""  # noqa: S608  put together of constants

# Add an attempt with an unknown result to each pending message that is not in doubt: it may have been claimed and sent.
ADD_POSSIBLE_ATTEMPTS = f"""
INSERT INTO attempt (message_id, number, started_at, gateway, result, reason_code, worker)
SELECT id, attempts + 1, now(), '{DEFAULT_GATEWAY}', 'ambiguous', '{ReasonCode.RESTORED}', %(worker)s
FROM message
WHERE status = 'pending' AND NOT in_doubt AND {_NOT_SETTLED}
"""  # noqa: S608  put together of constants

# Those messages are in doubt, with the text, its values and the phone number that they had. The added attempt does not
# count towards their limit.
MARK_PENDING_POSSIBLY_SENT = f"""
UPDATE message
SET in_doubt = TRUE,
    attempts = attempts + 1,
    uncounted_attempts = uncounted_attempts + 1,
    text_revision = coalesce(
        message.text_revision, (SELECT mailing.text_revision FROM mailing WHERE mailing.id = message.mailing_id)),
    text_values = coalesce(message.text_values, {VALUES_OF_MESSAGE})
WHERE status = 'pending' AND NOT in_doubt AND {_NOT_SETTLED}
"""  # noqa: S608  put together of constants

# End the pending messages of mailings with `hold`: all of them are in doubt now.
HOLD_MESSAGES = f"""
UPDATE message
SET status = 'unknown',
    ended_at = now(),
    reason_code = '{ReasonCode.RESTORED}',
    reason_params = NULL
WHERE status = 'pending' AND {_NOT_SETTLED} AND mailing_id IN (SELECT id FROM mailing WHERE on_unknown = 'hold')
"""  # noqa: S608  put together of constants
