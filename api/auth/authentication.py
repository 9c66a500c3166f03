"""Authentication, authorisation and rate limits. They run before any other handler of a request."""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from flask import Flask, current_app, g, redirect, request, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, HTTPException, TooManyRequests, Unauthorized
from werkzeug.wrappers import Response

from api.audit.recorder import begin_entry
from api.auth import csrf, rate_limiter, saved_form
from api.auth.api_key_format import fingerprint, hash_of, prefix_of
from api.auth.credential_cache import CredentialCache
from api.auth.queries import Credential, KnownKey, known_key
from api.auth.saved_form import ReshowReason
from api.auth.sessions import SessionLookup, SignedIn, cookie_token_hash, signed_in
from api.permissions import SAFE_METHODS, Access, access_to, is_allowed
from api.principal import ENVIRONMENT, KEY, Principal
from api.settings import ApiSettings
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode

API_PATH = "/v1/"
METRICS_ENDPOINT = "metrics.scrape"
FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-Ip")
"""Headers of a request that a proxy has passed on."""


def register_authentication(app: Flask, settings: ApiSettings) -> None:
    """Authenticates every request before any other handler runs."""
    authenticator = Authenticator(settings)
    app.extensions["authenticator"] = authenticator
    app.before_request(authenticator.check)


@dataclass(frozen=True, slots=True)
class EnvironmentKey:
    """API_KEY, which is an admin's key. It is not in the database."""

    key_hash: bytes
    principal: Principal

    @classmethod
    def of(cls, key: str) -> EnvironmentKey:
        """The key with this text."""
        return cls(hash_of(key), Principal(ENVIRONMENT + fingerprint(key), "API_KEY", Role.ADMIN))


class Authenticator:
    """Authenticates requests, by key or by cookie."""

    def __init__(self, settings: ApiSettings) -> None:
        self.environment_key = EnvironmentKey.of(settings.api_key) if settings.api_key else None
        self._rate, self._anonymous_rate = settings.rate, settings.anonymous_rate
        self._metrics, self._trusted_proxies = settings.metrics, settings.trusted_proxies
        self._keys: CredentialCache[Credential, KnownKey] = CredentialCache(known_key)
        self._sessions: CredentialCache[SessionLookup, SignedIn] = CredentialCache(signed_in)

    def check(self) -> Response | None:
        """Accepts a request and sets `g.principal`, or sends a browser that is not signed in to the sign-in page.

        Raises Unauthorized, Forbidden and TooManyRequests.
        """
        endpoint = request.endpoint
        if endpoint is None and not request.path.startswith(API_PATH):
            return None  # 404 or 405, without a key
        # Any key may read the 404 of an unknown path and the 405 of a wrong method.
        access = Role.VIEWER if endpoint is None else access_to(current_app, endpoint, request.method)
        if access is Access.PUBLIC or (endpoint == METRICS_ENDPOINT and self._metrics_are_open()):
            return None
        by_key = "Authorization" in request.headers
        principal = self.principal_from_key(_bearer()) if by_key else self.principal_from_cookie()
        if principal is None:
            return self._reject(by_key)
        g.principal = principal
        _check_rate_limit(rate_limiter.by_principal, principal.actor, self._rate)
        if not is_allowed(principal.role, access):
            raise _forbidden(principal, access)
        if request.method not in SAFE_METHODS:
            if not by_key:
                _check_page()
            begin_entry(principal)
        return None

    def principal_from_key(self, key: str) -> Principal | None:
        """The holder of the key; None if it is unknown, expired or revoked."""
        environment_key = self.environment_key
        key_hash = hash_of(key)
        if environment_key and hmac.compare_digest(environment_key.key_hash, key_hash):
            return environment_key.principal
        prefix = prefix_of(key)
        known = self._keys.get(Credential(prefix, key_hash)) if prefix else None
        return _principal(known) if known else None

    def principal_of_actor(self, actor: str) -> Principal | None:
        """The holder of the key that the actor's name refers to, if the key is still valid."""
        if self.environment_key and actor == self.environment_key.principal.actor:
            return self.environment_key.principal
        known = self._keys.get(Credential(actor.removeprefix(KEY))) if actor.startswith(KEY) else None
        return _principal(known) if known else None

    def principal_from_cookie(self) -> Principal | None:
        """The principal that is signed in with this browser."""
        token_hash = cookie_token_hash()
        session = (
            self._sessions.get(SessionLookup(token_hash, in_use=not _is_background_refresh())) if token_hash else None
        )
        if session is None:
            return None
        if session.role is None:
            return self.principal_of_actor(session.actor)
        return Principal(session.actor, session.name, session.role)

    def forget_session(self, token_hash: bytes) -> None:
        """Removes a browser's session from the cache."""
        for in_use in (False, True):
            self._sessions.forget(SessionLookup(token_hash, in_use))

    def _metrics_are_open(self) -> bool:
        if self._metrics == "loopback":
            # Behind a proxy that TRUSTED_PROXIES does not count, every client address is the proxy's.
            return is_loopback(request.remote_addr) and (
                self._trusted_proxies > 0 or not any(name in request.headers for name in FORWARDED)
            )
        return self._metrics == "open"

    def _reject(self, by_key: bool) -> Response:
        _check_rate_limit(rate_limiter.by_address, address_block(request.remote_addr), self._anonymous_rate)
        expects_json = request.path.startswith(API_PATH) or request.endpoint == METRICS_ENDPOINT
        # No sign-in page for a script: it would set this browser's token, and the page that a person sees has one.
        if expects_json or by_key or request.method not in SAFE_METHODS or _is_background_refresh():
            raise _unauthorized(by_key)
        return redirect(url_for("sign_in.page", next=request.full_path.rstrip("?")), 303)


