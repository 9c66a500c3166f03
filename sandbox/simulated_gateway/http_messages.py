"""The part of HTTP/1.1 (RFC 9112) that the simulated gateway needs, on bytes, without sockets.

docs/adr/0022-the-simulated-gateway-reads-http-itself.md says why this is not h11.
"""

import json
from http import HTTPStatus
from typing import NamedTuple

MAX_HEAD = 16 * 1024  # bytes of request line and header block
MAX_BODY = 64 * 1024  # bytes


class Request(NamedTuple):
    """One request; `authorization` is the value of that header, or empty."""

    method: bytes
    path: bytes
    query: bytes
    authorization: bytes
    body: bytes
    keep_alive: bool


class BadRequest(Exception):
    """The input is not a request that this server supports; the connection must be closed after the response."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def read_request(buffer: bytes) -> tuple[Request, bytes] | None:
    """The first request in `buffer` and the bytes after it, or None while it is incomplete.

    Raises BadRequest with 400, 411 (a chunked body), 413 (a body over MAX_BODY), 431 (a head over MAX_HEAD) or 505.
    """
    buffer = buffer.lstrip(b"\r\n")  # RFC 9112, 2.2: empty lines before a request are ignored
    end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0:
        if len(buffer) >= MAX_HEAD:
            raise BadRequest(431, f"the header block is longer than {MAX_HEAD} bytes")
        return None
    request_line, *lines = buffer[:end].split(b"\r\n")
    method, target, version = _read_request_line(request_line)
    fields = _read_fields(lines)
    start = end + 4
    finish = start + _content_length(fields)
    if len(buffer) < finish:
        return None
    path, _, query = target.partition(b"?")
    # HTTP/1.0 connections are never kept alive: `Connection: keep-alive` is not supported.
    keep_alive = version == b"HTTP/1.1" and b"close" not in fields.get(b"connection", b"").lower()
    authorization = fields.get(b"authorization", b"")
    return Request(method, path, query, authorization, buffer[start:finish], keep_alive), buffer[finish:]


def http_response(status: int, body: bytes = b"", *fields: str, content_type: str = "application/json") -> bytes:
    """A complete response. `fields` are header lines, such as "Retry-After: 5"."""
    head = [f"HTTP/1.1 {status} {_phrase(status)}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *fields, "", ""]).encode("latin-1") + body


def json_response(status: int, value: object, *fields: str) -> bytes:
    """A complete response with a value as JSON."""
    return http_response(status, json.dumps(value).encode(), *fields)


def result_response(status: int, code: int, message: str, *fields: str) -> bytes:
    """A complete response with a body of the gateway's contract: {"code": ..., "message": ...}."""
    return json_response(status, {"code": code, "message": message}, *fields)


def with_close(response: bytes) -> bytes:
    """The response with `Connection: close` (RFC 9112, 9.6)."""
    status_line, rest = response.split(b"\r\n", 1)
    return status_line + b"\r\nConnection: close\r\n" + rest


def _read_request_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    parts = line.split(b" ")
    if len(parts) != 3 or not all(parts):
        raise BadRequest(400, "the request line is not `method target version`")
    method, target, version = parts
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise BadRequest(505, "only HTTP/1.1 and HTTP/1.0 are supported")
    return method, target, version


def _read_fields(lines: list[bytes]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise BadRequest(400, "a header line is not `name: value`")
        name = name.lower()
        if name == b"content-length" and name in fields:
            raise BadRequest(400, "there is more than one Content-Length")
        fields[name] = value.strip()
    return fields


def _content_length(fields: dict[bytes, bytes]) -> int:
    if b"transfer-encoding" in fields:
        raise BadRequest(411, "a body needs a Content-Length; chunked bodies are not supported")
    raw = fields.get(b"content-length", b"0")
    if not raw.isdigit():
        raise BadRequest(400, "Content-Length is not a number")
    # The number of digits is checked first: int() raises an error of its own for thousands of digits.
    if len(raw) > 18 or int(raw) > MAX_BODY:
        raise BadRequest(413, f"the body is longer than {MAX_BODY} bytes")
    return int(raw)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
