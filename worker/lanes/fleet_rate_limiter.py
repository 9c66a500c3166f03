"""The rate limit of a gateway: a maximum of requests a second for all workers together, kept in the database.

A row for each gateway has the time of the next free slot. A worker that claims messages takes as many slots in the same
transaction. A request starts in its slot. One that misses it does not start: it is released, and gets another slot
later. So a stalled worker cannot cause a burst, and no slot is used twice.

Slots are (1 + START_TOLERANCE + NETWORK_JITTER) / rate seconds apart. Requests that start up to START_TOLERANCE after
their slot, with network delays that differ by up to NETWORK_JITTER, then never exceed `rate` in any second at the
gateway, and can reach 97.5 % of it.
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
"""Seconds after the begin of its slot in which a request may start."""

NETWORK_JITTER = 0.005
"""Seconds by which the network delays of two requests may differ."""

MAX_CLOCK_READS = 5
"""Readings of the clock at most until one is fresh enough: more would make the fleet wait."""

LOOKAHEAD = 0.5
"""Seconds for which slots may be taken in advance: longer than any pause of a worker's loop, and short enough that a
pause of a mailing takes effect soon."""

CLOCK_STEP = 5.0
"""Seconds. If the next slot is further away than slots can be taken in advance, the database's clock was set back. A
step of up to so many seconds is waited out; after a longer one the slots start again from the current time."""

LONGEST_SPACING = 1e9
"""Seconds between two slots at most, some thirty years: dates that are much further away cannot be stored."""

ADD_RATE_LIMIT = "INSERT INTO rate_limit (gateway, next_slot_at) VALUES (%s, now()) ON CONFLICT DO NOTHING"

LOCK_RATE_LIMIT = "SELECT FROM rate_limit WHERE gateway = %s FOR UPDATE"

# Executed with the row locked, and with nothing else in the statement: the age of the reading is only its way back.
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
    """The time in which a request may start, by the monotonic clock."""

    begins: float
    ends: float


ANY_TIME = Slot(0.0, math.inf)
"""The slot of a request without a rate limit."""


class FleetRateLimiter:
    """Takes slots for the requests of one worker to one gateway. For one thread."""

    def __init__(self, rate: float, gateway: str = DEFAULT_GATEWAY) -> None:
        """`rate` is in requests a second for all workers together. All must have the same setting."""
        self._gateway = gateway
        self._spacing = min((1.0 + START_TOLERANCE + NETWORK_JITTER) / rate, LONGEST_SPACING)
        self._first: tuple[datetime, float] = (datetime.min.replace(tzinfo=UTC), 0.0)
        """The first free slot by the database's clock and by the monotonic clock."""
        self._uncertain = 0.0
        """Seconds by which it may be earlier: the duration of the reading of the clock."""
        self.resume_at = 0.0
        """Monotonic time before which there are not enough free slots for a claim."""

    @property
    def slots_ahead(self) -> int:
        """How many slots may be taken in advance."""
        return int(LOOKAHEAD / self._spacing) + 1

    def free_slots(self, cursor: Cursor) -> int:
        """How many slots may be taken now. The row stays locked until the end of the transaction."""
        cursor.execute(LOCK_RATE_LIMIT, (self._gateway,))
        if not cursor.rowcount:
            cursor.execute(ADD_RATE_LIMIT, (self._gateway,))
            cursor.execute(LOCK_RATE_LIMIT, (self._gateway,))
        self._uncertain, first, wait, now = min(self._readings(cursor), key=lambda reading: reading[0])
        furthest = LOOKAHEAD + self._spacing
        if wait > furthest + CLOCK_STEP:
            # The database's clock was set back.
            log.warning("rate_limit.restarted", extra={"gateway": self._gateway, "seconds_ahead": round(wait, 3)})
            # After all slots that may have been taken before the step, so that the rate is kept.
            first, wait = first + timedelta(seconds=furthest - wait), furthest
            cursor.execute(TAKE_SLOTS, (first, 0.0, self._gateway))
        self._first = first, now + wait
        free = int((LOOKAHEAD - wait) / self._spacing) + 1 if wait <= LOOKAHEAD else 0
        if not free:
            # Wait until several slots are free, instead of claiming for each one.
            self.resume_at = self._first[1] - LOOKAHEAD + min(LOOKAHEAD / 4, 10 * self._spacing)
        return free

    def take(self, cursor: Cursor, slots: int) -> list[Slot]:
        """Takes the first of the free slots."""
        first, begins = self._first
        if slots:
            cursor.execute(TAKE_SLOTS, (first, slots * self._spacing, self._gateway))
        slot_begins = (begins + number * self._spacing for number in range(slots))
        # From when the slot has certainly begun until it may have ended: after a slow reading, that time is empty.
        return [Slot(moment, moment + START_TOLERANCE - self._uncertain) for moment in slot_begins]

    def _readings(self, cursor: Cursor) -> Iterator[tuple[float, datetime, float, float]]:
        """The next slot by the database's clock, with how long the reading took and the monotonic time after it.

        A worker that stalled between the reading and its own clock would assume every slot to be later. So it reads
        again until a reading was fast enough to exclude that; otherwise the caller uses the fastest one.
        """
        for _ in range(MAX_CLOCK_READS):
            before = time.monotonic()
            cursor.execute(READ_NEXT_SLOT, (self._gateway,))
            first, wait = cursor.fetchall()[0]
            now = time.monotonic()
            yield now - before, first, wait, now
            if now - before <= NETWORK_JITTER:
                break
