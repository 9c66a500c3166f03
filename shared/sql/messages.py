"""Messages: changes by attempts, closed windows, removed clients, people and restores."""

from __future__ import annotations

from shared.domain.erasure import ERASED_NUMBER
from shared.domain.reasons import WITHOUT_TEXT, ReasonCode
from shared.sql.conditions import IN_RANGE, end_unless_in_doubt, is_one_of_many, of_range

_HAD_NO_TEXT = "status = 'failed' AND reason_code IN ({})".format(", ".join(f"'{code}'" for code in WITHOUT_TEXT))

# Record acceptances whose claims still hold their messages, which nearly all attempts are. Returns how many: what is
# left out, since its claim has ended, is for RECORD. There is no attempt with this number while its claim lasts, so
# this looks for no conflict. If a failover has lost commits, there may be one: the statement fails, and RECORD takes
# all of them.
#
# Each array has one element for each attempt. `ago` are microseconds from its start until now, which are subtracted
# from the time of the database. That is computed twice, from the claims (`clock`, in microseconds since 1970) and from
# statement_timestamp(). Both are late by the time to the database, so the earlier one is more exact. (Not now(), which
# is when the transaction began: it may have waited for locks since.)
#
# CASE keeps the planner from expecting few messages that are `sending`: it would compare all pairs then.
_RECORD_ACCEPTED = """
WITH moved AS (
    UPDATE message
    SET status = 'sent',
        in_doubt = FALSE,
        due_at = least(due_at, now()),
        sent_at = now(),
        ended_at = now(),
        reason_code = NULL,
        reason_params = NULL{moved}
), added AS (
    INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, provider_code, worker{columns})
    SELECT message_id, number,
        to_timestamp(((SELECT least(%(clock)s, date_part('epoch', statement_timestamp()) * 1e6)) - ago) / 1e6),
        duration / 1e6::float8, %(gateway)s, 'accepted', %(provider_code)s, %(worker)s{columns}
    FROM moved
)
SELECT count(*) AS recorded FROM moved
"""

# {arrays} and {columns} are further arrays and the columns of `attempt` that they fill.
_ONE_OF_MANY = f"""{{delivery}}
    FROM unnest(
        %(ids)s, %(numbers)s::int[], %(ago)s::bigint[], %(duration)s::bigint[]{{arrays}}
    ) AS accepted(message_id, number, ago, duration{{columns}}{{awaiting}})
    WHERE {is_one_of_many("message.id")} AND message.id = accepted.message_id
      AND CASE message.status WHEN 'sending' THEN message.attempts END = accepted.number
    RETURNING accepted.*"""

RECORD_ACCEPTED = _RECORD_ACCEPTED.format(
    moved=_ONE_OF_MANY.format(arrays="", columns="", awaiting="", delivery=""), columns=""
)

# The same for messages most of which follow each other: `ids` is left out, and each array has one element for each id
# from `first` to `last`. For a message without an attempt here, the number is 0.
_PLACE = "[message.id - %(first)s + 1]"
RECORD_ACCEPTED_RANGE = _RECORD_ACCEPTED.format(
    moved=f"""
    WHERE {IN_RANGE}
      AND CASE message.status WHEN 'sending' THEN message.attempts END = (%(numbers)s::int[]){_PLACE}
    RETURNING message.id AS message_id, attempts AS number, (%(ago)s::bigint[]){_PLACE} AS ago,
        (%(duration)s::bigint[]){_PLACE} AS duration""",
    columns="",
)

# The same as RECORD_ACCEPTED for attempts of which some have the provider's id, a number of segments or a price, or
# whose messages await receipts. Each array costs time for every attempt.
_DETAILS = ", provider_message_id, segments, price"
RECORD_ACCEPTED_WITH_DETAILS = _RECORD_ACCEPTED.format(
    moved=_ONE_OF_MANY.format(
        arrays=""",
        %(provider_message_ids)s::text[], %(segments)s::smallint[], %(prices)s::numeric[], %(awaiting)s::boolean[]""",
        columns=_DETAILS,
        awaiting=", awaiting",
        delivery=""",
        delivery = CASE WHEN accepted.awaiting THEN 'awaiting'::delivery END""",
    ),
    columns=_DETAILS,
)

