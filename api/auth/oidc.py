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

TIMEOUT = 10.0
"""Seconds for each answer of the provider."""
NEXT_URL = "next_url"
"""The key in the cookie session of the address that a sign-in leads to."""


class Provider:
    """Sends browsers to the provider, and takes them back."""

    def __init__(self, app: Flask, settings: ProviderSettings) -> None:
        """Connects to nothing yet: the provider is asked for its addresses at the first sign-in."""
        self._settings = settings
        self._client = OAuth(app).register(
            "provider",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            # No proxy, no .netrc: the provider is reached as its address says.
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT,
                "trust_env": False,
            },
        )

    def redirect(self, back: str, following: str) -> Response:
        """The way to the provider, which sends the browser to `back`; from there on to `following`."""
        try:
            session[NEXT_URL] = following
            answer: Response = self._client.authorize_redirect(back)
        except (requests.RequestException, ValueError, RuntimeError) as error:
            raise ProviderError("The identity provider did not respond. Try again, or sign in with a key.") from error
        return answer

    def welcome_back(self) -> tuple[Principal, str]:
        """Who the provider says has come back, and where they were going. Raises ProviderError."""
        following = str(session.pop(NEXT_URL, "/"))
        try:
            claims = self._claims()
        except (AuthlibBaseError, JoseError, KeyError) as error:
            raise ProviderError("The identity provider's response could not be verified. Try again.") from error
        except (requests.RequestException, ValueError, RuntimeError) as error:
            raise ProviderError("The identity provider did not respond. Try again, or sign in with a key.") from error
        role = role_of(claims, self._settings)
        name = str(claims.get("name") or claims.get("email") or claims["sub"])
        if role is None:
            raise ProviderError(f"{name} has no role here. The administrator of the identity provider can assign one.")
        return Principal(PROVIDER + str(claims["sub"]), name, role), following

    def _claims(self) -> Mapping[str, Any]:
        # The issuer that the settings name, not the one that its document claims to be (OpenID Connect Core, 3.1.3.7).
        expected = {
            "iss": {"essential": True, "value": self._settings.issuer},
            "aud": {"essential": True, "value": self._settings.client_id},
        }
        token = self._client.authorize_access_token(claims_options=expected)
        claims: dict[str, Any] = dict(token["userinfo"])
        if _words(claims, self._settings.role_claim) or not self._client.server_metadata.get("userinfo_endpoint"):
            return claims
        more = self._client.userinfo(token=token)
        if more.get("sub") != claims["sub"]:
            raise ValueError("the userinfo is of somebody else")
        return claims | dict(more)


def role_of(claims: Mapping[str, Any], settings: ProviderSettings) -> Role | None:
    """The strongest role among the claim's words; none if it holds none."""
    roles = [settings.roles[word] for word in _words(claims, settings.role_claim) if word in settings.roles]
    return next((role for role in reversed(Role) if role in roles), None)


def _words(claims: Mapping[str, Any], path: str) -> list[str]:
    # A claim's name may hold dots itself, such as https://example.org/roles.
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    words = [found] if isinstance(found, str) else found
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
