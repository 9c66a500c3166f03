"""Connections whose requests are answered directly, if they can be: without a task, and without the application.

Only a request that has arrived in one piece, while none before it is being answered, is offered to the route. Whatever
else there is to HTTP, such as a body that is still arriving, or a caller who asks first whether to send it, is left to
the application, with its time limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.server.connections import Connection, Connections

Headers = Sequence[tuple[bytes, bytes]]


class DirectRequest(NamedTuple):
    """A whole request. The parts of the URL are as the caller wrote them."""

    method: str
    path: bytes
    query: bytes
    headers: Headers
    """The names are in lower case."""
    body: bytes
    address: str
    """The address at the other end of the connection."""


Respond = Callable[[int, Headers, bytes], None]
"""Gets the status, the headers, and the body."""


class DirectRoute(Protocol):
    """What answers requests directly."""

    prefixes: tuple[bytes, ...]
    """Of the URLs of its requests."""

    def serve(self, request: DirectRequest, respond: Respond) -> bool:
        """Begins to serve a request: `respond` is called once, and not before this has returned.

        Returns False if the application has to serve it.
        """


class DirectConnection(Connection):
    """A connection that offers requests to a route first."""

    def __init__(self, connections: Connections, route: DirectRoute, **options: Any) -> None:
        super().__init__(connections, **options)
        self._route = route
        self._held: bytearray | None = None
        """The body so far of a request that may be offered to the route."""
        self._parsed_url: Any = None

    def data_received(self, data: bytes) -> None:
        """Feeds the parser. A request of which something is missing then is passed to the application."""
        super().data_received(data)
        if self._held is not None and not self.transport.is_closing():
            self._pass_to_the_application()

    def start_request(self) -> None:
        """The head is complete."""
        if self._may_be_direct():
            self._held = bytearray()
            # Here, where the parser takes an error for one of the request.
            self._parsed_url = httptools.parse_url(self.url)
        else:
            super().start_request()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        if self._held is not None and not self._is_served_directly(bytes(self._held)):
            self._pass_to_the_application()
        super().on_message_complete()

    def _may_be_direct(self) -> bool:
        return (
            self.url.startswith(self._route.prefixes)
            and self.url.isascii()
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and not self.expect_100_continue
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
        )

    def _pass_to_the_application(self) -> None:
        body, self._held = self._held, None
        super().start_request()
        if body:
            super().on_body(bytes(body))

    def _is_served_directly(self, body: bytes) -> bool:
        url, method = self._parsed_url, self.parser.get_method().decode("ascii")
        address = self.client[0] if self.client else ""
        request = DirectRequest(method, url.path, url.query or b"", self.headers, body, address)
        exchange = _Exchange()
        if not self._route.serve(request, partial(self._respond, exchange)):
            return False
        self._held = None
        self.cycle = cast(Any, exchange)
        self.begin_response()
        return True

    def _respond(self, exchange: _Exchange, status: int, headers: Headers, body: bytes) -> None:
        exchange.response_complete = True
        if exchange.disconnected or self.transport.is_closing():
            return
        every = [*self.server_state.default_headers, *headers]
        if not exchange.keep_alive:
            every.append((b"connection", b"close"))
        head = b"".join([b"%b: %b\r\n" % header for header in every])
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], head, body))
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()


class _Exchange:
    """Takes the place of uvicorn's cycle of a request and its response: requests that are sent ahead wait for it, it
    learns that the caller has disconnected, and that the server is being shut down."""

    __slots__ = ("body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete")

    def __init__(self) -> None:
        self.response_complete = self.disconnected = self.more_body = False
        self.keep_alive = True
        self.body = b""
        self.message_event = _UNHEARD


_UNHEARD = asyncio.Event()
"""Set by uvicorn. Nobody waits for it."""
