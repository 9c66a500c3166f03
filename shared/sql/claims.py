"""Claims: leasing messages that were taken out of the queue, releasing them, and finding expired leases.

Which messages are due, and which of them a claim takes, is decided in shared/sql/queue.py (TAKE_DUE).

A claim is one row with the messages that it took. It holds those that are `sending` and have its id as `claim_id`.
`(message id, attempt number)` identifies the claim of one message: each claim increments the number. Statements that
change a claimed message name the pair, so a claim that has ended changes nothing.
"""

from __future__ import annotations

from shared.domain.reasons import WITHOUT_TEXT
from shared.sql.conditions import NOT_IN_DOUBT_ELSEWHERE, is_one_of_many, of_range
from shared.sql.templates import VALUES_OF_MESSAGE

# Lease messages for a gateway, which were taken out of the queue in the same transaction, if they still are as their
# batch says. A message in doubt goes to no other gateway than the one that may have it. `mailings` are those of the
# messages, and `revisions` their present texts, as read under the lock of that transaction, so that they need not be
# read for each message.
_CLAIM = f"""
WITH held AS (
    INSERT INTO claim (worker, gateway, claimed_at, lease_until, poison, message_ids)
    VALUES (%(worker)s, %(gateway)s, now(), now() + %(lease)s * interval '1 second', {{poison}}, %(ids)s)
    RETURNING id
)
UPDATE message
SET status = 'sending',
    attempts = attempts + 1,
    text_revision = coalesce(
        text_revision, (%(revisions)s::int[])[array_position(%(mailings)s::bigint[], mailing_id)]),
    claim_id = held.id,{{values}}
    gateway_id = %(gateway_id)s
FROM held
WHERE {is_one_of_many("message.id")} AND status = 'pending' AND {{due}} AND {NOT_IN_DOUBT_ELSEWHERE}
RETURNING message.id, attempts, mailing_id, client_id, phone_number, uncounted_attempts, in_doubt, text_revision,
    {{returned}} AS text_values, claim_id
"""  # noqa: S608  put together of constants

# The values that a template is filled in with are fixed with the text: in the same statement, so that the client is
# there whose message is still pending, and never changed afterwards.
_VALUES = f"""
    text_values = coalesce(text_values, {VALUES_OF_MESSAGE}),"""

_DUE = {"poison": "false", "due": "due_at <= now()"}
CLAIM = _CLAIM.format(**_DUE, values="", returned="NULL::text[]")

# The same for messages some of which are of personalised mailings.
CLAIM_WITH_VALUES = _CLAIM.format(**_DUE, values=_VALUES, returned="text_values")

CLAIM_RANGE, CLAIM_RANGE_WITH_VALUES = of_range(CLAIM), of_range(CLAIM_WITH_VALUES)

CLAIM_POISON_MESSAGE = _CLAIM.format(poison="true", due="due_at = 'infinity'", values=_VALUES, returned="text_values")

# The claims whose lease has expired. Locked, so that one worker reclaims them.
FIND_EXPIRED = """
SELECT id, message_ids FROM claim
WHERE lease_until < now()
ORDER BY lease_until
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
"""

# The claims of this worker that were committed but whose acknowledgement was lost with the connection. Their messages
# are not being sent, and only their holder can detect that.
FIND_UNACKNOWLEDGED = """
SELECT id, message_ids FROM claim WHERE worker = %(worker)s AND id <> ALL(%(known)s::bigint[])
"""

# The messages that claims hold, with the columns of LeasedRow in worker/claim_rows.py. `ids` are those of the claims.
# One that is locked is being recorded, and is skipped.
LOCK_HELD = f"""
SELECT message.id, attempts, mailing_id, client_id, phone_number, uncounted_attempts, in_doubt, claim_id, on_unknown,
    worker, gateway, date_part('epoch', claimed_at) AS claimed_at
FROM message JOIN mailing ON mailing.id = mailing_id JOIN claim ON claim.id = claim_id
WHERE {is_one_of_many("message.id")} AND message.status = 'sending' AND claim_id = ANY(%(claims)s)
FOR UPDATE OF message SKIP LOCKED
"""  # noqa: S608  put together of constants

