"""Queries of the queue that only read."""

from __future__ import annotations

# Positions for the claim of a probe: per mailing, that of the message that became due last or, with `any`, a random one
# among the messages that became due together with the first. With `any`, mailings that have only messages tried before
# are skipped, by a position after all due messages. Each subquery reads one end of an index.
PROBE_POSITIONS = """
SELECT mailing.id AS mailing_id,
    CASE WHEN %(any)s AND first_due.attempts > 0 THEN now() + interval '1 day' ELSE place.due_at END
        AS due_at,
    place.id
FROM mailing CROSS JOIN LATERAL (
    SELECT due_at, id, attempts
    FROM message
    WHERE mailing_id = mailing.id AND status = 'pending' AND due_at <= now()
    ORDER BY due_at, id
    LIMIT 1
) AS first_due CROSS JOIN LATERAL (
    SELECT due_at, CASE WHEN %(any)s THEN first_due.id + floor(random() * (1 + id - first_due.id))::bigint ELSE id END
        AS id
    FROM message
    WHERE mailing_id = mailing.id AND status = 'pending'
      AND due_at <= CASE WHEN %(any)s THEN first_due.due_at ELSE now() END
    ORDER BY message.due_at DESC, message.id DESC
    LIMIT 1
) AS place
WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND status = 'running' AND now() < end_datetime
ORDER BY random()
LIMIT 100
"""

# Earlier attempts at a gateway that refused the account, by message.
EARLIER_REFUSALS = """
SELECT message_id, date_part('epoch', min(started_at)) AS first, date_part('epoch', max(started_at)) AS last,
    coalesce(max(duration), 0) AS longest
FROM attempt
WHERE message_id = ANY(%(ids)s) AND gateway = %(gateway)s AND result IN ('misconfigured', 'no_credit')
GROUP BY message_id
"""
