"""Routing: the gateways and paths as workers read them, and the failover of paths between gateways."""

from __future__ import annotations

from shared import locks
from shared.domain.worker_status import ALIVE_TIMEOUT, STOPPED


def first_available(gateway_ids: str) -> str:
    """The gateway of a list that gets its messages now: the first one that is available; if none is, the first one that
    is neither paused nor removed; NULL if there is none. `gateway_ids` is an expression.
    """
    return f"""(
        SELECT gateway.id
        FROM unnest({gateway_ids}) WITH ORDINALITY AS listed(id, place)
            JOIN gateway USING (id) JOIN gateway_availability ON gateway_availability.gateway_id = gateway.id
        WHERE removed_at IS NULL AND paused_at IS NULL
        ORDER BY available DESC, place
        LIMIT 1
    )"""  # noqa: S608  put together of constants


# The gateways that are not removed.
READ_GATEWAYS = """
SELECT id, name, provider, address, sender, options, credentials, rate, concurrency, receipts,
    receipts AND poll_receipts AS polls_receipts, no_receipt_prefixes, callback_token, segment_price, currency,
    revision, paused_at IS NOT NULL AS paused
FROM gateway
WHERE removed_at IS NULL
ORDER BY id
"""

READ_PATHS = "SELECT id, gateway_ids, gateway_id FROM path ORDER BY id"

_STOPPED = ", ".join(f"'{state}'" for state in sorted(STOPPED))

# Whether each gateway is healthy according to the last reports of the live workers: at least one has a lane
# for it, and none has stopped sending to it. If some have stopped and others have not, the latter may be idle: an
# acceptance shortly before decides. A gateway without a report is healthy if it is new, or no worker has reported yet.
# Those in `collapsed` are not: they accept messages, and few of those arrive.
_WELL = f"""
    SELECT gateway.id, paused_at IS NULL AND removed_at IS NULL AND gateway.id <> ALL(%(collapsed)s) AND (
        SELECT CASE WHEN count(*) = 0 THEN updated_at > now() - {ALIVE_TIMEOUT} * interval '1 second' OR NOT EXISTS (
                SELECT FROM worker_report WHERE at > now() - {ALIVE_TIMEOUT} * interval '1 second' AND NOT stopped)
            WHEN bool_and(has_stopped) THEN FALSE
            WHEN bool_or(has_stopped) THEN coalesce(
                max(accepted_at) > now() - %(recent)s * interval '1 second', FALSE)
            ELSE TRUE END
        FROM (
            SELECT DISTINCT ON (worker) gateway_state IN ({_STOPPED}) AS has_stopped, stopped
            FROM worker_report
            WHERE gateway = name AND at > now() - {ALIVE_TIMEOUT} * interval '1 second'
            ORDER BY worker, at DESC
        ) AS last LEFT JOIN gateway_contact ON gateway_contact.gateway = name
        WHERE NOT stopped
    ) AS well
    FROM gateway"""  # noqa: S608  put together of constants

# Make gateways unavailable that are not healthy, and available again those that have been healthy for long enough:
# the longer, the more often they failed lately. Returns those that changed.
SET_AVAILABILITY = f"""
WITH state AS ({_WELL}
), changed AS (
    UPDATE gateway_availability
    SET available = well AND well_since IS NOT NULL,
        well_since = CASE WHEN well AND well_since IS NULL THEN now() END,
        failovers = CASE WHEN NOT available THEN failovers
            WHEN changed_at < now() - %(calm)s * interval '1 second' THEN 1
            ELSE failovers + 1 END,
        changed_at = CASE WHEN available OR (well AND well_since IS NOT NULL) THEN now() ELSE changed_at END
    FROM state
    WHERE state.id = gateway_id AND CASE
        WHEN available THEN NOT well
        WHEN NOT well THEN well_since IS NOT NULL
        WHEN well_since IS NULL THEN TRUE
        ELSE well_since <= now() - least(%(longest_hold)s, %(hold)s * 2 ^ greatest(failovers - 1, 0))
            * interval '1 second' END
    RETURNING gateway_id, available, changed_at = now() AND (available OR well_since IS NULL) AS has_changed
)
SELECT id, name, available FROM changed JOIN gateway ON id = gateway_id WHERE has_changed
"""  # noqa: S608  put together of constants

# Only one worker at a time changes availability and paths: taken before the two statements, until the end of the
# transaction.
LOCK_FAILOVER = "SELECT pg_try_advisory_xact_lock({}, {}) AS locked".format(*locks.FAILOVER)

# Assign each path to the gateway that gets its messages now. One without such a gateway stays as it is.
ASSIGN_PATHS = f"""
UPDATE path
SET gateway_id = chosen.gateway_id
FROM (
    SELECT path.id, {first_available("gateway_ids")} AS gateway_id
    FROM path
    WHERE route_id IS NOT NULL
) AS chosen
WHERE chosen.id = path.id AND path.gateway_id IS DISTINCT FROM chosen.gateway_id AND chosen.gateway_id IS NOT NULL
"""  # noqa: S608  put together of constants
