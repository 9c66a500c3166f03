"""Erasing a phone number, and finding what was recorded about it when it comes again.

Messages keep their rows, so that all counts stay what they are; ERASED_NUMBER stands for their number.
"""

from __future__ import annotations

from shared.domain.erasure import ERASED_NUMBER, ERASED_TEXT
from shared.domain.reasons import ReasonCode
from shared.sql.conditions import end_unless_in_doubt

# Whether any number is erased: two probes of indexes. (In an EXISTS, the planner might read the whole tables.)
ANY_ERASED = """
SELECT (SELECT number_hash FROM suppression WHERE number_hash IS NOT NULL ORDER BY number_hash LIMIT 1) IS NOT NULL
    OR (SELECT number_hash FROM consent WHERE number_hash IS NOT NULL ORDER BY number_hash LIMIT 1) IS NOT NULL
"""

# The hashes of erased numbers, at most `limit` of each table.
ERASED_HASHES = """
(SELECT number_hash FROM suppression WHERE number_hash IS NOT NULL ORDER BY number_hash LIMIT %(limit)s)
UNION
(SELECT number_hash FROM consent WHERE number_hash IS NOT NULL ORDER BY number_hash LIMIT %(limit)s)
"""

# Those of the hashes that are of erased numbers. One by one through the indexes, however many there are.
HASHES_AMONG = """
SELECT given.number_hash
FROM unnest(%(hashes)s::bytea[]) AS given(number_hash)
WHERE EXISTS (SELECT FROM suppression WHERE suppression.number_hash = given.number_hash OFFSET 0)
    OR EXISTS (SELECT FROM consent WHERE consent.number_hash = given.number_hash OFFSET 0)
"""

# Set the phone numbers of suppressions by their hashes. Of those that would be in force more than once, with one that
# has been recorded for the number since, only that one stays in force: who lifts it shall have lifted them all.
ATTACH_SUPPRESSIONS = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%(number_hashes)s::bytea[], %(phone_numbers)s::bigint[]) AS given(number_hash, phone_number)
), found AS MATERIALIZED (
    SELECT suppression.id, given.phone_number, lifted_at IS NULL AND (
        EXISTS (
            SELECT FROM suppression AS other
            WHERE other.phone_number = given.phone_number AND other.scope = suppression.scope
                AND coalesce(other.gateway_id, 0) = coalesce(suppression.gateway_id, 0) AND other.lifted_at IS NULL
        ) OR row_number() OVER (
            PARTITION BY given.phone_number, scope, gateway_id, lifted_at IS NULL ORDER BY recorded_at DESC, id DESC
        ) > 1
    ) AS is_repeated
    FROM given JOIN suppression USING (number_hash)
)
UPDATE suppression
SET phone_number = found.phone_number,
    number_hash = NULL,
    lifted_at = CASE WHEN is_repeated THEN now() ELSE lifted_at END,
    lift_evidence = CASE WHEN is_repeated THEN '{"note": "continued by a later suppression"}' ELSE lift_evidence END
FROM found
WHERE suppression.id = found.id
"""

# Set the phone numbers of consents by their hashes.
ATTACH_CONSENTS = """
UPDATE consent
SET phone_number = given.phone_number,
    number_hash = NULL
FROM unnest(%(number_hashes)s::bytea[], %(phone_numbers)s::bigint[]) AS given(number_hash, phone_number)
WHERE consent.number_hash = given.number_hash
"""

# Take the place of a number in the directory until the end of the transaction. What adds a client with that number at
# the same time either has committed when this statement ends, or waits for this transaction (client_phone_number_key).
HOLD_NUMBER = """
INSERT INTO client (phone_number, operator_code, tag, timezone)
VALUES (%(phone_number)s, %(phone_number)s::text, '', 'UTC')
ON CONFLICT (phone_number) DO NOTHING
RETURNING id
"""

_SCRUBBED = f"regexp_replace({{column}}::text, %(pattern)s, '{ERASED_TEXT}', 'g')::jsonb"


def _scrubbed(column: str) -> str:
    """The JSON of a column without the number. Only texts, and numbers of JSON, can hold it, and both stay JSON."""
    return _SCRUBBED.format(column=column)


# Lock at most `limit` messages to a number. A statement of its own: what is committed while this waits, such as the
# attempt of a message that was being sent, the next statements see.
_LOCK_MESSAGES = """
SELECT id, status FROM message
WHERE phone_number = %(phone_number)s{which}
ORDER BY id
LIMIT %(limit)s
FOR UPDATE
"""
LOCK_ENDED_MESSAGES = _LOCK_MESSAGES.format(which=" AND status NOT IN ('pending', 'sending')")
LOCK_MESSAGES = _LOCK_MESSAGES.format(which="")

# Erase the number of locked messages. Those that are pending end.
#
# Values of a text are emptied and not removed: their number is that of the fields. A message that is being sent stays
# with its worker, which records what becomes of it; if it would become pending again, CANCEL_WITHOUT_CLIENT ends it.
ERASE_MESSAGES = f"""
UPDATE message
SET phone_number = {ERASED_NUMBER},
    text_values = CASE WHEN text_values IS NOT NULL
        THEN array_fill(NULL::text, ARRAY[cardinality(text_values)]) END,
    status = CASE status WHEN 'pending' THEN {end_unless_in_doubt("'cancelled'")} ELSE status END,
    ended_at = CASE status WHEN 'pending' THEN now() ELSE ended_at END,
    reason_code = CASE status WHEN 'pending' THEN '{ReasonCode.NUMBER_ERASED}' ELSE reason_code END,
    reason_params = CASE WHEN status = 'pending' THEN NULL
        WHEN reason_params IS NOT NULL THEN {_scrubbed("reason_params")} END
