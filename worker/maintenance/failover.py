"""Failover: messages that may take several gateways take another one while the first is unavailable.

A gateway is unavailable if the live workers have stopped sending to it (SET_AVAILABILITY). It becomes available again
once it has been healthy for HOLD_SECONDS, or longer after repeated failures. In the meantime, workers probe it with one
message at a time (worker/lanes/circuit_breaker.py). Messages in doubt are not affected: they wait for their gateway.

It is unavailable too if its deliveries have collapsed (worker/maintenance/collapsed_deliveries.py). Those of the last
half hour count: once they are older, it becomes available again, and is judged by what is sent from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.delivery_share import DeliveryShare
from shared.sql import routing
from worker.database import Database
from worker.maintenance.collapsed_deliveries import CollapsedDeliveries
from worker.parameters import bigints
from worker.rows import fetch_all

log = logging.getLogger(__name__)

HOLD_SECONDS = 30.0
LONGEST_HOLD_SECONDS = 600.0
"""Seconds for which a gateway must be healthy before it gets messages again: doubled by each failure in a row."""

CALM_SECONDS = 3600.0
"""Seconds after a failure from which the next one counts as the first again."""

RECENT_SECONDS = 10.0
"""Seconds without an acceptance after which one stopped worker makes a gateway unavailable: idle workers report no
failure."""


class Availability(NamedTuple):
    """A row of SET_AVAILABILITY."""

    id: int
    name: str
    available: bool


class Failover:
    """Updates the availability of gateways, and assigns paths. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._deliveries = CollapsedDeliveries()

    def run(self) -> bool:
        """Returns whether a path has got another gateway."""

        def work(cursor: Cursor) -> tuple[list[Availability], Mapping[int, DeliveryShare], int]:
            cursor.execute(routing.LOCK_FAILOVER)
            if cursor.fetchone() != (True,):
                return [], {}, 0
            collapsed = self._deliveries.read(cursor)
            given = {
                "collapsed": bigints(collapsed),
                "hold": HOLD_SECONDS,
                "longest_hold": LONGEST_HOLD_SECONDS,
                "calm": CALM_SECONDS,
                "recent": RECENT_SECONDS,
            }
            cursor.execute(routing.SET_AVAILABILITY, given)
            changed = fetch_all(cursor, Availability)
            cursor.execute(routing.ASSIGN_PATHS)
            return changed, collapsed, cursor.rowcount

        changed, collapsed, paths = self._database.transaction(work)
        for gateway in changed:
            if gateway.available:
                log.info("gateway.available", extra={"gateway": gateway.name})
            else:
                log.warning("gateway.unavailable", extra={"gateway": gateway.name, **_why(collapsed.get(gateway.id))})
        if paths:
            log.warning("paths.reassigned", extra={"paths": paths})
        return paths > 0


def _why(deliveries: DeliveryShare | None) -> dict[str, object]:
    """The fields of the log record that tell why a gateway is unavailable."""
    if deliveries is None:
        return {"reason": "stopped"}
    return {"reason": "deliveries_collapsed", "measured": deliveries.sent, "delivered": deliveries.delivered}
