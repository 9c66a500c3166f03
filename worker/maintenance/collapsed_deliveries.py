"""Finding the gateways whose deliveries have collapsed: they accept messages, and few of those arrive."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.delivery_share import MIN_RECENT, DeliveryShare, has_collapsed, may_have_collapsed
from shared.sql import delivery_speed
from worker.rows import fetch_all

CHECK_SECONDS = 10.0
"""Seconds between two checks. Messages are measured minutes after they were sent."""

USUAL_SECONDS = 600.0
"""Seconds for which a gateway's usual share is kept: it is read only for gateways that seem to have collapsed."""


class RecentRow(NamedTuple):
    """A row of READ_RECENT."""

    id: int
    min_delivery_percent: int | None
    sent: int
    delivered: int

    @property
    def share(self) -> DeliveryShare:
        """What was measured."""
        return DeliveryShare(self.sent, self.delivered)


class CollapsedDeliveries:
    """Checks the measured deliveries. For one thread."""

    def __init__(self) -> None:
        self._collapsed: Mapping[int, DeliveryShare] = {}
        self._read_at = -CHECK_SECONDS
        self._usual: dict[int, tuple[float, DeliveryShare]] = {}
        """By the gateway's id: when it was read, by the monotonic clock, and the share."""

    def read(self, cursor: Cursor) -> Mapping[int, DeliveryShare]:
        """The gateways whose deliveries have collapsed, with their recent shares, as of the last check.

        If those of several gateways seem to have collapsed, and of no gateway they have not, it is we who get no
        receipts: none has.
        """
        now = time.monotonic()
        if now - self._read_at >= CHECK_SECONDS:
            cursor.execute(delivery_speed.READ_RECENT, {"at_least": MIN_RECENT})
            recent = fetch_all(cursor, RecentRow)
            found = {row.id: row.share for row in recent if self._has_collapsed(cursor, row, now)}
            self._collapsed = {} if len(recent) == len(found) > 1 else found
            self._read_at = now
        return self._collapsed

    def _has_collapsed(self, cursor: Cursor, row: RecentRow, now: float) -> bool:
        limit = row.min_delivery_percent
        if not may_have_collapsed(row.share, limit):
            return False
        return has_collapsed(row.share, self._usual_share(cursor, row.id, now), limit)

    def _usual_share(self, cursor: Cursor, gateway_id: int, now: float) -> DeliveryShare:
        read_at, share = self._usual.get(gateway_id, (-USUAL_SECONDS, DeliveryShare(0, 0)))
        if now - read_at >= USUAL_SECONDS:
            cursor.execute(delivery_speed.READ_USUAL, {"gateway_id": gateway_id})
            [share] = fetch_all(cursor, DeliveryShare)
            self._usual[gateway_id] = now, share
        return share
