"""What the launcher asks simulated gateways, at their control addresses."""

from __future__ import annotations

from typing import Any

import requests

from sandbox.api_client import ApiError

TIMEOUT = 5.0
"""Seconds to wait for a response."""


def summary(url: str) -> dict[str, Any]:
    """Its counts (sandbox/simulated_gateway/ledger.py, Summary). Raises ApiError when it does not respond."""
    counts: dict[str, Any] = _request("GET", f"{url}/_/summary", None)
    return counts


def set_faults(url: str, **faults: float) -> None:
    """Replaces its faults (sandbox/simulated_gateway/faults.py). Raises ApiError when it does not respond."""
    _request("PUT", f"{url}/_/faults", faults)


def set_receipts(url: str, **plan: object) -> None:
    """Replaces its plan of receipts (sandbox/simulated_gateway/receipt_plan.py). Raises ApiError as above."""
    _request("PUT", f"{url}/_/receipts", plan)


def _request(method: str, url: str, body: object) -> Any:
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy between two processes of one machine
            response = session.request(method, url, json=body, timeout=TIMEOUT)
            response.raise_for_status()
            return response.json()
    except (requests.RequestException, ValueError) as error:
        raise ApiError(f"The simulated gateway does not respond: {error}.") from error
