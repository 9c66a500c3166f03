"""The sign-in pages (by key, link or provider) and the sign-out."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, NamedTuple

from flask import Blueprint, Flask, current_app, redirect, render_template, request, url_for
from werkzeug.exceptions import Forbidden, NotFound
from werkzeug.wrappers import Response

from api.audit.recorder import add_entry
from api.auth import csrf, magic_links, rate_limiter, saved_form
from api.auth.api_key_format import prefix_of
from api.auth.authentication import Authenticator, address_block
from api.auth.errors import ProviderError
from api.auth.sessions import sign_in, sign_out
from api.extensions import db
from api.http.safe_redirect import local_address
from api.permissions import public
from api.principal import Principal
from shared.domain.sentences import ErrorCode

if TYPE_CHECKING:
    from api.auth.oidc import Provider

HOME = "/"
"""Where a sign-in leads when the request names no address."""

MAX_FAILURES, FAILURES_PER_SECOND = 10, 1 / 6
"""The burst and the rate of failed sign-ins from one address. There is no limit over all addresses: keys are too long
to be guessed from many addresses, and such a limit would allow denial of service."""

AUDIT_LIMIT = "all addresses", 1 / 6, 100
"""The rate limit (caller, rate, burst) of failed sign-ins in the audit, over all addresses, since the audit can't be
erased. The others are in the log, and in the metric of responses with 401."""


log = logging.getLogger(__name__)

# The page extends the console's template.
blp = Blueprint("sign_in", __name__, template_folder="templates")


class LinkOffer(NamedTuple):
    """A link that would replace the principal that is signed in by another one."""

    link: str
    who: Principal


def show_sign_in() -> str:
    """The sign-in form, in response to a request without a session. It preserves the form that the request sent."""
    kept = saved_form.serialize_request()
    return _form(following=saved_form.page_address(), kept=kept, is_over=True)[0]


def register_sign_in(app: Flask, provider: Provider | None) -> None:
    """The pages at /login/ and /logout/; `csrf_token()` is known to all templates."""
    app.extensions["provider"] = provider
    app.jinja_env.globals["csrf_token"] = csrf.token
    app.register_blueprint(blp)


@blp.get("/login/")
@public
def page() -> Response | tuple[str, int]:
    """The form, or the result of opening a link."""
    link = request.args.get("link")
    # A prefetch and a HEAD request do not use the link up.
    if link is None or request.method == "HEAD" or "Sec-Purpose" in request.headers:
        return _form()
    if limited := _too_many_failures():
        return limited
    signed_in, offered = _authenticator().principal_from_cookie(), magic_links.actor_of(link)
    if signed_in is None or offered is None or offered == signed_in.actor:
        return _open(link)
    who = _authenticator().principal_of_actor(offered)
    # The person has to confirm: another site may have sent the browser here.
    return _form(offer=LinkOffer(link, who)) if who else _refuse(ErrorCode.LINK_INVALID(), how="link")


@blp.post("/login/")
@public
def login() -> Response | tuple[str, int]:
    """Signs in by a key, or by a confirmed link."""
    try:
        csrf.check()
    except Forbidden:
        return _form(ErrorCode.FORM_EXPIRED(), 403)
    if limited := _too_many_failures():
        return limited
    link = request.form.get("link")
    if link is not None:
        return _open(link)
    key = request.form.get("key", "").strip()
    who = _authenticator().principal_from_key(key)
    if who is None:
        return _refuse(ErrorCode.KEY_UNKNOWN(), how="key", key=prefix_of(key))
    return _log_in(who, "key")


@blp.post("/logout/")
@public
def logout() -> Response:
    """Signs out; does nothing without a session."""
    csrf.check()
    if who := _authenticator().principal_from_cookie():
        sign_out(who)
    return redirect(url_for("sign_in.page"), 303)


@blp.get("/login/provider/")
@public
def to_provider() -> Response | tuple[str, int]:
    """Sends the browser to the provider."""
    if limited := _too_many_failures():
        return limited
    try:
        return _provider().redirect(
            url_for("sign_in.from_provider", _external=True), local_address(request.args.get("next"), HOME)
        )
    except ProviderError as error:
        return _refuse(error.sentence, how="provider")


@blp.get("/login/provider/back/")
@public
def from_provider() -> Response | tuple[str, int]:
    """Signs in after the provider has redirected the browser back."""
    if limited := _too_many_failures():
        return limited
    try:
        who, following = _provider().complete_sign_in()
    except ProviderError as error:
        return _refuse(error.sentence, how="provider")
    sign_in(who, "provider", who.role)
    return redirect(following, 303)


def _open(link: str) -> Response | tuple[str, int]:
    """Signs in by the link, which then can't be used again."""
    actor = magic_links.redeem(link)
    who = _authenticator().principal_of_actor(actor) if actor else None
    return _log_in(who, "link") if who else _refuse(ErrorCode.LINK_INVALID(), how="link")


def _form(
    error: str | None = None,
    status: int = 200,
    *,
    offer: LinkOffer | None = None,
    following: str | None = None,
    kept: str | None = None,
    is_over: bool = False,
) -> tuple[str, int]:
    kept = kept or request.form.get(saved_form.FIELD)
    form = saved_form.read(kept)
    shown = {
        "error": error,
        "following": following or _next_url(),
        "signed_in": _authenticator().principal_from_cookie() if request.method == "GET" else None,
        "provider": current_app.extensions["provider"] is not None,
        "offer": offer,
        "kept": kept if form else None,
        "form_address": form.address if form else None,
        "is_over": is_over,
    }
    return render_template("auth/page.html", **shown), status


def _log_in(who: Principal, how: str) -> Response | tuple[str, int]:
    sign_in(who, how)
    kept = request.form.get(saved_form.FIELD)
    if form := saved_form.read(kept):
        return render_template("auth/go_on.html", kept=kept, form_address=form.address), 200
    return redirect(_next_url(), 303)


def _next_url() -> str:
    return local_address(request.values.get("next"), HOME)


def _refuse(error: str, **how: str | None) -> tuple[str, int]:
    known = {name: value for name, value in how.items() if value}
    failures = rate_limiter.by_sign_in_address
    if failures.acquire(*_failure_limit()) or failures.acquire(*AUDIT_LIMIT):
        log.warning("sign_in.not_audited", extra=known)
    else:
        add_entry("signInFailed", None, detail=known)
        db.session.commit()
    return _form(error, 401)


def _too_many_failures() -> Response | None:
    seconds = math.ceil(rate_limiter.by_sign_in_address.seconds_to_wait(*_failure_limit()))
    if not seconds:
        return None
    page, status = _form(ErrorCode.TOO_MANY_FAILED_SIGN_INS(seconds=seconds), 429)
    return Response(page, status, {"Retry-After": str(seconds)}, content_type="text/html; charset=utf-8")


def _failure_limit() -> tuple[str, float, float]:
    return address_block(request.remote_addr), FAILURES_PER_SECOND, MAX_FAILURES


def _authenticator() -> Authenticator:
    authenticator: Authenticator = current_app.extensions["authenticator"]
    return authenticator


def _provider() -> Provider:
    provider: Provider | None = current_app.extensions["provider"]
    if provider is None:
        raise NotFound
    return provider
