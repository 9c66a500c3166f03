"""What keywords of inbound messages do: refusals of their senders, and replies.

A transaction locks in this order: the gateways, the mailings of replies, the clients, suppressions, messages. The API
does the same: a retry locks a mailing before clients, the removal of a client its row before its messages.
"""

from __future__ import annotations

from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope

# A START lifts what the sender has said by a message, by a link, or to the provider, before: not a complaint, nor what
# a law, an operator or a person has set. A provider's clock compares its own messages with each other; else it is the
# time at which they came to us. So a START that comes late does not lift a refusal that was written after it.
_LIFTED = f"""(
    reason = '{SuppressionReason.OPTED_OUT}'
    AND source IN ('{RecordSource.KEYWORD}', '{RecordSource.LINK}', '{RecordSource.PROVIDER}', '{RecordSource.RECEIPT}')
    AND coalesce(
        CASE WHEN source = '{RecordSource.KEYWORD}' AND suppression.evidence->>'gateway' = given.gateway
            THEN (suppression.evidence->>'sent_at')::timestamptz <= given.sent_at END,
        CASE WHEN source = '{RecordSource.KEYWORD}'
            THEN (suppression.evidence->>'received_at')::timestamptz <= given.received_at END,
        recorded_at <= given.received_at)
)"""

_STARTS = """json_to_recordset(%(starts)s) AS given(
    phone_number bigint, gateway text, gateway_id bigint, sent_at timestamptz, received_at timestamptz,
    lifted_by text, evidence jsonb)"""

# Lift what each START lifts, each with the columns of the JSON array's objects.
LIFT_REFUSALS = f"""
UPDATE suppression
SET lifted_at = clock_timestamp(),
    lifted_by = given.lifted_by,
    lift_evidence = given.evidence
FROM {_STARTS}
WHERE suppression.phone_number = given.phone_number AND lifted_at IS NULL AND {_LIFTED}
RETURNING suppression.id, suppression.phone_number
"""  # noqa: S608  put together of constants

# The suppressions in force that these STARTs do not lift and that forbid messages of their gateway.
FIND_KEPT = f"""
SELECT suppression.id, suppression.phone_number
FROM {_STARTS} JOIN suppression USING (phone_number)
WHERE lifted_at IS NULL AND NOT {_LIFTED}
    AND (scope <> '{SuppressionScope.GATEWAY}' OR suppression.gateway_id = given.gateway_id)
ORDER BY suppression.id
"""  # noqa: S608  put together of constants

# Lift the refusal that was recorded for an inbound message.
LIFT_REFUSAL_OF_MESSAGE = f"""
UPDATE suppression
SET lifted_at = clock_timestamp(),
    lifted_by = %(lifted_by)s,
    lift_evidence = %(evidence)s
WHERE phone_number = %(phone_number)s AND lifted_at IS NULL AND source = '{RecordSource.KEYWORD}'
    AND evidence->>'inbound_message_id' = %(inbound_message_id)s::text
RETURNING id
"""  # noqa: S608  put together of constants

# The refusals that were lifted because an inbound message was taken for a START, as objects of ADD_SUPPRESSIONS. Each
# says which suppression it restores.
READ_LIFTED_BY_MESSAGE = """
SELECT phone_number, scope::text, gateway_id, reason::text, source::text,
    evidence || jsonb_build_object('restores_suppression_id', id) AS evidence
FROM suppression
WHERE phone_number = %(phone_number)s AND lifted_at IS NOT NULL
    AND lift_evidence->>'inbound_message_id' = %(inbound_message_id)s::text AND lift_evidence->>'decision' = 'start'
ORDER BY id DESC
"""

# The gateways by which messages came, locked against a pause and a removal, with the path that takes each alone.
LOCK_GATEWAYS = """
SELECT gateway.id, name, paused_at IS NULL AND removed_at IS NULL AS is_open, path.id AS path_id
FROM gateway LEFT JOIN path ON path.route_id IS NULL AND gateway_ids = ARRAY[gateway.id]
WHERE gateway.id = ANY(%(gateways)s)
ORDER BY gateway.id
FOR SHARE OF gateway
"""

