"""The two accounts of the failover demonstration: at simulated providers, whose messages reach nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

DEMO_TOKEN = "simulated"  # noqa: S105  of simulations on 127.0.0.1


class DemoAccount(NamedTuple):
    """An account, as it is added through the API."""

    gateway: str
    """The name of the gateway."""
    provider: str
    credentials: Mapping[str, str]


DEMO_ACCOUNTS = (
    DemoAccount("infobip-demo", "infobip", {"api_key": DEMO_TOKEN}),
    DemoAccount("smsc-demo", "smsc", {"apikey": DEMO_TOKEN}),
)
"""In the order of the route."""

RECEIPTS: Mapping[str, object] = {
    "undelivered": {"expired": 0.03, "unknown_subscriber": 0.02},
    "delay": [1.0, 8.0],
    "lost": 0.02,
}
"""What they report of the messages that they take."""

RATE = 8.0
"""Requests a second to each, so that people can watch."""
