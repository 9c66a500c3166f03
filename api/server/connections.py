"""The connections of one process, with time limits for a request to arrive and for a response to be read."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from contextlib import suppress
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.server.connection_transport import ConnectionTransport
from api.server.error_responses import HEAD_TOO_LARGE, MAX_HEAD, NOT_HTTP, REQUEST_TIMEOUT

MAX_UNSENT: Final = 131_072
"""Bytes of a response that the kernel buffers unsent."""

CHUNK_BYTES: Final = 65_536
"""Bytes of a request that must arrive within the timeout while its rest is drained after the response."""

MAX_DRAIN: Final = 3600.0
"""Seconds for which such a request is drained at most: as long as an import may take."""


class Connections:
    """The open connections of one process. Not thread-safe: used only in the event loop's thread."""

    def __init__(self, timeout: float, at_most: int) -> None:
        self.timeout = timeout
        """Seconds for a whole request to arrive, and for a full write buffer to be read."""
        self._at_most = at_most
        self._open: set[Connection] = set()
        # Since when each waits, by the event loop's clock, in that order.
        self._waiting: dict[Connection, float] = {}
        self._unread: dict[Connection, float] = {}

    def admit(self, connection: Connection) -> None:
        """Adds a new connection. Beyond the maximum, the one that has waited longest is closed."""
        if len(self._open) >= self._at_most:
            longest = next(iter(self._waiting), None) or next(iter(self._unread), connection)
            longest.abort()
        self._open.add(connection)
        self.wait(connection)

    def wait(self, connection: Connection) -> None:
        """Marks a connection as waiting for a request, or for the rest of one."""
        self._waiting[connection] = connection.loop.time()

    def serve(self, connection: Connection) -> None:
        """Marks a connection's request as being executed, for which there is no time limit here."""
        self._waiting.pop(connection, None)

    def block(self, connection: Connection) -> None:
        """Marks a connection's write buffer as full: the caller does not read."""
        self._unread[connection] = connection.loop.time()

    def unblock(self, connection: Connection) -> None:
        """Marks a connection's write buffer as read."""
        self._unread.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """Removes a closed connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._unread.pop(connection, None)

    async def close_overdue(self) -> None:
        """Runs until cancelled, and closes connections that exceed the timeout."""
        loop = asyncio.get_running_loop()
        while True:
            latest = loop.time() - self.timeout
            for connection in [connection for connection, since in self._waiting.items() if since < latest]:
                connection.close_timed_out()
            for connection in [connection for connection, since in self._unread.items() if since < latest]:
                connection.abort()
            await asyncio.sleep(min(1.0, self.timeout / 4))


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection, with limits on time and on the size of a request's head.

    Overrides only the callbacks of asyncio.Protocol and of httptools' parser.
    """

    def __init__(self, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        self._all = connections
        self._head = 0
        """Bytes so far of a head that is not complete."""
        self._in_head = False
        self._refused = False
        """Whether all further input is discarded."""
        self._begun = False
        """Whether a part of a request has arrived that has no response yet."""
        self._arriving = False
        """Whether the body of a request, or the rest of a malformed one, is still arriving."""
        self._draining_since = math.inf
        """Since when, by the event loop's clock, the rest of a request is drained."""
        self._drained = 0
        """Bytes drained of the present chunk."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The kernel has accepted a connection."""
        super().connection_made(ConnectionTransport.around(transport, lambda: self._arriving, self._discard))
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux, macOS
            # Otherwise the kernel would buffer megabytes of a long response that the caller does not read.
            wire = transport.get_extra_info("socket")
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT)
        self._all.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Either side has closed the connection."""
        self._all.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser. A head beyond the maximum is refused."""
        if self._draining_since < math.inf:
            self._drain(len(data))
        if self._refused:
            return
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > MAX_HEAD:
            self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = self._begun = True
        self._head = 0

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD:
            self._refuse(HEAD_TOO_LARGE)
            raise ValueError("the head is too large")  # which stops the parser
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise ValueError("more than one Host")  # which leads to 400 (RFC 9112, section 3.2)
        self._arriving = True
        self.start_request()

    def start_request(self) -> None:
        """Passes the request to the application, also if its body is still arriving."""
        self.scope["state"]["connection"] = self
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self._arriving = False
        self._draining_since = math.inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The response is in the write buffer: waits for the rest of the request, and for the next one."""
        if not self.pipeline:
            self._begun = False
            self._wait_for_the_rest()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The write buffer is full."""
        super().pause_writing()
        self._all.block(self)

    def resume_writing(self) -> None:
        """The write buffer has room again."""
        super().resume_writing()
        self._all.unblock(self)

    def begin_response(self) -> None:
        """The application executes the request or reads its body, with time limits of its own."""
        self._all.serve(self)

    def join_head_and_body(self, method: str) -> None:
        """To be called right before a response is sent: its head is sent together with the beginning of its body."""
        # While the caller does not read, sending waits, and something else may be written first.
        if method != "HEAD" and not self.flow.write_paused:
            cast(ConnectionTransport, self.transport).join_next_two()

    def close_timed_out(self) -> None:
        """Closes a connection on which a request has not arrived in time."""
        if self._refused or self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.abort()
        elif self._begun:
            self._refuse(REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def abort(self) -> None:
        """Closes the connection at once. Unsent data, also in the kernel's buffers, is dropped."""
        wire = self.transport.get_extra_info("socket")
        with suppress(OSError):  # already closed
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Responds to a malformed request with 400, unless a response was sent already."""
        if not self._refused:
            self._refuse(NOT_HTTP)

    def _refuse(self, response: bytes) -> None:
        """Responds, and discards further input: closing now could destroy the response while the caller still sends."""
        self._arriving = True
        self.transport.write(response)
        self.transport.close()

    def _discard(self) -> None:
        """Discards all further input."""
        self._refused = True
        self._wait_for_the_rest()

    def _wait_for_the_rest(self) -> None:
        """Begins to drain: the response is written, and the caller may still be sending the request."""
        if self._arriving:
            self._draining_since = self.loop.time()
            self._drained = 0
        self._all.wait(self)

    def _drain(self, size: int) -> None:
        """Restarts the timeout after each chunk: many callers read the response only after sending everything."""
        self._drained += size
        if self._drained >= CHUNK_BYTES and self.loop.time() - self._draining_since < MAX_DRAIN:
            self._drained = 0
            self._all.wait(self)
