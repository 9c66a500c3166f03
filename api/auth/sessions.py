"""Browser sessions: a signed cookie with a token in it, and a row that the token must match.

The signature (Flask's, with SECRET_KEY) prevents forged cookies; the row makes sign-out, revocation and expiry apply to
every copy of a cookie.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any, NamedTuple, cast

from flask import Flask, Request, current_app, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from api.audit.recorder import add_entry
from api.auth.api_key_format import hash_of
from api.auth.credential_cache import Cached
from api.extensions import db
from api.principal import Principal
from shared.domain.roles import Role
from shared.schema import BrowserSession, CookieSecret

IDLE_TIMEOUT = timedelta(hours=12)
"""The lifetime of an unused session."""
MAX_LIFETIME, MAX_LIFETIME_BY_PROVIDER = timedelta(days=7), timedelta(hours=24)
"""The lifetime from the sign-in, however much a session is used. A key's role is looked up at each request; a role
from a provider is fixed at the sign-in, so it expires sooner."""
EXTENSION_INTERVAL = timedelta(minutes=10)
"""A session in use is extended at most once in this time: each extension is a write."""
COOKIE = "gonets"
CLEANUP_BATCH = 100
"""Expired sessions that one sign-in removes at most."""

COOKIE_CONFIG = {
    "SESSION_COOKIE_NAME": COOKIE,
    "SESSION_COOKIE_HTTPONLY": True,
    # With Strict, a provider's redirect and links in e-mails would arrive without the session.
    "SESSION_COOKIE_SAMESITE": "Lax",
    # How long the signature is valid. The session's row decides how long the session lasts.
    "PERMANENT_SESSION_LIFETIME": MAX_LIFETIME + IDLE_TIMEOUT,
}


class SignedIn(NamedTuple):
    """What a request needs of a browser's session."""

    actor: str
    name: str
    role: Role | None


def _sha256(string: bytes = b"") -> Any:
    """SHA-256 with the parameters of the base class: those of `hashlib.sha256` differ between Python's versions."""
    return hashlib.sha256(string)


class SessionLookup(NamedTuple):
    """The lookup of a session by its cookie."""

    token_hash: bytes
    in_use: bool
    """Whether a person sent the request; False for the background refresh of a page."""


class Cookies(SecureCookieSessionInterface):
    """Flask's signed cookies, signed with the secret of the environment, or else of the database."""

    digest_method = staticmethod(_sha256)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The cookie's session, if its signature is valid."""
        # Most requests of programs have no cookies: their headers are not parsed for any.
        if "Cookie" not in request.headers or COOKIE not in request.cookies:
            return self.session_class()
        try:
            return super().open_session(app, request)
        except SQLAlchemyError as error:
            # Raised here, it would be reported as a bug. Authentication raises it, where error handlers apply.
            g.cookie_error = error
            return self.session_class()

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """The serializer of cookies. All processes of an installation share the secret."""
        if not app.secret_key:
            with db.engine.begin() as connection:
                app.secret_key = bytes(connection.execute(select(CookieSecret.secret)).scalar_one())
        return super().get_signing_serializer(app)

    def get_cookie_secure(self, app: Flask) -> bool:
        """A cookie set over https is sent over https only."""
        return request.is_secure


def serializer() -> URLSafeTimedSerializer:
    """The serializer of signed fields and cookies other than the session; each kind has a salt of its own."""
    found = cast(Cookies, current_app.session_interface).get_signing_serializer(current_app)
    return cast(URLSafeTimedSerializer, found)


def sign_in(who: Principal, how: str, role: Role | None = None) -> None:
    """Begins a session in this browser and commits; `role` is from a provider; a key's role is looked up.

    The session that the browser had before ends, for every copy of its cookie.
    """
    before = cookie_token_hash()
    replaced = end_session(before) if before else None
    token = secrets.token_urlsafe(32)
    expired = select(BrowserSession.token_hash).where(BrowserSession.expires_at <= func.now()).limit(CLEANUP_BATCH)
    db.session.execute(
        delete(BrowserSession)
        .where(BrowserSession.token_hash.in_(expired.with_for_update(skip_locked=True)))
        .execution_options(synchronize_session=False)
    )
    begun = {"actor": who.actor, "name": who.name, "role": role, "expires_at": func.now() + IDLE_TIMEOUT}
    db.session.execute(insert(BrowserSession).values(token_hash=hash_of(token), **begun))
    add_entry("signIn", who, detail={"how": how} | ({"replaced": replaced} if replaced else {}))
    db.session.commit()
    if before:
        current_app.extensions["authenticator"].forget_session(before)
    # Prevents session fixation: nothing of the previous cookie is kept.
    session.clear()
    session["token"] = token


def sign_out(who: Principal) -> None:
    """Ends the session of this browser, for every copy of its cookie, and commits."""
    token_hash = cookie_token_hash()
    if token_hash and end_session(token_hash):
        add_entry("signOut", who)
    db.session.commit()
    if token_hash:
        current_app.extensions["authenticator"].forget_session(token_hash)
    session.clear()


def end_session(token_hash: bytes) -> str | None:
    """Deletes the session and returns its actor; None if there is no such session. Does not commit."""
    ended = delete(BrowserSession).where(BrowserSession.token_hash == token_hash).returning(BrowserSession.actor)
    return db.session.scalars(ended, execution_options={"synchronize_session": False}).one_or_none()


def cookie_token_hash() -> bytes | None:
    """The token hash from the request's cookie. Raises SQLAlchemyError if the cookie's secret could not be read."""
    if error := g.pop("cookie_error", None):
        raise error
    token = session.get("token")
    return hash_of(token) if isinstance(token, str) else None


def signed_in(lookup: SessionLookup) -> Cached[SignedIn] | None:
    """The session, if it has not expired; extends one that is in use. In a transaction of its own."""
    longest = case((BrowserSession.role.is_(None), MAX_LIFETIME), else_=MAX_LIFETIME_BY_PROVIDER)
    extended = func.least(func.now() + IDLE_TIMEOUT, BrowserSession.started_at + longest)
    left = func.extract("epoch", BrowserSession.expires_at - func.now())
    due = extended > BrowserSession.expires_at + EXTENSION_INTERVAL
    columns = BrowserSession.actor, BrowserSession.name, BrowserSession.role
    which = BrowserSession.token_hash == lookup.token_hash, BrowserSession.expires_at > func.now()
    with db.engine.begin() as connection:
        row = connection.execute(select(*columns, left, due).where(*which)).one_or_none()
        if row is not None and lookup.in_use and row[4]:
            connection.execute(update(BrowserSession).where(*which, due).values(expires_at=extended))
    return None if row is None else Cached(SignedIn(*row[:3]), float(row[3]))
