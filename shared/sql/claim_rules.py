"""What forbids or postpones messages that a claim has just leased: suppressions, missing consent, local windows.

These statements follow CLAIM in its transaction, each with a snapshot of its own. The claim holds the rows of its
messages by then, so a suppression that is recorded at the same time is either seen here, or waits for the claim's
commit (shared/sql/suppressions.py).

Their parameters `ids`, `mailings`, `clients` and `phones` are arrays with an element for each message.
"""

from __future__ import annotations

from shared.sql.claims import CLAIM_OF_HELD, NEVER_HAD_TEXT
from shared.sql.conditions import end_unless_in_doubt
from shared.sql.consents import is_consenting
from shared.sql.local_windows import ARGUMENTS, effective_timezone
from shared.sql.suppressions import covers

# Of these numbers, those that must not get messages from this gateway, with the kinds of mailings that they must not
# get. Mostly there are none. The numbers go through a subquery, so that the planner never takes them for so many that
# it reads all suppressions.
FIND_SUPPRESSED = f"""
SELECT phone_number, kind
FROM suppression CROSS JOIN unnest(enum_range(NULL::mailing_kind)) AS kind
WHERE phone_number = ANY(ARRAY(SELECT unnest(%(phones)s))) AND {covers("kind", "%(gateway_id)s")}
"""  # noqa: S608  put together of constants

# For messages of mailings that require consent: those whose numbers have given none.
FIND_WITHOUT_CONSENT = f"""
SELECT given.id
FROM unnest(%(ids)s::bigint[], %(phones)s::bigint[]) AS given(id, phone_number)
WHERE NOT {is_consenting("given.phone_number")}
"""  # noqa: S608  put together of constants

# For messages of mailings with a local window: from when on they may be sent (`opens_in`, seconds from now; NULL if
# not before the mailing's end), until when (`closes_in`; NULL unless they may be sent now), and whether the time zone
# is known. Each pair of a mailing and a time zone is computed once.
READ_LOCAL_WINDOWS = f"""
WITH given AS MATERIALIZED (
    SELECT given.id, given.mailing_id, client.timezone
    FROM unnest(%(ids)s::bigint[], %(mailings)s::bigint[], %(clients)s::bigint[]) AS given(id, mailing_id, client_id)
        LEFT JOIN client ON client.id = given.client_id
), zone AS MATERIALIZED (
    SELECT mailing.id AS mailing_id, found.timezone, effective,
        next_permitted(now(), end_datetime, effective, {ARGUMENTS}) AS opens_at
    FROM (SELECT DISTINCT mailing_id, timezone FROM given) AS found
        JOIN mailing ON mailing.id = found.mailing_id
        CROSS JOIN LATERAL (SELECT {effective_timezone("found.timezone")} AS effective) AS known
)
SELECT given.id, effective IS NOT NULL AS is_known, date_part('epoch', opens_at - now()) AS opens_in,
    date_part('epoch', closes_at - now()) AS closes_in
FROM (
    SELECT zone.*, CASE WHEN opens_at <= now() THEN permitted_until(now(), effective, {ARGUMENTS}) END AS closes_at
    FROM zone JOIN mailing ON mailing.id = mailing_id
) AS zone JOIN given ON given.mailing_id = zone.mailing_id AND given.timezone IS NOT DISTINCT FROM zone.timezone
"""  # noqa: S608  put together of constants

# Take messages back that this claim has just leased and that must not be sent now: they end, or wait until `due_in`
# seconds from now. They become as if never claimed. A message in doubt never ends otherwise than as `unknown`. A poison
# message stays one while it waits (TAKE_POISON_MESSAGE), or it would be claimed together with others afterwards.
WITHDRAW = f"""
UPDATE message
SET status = CASE given.status WHEN 'pending' THEN given.status ELSE {end_unless_in_doubt("given.status")} END,
    attempts = attempts - 1,
    text_revision = CASE WHEN {NEVER_HAD_TEXT} THEN NULL ELSE text_revision END,
    text_values = CASE WHEN {NEVER_HAD_TEXT} THEN NULL ELSE text_values END,
    gateway_id = CASE attempts WHEN 1 THEN NULL ELSE gateway_id END,
    due_at = CASE WHEN given.status = 'pending' AND due_at < 'infinity'
        THEN now() + given.due_in * interval '1 second' ELSE due_at END,
    ended_at = CASE given.status WHEN 'pending' THEN NULL ELSE now() END,
    reason_code = given.reason_code,
    reason_params = NULL
FROM unnest(%(ids)s, %(claims)s, %(statuses)s::message_status[], %(reasons)s::text[], %(due_in)s::float8[])
    AS given(id, claim_id, status, reason_code, due_in)
WHERE message.id = ANY(%(ids)s) AND message.id = given.id AND {CLAIM_OF_HELD} = given.claim_id
"""  # noqa: S608  put together of constants
