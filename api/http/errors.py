"""The error handlers of the API: every error has the same JSON body, without internals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import psycopg2
from flask import Flask, Response, g, jsonify
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound as NoSuchPath

from api.database import CONFLICTING, sqlstate_of
from shared.database_errors import explain
from shared.domain.sentences import ErrorCode, Sentence
from shared.errors import Conflict, FieldError, GonetsError, Invalid, NotFound

log = logging.getLogger(__name__)

CONSTRAINTS: dict[str, FieldError] = {
    "client_phone_number_key": Conflict("phone_number", ErrorCode.PHONE_NUMBER_TAKEN),
    "client_phone_number_is_e164": Invalid("phone_number", ErrorCode.PHONE_NUMBER_DIGITS),
    "client_operator_code_in_phone_number": Invalid("operator_code", ErrorCode.OPERATOR_CODE_NOT_DIGITS),
    "client_external_id_key": Conflict("external_id", ErrorCode.EXTERNAL_ID_TAKEN),
    "client_field_name_key": Conflict("name", ErrorCode.FIELD_NAME_TAKEN),
    "gateway_name_key": Conflict("name", ErrorCode.GATEWAY_NAME_TAKEN),
    "segment_name_key": Conflict("name", ErrorCode.SEGMENT_NAME_TAKEN),
    "template_name_key": Conflict("name", ErrorCode.TEMPLATE_NAME_TAKEN),
    "route_name_key": Conflict("name", ErrorCode.ROUTE_NAME_TAKEN),
    "holiday_calendar_name_key": Conflict("name", ErrorCode.CALENDAR_NAME_TAKEN),
    "number_list_name_key": Conflict("name", ErrorCode.NUMBER_LIST_NAME_TAKEN),
    "mailing_window_ends_after_its_start": Invalid("end_datetime", ErrorCode.END_NOT_AFTER_START),
    "mailing_text_is_1_to_1600_characters": Invalid("text", ErrorCode.TEXT_LENGTH),
}
"""The error for a violated database constraint. Rules are checked first, but two concurrent requests can pass."""

RETRY_SOON, RETRY_LATER = 1, 5
"""Seconds: after two transactions in conflict, and while the database is unavailable."""

# A standby that has not been promoted yet.
READ_ONLY = "25006"


def register_error_handlers(app: Flask) -> None:
    """Handles everything that views, parsers, rules and the database raise."""
    for error, handler in ERROR_HANDLERS.items():
        app.register_error_handler(error, handler)


def http_error_response(error: HTTPException) -> Response:
    """The response to an error of Flask, flask-smorest or webargs, whose `data` has errors by field and a message."""
    data: Mapping[str, Any] = getattr(error, "data", {})
    errors = data.get("errors") or data.get("messages")
    if errors:
        message = data.get("message", "The request has errors.")
    elif isinstance(error, NoSuchPath):
        message = ErrorCode.NOT_FOUND()
    else:
        message = error.description or ""
    response = _error_response(error.code or 500, message, errors)
    # Such as Allow, which a 405 must have.
    response.headers.extend([(name, value) for name, value in error.get_headers() if name != "Content-Type"])
    return response


def rule_error_response(error: GonetsError) -> Response:
    """The response to an error of the rules in shared."""
    match error:
        case NotFound():
            return _error_response(404, error.sentence)
        case Conflict():
            return _error_response(409, error.sentence, {"json": {error.field: [error.sentence]}})
        case FieldError():
            return _error_response(422, error.sentence, {"json": {error.field: [error.sentence]}})
        case _:
            return unexpected_error_response(error)


def database_error_response(error: DBAPIError) -> Response:
    """The response to a database error: a violated constraint, a transient error, or a bug."""
    if rule := broken_rule(error):
        return rule_error_response(rule)
    cause = error.orig
    sqlstate = sqlstate_of(error)
    constraint = _constraint(error)
    if sqlstate in CONFLICTING:
        log.warning("statement.gave_up", extra={"sqlstate": sqlstate})
        return _unavailable(ErrorCode.CONCURRENT_REQUEST(), RETRY_SOON)
    # "server closed the connection unexpectedly" is libpq's own, and psycopg2 has no narrower type for it.
    closed = type(cause) is psycopg2.DatabaseError
    transient = closed or isinstance(cause, psycopg2.OperationalError | psycopg2.InterfaceError)
    if transient or error.connection_invalidated or sqlstate == READ_ONLY:
        return unavailable_response(error)
    # Its text and details contain values, which are sensitive.
    hidden = GonetsError(f"{type(cause).__name__}, SQLSTATE {sqlstate}, constraint {constraint}")
    return unexpected_error_response(hidden.with_traceback(error.__traceback__))


def broken_rule(error: DBAPIError) -> FieldError | None:
    """The rule error for the constraint that was violated, if any."""
    return CONSTRAINTS.get(_constraint(error) or "")


def unavailable_response(error: Exception) -> Response:
    """The response while the database is unreachable, restarting or out of connections."""
    log.warning("database.unavailable", extra={"error": explain(error)})
    return _unavailable(ErrorCode.DATABASE_UNAVAILABLE(), RETRY_LATER)


def unexpected_error_response(error: Exception) -> Response:
    """The response to a bug, which is logged in full and not described to the caller."""
    log.error("request.failed", exc_info=error, extra={"request_id": g.get("request_id")})
    return _error_response(500, ErrorCode.INTERNAL_ERROR())


ERROR_HANDLERS: dict[type[Exception], Callable[[Any], Response]] = {
    HTTPException: http_error_response,
    GonetsError: rule_error_response,
    DBAPIError: database_error_response,
    PoolTimeout: unavailable_response,
    Exception: unexpected_error_response,
}
"""The handler for each kind of error; the nearest class counts."""


def _constraint(error: DBAPIError) -> str | None:
    name: str | None = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return name


def _unavailable(message: str, retry_after: int) -> Response:
    response = _error_response(503, message)
    response.headers["Retry-After"] = str(retry_after)
    return response


def error_payload(code: int, message: str) -> dict[str, Any]:
    """What every error says, without the errors by field."""
    payload: dict[str, Any] = {"code": code, "status": HTTPStatus(code).phrase, "message": message}
    if isinstance(message, Sentence):
        payload |= {"reason_code": str(message.code), "reason_params": message.parameters}
    return payload


def _error_response(code: int, message: str, errors: object = None) -> Response:
    response = jsonify(error_payload(code, message) | ({"errors": errors} if errors else {}))
    response.status_code = code
    return response