def _check_page() -> None:
    """Raises Forbidden for a cross-site request. A form that was rendered before the sign-in is shown again."""
    if saved_form.is_form() and saved_form.restore():
        return
    try:
        csrf.check()
    except Forbidden:
        if not saved_form.is_form() or csrf.FIELD not in request.form:
            raise
        saved_form.show_again(ReshowReason.STALE)


def address_block(address: str | None) -> str:
    """The block that an address is counted by: of IPv6 the /64, which one household or one server has."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or int(parsed) >> 64)
    return str(parsed)


def is_loopback(address: str | None) -> bool:
    """Whether a request comes from this machine."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    return ((parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None) or parsed).is_loopback


def too_many(seconds: float) -> HTTPException:
    """The error for a caller above its rate limit; `seconds`, more than none, is when to try again."""
    whole = math.ceil(seconds)
    return TooManyRequests(ErrorCode.TOO_MANY_REQUESTS(seconds=whole), retry_after=whole)


def _is_background_refresh() -> bool:
    """Whether a page refreshes its live part. It does so while it is open, whether it is used or not."""
    return request.args.get("part") == "live"


def _check_rate_limit(table: rate_limiter.RateLimiter, caller: str, rate: float) -> None:
    if seconds := table.acquire(caller, rate):
        raise too_many(seconds)


def _bearer() -> str:
    scheme, _, key = request.headers["Authorization"].partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _principal(known: KnownKey) -> Principal:
    return Principal(KEY + known.prefix, known.name, known.role)


def _forbidden(principal: Principal, access: Role | Access) -> Forbidden:
    if isinstance(access, Access):
        return Forbidden(ErrorCode.NO_ROLE_DECLARED())
    return Forbidden(ErrorCode.ROLE_NEEDED(needed_role=access.value, role=principal.role.value))


def _unauthorized(by_key: bool) -> Unauthorized:
    # RFC 6750, section 3.1: the challenge to a request without a key has no error code.
    challenge: dict[str, str | None] = {"realm": "gonets"}
    if by_key:
        challenge["error"] = "invalid_token"
    message = (ErrorCode.KEY_UNKNOWN if by_key else ErrorCode.KEY_MISSING)()
    return Unauthorized(message, www_authenticate=WWWAuthenticate("bearer", challenge))
