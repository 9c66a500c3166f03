"""The rate limit of a gateway: at most so many requests a second over all workers, kept in the database.

A row for each gateway says from when on the next slot is free. A worker that claims messages takes as many slots, in
the same transaction; a request starts in its slot or, when it is late, not at all: it is released and gets another. So
no stall of one worker can turn into a burst, and no slot is used twice.

Slots lie (1 + START_TOLERANCE + NETWORK_JITTER) / rate seconds apart. Requests that are up to START_TOLERANCE after
their slot and take up to NETWORK_JITTER longer or shorter to the gateway can then never be more than `rate` in any
second there, and 97.5 % of it are reached.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.gateways.base import DEFAULT_GATEWAY

log = logging.getLogger(__name__)

START_TOLERANCE = 0.020
"""Seconds after its slot in which a request may still start."""

NETWORK_JITTER = 0.005
"""Seconds by which the times that two requests take to the gateway may differ."""

MAX_CLOCK_READS = 5
"""How often the clock is read at most until a reading is fresh enough: more often would keep the fleet waiting."""

LOOKAHEAD = 0.5
"""Seconds of slots that may be taken in advance: longer than any pause of a worker's loop, shorter than a person's
patience with "pause"."""

CLOCK_STEP = 5.0
"""Seconds. If the next slot is further away than slots can be taken in advance, the database's clock has been put back.
A step up to this long is waited out; after a longer one the slots begin anew."""

ADD_RATE_LIMIT = "INSERT INTO rate_limit (gateway, next_slot_at) VALUES (%s, now()) ON CONFLICT DO NOTHING"

LOCK_RATE_LIMIT = "SELECT FROM rate_limit WHERE gateway = %s FOR UPDATE"

# Read with the row locked, and nothing else in the statement: the reading is as old as its way back.
READ_NEXT_SLOT = """
SELECT first, extract(epoch FROM first - now)::float8
FROM (
    SELECT greatest(next_slot_at, now) AS first, now
    FROM rate_limit, clock_timestamp() AS now
    WHERE gateway = %s
) AS slot
"""

TAKE_SLOTS = "UPDATE rate_limit SET next_slot_at = %s + %s * interval '1 second' WHERE gateway = %s"


class Slot(NamedTuple):
    """When a request may start, by the monotonic clock."""

    begins: float
    ends: float


ANY_TIME = Slot(0.0, math.inf)
"""For a worker whose gateway has no rate limit."""


class FleetRateLimiter:
    """Slots for the requests of one worker to one gateway, out of those of the fleet. For one thread."""

    def __init__(self, rate: float, gateway: str = DEFAULT_GATEWAY) -> None:
        """`rate` is in requests a second, and the same for all workers."""
        self._gateway = gateway
        self._spacing = (1.0 + START_TOLERANCE + NETWORK_JITTER) / rate
        self._first: tuple[datetime, float] = (datetime.min.replace(tzinfo=UTC), 0.0)
        """The first free slot by the database's clock and by the monotonic one."""
        self._uncertain = 0.0
        """Seconds by which it may be earlier: how long the database took to say what time it is."""
        self.resume_at = 0.0
        """Monotonic time before which it is of no use to ask for slots again."""

    @property
    def slots_ahead(self) -> int:
        """How many slots may be taken in advance."""
        return int(LOOKAHEAD / self._spacing) + 1

    def free_slots(self, cursor: Cursor) -> int:
        """How many slots may be taken now. Keeps them for this transaction."""
        cursor.execute(LOCK_RATE_LIMIT, (self._gateway,))
        if not cursor.rowcount:
            cursor.execute(ADD_RATE_LIMIT, (self._gateway,))
            cursor.execute(LOCK_RATE_LIMIT, (self._gateway,))
        self._uncertain, first, wait, now = min(self._readings(cursor), key=lambda reading: reading[0])
        furthest = LOOKAHEAD + self._spacing
        if wait > furthest + CLOCK_STEP:
            # The database's clock was put back.
            log.warning("rate_limit.restarted", extra={"gateway": self._gateway, "seconds_ahead": round(wait, 3)})
            # After all slots that may have been taken before the step, so that the rate is kept.
            first, wait = first + timedelta(seconds=furthest - wait), furthest
            cursor.execute(TAKE_SLOTS, (first, 0.0, self._gateway))
        self._first = first, now + wait
        free = int((LOOKAHEAD - wait) / self._spacing) + 1 if wait <= LOOKAHEAD else 0
        if not free:
            # Come back for a good handful, not for each one as it becomes free.
            self.resume_at = self._first[1] - LOOKAHEAD + min(LOOKAHEAD / 4, 10 * self._spacing)
        return free

    def take(self, cursor: Cursor, slots: int) -> list[Slot]:
        """Takes the first of the free slots."""
        first, begins = self._first
        if slots:
            cursor.execute(TAKE_SLOTS, (first, slots * self._spacing, self._gateway))
        slot_begins = (begins + number * self._spacing for number in range(slots))
        # Not before the slot has certainly begun, and not after it may have ended: after a slow reading, not at all.
        return [Slot(moment, moment + START_TOLERANCE - self._uncertain) for moment in slot_begins]

    def _readings(self, cursor: Cursor) -> Iterator[tuple[float, datetime, float, float]]:
        """The next slot by the database's clock, with how long the reading took and the monotonic time after it.

        A worker that stood still between the reading and its own clock would take every slot for a later one. So it
        reads again until there was no time for that, and else uses the quickest reading.
        """
        for _ in range(MAX_CLOCK_READS):
            asked = time.monotonic()
            cursor.execute(READ_NEXT_SLOT, (self._gateway,))
            first, wait = cursor.fetchall()[0]
            now = time.monotonic()
            yield now - asked, first, wait, now
            if now - asked <= NETWORK_JITTER:
                break
