"""The speed of deliveries: measured ten minutes after messages were sent, by gateway, operator code and minute."""

from __future__ import annotations

from shared.sql.conditions import is_one_of_many

# Receipts that came in time have been applied by then, unless they are late in the queue: it is waited for those.
MEASURE_AFTER_SECONDS = 630

# Take messages that are to be measured, once: the mark is committed with the measurement. Not while receipts are queued
# that came before the ten minutes were over.
TAKE_UNMEASURED = f"""
UPDATE receipt_wait
SET measured = TRUE
WHERE id = ANY(ARRAY(
    SELECT id FROM receipt_wait
    WHERE NOT measured AND since <= least(now(), (SELECT min(due_at) FROM receipt_queue))
        - {MEASURE_AFTER_SECONDS} * interval '1 second'
    ORDER BY since
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
RETURNING message_ids
"""  # noqa: S608  put together of constants

# A provider's clock is not much earlier than ours if what it says is after the message was sent.
_CLOCK_SECONDS = 5

# Add the measurement of messages. The time is the provider's, since polls are minutes late, if it can be: it is never
# after the last receipt came (worker/maintenance/folded_messages.py), and one that is before the message was sent is
# replaced by when the first such receipt came. So a provider's clock that is wrong by hours matters nothing.
#
# `ids` go through a subquery, and are between `first` and `last`, by which the planner leaves out partitions: to plan
# with thousands of constants would take longer than to execute. OFFSET 0 keeps it from computing each time thrice.
#
# Rows are added in one order everywhere: two workers that add to the same ones do not wait for each other in a circle.
MEASURE = f"""
INSERT INTO delivery_speed AS known
    (gateway_id, operator_code, minute, sent, within_1, within_5, within_10, undelivered)
SELECT gateway_id, operator_code, to_timestamp(minute * 60), count(*), count(*) FILTER (WHERE seconds <= 60),
    count(*) FILTER (WHERE seconds <= 300), count(*) FILTER (WHERE seconds <= 600),
    count(*) FILTER (WHERE delivery = 'undelivered')
FROM (
    SELECT gateway_id, delivery, floor(date_part('epoch', sent_at) / 60) AS minute,
        coalesce((SELECT operator_code FROM client WHERE client.id = client_id), '') AS operator_code,
        CASE WHEN delivery = 'delivered' THEN date_part('epoch', CASE
            WHEN delivery_at >= sent_at - {_CLOCK_SECONDS} * interval '1 second' THEN delivery_at
            ELSE (SELECT min(received_at) FROM receipt WHERE message_id = message.id AND state = 'delivered')
        END - sent_at) END AS seconds
    FROM message
    WHERE {is_one_of_many("id")}
        AND status = 'sent' AND gateway_id IS NOT NULL
    OFFSET 0
) AS measured
GROUP BY gateway_id, operator_code, minute
ORDER BY gateway_id, operator_code, minute
ON CONFLICT (gateway_id, operator_code, minute) DO UPDATE
SET sent = known.sent + excluded.sent,
    within_1 = known.within_1 + excluded.within_1,
    within_5 = known.within_5 + excluded.within_5,
    within_10 = known.within_10 + excluded.within_10,
    undelivered = known.undelivered + excluded.undelivered
"""  # noqa: S608  put together of constants

# The days for which measurements are kept.
DAYS = 35

# Delete old measurements.
DELETE_OLD = f"""
DELETE FROM delivery_speed
WHERE (gateway_id, operator_code, minute) IN (
    SELECT gateway_id, operator_code, minute FROM delivery_speed
    WHERE minute < now() - {DAYS} * interval '1 day'
    ORDER BY minute
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608  put together of constants

# The messages of each gateway that were sent in the last half hour and are measured, and how many of them were
# delivered within ten minutes. Of an available gateway only those since it became so: after a failure it is given
# another chance.
READ_RECENT = """
SELECT gateway.id, min_delivery_percent, sum(sent)::int AS sent, sum(within_10)::int AS delivered
FROM delivery_speed JOIN gateway ON gateway.id = delivery_speed.gateway_id
    JOIN gateway_availability USING (gateway_id)
WHERE minute > now() - interval '30 minutes' AND (minute >= changed_at OR NOT available)
    AND receipts AND min_delivery_percent IS DISTINCT FROM 0
GROUP BY gateway.id
HAVING sum(sent) >= %(at_least)s
"""

# The same for the seven days before, to compare.
READ_USUAL = """
SELECT coalesce(sum(sent), 0)::int AS sent, coalesce(sum(within_10), 0)::int AS delivered
FROM delivery_speed
WHERE gateway_id = %(gateway_id)s
    AND minute BETWEEN now() - interval '7 days' AND now() - interval '30 minutes'
"""
