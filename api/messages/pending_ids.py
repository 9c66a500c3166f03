"""The ids of pending messages in order, from the batches of the queue.

The batches of one statement are in the order of ids, but those of retries lie among others. So a step takes the batches
that begin first, and of these the ids that no other batch can have any before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import text

from api.extensions import db
from api.messages.keyset import KeysetPage

# A place is an id, or its negative if the page goes down. A batch has its ids in order, from `near` to `far`; one that
# began before the page counts from its next id on.
#
# `bound` is a place with at least `limit` candidates up to it: `limit` batches have an id each, or some batches lie
# before it as a whole and have so many.
_STEP = """
WITH waiting AS MATERIALIZED (
    SELECT id, far,
        CASE WHEN near > :after THEN near
            ELSE (SELECT min({place}) FROM unnest(message_ids) AS one WHERE {place} > :after) END AS near,
        CASE WHEN near > :after THEN cardinality(message_ids) ELSE 1 END AS messages
    FROM queue_batch CROSS JOIN LATERAL (SELECT {near} AS near, {far} AS far) AS place
    WHERE far > :after{mailing}
), first AS MATERIALIZED (
    SELECT id, near, far, row_number() OVER nearest AS number, sum(messages) OVER nearest - messages AS before
    FROM (SELECT * FROM waiting ORDER BY near, id LIMIT :limit + 1) AS nearest_batches
    WINDOW nearest AS (ORDER BY near, id)
), bound AS (
    SELECT greatest(min(near), least(
        min(near) FILTER (WHERE number = :limit + 1) - 1,
        max(far) FILTER (WHERE number <= :limit AND before < :limit)
    )) AS place
    FROM first
)
SELECT bound.place, ARRAY(
    SELECT DISTINCT {place} AS place
    FROM first JOIN queue_batch USING (id) CROSS JOIN unnest(message_ids) AS one
    WHERE near <= bound.place AND {place} > :after AND {place} <= bound.place
    ORDER BY place
) AS places
FROM bound
WHERE bound.place IS NOT NULL
"""

_UP = {"place": "one", "near": "message_ids[1]", "far": "message_ids[cardinality(message_ids)]"}

_DOWN = {"place": "-one", "near": "-message_ids[cardinality(message_ids)]", "far": "-message_ids[1]"}


def pending_ids(page: KeysetPage, mailing_id: int | None) -> Iterator[Sequence[int]]:
    """Ids in the order of the page, with all that are pending in it. Some may have ended since they were queued."""
    mailing = "" if mailing_id is None else " AND mailing_id = :mailing_id"
    step = text(_STEP.format(**(_DOWN if page.latest_first else _UP), mailing=mailing))
    given = {"limit": page.limit} if mailing_id is None else {"limit": page.limit, "mailing_id": mailing_id}
    sign = -1 if page.latest_first else 1
    after, end = (-page.before, -page.after) if page.latest_first else (page.after, page.before)
    while after < end - 1:
        row = db.session.execute(step, {**given, "after": after}).one_or_none()
        if row is None:
            return
        ids = [sign * place for place in row.places if place < end]
        if ids:
            yield ids
        after = row.place