# The clients who have these numbers, with the attribute `language`, which may be declared.
READ_CLIENTS = """
SELECT id, phone_number, attributes->>'language' AS language FROM client WHERE phone_number = ANY(%(phone_numbers)s)
"""

# Lock clients against a removal and a change of their number, which then finds the messages.
LOCK_CLIENTS = """
SELECT id, phone_number FROM client WHERE id = ANY(%(clients)s) ORDER BY id FOR KEY SHARE
"""

READ_REPLY_RULES = "SELECT replies, reply_language FROM sending_rules"

# The mailings of today's replies, those that there are. A day is one of UTC.
FIND_REPLY_MAILINGS = """
SELECT gateway_id, action::text, language, mailing_id
FROM keyword_reply
WHERE day = (now() AT TIME ZONE 'UTC')::date AND gateway_id = ANY(%(gateways)s)
"""

# Add a mailing for today's replies, launched, still without messages. Its window ends an hour after the day, for the
# last replies. Nobody has asked for a second confirmation, so one that may have been sent is not sent again.
ADD_REPLY_MAILING = """
WITH added AS (
    INSERT INTO mailing (mark, kind, gateway_id, on_unknown, status, start_datetime, end_datetime, launch_started_at,
        launched_at, max_client_id)
    VALUES (%(mark)s, 'reply', %(gateway_id)s, 'hold', 'running', now(),
        (date_trunc('day', now() AT TIME ZONE 'UTC') + interval '25 hours') AT TIME ZONE 'UTC', now(), now(), 0)
    RETURNING id
), written AS (
    INSERT INTO mailing_text (mailing_id, revision, text) SELECT id, 1, %(text)s FROM added
)
INSERT INTO keyword_reply (day, gateway_id, action, language, mailing_id)
SELECT (now() AT TIME ZONE 'UTC')::date, %(gateway_id)s, %(action)s::keyword_action, %(language)s, id FROM added
RETURNING mailing_id
"""

# The mailing of replies, its row locked: after LOCK_MAILING (shared/sql/mailings.py), before messages of it become
# pending.
READ_REPLY_MAILING = """
SELECT status <> 'cancelled' AND deleted_at IS NULL AND purge_started_at IS NULL AS is_open, text
FROM mailing JOIN mailing_text ON mailing_text.mailing_id = mailing.id AND revision = text_revision
WHERE mailing.id = %(mailing_id)s
FOR UPDATE OF mailing
"""

# Replace the text of a locked mailing: the texts of replies were changed today.
CHANGE_REPLY_TEXT = """
WITH changed AS (
    UPDATE mailing SET text_revision = text_revision + 1, updated_at = clock_timestamp() WHERE id = %(mailing_id)s
    RETURNING text_revision
)
INSERT INTO mailing_text (mailing_id, revision, text) SELECT %(mailing_id)s, text_revision, %(text)s FROM changed
"""

# Add replies to clients, who are locked, to a locked mailing. A client who has got this reply today gets no other: two
# programs that answer each other end at that.
ADD_REPLIES = """
WITH added AS (
    INSERT INTO message (mailing_id, client_id, phone_number, path_id, due_at)
    SELECT %(mailing_id)s, client.id, client.phone_number, %(path_id)s, now()
    FROM client
    WHERE client.id = ANY(%(clients)s) AND NOT EXISTS (
        SELECT FROM message WHERE message.client_id = client.id AND mailing_id = %(mailing_id)s
    )
    ORDER BY client.id
    RETURNING client_id
)
UPDATE mailing
SET audience = audience + (SELECT count(*) FROM added),
    max_client_id = greatest(max_client_id, (SELECT max(client_id) FROM added)),
    last_client_id = greatest(last_client_id, (SELECT max(client_id) FROM added))
WHERE id = %(mailing_id)s
RETURNING (SELECT count(*) FROM added) AS added
"""
