"""Whether the deliveries of a gateway have collapsed, so that its messages should take other gateways. Pure rules."""

from __future__ import annotations

from typing import NamedTuple

MIN_RECENT = 50
"""Messages that have to be measured before a gateway is judged."""

MIN_USUAL = 1000
"""Messages of the days before that its usual share is known by."""

USUAL_PART = 0.5
"""The part of its usual share that a gateway without a limit of its own must reach."""


class DeliveryShare(NamedTuple):
    """Messages that were measured."""

    sent: int
    delivered: int
    """Those of them that were delivered within ten minutes."""

    @property
    def share(self) -> float:
        """From 0 to 1. There must be some messages."""
        return self.delivered / self.sent


def may_have_collapsed(recent: DeliveryShare, min_percent: int | None) -> bool:
    """Whether there is a usual share with which the deliveries of a gateway have collapsed.

    `min_percent` is the limit that its settings name, if they do; with 0 they are never taken for collapsed.
    """
    if recent.sent < MIN_RECENT:
        return False
    return recent.share < (USUAL_PART if min_percent is None else min_percent / 100)


def has_collapsed(recent: DeliveryShare, usual: DeliveryShare, min_percent: int | None) -> bool:
    """Whether the deliveries of a gateway have collapsed, compared with its limit, or else with its usual share."""
    if not may_have_collapsed(recent, min_percent):
        return False
    return min_percent is not None or (usual.sent >= MIN_USUAL and recent.share < usual.share * USUAL_PART)
