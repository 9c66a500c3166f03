"""Responses to malformed or incomplete requests, as JSON like every other error (api.http.errors)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

MAX_HEAD: Final = 65_536
"""Bytes of a request line and headers together."""


def _refusal(status: HTTPStatus, message: str) -> bytes:
    body = json.dumps({"code": status, "status": status.phrase, "message": message}).encode()
    head = f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


NOT_HTTP = _refusal(HTTPStatus.BAD_REQUEST, "This is no request of HTTP/1.1 that can be understood in one way only.")
REQUEST_TIMEOUT = _refusal(HTTPStatus.REQUEST_TIMEOUT, "The request did not come in time. Nothing has changed.")
HEAD_TOO_LARGE = _refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The address and the headers are larger than {MAX_HEAD:,} bytes."
)
