"""What goes wrong, as a page instead of JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import NotFound

from api.auth.login_pages import show_sign_in
from api.auth.saved_form import is_form, typed_of_request
from api.console.blueprint import blp
from api.console.preferences import apply_preferences
from api.http.errors import ANSWERS, answer_http


def register_error_pages(app: Flask) -> None:
    """Answers an unknown path with a page when a browser asks for it, as errors of the console's own views are."""
    app.register_error_handler(NotFound, page_not_found)


def as_page(answer: Response) -> Response:
    """The same answer for a person: its status and headers stay. One that only leads elsewhere stays as it is."""
    if not answer.is_json:
        return answer
    content = answer.get_json()
    if answer.status_code == 401 and is_form() and "Authorization" not in request.headers:
        # The request was refused before its choice of language was read.
        apply_preferences()
        response = make_response(show_sign_in())
    else:
        shown = {"code": content["code"], "message": content["message"], "typed": typed_of_request()}
        response = make_response(render_template("console/error.html", **shown))
    response.status_code = answer.status_code
    kept = (name for name in ("Allow", "Retry-After", "Location", "WWW-Authenticate") if name in answer.headers)
    response.headers.extend([(name, answer.headers[name]) for name in kept])
    return response


def page_not_found(error: NotFound) -> Response:
    """An unknown path: a page for a browser outside of the API, JSON for all others."""
    answer = answer_http(error)
    wants_page = request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html"
    return as_page(answer) if wants_page and not request.path.startswith("/v1/") else answer


def _page_of(answer: Callable[[Any], Response]) -> Callable[[Any], Response]:
    return lambda error: as_page(answer(error))


for kind, answer in ANSWERS.items():
    blp.register_error_handler(kind, _page_of(answer))
