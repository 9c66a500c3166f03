"""Browser sessions: a signed cookie with a token in it, and a row that the token must match.

The signature (Flask's, with SECRET_KEY) keeps a cookie from being made up; the row makes signing out, revoking and
expiring true for every copy of it.
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
from api.auth.api_keys import hash_of
from api.auth.credential_cache import Cached
from api.extensions import db
from api.principal import Principal
from shared.domain.roles import Role
from shared.schema import BrowserSession, CookieSecret

IDLE = timedelta(hours=12)
"""How long a session lasts that is not used."""
LONGEST, LONGEST_BY_PROVIDER = timedelta(days=7), timedelta(hours=24)
"""How long one lasts from the sign-in, however much it is used. A key's role is looked up all the time; a provider's
word is from the sign-in, and is to be asked for again."""
PROLONGED = timedelta(minutes=10)
"""A session in use is prolonged so often at most: each time is a write."""
COOKIE = "gonets"
SWEEP = 100
"""Sessions that are over, removed by one sign-in at most."""

COOKIE_CONFIG = {
    "SESSION_COOKIE_NAME": COOKIE,
    "SESSION_COOKIE_HTTPONLY": True,
    # Strict would keep a provider's way back, and every link from an e-mail, from being signed in.
    "SESSION_COOKIE_SAMESITE": "Lax",
    # The signature holds for so long from when it was made; how long a session lasts, its row says.
    "PERMANENT_SESSION_LIFETIME": LONGEST + IDLE,
}


class SignedIn(NamedTuple):
    """What a request needs to know of a browser's session."""

    actor: str
    name: str
    role: Role | None


def _sha256(string: bytes = b"") -> Any:
    """SHA-256 with the parameters of the base class: those of `hashlib.sha256` differ between Python's versions."""
    return hashlib.sha256(string)


class Visit(NamedTuple):
    """A request with a session's cookie."""

    token_hash: bytes
    in_use: bool
    """Whether somebody is there, and not only a page that asks by itself how things are."""


class Cookies(SecureCookieSessionInterface):
    """Flask's signed cookies, with the secret of the environment or else of the database, read when first needed."""

    digest_method = staticmethod(_sha256)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """What is in the cookie, if it is one of ours."""
        if COOKIE not in request.cookies:
            return self.session_class()
        try:
            return super().open_session(app, request)
        except SQLAlchemyError as error:
            # Raised here it would be reported as a bug: authentication raises it where the error handlers see it.
            g.cookie_trouble = error
            return self.session_class()

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Signs and checks; all of an installation's processes agree on the secret."""
        if not app.secret_key:
            with db.engine.begin() as connection:
                app.secret_key = bytes(connection.execute(select(CookieSecret.secret)).scalar_one())
        return super().get_signing_serializer(app)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Over https, only there."""
        return request.is_secure


def serializer() -> URLSafeTimedSerializer:
    """Signs and reads what a browser carries besides its session: each kind with a salt of its own."""
    found = cast(Cookies, current_app.session_interface).get_signing_serializer(current_app)
    return cast(URLSafeTimedSerializer, found)


def sign_in(who: Principal, how: str, role: Role | None = None) -> None:
    """Begins a session in this browser and commits; `role` is a provider's word, a key's role is looked up.

    The session that the browser had before ends, for every copy of its cookie.
    """
    before = cookie_token_hash()
    replaced = end_session(before) if before else None
    token = secrets.token_urlsafe(32)
    over = select(BrowserSession.token_hash).where(BrowserSession.expires_at <= func.now()).limit(SWEEP)
    db.session.execute(
        delete(BrowserSession)
        .where(BrowserSession.token_hash.in_(over.with_for_update(skip_locked=True)))
        .execution_options(synchronize_session=False)
    )
    begun = {"actor": who.actor, "name": who.name, "role": role, "expires_at": func.now() + IDLE}
    db.session.execute(insert(BrowserSession).values(token_hash=hash_of(token), **begun))
    add_entry("signIn", who, detail={"how": how} | ({"replaced": replaced} if replaced else {}))
    db.session.commit()
    if before:
        current_app.extensions["authenticator"].forget_session(before)
    # Nothing of before is taken along: a cookie that somebody planted is worth nothing.
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
    """Deletes the session and answers whose it was; none if there is no such session. Commits nothing."""
    ended = delete(BrowserSession).where(BrowserSession.token_hash == token_hash).returning(BrowserSession.actor)
    return db.session.scalars(ended, execution_options={"synchronize_session": False}).one_or_none()


def cookie_token_hash() -> bytes | None:
    """Of the session that the request's cookie names. Raises SQLAlchemyError when the cookie can't be read just now."""
    if trouble := g.pop("cookie_trouble", None):
        raise trouble
    token = session.get("token")
    return hash_of(token) if isinstance(token, str) else None


def signed_in(visit: Visit) -> Cached[SignedIn] | None:
    """Whose session it is, if it is not over; one that is in use is prolonged. In a transaction of its own."""
    longest = case((BrowserSession.role.is_(None), LONGEST), else_=LONGEST_BY_PROVIDER)
    over = func.least(func.now() + IDLE, BrowserSession.started_at + longest)
    left = func.extract("epoch", BrowserSession.expires_at - func.now())
    due = over > BrowserSession.expires_at + PROLONGED
    columns = BrowserSession.actor, BrowserSession.name, BrowserSession.role
    which = BrowserSession.token_hash == visit.token_hash, BrowserSession.expires_at > func.now()
    with db.engine.begin() as connection:
        row = connection.execute(select(*columns, left, due).where(*which)).one_or_none()
        if row is not None and visit.in_use and row[4]:
            connection.execute(update(BrowserSession).where(*which, due).values(expires_at=over))
    return None if row is None else Cached(SignedIn(*row[:3]), float(row[3]))
