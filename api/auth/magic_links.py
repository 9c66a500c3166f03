"""Single-use links that sign a browser in. A key in an address would stay in histories and logs permanently."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select

from api.auth.api_key_format import hash_of
from api.extensions import db
from shared.schema import SignInLink

LIFETIME = timedelta(minutes=10)


def add_link(actor: str) -> tuple[str, datetime]:
    """Adds a link; returns its token and its expiry time. Removes expired links."""
    db.session.execute(delete(SignInLink).where(SignInLink.expires_at <= func.now()))
    token = secrets.token_urlsafe(32)
    link = {"token_hash": hash_of(token), "actor": actor, "expires_at": func.now() + LIFETIME}
    added = insert(SignInLink).values(link).returning(SignInLink.expires_at)
    return token, db.session.scalars(added).one()


def actor_of(token: str) -> str | None:
    """The actor that the link would sign in, without using it up."""
    works = SignInLink.token_hash == hash_of(token), SignInLink.expires_at > func.now()
    return db.session.scalars(select(SignInLink.actor).where(*works)).one_or_none()


def redeem(token: str) -> str | None:
    """Uses the link up, and returns the actor that it signs in. Of two concurrent calls, one gets it."""
    over = SignInLink.expires_at > func.now()
    used = delete(SignInLink).where(SignInLink.token_hash == hash_of(token), over).returning(SignInLink.actor)
    return db.session.scalars(used, execution_options={"synchronize_session": False}).one_or_none()
