"""The status that workers report every few seconds: the worker writes it, the console shows it."""

from __future__ import annotations

import enum

REPORT_INTERVAL = 5.0
"""Seconds between two reports of a worker."""

ALIVE_TIMEOUT = 20.0
"""Seconds after its last report during which a worker counts as alive: two reports may be late."""

REPORT_RETENTION = 3600.0
"""Seconds after which a report is deleted."""


class GatewayHealth(enum.StrEnum):
    """The gateway as one worker sees it, from best to worst."""

    OK = "ok"
    SLOWING = "slowing"
    """It throttles: fewer concurrent requests are sent."""
    CIRCUIT_OPEN = "circuit_open"
    """It does not respond, or responds with errors: one message at a time is sent as a probe."""
    MISCONFIGURED = "misconfigured"
    """It rejects our token or our account, or the address is wrong."""
    NO_CREDIT = "no_credit"
    """It reports that the account has no credit."""
    NOT_UNDERSTOOD = "not_understood"
    """Its responses are no errors, but do not follow the contract: messages may have been accepted or not."""


STOPPED = frozenset(
    {GatewayHealth.CIRCUIT_OPEN, GatewayHealth.MISCONFIGURED, GatewayHealth.NO_CREDIT, GatewayHealth.NOT_UNDERSTOOD}
)
"""States in which a worker sends nothing but probes."""

STOPPED_FOR_THE_ACCOUNT = frozenset({GatewayHealth.MISCONFIGURED, GatewayHealth.NO_CREDIT})
"""States that a person must correct, at the gateway or in the settings. No message was accepted in them."""
