"""The adapters by provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.errors import ConfigurationError
from shared.gateways.base import Adapter
from shared.gateways.gonets import GonetsAdapter

PROVIDERS: Mapping[str, Callable[[], Adapter]] = {"gonets": GonetsAdapter}
"""By the provider's name. A new provider is a module here and a line in this table."""


def adapter_for(provider: str) -> Adapter:
    """A new adapter of this provider. Raises ConfigurationError for an unknown provider."""
    try:
        return PROVIDERS[provider]()
    except KeyError:
        raise ConfigurationError(f"There is no provider {provider!r}; there are: {', '.join(PROVIDERS)}.") from None