RECORD_ACCEPTED_RANGE_WITH_DETAILS = of_range(RECORD_ACCEPTED_WITH_DETAILS)

# Record attempts of any result and move their messages: for the claim's holder only, with one exception. An acceptance
# that was received is recorded as `sent` whatever has happened since, because it is true. A message must not occur
# twice in the parameter: a statement updates a row only once.
#
# That exception may end another worker's claim, whose request may be in flight. The statement returns those messages:
# ADD_ATTEMPTS_IN_FLIGHT adds the attempts.
#
# A recorded attempt is never changed. One that was recorded when its lease expired (no duration: no response was seen)
# is completed if the response comes later. It stays ambiguous: that is why the message was repeated. The provider's id
# may be known from a receipt by then (NAME_SUBMISSIONS), and a response may have none.
#
# A message whose last two attempts both ended with an expired lease becomes a poison message (TAKE_POISON_MESSAGE).
#
# `started_at` is in whole microseconds since 1970, computed from the claim, and `ago` as in RECORD_ACCEPTED: the
# earlier start counts. Null and false values are left out.
RECORD = f"""
WITH attempted AS (
    SELECT *
    FROM json_to_recordset(%(attempted)s) AS attempted(
        message_id bigint, number int, started_at float8, ago float8, duration float8,
        gateway text, result attempt_result, provider_code text, reason_code text, reason_params jsonb,
        provider_message_id text, segments smallint, price numeric, awaiting boolean, worker text,
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
        sent_at = CASE attempted.status WHEN 'sent' THEN now() END,
        ended_at = CASE attempted.status WHEN 'pending' THEN NULL ELSE now() END,
        reason_code = attempted.status_reason_code,
        reason_params = attempted.status_reason_params,
        delivery = CASE WHEN attempted.status = 'sent' AND attempted.awaiting THEN 'awaiting'::delivery END
    FROM attempted
    WHERE {is_one_of_many("message.id")} AND message.id = attempted.message_id
      AND ((message.status = 'sending' AND message.attempts = attempted.number)
           OR (attempted.status = 'sent' AND message.status <> 'sent'))
    RETURNING message.id, number, attempts
), added AS (
    INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, provider_code,
        reason_code, reason_params, provider_message_id, segments, price, worker)
    SELECT message_id, number,
        least(to_timestamp(started_at / 1e6), statement_timestamp() - ago * interval '1 microsecond'),
        duration / 1e6, gateway, result, provider_code,
        reason_code, reason_params, provider_message_id, segments, price, worker
    FROM attempted
    ON CONFLICT (message_id, number) DO UPDATE
    SET duration = excluded.duration,
        segments = excluded.segments,
        price = excluded.price,
        provider_code = excluded.provider_code,
        provider_message_id = coalesce(excluded.provider_message_id, attempt.provider_message_id),
        reason_params = coalesce(attempt.reason_params, '{{}}') || jsonb_strip_nulls(jsonb_build_object(
            'late_result', excluded.result, 'late_words', excluded.reason_params -> 'words'))
    WHERE attempt.duration IS NULL AND excluded.duration IS NOT NULL
)
SELECT id FROM moved WHERE attempts > number
"""  # noqa: S608  put together of constants

# Add the attempts of other workers that RECORD has just ended, so that they are in the ledger even if those workers
# crash. A separate statement: RECORD may have waited for such a claim's commit, and does not see its row.
ADD_ATTEMPTS_IN_FLIGHT = f"""
INSERT INTO attempt (message_id, number, started_at, gateway, result, reason_code, worker)
SELECT message.id, attempts, claimed_at, gateway, 'ambiguous', '{ReasonCode.SENT_MEANWHILE}', worker
FROM message JOIN claim ON claim.id = claim_id
WHERE message.id = ANY(%(ids)s)
ON CONFLICT DO NOTHING
"""  # noqa: S608  put together of constants

