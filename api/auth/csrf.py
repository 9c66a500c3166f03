"""Protection from cross-site request forgery: a request authenticated by a cookie must come from our own pages."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from flask import request, session
from werkzeug.exceptions import Forbidden

from shared.domain.sentences import ErrorCode

FIELD, HEADER = "csrf_token", "X-CSRF-Token"


def token() -> str:
    """This browser's token, for a form's hidden field or a script's header."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(32)
    return str(session["csrf"])


def check() -> None:
    """Raises Forbidden unless the request comes from our own origin and has this browser's token."""
    if is_foreign():
        raise Forbidden(ErrorCode.FOREIGN_SITE())
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    if not hmac.compare_digest(given.encode(), str(session.get("csrf", "")).encode()) or not given:
        raise Forbidden(ErrorCode.PAGE_TOKEN_MISSING(field=FIELD, header=HEADER))


def is_foreign() -> bool:
    """Whether another site's page has sent the request."""
    # Fetch Metadata is right behind any proxy; older browsers send only the origin.
    if site := request.headers.get("Sec-Fetch-Site"):
        return site != "same-origin"
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host
