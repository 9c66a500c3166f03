"""Inbound messages: their parts are received by the API, and put together by workers."""

from __future__ import annotations

from shared import locks

# Add the parts of callbacks, each with the columns of the JSON array's objects. A repeated one adds nothing. In the
# order of fingerprints, so that two of these statements do not wait for each other.
ADD_INBOUND = """
INSERT INTO inbound_part (gateway_id, fingerprint, sender, recipient, text, provider_message_id, sent_at, reference,
    part, parts)
SELECT gateway_id, fingerprint, sender, recipient, text, provider_message_id, sent_at, reference, part, parts
FROM json_to_recordset(%(parts)s) AS inbound(
    gateway_id int, fingerprint uuid, sender text, recipient text, text text, provider_message_id text,
    sent_at timestamptz, reference text, part smallint, parts smallint)
ORDER BY gateway_id, fingerprint
ON CONFLICT (gateway_id, fingerprint) DO NOTHING
"""

# Lock inbound messages if there are parts to put together: one worker at a time does that.
LOCK_INBOUND = """
SELECT CASE WHEN EXISTS (SELECT FROM inbound_part WHERE inbound_message_id IS NULL)
    THEN pg_try_advisory_xact_lock({}, {}) ELSE false END AS locked
""".format(*locks.INBOUND)

# Parts in which messages are looked for: some tens of milliseconds of work. Whole messages come first, since they never
# wait for anything, then the oldest parts.
_MAX_PARTS = 2_000

_PART = "id, gateway_id, sender, recipient, reference, parts, part, text, received_at, sent_at, inbound_message_id"
_EARLIER = ", ".join(f"earlier.{column}" for column in _PART.split(", "))

# Read the parts that may be put together: those of messages whose parts have all come, or that have waited for long
# enough; then those of messages that were stored without these, which may yet have to wait. With the parts of such
# stored messages. `spread` is the time between the first and the last part of a message at most, so the first part of a
# stored one may be as much older again. (For want of statistics the planner might combine indexes, or begin with all
# messages: so the gateway is no condition of an index, and the message is no join.)
READ_PARTS = f"""
WITH unassembled AS (
    SELECT * FROM inbound_part WHERE inbound_message_id IS NULL ORDER BY parts > 1, id LIMIT {_MAX_PARTS}
), alike AS (
    SELECT *, max(place) OVER same AS came, min(id) OVER same AS message_key, min(received_at) OVER same AS first_at
    FROM (
        SELECT *, dense_rank() OVER (
            PARTITION BY gateway_id, sender, recipient, coalesce(reference, ''), parts ORDER BY part
        ) AS place
        FROM unassembled
    ) AS placed
    WINDOW same AS (PARTITION BY gateway_id, sender, recipient, coalesce(reference, ''), parts)
), ready AS (
    SELECT *, dense_rank() OVER (ORDER BY came < parts AND first_at > now() - %(wait)s, message_key) AS number
    FROM alike
    WHERE came >= parts OR first_at <= now() - %(wait)s OR EXISTS (
        SELECT
        FROM inbound_part AS earlier
        WHERE earlier.parts > 1 AND earlier.sender = alike.sender AND earlier.received_at >= first_at - %(spread)s
            AND earlier.gateway_id + 0 = alike.gateway_id AND earlier.recipient = alike.recipient
            AND coalesce(earlier.reference, '') = coalesce(alike.reference, '') AND earlier.parts = alike.parts
            AND earlier.inbound_message_id IS NOT NULL
            AND (earlier.received_at >= first_at - %(wait)s OR (
                SELECT parts_received < stored.parts FROM inbound_message AS stored
                WHERE stored.id = earlier.inbound_message_id
            ))
    )
), taken AS MATERIALIZED (
    SELECT * FROM ready WHERE number <= %(limit)s
)
SELECT message_key, {_PART}, now() AS read_at FROM taken
UNION ALL
SELECT taken.message_key, {_EARLIER}, now()
FROM taken JOIN inbound_part AS earlier USING (sender, recipient, parts)
WHERE taken.id = message_key AND taken.parts > 1 AND earlier.parts > 1
    AND earlier.gateway_id + 0 = taken.gateway_id AND coalesce(earlier.reference, '') = coalesce(taken.reference, '')
    AND earlier.inbound_message_id IS NOT NULL AND earlier.received_at >= first_at - 2 * %(spread)s
ORDER BY message_key
"""  # noqa: S608  put together of constants

# Lock stored messages that get further parts. Those that others have locked wait for the next round.
LOCK_MESSAGES = """
SELECT id, parts_received, decided_at IS NOT NULL AS is_decided
FROM inbound_message
WHERE id = ANY(%(ids)s)
ORDER BY id
FOR NO KEY UPDATE SKIP LOCKED
"""

