"""The position that a worker's claims have reached in each mailing, so that the next claim starts there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from worker.time_budget import TimeBudget

MAX_MAILINGS = 100
"""Mailings whose position is kept at most: those that were claimed from last, which are the busy ones."""

RESCAN_TIME_SHARE = 0.01
"""Share of the time for claims that start from the beginning. Messages can appear behind the position (released, or
committed late by another worker), and must not wait long for such a rescan. It costs very little unless a snapshot is
held open: with three million messages sent since, a rescan takes a fifth of a second, so there are three a minute."""


class Position(NamedTuple):
    """A message's position in the order of claims: its mailing, its due time, and its id."""

    mailing_id: int
    due_at: datetime
    id: int


def as_parameters(positions: Sequence[Position]) -> dict[str, list[Any]]:
    """Positions, one per mailing, as the parameters of CLAIM and EXPIRE_MESSAGES."""
    return {
        "mailings": [position.mailing_id for position in positions],
        "due_ats": [position.due_at for position in positions],
        "ids": [position.id for position in positions],
    }


class ClaimCursor:
    """The positions that the claims of one worker have reached. For one thread."""

    def __init__(self, max_pause: float) -> None:
        """A rescan is never delayed by more than `max_pause` seconds."""
        self._positions: dict[int, Position] = {}
        self._rescan = TimeBudget(RESCAN_TIME_SHARE, max_pause)

    def positions(self) -> dict[str, list[Any]]:
        """The known positions, as parameters of CLAIM."""
        return as_parameters(list(self._positions.values()))

    def reset(self) -> None:
        """Makes the next claim start from the beginning."""
        self._positions.clear()

    def reset_if_due(self) -> None:
        """Resets when a rescan is due."""
        if self._rescan.is_due:
            self.reset()

    def extend(self, claimed: Iterable[Position], seconds: float) -> None:
        """Adds the positions of the messages of a claim that took `seconds`."""
        if not self._positions:
            self._rescan.spend(seconds)
        for position in claimed:
            known = self._positions.pop(position.mailing_id, position)
            self._positions[position.mailing_id] = max(known, position)
        while len(self._positions) > MAX_MAILINGS:
            del self._positions[next(iter(self._positions))]
