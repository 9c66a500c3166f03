"""What workers report of themselves every few seconds: the worker writes it, the console shows it."""

from __future__ import annotations

import enum

REPORT_INTERVAL = 5.0
"""Seconds between two reports of a worker."""

ALIVE_TIMEOUT = 20.0
"""Seconds after its last report in which a worker is taken to be alive: two reports may be late."""

REPORT_RETENTION = 3600.0
"""Seconds that a report is kept."""


class GatewayHealth(enum.StrEnum):
    """The gateway as one worker sees it, from best to worst."""

    OK = "ok"
    SLOWING = "slowing"
    """It asks for fewer requests at a time."""
    CIRCUIT_OPEN = "circuit_open"
    """It does not respond, or with errors: one message at a time finds out whether it is back."""
    MISCONFIGURED = "misconfigured"
    """It refuses our token or our account, or it is not at this address."""
    NO_CREDIT = "no_credit"
    """It says that the account has no credit."""
    NOT_UNDERSTOOD = "not_understood"
    """Its responses are no errors, and not what the contract says: messages may be taken or not."""


STOPPED_FOR_THE_ACCOUNT = frozenset({GatewayHealth.MISCONFIGURED, GatewayHealth.NO_CREDIT})
"""What a person must put right at the gateway or in the settings; no message was taken meanwhile."""