# Delete claims all of whose messages their holder has recorded or released.
DELETE_CLAIMS = "DELETE FROM claim WHERE id = ANY(%(claims)s)"

# Delete the claim that this transaction has just added: all of its messages had been claimed or had ended before, or
# were withdrawn by the rules (shared/sql/claim_rules.py).
DELETE_EMPTY = "DELETE FROM claim WHERE id = currval('claim_id_seq')"

# Delete claims that hold no message any more. `ids` are the messages of all of them.
DELETE_ENDED = f"""
DELETE FROM claim
WHERE id = ANY(%(claims)s) AND NOT EXISTS (
    SELECT FROM message WHERE {is_one_of_many("message.id")} AND status = 'sending' AND claim_id = claim.id
)
"""  # noqa: S608  put together of constants

# Renew leases of claims that are dated in the future: the database's clock was set back since, and they would last too
# long by that difference. Their holders may be alive, so they get a whole lease from now on, and no more. `lease` is
# this worker's. Leases of others may be longer, so the claim's own date decides, by a clock that is read after the
# rows.
RENEW_LEASES = """
UPDATE claim
SET claimed_at = now(),
    lease_until = now() + (lease_until - claimed_at)
WHERE id = ANY(ARRAY(
    SELECT id FROM claim
    WHERE lease_until > now() + %(lease)s * interval '1 second' AND claimed_at > clock_timestamp()
    ORDER BY id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
"""

_WITHOUT_TEXT = ", ".join(f"'{code}'" for code in WITHOUT_TEXT)

# Whether no attempt before this one had a text: its template made none, until a person retried the message.
NEVER_HAD_TEXT = f"""(attempts = 1 OR NOT in_doubt AND attempts - 1 = (
        SELECT count(*) FROM attempt
        WHERE message_id = message.id AND number < message.attempts AND reason_code IN ({_WITHOUT_TEXT})
    ))"""  # noqa: S608  put together of constants

# The claim that holds a message. From a condition on `status` alone the planner would expect that few messages are
# held, and compare all of them with all that are given.
CLAIM_OF_HELD = "CASE message.status WHEN 'sending' THEN message.claim_id END"

# Release claims whose request certainly never left. They become as if never claimed, and changes for messages without
# an attempt apply to them. The next claim has the same number, so the claim is compared.
RELEASE = f"""
UPDATE message
SET status = 'pending',
    attempts = attempts - 1,
    text_revision = CASE WHEN {NEVER_HAD_TEXT} THEN NULL ELSE text_revision END,
    text_values = CASE WHEN {NEVER_HAD_TEXT} THEN NULL ELSE text_values END,
    gateway_id = CASE attempts WHEN 1 THEN NULL ELSE gateway_id END,
    phone_number = CASE attempts WHEN 1 THEN coalesce(client.phone_number, message.phone_number)
        ELSE message.phone_number END
FROM unnest(%(ids)s::bigint[], %(claims)s::bigint[], %(clients)s::bigint[]) AS given(id, claim_id, client_id)
    LEFT JOIN client ON client.id = given.client_id
WHERE {is_one_of_many("message.id")} AND message.id = given.id AND {CLAIM_OF_HELD} = given.claim_id
"""  # noqa: S608  put together of constants

# Complete the attempts of released claims that RECORD has ended meanwhile: there was no request.
RELEASE_ATTEMPTS = """
UPDATE attempt
SET duration = 0,
    reason_params = coalesce(reason_params, '{}') || '{"late_result": "not_submitted"}'
FROM unnest(%(ids)s::bigint[], %(numbers)s::int[]) AS given(id, number)
WHERE message_id = ANY(%(ids)s) AND message_id = given.id AND attempt.number = given.number AND worker = %(worker)s
    AND duration IS NULL
"""
