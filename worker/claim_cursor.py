"""How far into its mailings a worker has claimed, so that its next claim begins there and not at the beginning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from worker.time_budget import TimeBudget

REMEMBERED = 100
"""Mailings whose place is known at most: those that were claimed from last, which are the busy ones."""

LOOK_BACK_SHARE = 0.01
"""How much of the time may go into claims that begin at the beginning. Messages can get behind the place that was
reached (given back, or committed late by another worker), and must not wait long for such a look. It costs next to
nothing until a snapshot is held open; with three million messages sent since, a fifth of a second: three a minute."""


class Place(NamedTuple):
    """A message's place in the order of claims: its mailing, when it was due, and its id."""

    mailing_id: int
    due_at: datetime
    id: int


def as_parameters(places: Sequence[Place]) -> dict[str, list[Any]]:
    """Places, one a mailing, as the parameters of CLAIM and EXPIRE_MESSAGES."""
    return {
        "mailings": [place.mailing_id for place in places],
        "due_ats": [place.due_at for place in places],
        "ids": [place.id for place in places],
    }


class ClaimCursor:
    """The places that the claims of one worker have reached. For one thread."""

    def __init__(self, max_pause: float) -> None:
        """A look back is never put off by more than `max_pause` seconds."""
        self._places: dict[int, Place] = {}
        self._look_back = TimeBudget(LOOK_BACK_SHARE, max_pause)

    def places(self) -> dict[str, list[Any]]:
        """The known places, as CLAIM takes them."""
        return as_parameters(list(self._places.values()))

    def forget(self) -> None:
        """Lets the next claim begin at the beginning."""
        self._places.clear()

    def reset_if_due(self) -> None:
        """Does so when it is time to look back."""
        if self._look_back.is_due:
            self.forget()

    def extend(self, claimed: Iterable[Place], seconds: float) -> None:
        """Takes in the places of what a claim, which took so many seconds, has claimed."""
        if not self._places:
            self._look_back.spend(seconds)
        for place in claimed:
            known = self._places.pop(place.mailing_id, place)
            self._places[place.mailing_id] = max(known, place)
        while len(self._places) > REMEMBERED:
            del self._places[next(iter(self._places))]