# Lock parts that were read: those that are gone since, because their number was erased, are not returned.
LOCK_PARTS = "SELECT id FROM inbound_part WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"

# Messages to a phone number among which the last one that was sent is looked for: those that were added last.
_LATEST = 50

# Add messages, each with its parts and its keyword, and with the client and the last message sent before that it
# belongs to. Returns the message of each part.
ADD_MESSAGES = f"""
WITH given AS MATERIALIZED (
    SELECT nextval('inbound_message_id_seq') AS id, *
    FROM json_to_recordset(%(messages)s) AS given(
        gateway_id int, sender text, phone_number bigint, recipient text, text text, parts smallint,
        parts_received smallint, sent_at timestamptz, received_at timestamptz, part_ids json, keyword text,
        keyword_action keyword_action, keyword_is_exact boolean, decision inbound_decision)
), added AS (
    INSERT INTO inbound_message (id, gateway_id, sender, phone_number, recipient, text, parts, parts_received, sent_at,
        received_at, client_id, message_id, keyword, keyword_action, keyword_is_exact, decision, decided_at)
    OVERRIDING SYSTEM VALUE
    SELECT given.id, given.gateway_id, sender, given.phone_number, recipient, text, given.parts, parts_received,
        given.sent_at, received_at, client.id, answered.id, keyword, keyword_action, keyword_is_exact, decision,
        CASE WHEN decision IS NOT NULL THEN clock_timestamp() END
    FROM given
        LEFT JOIN client ON client.phone_number = given.phone_number
        LEFT JOIN LATERAL (
            SELECT latest.id
            FROM (
                SELECT id, gateway_id, status, message.sent_at FROM message
                WHERE message.phone_number = given.phone_number
                ORDER BY id DESC
                LIMIT {_LATEST}
            ) AS latest
            WHERE status = 'sent' AND latest.sent_at <= given.received_at
            ORDER BY latest.gateway_id = given.gateway_id DESC NULLS LAST, latest.sent_at DESC
            LIMIT 1
        ) AS answered ON TRUE
)
UPDATE inbound_part
SET inbound_message_id = given.id
FROM given CROSS JOIN LATERAL json_array_elements_text(part_ids) AS part(id)
WHERE inbound_part.id = ANY(%(part_ids)s) AND inbound_part.id = part.id::bigint
RETURNING inbound_part.id AS part_id, inbound_message_id AS message_id
"""  # noqa: S608  put together of constants

# Add parts to stored messages, which are locked. One that has got more text is unread again, and its keyword is that of
# the whole text, unless somebody has decided about it. Returns as ADD_MESSAGES.
ADD_PARTS = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(messages)s) AS given(
        id bigint, text text, parts_received smallint, sent_at timestamptz, received_at timestamptz, part_ids json,
        keyword text, keyword_action keyword_action, keyword_is_exact boolean, decision inbound_decision,
        is_recognized boolean)
), changed AS (
    UPDATE inbound_message
    SET text = given.text,
        parts_received = given.parts_received,
        sent_at = given.sent_at,
        received_at = given.received_at,
        read_at = CASE WHEN inbound_message.parts_received = given.parts_received THEN read_at END,
        read_by = CASE WHEN inbound_message.parts_received = given.parts_received THEN read_by END,
        keyword = CASE WHEN is_recognized THEN given.keyword ELSE inbound_message.keyword END,
        keyword_action = CASE WHEN is_recognized THEN given.keyword_action ELSE inbound_message.keyword_action END,
        keyword_is_exact = CASE WHEN is_recognized THEN given.keyword_is_exact
            ELSE inbound_message.keyword_is_exact END,
        decision = CASE WHEN is_recognized THEN given.decision ELSE inbound_message.decision END,
        decided_at = CASE WHEN NOT is_recognized THEN decided_at
            WHEN given.decision IS NOT NULL THEN clock_timestamp() END
    FROM given
    WHERE inbound_message.id = given.id
)
UPDATE inbound_part
SET inbound_message_id = given.id
FROM given CROSS JOIN LATERAL json_array_elements_text(part_ids) AS part(id)
WHERE inbound_part.id = ANY(%(part_ids)s) AND inbound_part.id = part.id::bigint
RETURNING inbound_part.id AS part_id, inbound_message_id AS message_id
"""

# Delete messages that came `days` ago, with their parts. Ids are given in the order of time, or nearly, so only the
# first ones are looked at.
DELETE_OLD = """
DELETE FROM inbound_message
WHERE id = ANY(ARRAY(
    SELECT id FROM inbound_message
    WHERE received_at < now() - %(days)s * interval '1 day'
        AND id <= (SELECT max(id) FROM (SELECT id FROM inbound_message ORDER BY id LIMIT %(limit)s) AS first)
    ORDER BY id
    FOR UPDATE SKIP LOCKED
))
"""
