"""The counts of messages by mailing, status and delivery: sums of signed rows, which triggers on `message` add."""

from __future__ import annotations

# Compact the rows of a mailing once there are many: their sum replaces them. Those of a settled mailing become its
# final counts, and are added to the total, however few they are: only rows that are not compacted are summed up for the
# totals, and read here. (If its messages are retried, the changes are added later.)
COMPACT_COUNTS = """
WITH counted AS (
    SELECT message_count_delta.id, settled_at IS NOT NULL AS settled, count(*) OVER (PARTITION BY mailing_id) AS rows
    FROM message_count_delta LEFT JOIN mailing ON mailing.id = mailing_id
    WHERE NOT compacted
), folded AS (
    DELETE FROM message_count_delta
    WHERE id = ANY(ARRAY(
        SELECT id FROM message_count_delta
        WHERE id = ANY(ARRAY(SELECT id FROM counted WHERE settled OR rows > %(rows)s LIMIT 10000))
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING mailing_id, status, delivery, delta
), summed AS (
    SELECT mailing_id, folded.status, delivery, sum(delta) AS delta, settled_at IS NOT NULL AS settled
    FROM folded LEFT JOIN mailing ON mailing.id = mailing_id
    GROUP BY mailing_id, folded.status, delivery, settled_at
)
INSERT INTO message_count_delta (mailing_id, status, delivery, delta, compacted)
SELECT mailing_id, status, delivery, delta, settled FROM summed WHERE delta <> 0
UNION ALL
SELECT NULL, status, delivery, sum(delta), false
FROM summed
WHERE settled
GROUP BY status, delivery
HAVING sum(delta) <> 0
"""
