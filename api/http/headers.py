"""The headers of every response: the request's id, security headers and caching."""

from __future__ import annotations

import re
import uuid

from flask import Flask, g, request
from werkzeug.wrappers import Response

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Pages load everything from this origin and nothing inline, send forms only here, and can't be framed (CSP level 3).
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Other sites get no referrer. ("no-referrer" would send forms without an origin.)
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
SECRET_PATHS = (
    "/v1/key",
    "/v1/sign-in-link",
    "/v1/receipt/",
    "/v1/inbound/",
    "/v1/number/",
    "/login",
    "/logout",
    "/opt-out/",
)
"""Path prefixes whose responses may contain a key, a token, or all about a person, or whose addresses do."""
A_YEAR = 365 * 24 * 3600


def register_headers(app: Flask) -> None:
    """Adds them to every response, errors too."""
    app.before_request(_name_request)
    app.after_request(_add_headers)


def _name_request() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _add_headers(response: Response) -> Response:
    # Nothing else sets these headers, nor Cache-Control at these paths. Adding without a check is faster.
    if caching := _caching():
        response.headers.add("Cache-Control", caching)
    if "content_security_policy" in g:
        response.headers.add("Content-Security-Policy", g.content_security_policy)
    else:
        response.headers.add("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    for name, value in SECURITY_HEADERS:
        response.headers.add(name, value)
    if request.is_secure:
        response.headers.add("Strict-Transport-Security", f"max-age={A_YEAR}")
    if "request_id" in g:
        response.headers.add("X-Request-Id", g.request_id)
    return response


def _caching() -> str | None:
    if request.path.startswith(SECRET_PATHS):
        return "no-store"
    # Personal data is cached only by the browser, which revalidates it each time.
    return "private, no-cache" if request.path.startswith("/v1/") else None
