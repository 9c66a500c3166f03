"""Reads the responses on a connection, one after another. llhttp parses them (the library httptools)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from requests.structures import CaseInsensitiveDict

HEAD_LIMIT = 64 * 1024
"""Bytes of a status line and headers, without those of 1xx responses before them."""

HEADER_LINES = 100
"""Header lines of one response, trailers included: as many as http.client takes."""

FRAMING_FACTOR = 16
"""Bytes received for each byte that a body may have: chunks of one byte need six (RFC 9112, section 7.1)."""


class _SurplusError(Exception):
    """A second response arrived without a request."""


class _OtherVersionError(Exception):
    """The response claims a version of HTTP that has no such form."""


class LastResponse:
    """The last response that arrived complete and at once, for all connections to a gateway.

    The next ones are mostly equal, byte for byte, within the second that their `Date` names: those are not parsed. For
    one thread.
    """

    __slots__ = ("body", "data", "fields", "status")

    def __init__(self) -> None:
        self.data = b""
        """As it arrived; empty before the first one."""
        self.status: int | None = None
        self.fields: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []


class ResponseReader:
    """The response that is being read, and what it tells about the connection. Interim responses are skipped."""

    __slots__ = (
        "_body",
        "_body_limit",
        "_fields",
        "_has_begun",
        "_interim",
        "_is_interim",
        "_last",
        "_parser",
        "_received",
        "_size",
        "error",
        "is_complete",
        "may_be_followed",
        "status",
    )

    def __init__(self, body_limit: int, last: LastResponse | None = None) -> None:
        """A body of more than `body_limit` bytes is an error. All readers that share `last` have the same limit."""
        self._last = last or LastResponse()
        self._parser = parser = HttpResponseParser(self)
        # A line may end without CR (RFC 9112, section 2.2). Only an intermediary must not be so lenient.
        parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self._body_limit = body_limit
        self._is_interim = False
        self.begin()

    def begin(self) -> None:
        """To be called before each request."""
        self._fields: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = self._received = self._interim = 0
        self._has_begun = False
        self.status: int | None = None
        """The status of a response whose headers are complete."""
        self.is_complete = False
        self.error: OSError | None = None
        """Why there is no complete response."""
        self.may_be_followed = False
        """Whether the connection may be used for another request."""

    @property
    def body(self) -> bytes:
        """What has arrived of the body."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; the values of equal names are joined by commas (RFC 9110, section 5.3)."""
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        for field in self._fields:
            name, value = (part.decode("latin-1").strip() for part in field)
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    @property
    def received_at(self) -> datetime:
        """The current time. To be read right after the end."""
        return datetime.now(UTC)

    def feed(self, data: bytes) -> bool:
        """Reads what has arrived. Returns whether the response has ended: it is complete, or there is an error."""
        last = self._last
        if data == last.data and not self._received:
            # The parser is where a response may begin, with no interim response before it, and would be there again
            # after this one.
            self.status, self._fields, self._body = last.status, last.fields, last.body
            self.is_complete = self.may_be_followed = True
            return True
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.is_complete = self.may_be_followed = False
            self.error = self.error or OSError("not an HTTP answer")
        except HttpParserError:  # also raised for an error of a callback
            self.may_be_followed = False
            if not self.is_complete:
                self.error = self.error or OSError("not an HTTP answer")
        if self.is_complete or self.error is not None:
            if self.may_be_followed and self._received == len(data):
                last.data, last.status, last.fields, last.body = data, self.status, self._fields, self._body
            return True
        received = self._received - self._interim
        if self.status is None and received > HEAD_LIMIT:
            self.error = OSError("the headers are too long")
        elif received > HEAD_LIMIT + FRAMING_FACTOR * self._body_limit:
            self.error = OSError("answer too large")
        return self.error is not None

    def end(self) -> None:
        """To be called when the connection has been closed at the other end: this may be how the body ends."""
        if self.status is not None and self._ends_with_the_connection():
            self.is_complete = True
        elif self._has_begun:
            self.error = OSError("the answer was cut short")
        else:
            self.error = OSError("the connection was closed without an answer")

    def _ends_with_the_connection(self) -> bool:
        # RFC 9112, section 6.3.
        headers = self.headers
        encodings = headers.get("Transfer-Encoding")
        return not encodings.lower().endswith("chunked") if encodings else "Content-Length" not in headers

    # The parser calls these (httptools.HttpResponseParser).

    def on_message_begin(self) -> None:
        """Begins a response."""
        if self.is_complete:
            raise _SurplusError
        self._has_begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Adds a header, or a trailer."""
        self._fields.append((name, value))
        if len(self._fields) > HEADER_LINES:
            self.error = OSError("too many headers")
            raise self.error

    def on_headers_complete(self) -> None:
        """The status is known, unless another response follows."""
        if not self._parser.get_http_version().startswith("1."):
            raise _OtherVersionError
        status = self._parser.get_status_code()
        # Another response follows (RFC 9110, section 15.2). A 101 is an error: we never ask for an upgrade.
        self._is_interim = 100 <= status < 200 and status != 101
        if not self._is_interim:
            self.status = status

    def on_body(self, data: bytes) -> None:
        """Adds a part of the body."""
        self._size += len(data)
        if self._size > self._body_limit:
            self.error = OSError("answer too large")
            raise self.error
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Ends a response."""
        if self._is_interim:
            self._fields.clear()
            self._interim = self._received  # with the bytes after it that arrived in the same piece
            self._has_begun = False
        else:
            self.is_complete = True
            self.may_be_followed = self._parser.should_keep_alive()
