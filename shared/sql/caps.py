"""Caps: at most `messages` marketing messages to one number in any `period_hours`, over all mailings.

`number_usage` has, per number, the messages that were claimed for it within the longest period, and when the lease of
the last claim of each ends. A message is counted when it is claimed, and falls out of a period that long after
`claimed_until`. Its request leaves between its claim and that time. So if a message is claimed only while fewer than
`messages` others are counted, then in any period, wherever it begins, at most that many have requests: those of them
that were claimed before the last one had left less than a period before, and were counted then.

A repeat of a message is counted in its place. Claims hold the rows of their messages first, and then these rows, in
the order of the numbers: there is no deadlock.
"""

from __future__ import annotations

# Count messages that this claim has leased, one for each number, where every cap allows it; return the numbers of those
# that were counted. ON CONFLICT locks the row of a number and reads its latest version, also where the condition does
# not hold: until the commit, no other claim decides about that number.
COUNT_MESSAGES = """
INSERT INTO number_usage AS usage (phone_number, message_ids, claimed_until)
SELECT phone_number, ARRAY[id], ARRAY[now() + %(lease)s * interval '1 second']
FROM unnest(%(ids)s::bigint[], %(phones)s::bigint[]) AS given(id, phone_number)
ORDER BY phone_number
ON CONFLICT (phone_number) DO UPDATE
SET (message_ids, claimed_until) = (
    SELECT coalesce(array_agg(id), '{}') || excluded.message_ids,
        coalesce(array_agg(until), '{}') || excluded.claimed_until
    FROM unnest(usage.message_ids, usage.claimed_until) AS counted(id, until)
    WHERE id <> excluded.message_ids[1]
        AND until > now() - (SELECT max(period_hours) FROM message_cap) * interval '1 hour'
)
WHERE NOT EXISTS (
    SELECT
    FROM message_cap CROSS JOIN LATERAL (
        SELECT count(*) AS total, count(*) FILTER (WHERE id = excluded.message_ids[1]) AS own
        FROM unnest(usage.message_ids, usage.claimed_until) AS counted(id, until)
        WHERE until > now() - period_hours * interval '1 hour'
    ) AS within
    WHERE total >= messages AND own = 0
)
RETURNING phone_number
"""

# The messages that are counted for numbers whose rows COUNT_MESSAGES has locked.
READ_COUNTED = """
SELECT phone_number, message_ids FROM number_usage WHERE phone_number = ANY(%(phones)s)
"""

# Those of the counted messages that certainly have not been sent: they have ended, or wait for a repeat and are not in
# doubt. And those that are being sent. A claim that takes one of the first kind at this moment is not committed, and
# waits for the row of its number: it counts the message anew.
#
# A message that has been purged stays counted: it may have been sent.
READ_UNSENT = """
SELECT id, status = 'sending' AS is_sending
FROM message
WHERE id = ANY(%(ids)s)
    AND (status IN ('sending', 'failed', 'expired', 'cancelled') OR status = 'pending' AND NOT in_doubt)
"""

# Stop counting messages of some numbers, so that others can be counted in their places.
UNCOUNT_UNSENT = """
UPDATE number_usage
SET (message_ids, claimed_until) = (
    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(until), '{}')
    FROM unnest(number_usage.message_ids, number_usage.claimed_until) AS counted(id, until)
    WHERE id <> ALL(%(ids)s)
)
WHERE phone_number = ANY(%(phones)s)
"""

FREES_AT = """
        SELECT max(until + period_hours * interval '1 hour') AS frees_at
        FROM (SELECT * FROM message_cap LIMIT 20) AS cap CROSS JOIN LATERAL (
            SELECT until FROM unnest(message_ids, claimed_until) AS counted(id, until)
            WHERE id <> given.id
            ORDER BY until DESC
            OFFSET messages - 1
            LIMIT 1
        ) AS last
        WHERE until + period_hours * interval '1 hour' > now()"""
"""The query of when every cap allows the message `given`, by the columns of `number_usage`; NULL if they do now. LIMIT
keeps the planner from assuming thousands of caps."""

# When messages that are over a cap can be decided again (`due_in`, in seconds from now): when as many of the counted
# ones have fallen out of every period as the caps demand. If one of them is being sent (`sending`), then when its lease
# has ended: if it was refused, it does not count any more.
#
# OFFSET 0 keeps the planner from a join that reads the whole table.
READ_WAITS = f"""
SELECT given.id, over_cap, coalesce(date_part('epoch', least(frees_at, lease_ends) - now()), 0) AS due_in
FROM unnest(%(ids)s::bigint[], %(mailings)s::bigint[], %(phones)s::bigint[]) AS given(id, mailing_id, phone_number)
    JOIN mailing ON mailing.id = given.mailing_id
    CROSS JOIN LATERAL (
        SELECT message_ids, claimed_until FROM number_usage WHERE phone_number = given.phone_number OFFSET 0
    ) AS usage
    CROSS JOIN LATERAL (
        SELECT min(until) AS lease_ends
        FROM unnest(message_ids, claimed_until) AS counted(id, until)
        WHERE id = ANY(%(sending)s) AND until > now()
    ) AS in_flight
    CROSS JOIN LATERAL ({FREES_AT}
    ) AS over
"""  # noqa: S608  put together of constants

# Delete the rows of numbers all of whose messages have fallen out of the longest period: those of at most `limit`
# numbers after a number. Returns how many rows were read, and the last number of them.
DELETE_UNUSED = """
WITH read AS MATERIALIZED (
    SELECT phone_number, claimed_until FROM number_usage
    WHERE phone_number > %(after)s
    ORDER BY phone_number
    LIMIT %(limit)s
), deleted AS (
    DELETE FROM number_usage
    WHERE phone_number = ANY(ARRAY(
        SELECT phone_number FROM number_usage
        WHERE phone_number = ANY(ARRAY(SELECT phone_number FROM read WHERE {unused})) AND {unused}
        ORDER BY phone_number
        FOR UPDATE SKIP LOCKED
    ))
)
SELECT count(*) AS rows, max(phone_number) AS last FROM read
""".format(  # noqa: S608  put together of constants
    unused="NOT EXISTS (SELECT FROM unnest(claimed_until) AS until WHERE until > now() "
    "- coalesce((SELECT max(period_hours) FROM message_cap), 0) * interval '1 hour')"
)
