"""What workers tell of themselves every few seconds: the worker writes it, the console shows it."""

from __future__ import annotations

import enum

EVERY = 5.0
"""Seconds between two reports of a worker."""

ALIVE = 20.0
"""Seconds after its last report in which a worker is taken to be alive: two reports may be late."""

KEPT = 3600.0
"""Seconds that a report is kept."""


class GatewayHealth(enum.StrEnum):
    """The gateway as one worker sees it, from best to worst."""

    OK = "ok"
    SLOWING = "slowing"
    """It asks for fewer requests at a time."""
    OPEN = "open"
    """It is in trouble: the breaker is open, and one message at a time finds out whether it is back."""
    REFUSED = "refused"
    """It refuses our token, or has nothing at this address."""
    NO_CREDIT = "no_credit"
    """It says that the account has no credit."""
    NOT_UNDERSTOOD = "not_understood"
    """It answers with a success status and not with the contract's body: messages may be taken or not."""


STOPPED_FOR_THE_ACCOUNT = frozenset({GatewayHealth.REFUSED, GatewayHealth.NO_CREDIT})
"""What a person must put right at the gateway or in the settings; no message was taken meanwhile."""
