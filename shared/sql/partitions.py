"""Partitions of the ledger: created in advance, and dropped when all mailings in them are old.

A partition is a range of message ids in `message`, `attempt` and `message_unsent`. `ledger_partition` has the bounds.
"""

from __future__ import annotations

# The numbers of the partition that the next message belongs to and of the one after it, if they are missing.
FIND_MISSING = """
SELECT needed.number
FROM (
    SELECT last_value / ledger_partition_width() + ahead AS number
    FROM message_id_seq CROSS JOIN generate_series(0, 1) AS ahead
) AS needed
WHERE NOT EXISTS (
    SELECT FROM ledger_partition
    WHERE first_message_id <= needed.number * ledger_partition_width()
      AND end_message_id > needed.number * ledger_partition_width()
)
"""

# Make a partition, unless another process has made it meanwhile.
MAKE = "SELECT make_ledger_partition(%(number)s) AS made"

# Let the next messages begin a new partition, if the first message of the present one is older than `days`: a
# partition can be dropped only as a whole, so it must not fill for years. To be executed under LOCK_RETENTION: if two
# workers set the sequence, ids would be given twice. So they would be if a launch passed the end of the partition while
# this statement runs: near the end, the partition is left to fill.
BEGIN_NEXT = """
SELECT setval('message_id_seq', end_message_id, false) AS next_id
FROM ledger_partition JOIN message_id_seq ON last_value >= first_message_id AND last_value < end_message_id
WHERE is_called AND last_value < end_message_id - 1000000 AND (
    SELECT created_at FROM message
    WHERE id >= first_message_id AND id < end_message_id
    ORDER BY id
    LIMIT 1
) < now() - %(days)s * interval '1 day'
"""

# The partitions that no message will be added to, the oldest first.
FIND_COMPLETE = """
SELECT number, first_message_id, end_message_id
FROM ledger_partition
WHERE end_message_id <= (SELECT last_value FROM message_id_seq)
ORDER BY number
"""

# The mailings with messages in a range of ids. Steps from one to the next in the index of mailing and id.
FIND_MAILINGS = """
WITH RECURSIVE found AS (
    SELECT (
        SELECT mailing_id FROM message
        WHERE id >= %(first)s AND id < %(end)s
        ORDER BY mailing_id
        LIMIT 1
    ) AS mailing_id
    UNION ALL
    SELECT (
        SELECT message.mailing_id FROM message
        WHERE id >= %(first)s AND id < %(end)s AND message.mailing_id > found.mailing_id
        ORDER BY message.mailing_id
        LIMIT 1
    )
    FROM found
    WHERE mailing_id IS NOT NULL
)
SELECT mailing_id AS id FROM found WHERE mailing_id IS NOT NULL
"""

# Lock those of the mailings that were settled `days` ago, and whose counts are final: they must be before the
# messages go, so nothing of them may be awaited any more. A retry, which would make messages pending again, comes
# before or is rejected. What is just being changed is left for the next check.
LOCK_OLD_MAILINGS = """
SELECT id FROM mailing
WHERE id = ANY(%(ids)s) AND settled_at < now() - %(days)s * interval '1 day'
  AND NOT EXISTS (SELECT FROM message_count_delta WHERE mailing_id = mailing.id AND NOT compacted)
  AND NOT EXISTS (
    SELECT FROM message_count_delta WHERE mailing_id = mailing.id AND delivery = 'awaiting' HAVING sum(delta) > 0
  )
ORDER BY id
FOR UPDATE SKIP LOCKED
"""

# Give up soon when others read the ledger: statements that come later wait behind this one.
LIMIT_WAIT = "SET LOCAL lock_timeout = '500ms'"

DROP = "SELECT drop_ledger_partition(%(number)s)"

# To be executed before each DROP, and after one that did not get its locks.
BEFORE_DROP = "SAVEPOINT before_drop"
UNDO_DROP = "ROLLBACK TO SAVEPOINT before_drop"

# Record that messages of these mailings are gone, and that all of them are where no other partition has any: where the
# next mailing with messages is another one. (NOT EXISTS may read all messages to find that a mailing has none.)
MARK_PURGED = """
UPDATE mailing
SET purge_started_at = coalesce(purge_started_at, now()),
    purged_at = CASE WHEN mailing.id IS DISTINCT FROM (
        SELECT mailing_id FROM message WHERE mailing_id >= mailing.id ORDER BY mailing_id LIMIT 1
    ) THEN now() END
WHERE id = ANY(%(ids)s)
RETURNING id, purged_at IS NOT NULL AS purged, deleted_at IS NOT NULL AS hidden
"""

# Delete the counts and the rows of purged mailings that a person has removed.
DELETE_COUNTS = "DELETE FROM message_count_delta WHERE mailing_id = ANY(%(ids)s)"
DELETE_MAILINGS = "DELETE FROM mailing WHERE id = ANY(%(ids)s)"
