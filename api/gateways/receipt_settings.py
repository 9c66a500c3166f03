"""The check of a gateway's settings about receipts: a provider can do only what its contract has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.sentences import ErrorCode
from shared.errors import ConfigurationError, Invalid
from shared.gateways.base import Capabilities, Provider
from shared.gateways.declared.contract_file import read_contract
from shared.gateways.declared_provider import PROVIDER as DECLARED

UNCHECKED: Mapping[str, Any] = {"receipts": False, "poll_receipts": False}


def capabilities_of(provider: Provider, options: Mapping[str, str]) -> Capabilities:
    """Those of an account: with a contract of its own, what that declares. Of one that is wrong, the provider's."""
    if provider.name != DECLARED.name:
        return provider.capabilities
    try:
        return read_contract(options.get("contract", "")).capabilities
    except ConfigurationError:
        return provider.capabilities


def check_receipts(provider: Provider, after: Mapping[str, Any], before: Mapping[str, Any] = UNCHECKED) -> None:
    """Raises Invalid for what is switched on and the provider cannot do. What was on before may stay."""
    capabilities = capabilities_of(provider, after["options"])
    able = {"receipts": capabilities.receipts or capabilities.polls, "poll_receipts": capabilities.polls}
    codes = {"receipts": ErrorCode.PROVIDER_REPORTS_NOTHING, "poll_receipts": ErrorCode.PROVIDER_CANNOT_BE_ASKED}
    for name, code in codes.items():
        if after[name] and not before[name] and not able[name]:
            raise Invalid(name, code, provider=provider.title)
    if after["poll_receipts"] and not after["receipts"]:
        raise Invalid("poll_receipts", ErrorCode.POLLS_NEED_RECEIPTS)
