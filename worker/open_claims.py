"""The claims that this worker holds, and how many of their messages are neither recorded nor released."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from worker.claimed_message import ClaimedMessage


class OpenClaims:
    """Counts the open messages of each claim, by its id. For one thread."""

    def __init__(self) -> None:
        self._open: Counter[int] = Counter()

    def add(self, claim_id: int, messages: int) -> None:
        """Adds a claim that has just been committed."""
        self._open[claim_id] = messages

    def ids(self) -> list[int]:
        """The ids of all claims that are open."""
        return list(self._open)

    def ended_with(self, messages: Iterable[ClaimedMessage]) -> list[int]:
        """The ids of the claims that have no other open message than these."""
        ending = Counter(message.claim.id for message in messages)
        return [claim_id for claim_id, number in ending.items() if self._open[claim_id] == number]

    def end(self, messages: Iterable[ClaimedMessage]) -> None:
        """Takes messages off that have been recorded or released."""
        for claim_id, number in Counter(message.claim.id for message in messages).items():
            self._open[claim_id] -= number
            if self._open[claim_id] <= 0:
                del self._open[claim_id]
