"""Rescheduling: messages that wait for a local window or a cap, after a change of what decides until when they wait.

That is the time zone of a client; a mailing's local window, default time zone or end; the days of a calendar; or the
caps. A claim decides again in any case, so nothing is sent outside a window because of such a change. This is for
messages that would otherwise wait too long. For one client it is done in the request. For whole mailings the request
adds a row to `reschedule`, and a worker goes through their messages.

Messages are locked by one statement and computed by the next, whose snapshot has what was committed meanwhile: a claim
that postpones a message by the old values holds it until its commit.
"""

from __future__ import annotations

from shared.domain.reasons import ReasonCode
from shared.sql.caps import FREES_AT
from shared.sql.local_windows import ARGUMENTS, effective_timezone

# Mailings whose messages may wait for a local window. Those that are about to start count too: their launch may read
# what is being changed before this transaction is committed.
_MAY_WAIT = """settled_at IS NULL AND local_from IS NOT NULL AND (
    launch_started_at IS NOT NULL OR status = 'scheduled' AND start_datetime < now() + interval '1 minute')"""

_REQUEST = """
INSERT INTO reschedule (mailing_id)
SELECT id FROM mailing WHERE {condition} ORDER BY id
ON CONFLICT (mailing_id) DO UPDATE SET requested_at = excluded.requested_at, last_message_id = 0
"""

# Request it for the mailings that have a calendar.
REQUEST_FOR_CALENDAR = _REQUEST.format(condition=f"{_MAY_WAIT} AND holiday_calendar_id = %(calendar_id)s")

# Request it for all mailings: the time zones of many clients have changed.
REQUEST_FOR_ALL = _REQUEST.format(condition=_MAY_WAIT)

# Request it for all mailings whose messages may wait for a cap. A launch does not decide about caps.
REQUEST_FOR_CAPS = _REQUEST.format(
    condition="settled_at IS NULL AND launch_started_at IS NOT NULL AND kind = 'marketing'"
)

# Request it for one mailing, which has been launched. It may have no local window any more.
REQUEST_FOR_MAILING = """
INSERT INTO reschedule (mailing_id) VALUES (%(mailing_id)s)
ON CONFLICT (mailing_id) DO UPDATE SET requested_at = excluded.requested_at, last_message_id = 0
"""

# Take the next request after that of the mailing `after`: round robin, in the order of the mailings' ids. All messages
# of a mailing exist once it is launched (`is_launched`); those that a launch adds later have larger ids than those that
# are there. None waits any more once it is settled, removed or cancelled before its start (`is_over`). The request for
# a mailing that may start waits until it has started, which may be never: it takes no turn from others.
TAKE_REQUEST = """
SELECT request.mailing_id, last_message_id, launched_at IS NOT NULL AS is_launched,
    mailing.id IS NULL OR settled_at IS NOT NULL OR launch_started_at IS NULL AS is_over
FROM reschedule AS request LEFT JOIN mailing ON mailing.id = request.mailing_id
WHERE mailing.id IS NULL OR launch_started_at IS NOT NULL OR status = 'cancelled'
ORDER BY %(after)s >= request.mailing_id, request.mailing_id
LIMIT 1
FOR UPDATE OF request SKIP LOCKED
"""

# Lock the pending ones of a mailing's next messages. All of these are returned.
LOCK_NEXT = """
WITH next AS MATERIALIZED (
    SELECT id FROM message WHERE mailing_id = %(mailing_id)s AND id > %(last_message_id)s ORDER BY id LIMIT %(limit)s
), locked AS MATERIALIZED (
    SELECT id FROM message
    WHERE id = ANY(ARRAY(SELECT id FROM next)) AND status = 'pending'
    ORDER BY id
    FOR UPDATE
)
SELECT next.id, locked.id IS NOT NULL AS is_pending FROM next LEFT JOIN locked ON locked.id = next.id ORDER BY next.id
"""

# Lock the pending messages of a client, in the order of their ids as everywhere.
LOCK_OF_CLIENT = """
SELECT id FROM message WHERE client_id = %(client_id)s AND status = 'pending' ORDER BY id FOR UPDATE
"""

# Compute again when locked messages are due that wait for a local window: when it opens; at once if it is open, if
# there is none any more, and if it does not open before the mailing's end, which a claim decides. Poison messages are
# left alone, and messages that wait for anything else. Each pair of a mailing and a time zone is computed once.
RESCHEDULE = f"""
WITH waiting AS MATERIALIZED (
    SELECT message.id, message.mailing_id, client.timezone
    FROM message LEFT JOIN client ON client.id = message.client_id
    WHERE message.id = ANY(%(ids)s::bigint[]) AND status = 'pending'
        AND reason_code = '{ReasonCode.OUTSIDE_LOCAL_WINDOW}' AND due_at > now() AND due_at < 'infinity'
), zone AS MATERIALIZED (
    SELECT mailing.id AS mailing_id, found.timezone,
        coalesce(next_permitted(now(), end_datetime, {effective_timezone("found.timezone")}, {ARGUMENTS}), now())
            AS opens_at
    FROM (SELECT DISTINCT mailing_id, timezone FROM waiting) AS found JOIN mailing ON mailing.id = found.mailing_id
)
UPDATE message
SET due_at = opens_at
FROM waiting JOIN zone ON zone.mailing_id = waiting.mailing_id AND zone.timezone IS NOT DISTINCT FROM waiting.timezone
WHERE message.id = ANY(%(ids)s::bigint[]) AND message.id = waiting.id AND due_at <> opens_at
"""  # noqa: S608  put together of constants

# The same for locked messages that wait for a cap: when the caps allow them, if that is earlier. What they forbid now,
# a claim finds out. Messages that wait for the lease of another one keep that time.
RESCHEDULE_OVER_CAP = f"""
WITH waiting AS MATERIALIZED (
    SELECT given.id, greatest(now(), frees_at) AS frees_at
    FROM message AS given
        LEFT JOIN LATERAL (
            SELECT message_ids, claimed_until FROM number_usage WHERE phone_number = given.phone_number OFFSET 0
        ) AS usage ON TRUE
        CROSS JOIN LATERAL ({FREES_AT}
        ) AS over
    WHERE given.id = ANY(%(ids)s::bigint[]) AND status = 'pending' AND reason_code = '{ReasonCode.OVER_CAP}'
        AND due_at > now() AND due_at < 'infinity'
)
UPDATE message
SET due_at = frees_at
FROM waiting
WHERE message.id = ANY(%(ids)s::bigint[]) AND message.id = waiting.id AND frees_at < due_at
"""  # noqa: S608  put together of constants

ADVANCE = "UPDATE reschedule SET last_message_id = %(last_message_id)s WHERE mailing_id = %(mailing_id)s"

END_REQUEST = "DELETE FROM reschedule WHERE mailing_id = %(mailing_id)s"
