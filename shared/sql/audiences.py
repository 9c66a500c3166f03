"""Audiences that are a segment, or leave segments out: listed once, then launched chunk by chunk.

Such a launch has two steps. First one statement lists the ids of all clients of the audience in `mailing_audience`, in
a transaction that also stores the conditions. Then each chunk of ids becomes messages, as LAUNCH_CHUNK does it for a
mark (shared/sql/mailings.py). So the audience is of one moment, however long the launch takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from shared.domain.segments.tree import Field, Node
from shared.sql.mailings import END_CHUNK, add_messages, skipping_existing
from shared.sql.segments import condition, negated_condition

# What a worker needs to list an audience. To be read once the launch is locked (LOCK_LAUNCH): before that, another
# worker may list it. `tree` is that of the segment; `excluded` has the ids of the excluded segments with their
# trees, and null for the tree of one that is not there any more. `today` is the day in UTC.
READ_AUDIENCE = """
SELECT mark, max_client_id, exclude_unknown_after,
    coalesce(saved.text, mailing.segment) AS segment, coalesce(saved.tree, mailing.segment_tree) AS tree,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object('id', excluded.id, 'tree', segment.tree) ORDER BY place), '[]')
        FROM unnest(excluded_segment_ids) WITH ORDINALITY AS excluded(id, place)
            LEFT JOIN segment ON segment.id = excluded.id
    ) AS excluded,
    (now() AT TIME ZONE 'UTC')::date AS today
FROM mailing LEFT JOIN segment AS saved ON saved.id = segment_id
WHERE mailing.id = %(mailing_id)s AND launched_at IS NULL AND audience_frozen_at IS NULL AND audience_failed_at IS NULL
"""

# Limit what follows in the transaction to so many milliseconds a statement. A server ends the statement of a worker
# that has died at its next check, and not only after its limit: until then no other worker could list the audience.
LIMIT_TIME = """
SELECT set_config('statement_timeout', %(milliseconds)s::text, true),
    set_config('client_connection_check_interval', '1s', true), set_config('jit', 'off', true)
"""

# List the audience: the clients that `condition` matches, in chunks of so many ids in order. `condition` is an
# expression over `client`, with named parameters of its own.
LIST_AUDIENCE = """
WITH audience AS (
    SELECT array_agg(client.id ORDER BY client.id) AS ids
    FROM client
    WHERE client.id <= %(max_client_id)s AND {condition}
      AND (%(exclude_unknown_after)s::int IS NULL OR unknown_subscriber_count < %(exclude_unknown_after)s)
)
INSERT INTO mailing_audience (mailing_id, first_client_id, client_ids)
SELECT %(mailing_id)s, ids[first], ids[first:first + %(chunk)s - 1]
FROM audience CROSS JOIN generate_series(1, cardinality(ids), %(chunk)s) AS first
"""

# The first of some mailings whose messages are not all kept any more. To be read after LIST_AUDIENCE, in its
# transaction, until whose end no messages that LIST_AUDIENCE may have read can be dropped.
FIND_REMOVED_LEDGER = """
SELECT asked.id AS mailing_id
FROM unnest(%(ids)s::bigint[]) AS asked(id) LEFT JOIN mailing ON mailing.id = asked.id
WHERE mailing.id IS NULL OR purge_started_at IS NOT NULL
ORDER BY asked.id LIMIT 1
"""

HAS_MARK = "(client.tag = %(mark)s OR client.operator_code = %(mark)s)"
"""The condition of a mark, for an audience that leaves segments out."""


def matches(mark: str, tree: Node | None, fields: Mapping[str, Field], today: date) -> tuple[str, dict[str, Any]]:
    """The clients whom a mark or a segment matches, as an expression and its parameters. Raises SegmentError."""
    return (HAS_MARK, {"mark": mark}) if tree is None else condition(tree, fields, today)


def is_kept(excluded: Sequence[Node], fields: Mapping[str, Field], today: date) -> tuple[list[str], dict[str, Any]]:
    """For each excluded segment, that a client is not in it; and the parameters of all. Raises SegmentError."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    for place, tree in enumerate(excluded):
        kept, own = negated_condition(tree, fields, today, f"excluded_{place}")
        conditions.append(kept)
        parameters |= own
    return conditions, parameters