# Make poison messages due for which a response came after the lease had expired, if it belongs to one of the attempts
# that made them poison messages.
CLEAR_POISON_MESSAGES = """
UPDATE message
SET due_at = now()
FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]) AS answered(id, number)
WHERE message.id = ANY(%(ids)s) AND message.id = answered.id AND status = 'pending' AND due_at = 'infinity'
    AND answered.number > attempts - 2
"""

# Lock the clients of messages that become pending again: a removal then waits for this commit, and finds the messages.
# After a removal that came first, CANCEL_WITHOUT_CLIENT ends them. The ids go through a subquery, so that the planner
# never takes them for so many that it reads all clients.
LOCK_CLIENTS = """
SELECT FROM client WHERE id = ANY(ARRAY(SELECT unnest(%(clients)s::bigint[]))) ORDER BY id FOR KEY SHARE
"""

# End those of the messages that became pending again whose client was removed, or whose number was erased, meanwhile.
# OFFSET 0 keeps the planner from a join that reads all clients.
CANCEL_WITHOUT_CLIENT = f"""
UPDATE message
SET status = {end_unless_in_doubt("'cancelled'")},
    ended_at = now(),
    reason_code = CASE phone_number WHEN {ERASED_NUMBER} THEN '{ReasonCode.NUMBER_ERASED}'
        ELSE '{ReasonCode.CLIENT_REMOVED}' END,
    reason_params = NULL
WHERE id = ANY(%(ids)s) AND status = 'pending' AND (
    phone_number = {ERASED_NUMBER} OR NOT EXISTS (SELECT FROM client WHERE client.id = client_id OFFSET 0)
)
"""  # noqa: S608  put together of constants

# End the pending messages of a client who is being removed. They are locked in the order of their ids, as everywhere,
# so that there is no deadlock.
CANCEL_FOR_CLIENT = f"""
UPDATE message
SET status = {end_unless_in_doubt("'cancelled'")},
    ended_at = now(),
    reason_code = '{ReasonCode.CLIENT_REMOVED}',
    reason_params = NULL
WHERE id = ANY(ARRAY(
    SELECT id FROM message WHERE client_id = %(client_id)s AND status = 'pending' ORDER BY id FOR UPDATE
))
"""  # noqa: S608  put together of constants

# Set a client's new phone number on the messages without an attempt.
CHANGE_PHONE_NUMBER = """
UPDATE message
SET phone_number = %(phone_number)s
WHERE id = ANY(ARRAY(
    SELECT id FROM message
    WHERE client_id = %(client_id)s AND status = 'pending' AND attempts = 0
    ORDER BY id
    FOR UPDATE
))
"""

# End messages of a mailing that is cancelled or whose window has closed, taken out of the queue by TAKE_ENDED.
END_MESSAGES = f"""
UPDATE message
SET status = {end_unless_in_doubt("%(end)s")},
    ended_at = now(),
    reason_code = %(reason)s,
    reason_params = NULL
WHERE id = ANY(%(ids)s) AND status = 'pending'
"""  # noqa: S608  put together of constants

# Make messages due that were taken out of the queue by TAKE_DUE_TOO_LATE.
ADVANCE_DUE = """
UPDATE message
SET due_at = now()
WHERE id = ANY(%(ids)s) AND status = 'pending' AND due_at > now() AND due_at < 'infinity'
"""

# Make messages pending again, with the full number of attempts. Those made so far stay in the ledger. The status is
# compared again: an acceptance may have come since the messages were listed.
#
# A message whose template made no text has never left with one: it gets the present text and values. One whose number
# was erased has nobody to go to.
RETRY_MESSAGES = f"""
UPDATE message
SET status = 'pending',
    text_revision = CASE WHEN {_HAD_NO_TEXT} THEN NULL ELSE text_revision END,
    text_values = CASE WHEN {_HAD_NO_TEXT} THEN NULL ELSE text_values END,
    due_at = now(),
    ended_at = NULL,
    reason_code = NULL,
    reason_params = NULL,
    uncounted_attempts = attempts
WHERE id = ANY(%(ids)s::bigint[]) AND status = %(status)s::message_status AND phone_number <> {ERASED_NUMBER}
"""  # noqa: S608  put together of constants

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
