"""Rejects a query string that is not UTF-8 before anything reads it; error pages read it too."""

from __future__ import annotations

from flask import Flask, request
from werkzeug.exceptions import BadRequest

from shared.domain.sentences import ErrorCode


def register_query_check(app: Flask) -> None:
    """Registers the check. Call it before anything that reads a query."""
    app.before_request(_check_query_string)


def _check_query_string() -> None:
    """Raises BadRequest for bytes that are not UTF-8. Percent-encoded bytes are harmless here."""
    try:
        request.query_string.decode()
    except UnicodeDecodeError:
        request.query_string = b""
        raise BadRequest(ErrorCode.QUERY_NOT_UTF_8()) from None
