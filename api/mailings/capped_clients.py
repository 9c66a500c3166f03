"""The clients of an audience who have had as many messages as the caps allow, as things are now."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from api.database import execute
from api.extensions import db
from api.mailings.audience_count import Recipients
from api.mailings.audience_rows import rows_of_audience
from shared.schema import MessageCap

COUNT_LIMIT = 100_000
"""Clients that are compared with what was counted for their numbers. Of a larger audience, the first ones stand for
all."""

_HAS_CAPS = select(func.count()).select_from(MessageCap)

# Of the clients, those to whom no marketing message may be sent at a moment; and when half of them, and all of them,
# may be written to again. (The same rule as in shared/sql/caps.py.)
_CAPPED = """
WITH audience AS MATERIALIZED (SELECT phone_number FROM ({audience}) AS found LIMIT %(limit)s), capped AS (
    SELECT frees_at
    FROM audience JOIN number_usage USING (phone_number) CROSS JOIN LATERAL (
        SELECT max(until + period_hours * interval '1 hour') AS frees_at
        FROM message_cap CROSS JOIN LATERAL (
            SELECT until FROM unnest(claimed_until) AS until ORDER BY until DESC OFFSET messages - 1 LIMIT 1
        ) AS last
    ) AS over
    WHERE frees_at > greatest(%(start)s, clock_timestamp())
)
SELECT (SELECT count(*) FROM audience) AS clients, count(*) AS capped,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY frees_at) AS half_free_at, max(frees_at) AS all_free_at
FROM capped
"""


class CappedClients(NamedTuple):
    """Clients at a cap when a mailing starts."""

    clients: int
    exact: bool
    """Whether all were looked at."""
    half_free_at: datetime | None
    """When half of them can be written to again; None if there are none."""
    all_free_at: datetime | None


def capped_clients(recipients: Recipients, audience: int, start: datetime | None) -> CappedClients | None:
    """Those of an audience of so many clients whom a cap would keep waiting at the start; None if there are no caps.

    As things are now: what other mailings send until then is not known.
    """
    if not db.session.scalars(_HAS_CAPS).one():
        return None
    rows = rows_of_audience(recipients)
    statement = _CAPPED.format(audience=rows.numbers())
    found = execute(statement, {**rows.parameters, "limit": COUNT_LIMIT, "start": start}).one()
    exact = found.clients < COUNT_LIMIT
    capped = found.capped if exact else round(found.capped * max(audience, found.clients) / found.clients)
    return CappedClients(capped, exact, found.half_free_at, found.all_free_at)
