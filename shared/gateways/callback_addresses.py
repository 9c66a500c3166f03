"""The addresses that providers call. They contain a secret: anyone who knows one can report deliveries."""

from __future__ import annotations

from environs import validate

RECEIPTS = "receipt"
INBOUND = "inbound"

IS_PUBLIC_URL = validate.Regexp(
    r"(https?://[^\s?#@]+[^\s?#@/])?\Z",
    error="must be the address of the API as the internet sees it, such as https://sms.example.com, without a slash at "
    "its end.",
)
"""The validator of PUBLIC_URL."""


def callback_url(public_url: str, kind: str, gateway: str, token: str) -> str:
    """The address for RECEIPTS or INBOUND of a gateway; empty if PUBLIC_URL is not set."""
    return f"{public_url}/v1/{kind}/{gateway}/{token}" if public_url else ""
