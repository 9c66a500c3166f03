"""The pages for recipients: GET shows whose number it is about, and POST opts out.

Scanners of links follow them by GET, so that changes nothing. There is no cookie, script or foreign resource, and the
page needs no session: everyone who has the link may use it.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, make_response, render_template, request

from api.auth import rate_limiter
from api.auth.authentication import address_block
from api.http.errors import ERROR_HANDLERS
from api.opt_out import queries
from api.opt_out.address import OWN_PATH, REACHED, OptOutRoute, check_path
from api.opt_out.queries import LinkedMessage
from api.opt_out.services import Visitor, opt_out
from api.opt_out.texts import LANGUAGES, PageTexts, language_of
from api.permissions import public
from api.settings import ApiSettings
from shared.domain.opt_out_links import message_of
from shared.opt_out_url import opt_out_address

MAX_FORGED, FORGED_PER_SECOND = 10, 1 / 6
"""The burst and the rate of invalid links from one address. Valid ones do not count: a mobile operator may have one
address for all of its subscribers."""

SHOWN_DIGITS = 3
"""The last digits of a number that are shown: enough to know one's own, and not the number."""

STYLE = (Path(__file__).parent / "templates" / "opt_out" / "page.css").read_text()

# The page loads nothing at all. Its style is in it, and allowed by its hash (CSP level 3).
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

blp = Blueprint("opt_out", __name__, template_folder="templates")


def register_opt_out(app: Flask, settings: ApiSettings) -> None:
    """Registers the pages at the address of OPT_OUT_URL. Call it after all other routes, before proxies are trusted.

    Raises ConfigurationError for an address whose path has another meaning.
    """
    app.register_blueprint(blp)
    if address := opt_out_address(settings.opt_out_url, settings.public_url):
        check_path(address, [rule.rule for rule in app.url_map.iter_rules()])
        app.wsgi_app = OptOutRoute(app.wsgi_app, address)  # type: ignore[method-assign]


@blp.before_request
def allow_own_style() -> None:
    """The policy of this page is stricter than that of others, except for its style."""
    g.content_security_policy = CONTENT_SECURITY_POLICY


@blp.get(f"{OWN_PATH}<path:token>")
@public
def page(token: str) -> Response:
    """The number, and the button. Changes nothing."""
    found = _find(token)
    if isinstance(found, Response):
        return found
    return _page("done" if found.has_opted_out else "question", 200, found)


@blp.post(f"{OWN_PATH}<path:token>")
@public
def act(token: str) -> Response:
    """Opts out. A repeated request gets the same page."""
    found = _find(token)
    if isinstance(found, Response):
        return found
    opt_out(found, Visitor(request.headers.get("User-Agent", ""), request.remote_addr))
    return _page("done", 200, found)


def _find(token: str) -> LinkedMessage | Response:
    """The message of a token, which has a number; otherwise the page that says what is wrong with the link."""
    if REACHED not in request.environ:
        return _page("invalid", 404)
    caller = address_block(request.remote_addr)
    if seconds := rate_limiter.by_address.acquire(caller, current_app.config["ANONYMOUS_RATE"]):
        return _too_many(seconds)
    rules = queries.rules()
    g.reply_language = rules.reply_language
    message_id = message_of(token, rules.opt_out_secret)
    if message_id is None:
        seconds = rate_limiter.by_opt_out_address.acquire(caller, FORGED_PER_SECOND, MAX_FORGED)
        return _too_many(seconds) if seconds else _page("invalid", 404)
    found = queries.message_by_id(message_id)
    return found if found and found.phone_number else _page("expired", 410, found)


def _too_many(seconds: float) -> Response:
    response = _page("later", 429)
    response.headers["Retry-After"] = str(math.ceil(seconds))
    return response


def _page(state: str, status: int, message: LinkedMessage | None = None) -> Response:
    language = _language(message)
    texts: PageTexts = LANGUAGES[language]
    digits = f"…{str(message.phone_number)[-SHOWN_DIGITS:]}" if message else ""
    words = {name: text.format(number=digits) for name, text in texts._asdict().items()}
    response = make_response(
        render_template("opt_out/page.html", state=state, words=words, language=language, style=STYLE), status
    )
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _language(message: LinkedMessage | None) -> str:
    """That of the client, else the first of the browser's that there is, else that of answers to keywords."""
    of_client = message.language if message else None
    # `best_match` of Werkzeug would prefer `en` to `de-AT`, whatever their order is.
    of_browser = [tag for tag, quality in request.accept_languages if quality]
    # The setting is unknown while the database is unavailable.
    wanted = (of_client, *of_browser, g.get("reply_language"))
    return next(filter(None, map(language_of, wanted)), "en")


def _error_page(handler: Callable[[Any], Response]) -> Callable[[Any], Response]:
    """The page for an error, instead of JSON."""

    def page_of(error: Exception) -> Response:
        answer = handler(error)
        response = _page("later", answer.status_code)
        if "Retry-After" in answer.headers:
            response.headers["Retry-After"] = answer.headers["Retry-After"]
        return response

    return page_of


for kind, handler in ERROR_HANDLERS.items():
    blp.register_error_handler(kind, _error_page(handler))
