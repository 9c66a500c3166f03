"""Errors as pages instead of JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import NotFound

from api.auth import csrf
from api.auth.login_pages import show_sign_in
from api.auth.saved_form import is_form, submitted_fields
from api.console.blueprint import blp
from api.console.preferences import apply_preferences
from api.http.errors import ERROR_HANDLERS, http_error_response
from shared.domain.sentences import sentence_of


def register_error_pages(app: Flask) -> None:
    """Renders errors of the console as pages, and those of unknown paths if the client prefers HTML."""
    app.register_error_handler(NotFound, page_not_found)


def as_page(error_response: Response) -> Response:
    """The error response as a page, with the same status and headers. A response without JSON is returned unchanged."""
    if not error_response.is_json:
        return error_response
    content = error_response.get_json()
    if error_response.status_code == 401 and is_form() and not _is_from_program():
        # The request was refused before its preferences were read.
        apply_preferences()
        response = make_response(show_sign_in())
    else:
        message = content["message"]
        if "reason_code" in content:
            message = sentence_of(content["reason_code"], content["reason_params"])
        shown = {"code": content["code"], "message": message, "typed": submitted_fields()}
        response = make_response(render_template("console/error.html", **shown))
    response.status_code = error_response.status_code
    kept = (name for name in ("Allow", "Retry-After", "Location", "WWW-Authenticate") if name in error_response.headers)
    response.headers.extend([(name, error_response.headers[name]) for name in kept])
    return response


def page_not_found(error: NotFound) -> Response:
    """An unknown path: a page for browsers outside of the API, JSON for others."""
    response = http_error_response(error)
    wants_page = request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html"
    return as_page(response) if wants_page and not request.path.startswith("/v1/") else response


def _is_from_program() -> bool:
    """Whether no person sees the response: a client with a key sent the request, or a script of one of our pages.

    The sign-in page sets this browser's token, so a script would make the token of the page that a person sees stale.
    """
    return "Authorization" in request.headers or csrf.HEADER in request.headers


def _page_of(handler: Callable[[Any], Response]) -> Callable[[Any], Response]:
    return lambda error: as_page(handler(error))


for kind, handler in ERROR_HANDLERS.items():
    blp.register_error_handler(kind, _page_of(handler))
