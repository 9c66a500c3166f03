"""Accounts at gateways, for tests."""

from __future__ import annotations

from shared.gateways.base import Account
from shared.gateways.gonets import GonetsAdapter
from worker.gateway_token import Token, TokenCredentials

TOKEN = "token"


def gonets_adapter(token: str | Token = TOKEN) -> GonetsAdapter:
    """The adapter of the specification's contract."""
    credentials = {"token": token} if isinstance(token, str) else TokenCredentials(token)
    return GonetsAdapter(Account(address="http://gateway.example", credentials=credentials))