WHERE id = ANY(%(ids)s)
"""  # noqa: S608  put together of constants

# Erase the number in what providers said about messages.
SCRUB_ATTEMPTS = f"""
UPDATE attempt
SET reason_params = {_scrubbed("reason_params")}
WHERE message_id = ANY(%(ids)s) AND reason_params::text ~ %(pattern)s
"""  # noqa: S608  put together of constants
SCRUB_RECEIPTS = f"""
UPDATE receipt
SET words = regexp_replace(words, %(pattern)s, '{ERASED_TEXT}', 'g'),
    raw = regexp_replace(raw, %(pattern)s, '{ERASED_TEXT}', 'g')
WHERE message_id = ANY(%(ids)s) AND (words ~ %(pattern)s OR raw ~ %(pattern)s)
"""  # noqa: S608  put together of constants
SCRUB_MESSAGES = f"""
UPDATE message
SET reason_params = {_scrubbed("reason_params")}
WHERE id = ANY(%(ids)s) AND reason_params::text ~ %(pattern)s
"""  # noqa: S608  put together of constants

# Lock messages against an erasure. Returns those whose number is erased.
LOCK_ERASED = f"""
WITH locked AS MATERIALIZED (
    SELECT id, phone_number FROM message WHERE id = ANY(%(ids)s) ORDER BY id FOR SHARE
)
SELECT id FROM locked WHERE phone_number = {ERASED_NUMBER}
"""  # noqa: S608  put together of constants

# How many messages that have ended a number has, at most `limit`.
COUNT_MESSAGES = """
SELECT count(*)
FROM (
    SELECT FROM message
    WHERE phone_number = %(phone_number)s AND status NOT IN ('pending', 'sending')
    LIMIT %(limit)s
) AS ended
"""

# Erase the texts, and whom they are from. Of parts that are not put together yet, nothing is left.
ERASE_INBOUND_MESSAGES = """
UPDATE inbound_message
SET sender = '',
    text = '',
    phone_number = NULL,
    client_id = NULL
WHERE phone_number = %(phone_number)s
RETURNING id
"""
ERASE_INBOUND_PARTS = """
UPDATE inbound_part
SET sender = '',
    text = ''
WHERE inbound_message_id = ANY(%(inbound_messages)s)
"""
DELETE_INBOUND_PARTS = """
DELETE FROM inbound_part
WHERE inbound_message_id IS NULL AND ltrim(regexp_replace(sender, '[^0-9]', '', 'g'), '0') = %(phone_number)s::text
"""

# Receipts without a message. `recipient` is as the provider wrote it.
ERASE_ORPHANS = """
UPDATE receipt_orphan
SET recipient = NULL,
    raw = regexp_replace(raw, %(pattern)s, '0', 'g')
WHERE ltrim(regexp_replace(recipient, '[^0-9]', '', 'g'), '0') = %(phone_number)s::text
"""

DELETE_LIST_ENTRIES = """
WITH deleted AS (
    DELETE FROM number_list_entry
    WHERE list_id = ANY(ARRAY(SELECT id FROM number_list)) AND phone_number = %(phone_number)s
    RETURNING list_id
)
UPDATE number_list SET numbers = numbers - 1, updated_at = now() FROM deleted WHERE number_list.id = list_id
"""

DELETE_USAGE = "DELETE FROM number_usage WHERE phone_number = %(phone_number)s"

# The hash in the place of the number, and no number in what proves it.
HASH_SUPPRESSIONS = f"""
UPDATE suppression
SET phone_number = NULL,
    number_hash = %(number_hash)s,
    evidence = {_scrubbed("evidence")},
    lift_evidence = {_scrubbed("lift_evidence")}
WHERE phone_number = %(phone_number)s
"""  # noqa: S608  put together of constants
HASH_CONSENTS = f"""
UPDATE consent
SET phone_number = NULL,
    number_hash = %(number_hash)s,
    evidence = {_scrubbed("evidence")},
    withdrawal_evidence = {_scrubbed("withdrawal_evidence")}
WHERE phone_number = %(phone_number)s
"""  # noqa: S608  put together of constants
