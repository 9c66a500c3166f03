"""The settings of the OpenID Connect provider, from the environment. docs/settings.md has the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from environs import Env

from shared.config import one_of
from shared.domain.roles import Role
from shared.errors import ConfigurationError

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """The provider's address, our client credentials, and the mapping of its values to roles."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    role_claim: str = "roles"
    """The claim with the values, or its path: `realm_access.roles`."""
    roles: Mapping[str, Role] = field(default_factory=lambda: {role.value: role for role in Role})
    """Role by word."""

    @classmethod
    def read(cls, env: Env) -> dict[str, Any]:
        """Reads the variables of `env`, to be passed to `of` once all are well-formed."""
        words: dict[str, str] = env.dict("OIDC_ROLES", {}, subcast_values=str, validate=_roles)
        return {
            "issuer": env.str("OIDC_ISSUER", ""),
            "client_id": env.str("OIDC_CLIENT_ID", ""),
            "client_secret": env.str("OIDC_CLIENT_SECRET", ""),
            "role_claim": env.str("OIDC_ROLE_CLAIM", "") or "roles",
            "roles": words or {role.value: role.value for role in Role},
        }

    @classmethod
    def of(cls, read: dict[str, Any]) -> Self | None:
        """The settings; None without OIDC_ISSUER. Raises ConfigurationError."""
        if not read["issuer"]:
            return None
        missing = [name for name in ("client_id", "client_secret") if not read[name]]
        if missing:
            raise ConfigurationError(f"OIDC_{missing[0].upper()}: must be set too when OIDC_ISSUER is.")
        try:
            address = urlsplit(read["issuer"])
            sound = bool(address.hostname) and address.port != 0
        except ValueError:
            raise ConfigurationError("OIDC_ISSUER: must be an address such as https://id.example.") from None
        if not sound or (address.scheme != "https" and address.hostname not in LOOPBACK_HOSTS):
            raise ConfigurationError("OIDC_ISSUER: must begin with https://, since its responses authenticate people.")
        return cls(**{**read, "roles": {word: Role(role) for word, role in read["roles"].items()}})


def _roles(words: Mapping[str, str]) -> None:
    for role in words.values():
        one_of(*Role)(role)
