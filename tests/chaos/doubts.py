"""How many doubts were settled: the attempts at gateways that can be asked whose result was lost."""

from __future__ import annotations

from typing import NamedTuple

from shared.domain.reasons import ReasonCode
from tests.chaos.facts import Attempt
from tests.chaos.message_history import Ledgers, MessageHistory

ENDED_BEFORE = (
    *(ReasonCode.MAILING_CANCELLED, ReasonCode.WINDOW_CLOSED, ReasonCode.CLIENT_REMOVED, ReasonCode.NUMBER_ERASED),
)
"""Ends of messages that may come before there was time to ask."""


class Doubts(NamedTuple):
    """Ambiguous attempts at gateways that can be asked."""

    settled: int
    """The gateway has told what came of it."""
    ended: int
    """The message was ended first, since its mailing or its client was."""
    left: int

    @property
    def share(self) -> float:
        """The share that was settled of those that there was time to ask for."""
        return self.settled / (self.settled + self.left) if self.settled or self.left else 1.0


def doubts(ledgers: Ledgers) -> Doubts:
    """Counts them."""
    settled = ended = left = 0
    for history in ledgers.histories.values():
        for attempt in history.attempts.values():
            if attempt.result != "ambiguous" or not ledgers.looks_up(attempt.gateway):
                continue
            if _is_settled(attempt, history):
                settled += 1
            elif history.last.reason_code in ENDED_BEFORE:
                ended += 1
            else:
                left += 1
    return Doubts(settled, ended, left)


def _is_settled(doubt: Attempt, history: MessageHistory) -> bool:
    if doubt.accepted or history.is_settled(doubt):
        return True
    if any(move.reason_code == ReasonCode.RECEIPT_CAME for move in history.moves):
        return True
    # Such a gateway delivers nothing twice: whichever attempt was accepted, the message is there once.
    return any(attempt.accepted and attempt.gateway == doubt.gateway for attempt in history.attempts.values())
