"""What goes wrong, as a page instead of JSON."""

from __future__ import annotations

from flask import Flask, Response, make_response, render_template, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, NotFound

from api.auth.login_pages import show_sign_in
from api.auth.saved_form import is_form, typed_of_request
from api.console.blueprint import blp
from api.console.preferences import take_choice
from api.http.errors import answer_database, answer_http, answer_rule, answer_unavailable, answer_unexpected
from shared.errors import GonetsError


def register_error_pages(app: Flask) -> None:
    """A path that there is not becomes a page when a person asks for it, as errors of the console's own views do."""
    app.register_error_handler(NotFound, nowhere)


def as_page(answer: Response) -> Response:
    """The same answer for a person: its status and headers stay. One that only leads elsewhere stays as it is."""
    if not answer.is_json:
        return answer
    said = answer.get_json()
    if answer.status_code == 401 and is_form() and "Authorization" not in request.headers:
        # The gate has answered before the request's choice of language was looked at.
        take_choice()
        response = make_response(show_sign_in())
    else:
        shown = {"code": said["code"], "message": said["message"], "typed": typed_of_request()}
        response = make_response(render_template("console/error.html", **shown))
    response.status_code = answer.status_code
    kept = (name for name in ("Allow", "Retry-After", "Location", "WWW-Authenticate") if name in answer.headers)
    response.headers.extend([(name, answer.headers[name]) for name in kept])
    return response


def nowhere(error: NotFound) -> Response:
    """A path that there is not: a page for a browser outside of the API, JSON for everybody else."""
    answer = answer_http(error)
    wants_page = request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html"
    return as_page(answer) if wants_page and not request.path.startswith("/v1/") else answer


blp.register_error_handler(HTTPException, lambda error: as_page(answer_http(error)))
blp.register_error_handler(GonetsError, lambda error: as_page(answer_rule(error)))
blp.register_error_handler(DBAPIError, lambda error: as_page(answer_database(error)))
blp.register_error_handler(PoolTimeout, lambda error: as_page(answer_unavailable(error)))
blp.register_error_handler(Exception, lambda error: as_page(answer_unexpected(error)))