def audience_condition(
    mark: str, tree: Node | None, excluded: Sequence[Node], fields: Mapping[str, Field], today: date
) -> tuple[str, dict[str, Any]]:
    """The clients whom a mark or a segment matches and who are in no excluded segment, as an expression and its
    parameters. Raises SegmentError.
    """
    matching, parameters = matches(mark, tree, fields, today)
    kept, others = is_kept(excluded, fields, today)
    return " AND ".join((matching, *kept)), parameters | others


# Record that an audience is listed, and what its conditions were.
FREEZE_AUDIENCE = """
UPDATE mailing
SET audience_frozen_at = now(), segment = %(segment)s, segment_tree = %(tree)s, excluded_trees = %(excluded)s
WHERE id = %(mailing_id)s
RETURNING (SELECT coalesce(sum(cardinality(client_ids)), 0)::bigint FROM mailing_audience
    WHERE mailing_id = mailing.id) AS clients
"""

# Record that an audience could not be listed. Its mailing is paused until a person resumes it, unless it has been
# paused or cancelled meanwhile.
FAIL_AUDIENCE = """
UPDATE mailing
SET audience_failed_at = clock_timestamp(),
    status = CASE status WHEN 'running' THEN 'paused' ELSE status END
WHERE id = %(mailing_id)s
"""

# Add to the history of a mailing what a worker has done to it.
ADD_EVENT = """
INSERT INTO mailing_event (mailing_id, action, detail, detail_code, detail_params)
VALUES (%(mailing_id)s, %(action)s, %(detail)s, %(detail_code)s, %(detail_params)s)
"""

# End the launch of a mailing whose audience could not be listed before its window closed or it was cancelled: it has
# no messages, and settles.
END_UNLISTED = """
UPDATE mailing
SET audience_frozen_at = now(), launched_at = now()
WHERE id = %(mailing_id)s AND audience_frozen_at IS NULL AND audience_failed_at IS NOT NULL
  AND (status = 'cancelled' OR end_datetime <= now())
RETURNING status::text
"""

# Turn the next listed chunk into messages. Otherwise the same as LAUNCH_CHUNK: the same locks, in the same order.
# Clients that were removed since are in no message, nor in the count.
LAUNCH_LISTED_CHUNK = f"""
WITH chunk AS (
    DELETE FROM mailing_audience
    WHERE mailing_id = %(mailing_id)s AND first_client_id = (
        SELECT min(first_client_id) FROM mailing_audience
        WHERE mailing_id = %(mailing_id)s AND first_client_id > %(last_client_id)s
    )
    RETURNING client_ids, client_ids[cardinality(client_ids)] AS last_client_id
), {add_messages("client.id = ANY(ARRAY(SELECT unnest(client_ids) FROM chunk))")}
UPDATE mailing
SET last_client_id = coalesce(read.last_id, last_client_id),
    audience = audience + messages,
    launched_at = CASE WHEN NOT EXISTS (
        SELECT FROM mailing_audience
        WHERE mailing_id = %(mailing_id)s AND first_client_id > read.last_id
    ) THEN now() END
{END_CHUNK.format(read="SELECT max(last_client_id) AS last_id FROM chunk")}
"""  # noqa: S608  put together of constants

LAUNCH_LISTED_CHUNK_AGAIN = skipping_existing(LAUNCH_LISTED_CHUNK)

# Delete what is left of the listed audiences of mailings that have settled: nothing, unless rows were changed by hand.
DELETE_SETTLED = "DELETE FROM mailing_audience WHERE mailing_id = ANY(%(mailings)s)"
