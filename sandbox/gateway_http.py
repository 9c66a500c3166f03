"""As much of HTTP/1.1 (RFC 9112) as the simulated gateway needs, on bytes, with no sockets."""

import json
from http import HTTPStatus
from typing import NamedTuple

MAX_HEAD = 16 * 1024  # bytes of request line and header block
MAX_BODY = 64 * 1024  # bytes


class Request(NamedTuple):
    method: bytes
    path: bytes
    query: bytes
    authorization: bytes
    body: bytes
    keep_alive: bool


class Unreadable(Exception):
    """What came is not a request this server reads; the connection must be closed after the answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def read_request(buffer: bytes) -> tuple[Request, bytes] | None:
    """The first request in `buffer` and the bytes that follow it, or None until the whole of it has come.

    Raises Unreadable with 400, 411 (a chunked body), 413 (a body over MAX_BODY), 431 (a head over MAX_HEAD) or 505.
    """
    buffer = buffer.lstrip(b"\r\n")  # RFC 9112, 2.2: empty lines before a request are to be ignored
    end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0:
        if len(buffer) >= MAX_HEAD:
            raise Unreadable(431, f"the header block is longer than {MAX_HEAD} bytes")
        return None
    request_line, *lines = buffer[:end].split(b"\r\n")
    method, target, version = _read_request_line(request_line)
    fields = _read_fields(lines)
    start = end + 4
    finish = start + _content_length(fields)
    if len(buffer) < finish:
        return None
    path, _, query = target.partition(b"?")
    # HTTP/1.0 is never kept alive: it would have to be asked for, and nobody who matters here asks.
    keep_alive = version == b"HTTP/1.1" and b"close" not in fields.get(b"connection", b"").lower()
    authorization = fields.get(b"authorization", b"")
    return Request(method, path, query, authorization, buffer[start:finish], keep_alive), buffer[finish:]


def answer(status: int, body: bytes = b"", *fields: str, content_type: str = "application/json") -> bytes:
    """A whole response. `fields` are header lines, like "Retry-After: 5"."""
    head = [f"HTTP/1.1 {status} {_phrase(status)}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *fields, "", ""]).encode("latin-1") + body


def verdict(status: int, code: int, message: str, *fields: str) -> bytes:
    """A whole response whose body is the gateway's: {"code": ..., "message": ...}."""
    return answer(status, json.dumps({"code": code, "message": message}).encode(), *fields)


def closing(whole: bytes) -> bytes:
    """The same response, saying that the connection closes after it (RFC 9112, 9.6)."""
    status_line, rest = whole.split(b"\r\n", 1)
    return status_line + b"\r\nConnection: close\r\n" + rest


def _read_request_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    parts = line.split(b" ")
    if len(parts) != 3 or not all(parts):
        raise Unreadable(400, "the request line is not `method target version`")
    method, target, version = parts
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Unreadable(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    return method, target, version


def _read_fields(lines: list[bytes]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise Unreadable(400, "a header line is not `name: value`")
        name = name.lower()
        if name == b"content-length" and name in fields:
            raise Unreadable(400, "Content-Length is given twice")
        fields[name] = value.strip()
    return fields


def _content_length(fields: dict[bytes, bytes]) -> int:
    if b"transfer-encoding" in fields:
        raise Unreadable(411, "a body must come with its Content-Length, not chunked")
    raw = fields.get(b"content-length", b"0")
    if not raw.isdigit():
        raise Unreadable(400, "Content-Length is not a number")
    # The number of digits is looked at first: int() refuses thousands of them with an error of its own.
    if len(raw) > 18 or int(raw) > MAX_BODY:
        raise Unreadable(413, f"the body is longer than {MAX_BODY} bytes")
    return int(raw)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
