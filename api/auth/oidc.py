"""Signing in with an OpenID Connect provider (OpenID Connect Core 1.0, section 3.1: the code flow, with PKCE)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Flask, session
from joserfc.errors import JoseError
from werkzeug.wrappers import Response

from api.auth.errors import ProviderError
from api.oidc_settings import ProviderSettings
from api.principal import PROVIDER, Principal
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode

TIMEOUT = 10.0
"""Seconds for each response of the provider."""
NEXT_URL = "next_url"
"""The key, in the cookie session, of the address to redirect to after the sign-in."""


class Provider:
    """The client of one OpenID Connect provider."""

    def __init__(self, app: Flask, settings: ProviderSettings) -> None:
        """Opens no connection: the provider's addresses are requested at the first sign-in."""
        self._settings = settings
        self._client = OAuth(app).register(
            "provider",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            # No proxy, no .netrc: the provider is reached directly.
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT,
                "trust_env": False,
            },
        )

    def redirect(self, callback_url: str, next_url: str) -> Response:
        """Redirects to the provider, which redirects back to `callback_url`; then the browser goes to `next_url`."""
        try:
            session[NEXT_URL] = next_url
            response: Response = self._client.authorize_redirect(callback_url)
        except (requests.RequestException, ValueError, RuntimeError) as error:
            raise ProviderError(ErrorCode.PROVIDER_SILENT) from error
        return response

    def complete_sign_in(self) -> tuple[Principal, str]:
        """The principal that the provider has authenticated, and the address to go on to. Raises ProviderError."""
        next_url = str(session.pop(NEXT_URL, "/"))
        try:
            claims = self._claims()
        except (AuthlibBaseError, JoseError, KeyError) as error:
            raise ProviderError(ErrorCode.PROVIDER_UNVERIFIED) from error
        except (requests.RequestException, ValueError, RuntimeError) as error:
            raise ProviderError(ErrorCode.PROVIDER_SILENT) from error
        role = role_of(claims, self._settings)
        name = str(claims.get("name") or claims.get("email") or claims["sub"])
        if role is None:
            raise ProviderError(ErrorCode.PROVIDER_GAVE_NO_ROLE, name=name)
        return Principal(PROVIDER + str(claims["sub"]), name, role), next_url

    def _claims(self) -> Mapping[str, Any]:
        # The issuer that the settings name, not the one that its document claims to be (OpenID Connect Core, 3.1.3.7).
        expected = {
            "iss": {"essential": True, "value": self._settings.issuer},
            "aud": {"essential": True, "value": self._settings.client_id},
        }
        token = self._client.authorize_access_token(claims_options=expected)
        claims: dict[str, Any] = dict(token["userinfo"])
        if _claim_values(claims, self._settings.role_claim) or not self._client.server_metadata.get(
            "userinfo_endpoint"
        ):
            return claims
        more = self._client.userinfo(token=token)
        if more.get("sub") != claims["sub"]:
            raise ValueError("the userinfo has another subject")
        return claims | dict(more)


def role_of(claims: Mapping[str, Any], settings: ProviderSettings) -> Role | None:
    """The strongest role that the claim's values map to; None if there is none."""
    roles = [settings.roles[value] for value in _claim_values(claims, settings.role_claim) if value in settings.roles]
    return next((role for role in reversed(Role) if role in roles), None)


def _claim_values(claims: Mapping[str, Any], path: str) -> list[str]:
    # A claim's name may itself contain dots, such as https://example.org/roles.
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    values = [found] if isinstance(found, str) else found
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
