"""How far into its mailings a worker has claimed, so that its next claim begins there and not at the beginning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from worker.time_budget import TimeBudget

MAX_MAILINGS = 100
"""Mailings whose place is known at most: those that were claimed from last, which are the busy ones."""

RESCAN_TIME_SHARE = 0.01
"""How much of the time may go into claims that begin at the beginning. Messages can get behind the place that was
reached (given back, or committed late by another worker), and must not wait long for such a look. It costs next to
nothing until a snapshot is held open; with three million messages sent since, a fifth of a second: three a minute."""


class Position(NamedTuple):
    """A message's place in the order of claims: its mailing, when it was due, and its id."""

    mailing_id: int
    due_at: datetime
    id: int


def as_parameters(positions: Sequence[Position]) -> dict[str, list[Any]]:
    """Places, one a mailing, as the parameters of CLAIM and EXPIRE_MESSAGES."""
    return {
        "mailings": [position.mailing_id for position in positions],
        "due_ats": [position.due_at for position in positions],
        "ids": [position.id for position in positions],
    }


class ClaimCursor:
    """The places that the claims of one worker have reached. For one thread."""

    def __init__(self, max_pause: float) -> None:
        """A look back is never put off by more than `max_pause` seconds."""
        self._positions: dict[int, Position] = {}
        self._rescan = TimeBudget(RESCAN_TIME_SHARE, max_pause)

    def positions(self) -> dict[str, list[Any]]:
        """The known places, as CLAIM takes them."""
        return as_parameters(list(self._positions.values()))

    def reset(self) -> None:
        """Lets the next claim begin at the beginning."""
        self._positions.clear()

    def reset_if_due(self) -> None:
        """Does so when it is time to look back."""
        if self._rescan.is_due:
            self.reset()

    def extend(self, claimed: Iterable[Position], seconds: float) -> None:
        """Takes in the places of what a claim, which took so many seconds, has claimed."""
        if not self._positions:
            self._rescan.spend(seconds)
        for position in claimed:
            known = self._positions.pop(position.mailing_id, position)
            self._positions[position.mailing_id] = max(known, position)
        while len(self._positions) > MAX_MAILINGS:
            del self._positions[next(iter(self._positions))]
