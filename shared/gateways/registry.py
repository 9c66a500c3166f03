"""The providers by name. A new provider is a module of its own here and a line in PROVIDERS."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import ConfigurationError
from shared.gateways import (
    declared_provider,
    exolve,
    gonets,
    infobip,
    jasmin,
    kannel,
    messagebird,
    plivo,
    sinch,
    smsaero,
    smsc,
    smsgate,
    smsru,
    twilio,
    vonage,
)
from shared.gateways.base import Provider

PROVIDERS: Mapping[str, Provider] = {
    module.PROVIDER.name: module.PROVIDER
    for module in (
        exolve,
        gonets,
        declared_provider,
        infobip,
        jasmin,
        kannel,
        messagebird,
        plivo,
        sinch,
        smsaero,
        smsc,
        smsgate,
        smsru,
        twilio,
        vonage,
    )
}


def provider_named(name: str) -> Provider:
    """Raises ConfigurationError for an unknown provider."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise ConfigurationError(f"There is no provider {name!r}; there are: {', '.join(PROVIDERS)}.") from None
