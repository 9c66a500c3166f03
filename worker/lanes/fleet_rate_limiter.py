"""The fleet's pace: at most so many requests a second over all workers, kept in the database.

One row says from when on the next slot is free. Whoever claims messages takes as many slots, in the same transaction;
a request starts in its slot or, when it is late, not at all: it is given back and gets another. So no stall of one
worker can turn into a burst, and no slot is used twice.

Slots lie (1 + LATE + TRAVEL) / rate seconds apart. Requests that are up to LATE after their slot and take up to TRAVEL
longer or shorter to the gateway can then never be more than `rate` in any second there, and 97.5 % of it are reached.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

log = logging.getLogger(__name__)

LATE = 0.020
"""Seconds after its slot in which a request may still start."""

TRAVEL = 0.005
"""Seconds by which the ways of two requests to the gateway may differ."""

TRIES = 5
"""How often the clock is read at most until an answer is fresh enough: more often would keep the fleet waiting."""

AHEAD = 0.5
"""Seconds of slots that may be taken in advance: longer than any pause of a worker's loop, shorter than a person's
patience with "pause"."""

CLOCK_STEP = 5.0
"""Seconds. If the next slot is further away than slots can be taken in advance, the database's clock has been put back.
A step up to this long is waited out; after a longer one the pace begins anew."""

LOCK_PACE = "SELECT FROM pace FOR UPDATE"

# Asked for with the row locked, and nothing else in the statement: the answer is as old as its way back.
READ_PACE = """
SELECT first, extract(epoch FROM first - now)::float8
FROM (SELECT greatest(next_slot, now) AS first, now FROM pace, clock_timestamp() AS now) AS slot
"""

TAKE_SLOTS = "UPDATE pace SET next_slot = %s + %s * interval '1 second'"


class Slot(NamedTuple):
    """When a request may start, by the monotonic clock."""

    begins: float
    ends: float


ANY_TIME = Slot(0.0, math.inf)
"""For a worker without a pace to keep."""


class FleetRateLimiter:
    """Slots for the requests of one worker, out of those of the fleet. For one thread."""

    def __init__(self, rate: float) -> None:
        """`rate` is in requests a second, and the same for all workers."""
        self._spacing = (1.0 + LATE + TRAVEL) / rate
        self._first: tuple[datetime, float] = (datetime.min.replace(tzinfo=UTC), 0.0)
        """The first free slot by the database's clock and by the monotonic one."""
        self._uncertain = 0.0
        """Seconds by which it may be earlier: how long the database took to say what time it is."""
        self.resume_at = 0.0
        """Monotonic time before which it is of no use to ask for slots again."""

    @property
    def slots_ahead(self) -> int:
        """How many slots may be taken in advance."""
        return int(AHEAD / self._spacing) + 1

    def free_slots(self, cursor: Cursor) -> int:
        """How many slots may be taken now. Keeps them for this transaction."""
        cursor.execute(LOCK_PACE)
        self._uncertain, first, wait, now = min(self._readings(cursor), key=lambda reading: reading[0])
        furthest = AHEAD + self._spacing
        if wait > furthest + CLOCK_STEP:
            log.warning(
                "the next slot of GATEWAY_RATE is too far in the future: the database's clock was put back, "
                "and the pace begins anew",
                extra={"seconds": round(wait, 3)},
            )
            # After all slots that may have been taken before the step, so that the rate is kept.
            first, wait = first + timedelta(seconds=furthest - wait), furthest
            cursor.execute(TAKE_SLOTS, (first, 0.0))
        self._first = first, now + wait
        free = int((AHEAD - wait) / self._spacing) + 1 if wait <= AHEAD else 0
        if not free:
            # Come back for a good handful, not for each one as it becomes free.
            self.resume_at = self._first[1] - AHEAD + min(AHEAD / 4, 10 * self._spacing)
        return free

    def take(self, cursor: Cursor, slots: int) -> list[Slot]:
        """Takes the first of the free slots."""
        first, begins = self._first
        if slots:
            cursor.execute(TAKE_SLOTS, (first, slots * self._spacing))
        slot_begins = (begins + number * self._spacing for number in range(slots))
        # Not before the slot has certainly begun, and not after it may have ended: after a slow answer, not at all.
        return [Slot(moment, moment + LATE - self._uncertain) for moment in slot_begins]

    def _readings(self, cursor: Cursor) -> Iterator[tuple[float, datetime, float, float]]:
        """What the database says, with how long it took to say it and the monotonic time after that.

        A worker that stood still between an answer and its own clock would take every slot for a later one. So it asks
        again until there was no time for that, and else makes do with the quickest answer.
        """
        for _ in range(TRIES):
            asked = time.monotonic()
            cursor.execute(READ_PACE)
            first, wait = cursor.fetchall()[0]
            now = time.monotonic()
            yield now - asked, first, wait, now
            if now - asked <= TRAVEL:
                break
