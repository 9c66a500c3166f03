"""The connections of one process, and how long each may take: for a request to arrive, and for an answer to be read."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from contextlib import suppress
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.server.lingering import LingeringTransport
from api.server.refusals import HEAD_TOO_LARGE, MAX_HEAD, NOT_HTTP, REQUEST_TIMEOUT

MAX_UNSENT: Final = 131_072
"""Bytes of an answer that the kernel keeps beyond what is on its way to the caller."""

PIECE: Final = 65_536
"""Bytes of a request that is answered already, which must come within the timeout for the rest to be drained too."""

MAX_DRAIN: Final = 3600.0
"""Seconds for which the rest of such a request is drained: as long as an import may take."""


class Connections:
    """The open connections of one process. Not safe for threads: all of it happens in the event loop's."""

    def __init__(self, timeout: float, at_most: int) -> None:
        self.timeout = timeout
        """Seconds for a whole request to arrive, and for a full write buffer to be read."""
        self._at_most = at_most
        self._open: set[Connection] = set()
        # In the order in which they began to wait: since when, by the event loop's clock.
        self._waiting: dict[Connection, float] = {}
        self._unread: dict[Connection, float] = {}

    def admit(self, connection: Connection) -> None:
        """Takes in a new connection. Beyond the maximum, the one that has waited longest is closed for it."""
        if len(self._open) >= self._at_most:
            longest = next(iter(self._waiting), None) or next(iter(self._unread), connection)
            longest.abort()
        self._open.add(connection)
        self.wait(connection)

    def wait(self, connection: Connection) -> None:
        """The connection waits for a request, or for the rest of one."""
        self._waiting[connection] = connection.loop.time()

    def serve(self, connection: Connection) -> None:
        """The connection's request is being answered: this takes as long as it takes."""
        self._waiting.pop(connection, None)

    def block(self, connection: Connection) -> None:
        """The caller does not read: the connection's write buffer is full."""
        self._unread[connection] = connection.loop.time()

    def unblock(self, connection: Connection) -> None:
        """The caller has read most of the write buffer."""
        self._unread.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """The connection is closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._unread.pop(connection, None)

    async def close_overdue(self) -> None:
        """Closes, for ever, the connections that take longer than the timeout."""
        loop = asyncio.get_running_loop()
        while True:
            latest = loop.time() - self.timeout
            for connection in [one for one, since in self._waiting.items() if since < latest]:
                connection.give_up()
            for connection in [one for one, since in self._unread.items() if since < latest]:
                connection.abort()
            await asyncio.sleep(min(1.0, self.timeout / 4))


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection, with bounds on its time and on the size of a request's head.

    Overrides only the callbacks of asyncio.Protocol and of httptools' parser.
    """

    def __init__(self, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        self._all = connections
        self._head = 0
        """Bytes of a head that has begun and has not ended."""
        self._in_head = False
        self._refused = False
        """Whether all that is to come is thrown away."""
        self._begun = False
        """Whether a part of a request has arrived that is not answered."""
        self._arriving = False
        """Whether the body of a request is still to come, or the rest of what nobody understands."""
        self._draining_since = math.inf
        """Since when, by the event loop's clock, the rest of a request comes that is answered already."""
        self._drained = 0
        """Bytes of the piece that comes just now."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The kernel has accepted a connection."""
        super().connection_made(LingeringTransport.around(transport, lambda: self._arriving, self._discard))
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux, macOS
            # Or the kernel would take megabytes of a long answer that nobody reads.
            wire = transport.get_extra_info("socket")
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT)
        self._all.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Either side has closed the connection."""
        self._all.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser. A head that goes on beyond the maximum is refused."""
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
        """The head is complete: the application is told how to call this connection."""
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD:
            self._refuse(HEAD_TOO_LARGE)
            raise ValueError("the head is too large")  # which ends the parser's work
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise ValueError("more than one Host")  # to be answered with 400 (RFC 9112, section 3.2)
        self._arriving = True
        self.scope["state"]["connection"] = self
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self._arriving = False
        self._draining_since = math.inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is in the write buffer: the rest of the request, and the next one, may come."""
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

    def begin_answer(self) -> None:
        """The application has the request, or takes it as it comes: how long that may take is its own affair."""
        self._all.serve(self)

    def give_up(self) -> None:
        """Closes a connection on which a request has not come in time."""
        if self._refused or self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.abort()
        elif self._begun:
            self._refuse(REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def abort(self) -> None:
        """Closes the connection at once. What is in the write buffers, the kernel's too, is dropped."""
        wire = self.transport.get_extra_info("socket")
        with suppress(OSError):  # it is closed already
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """What the parser does not understand is answered with 400, unless it has been answered already."""
        if not self._refused:
            self._refuse(NOT_HTTP)

    def _refuse(self, answer: bytes) -> None:
        """Answers, and reads on without a look: to close now could take the answer from a caller who still sends."""
        self._arriving = True
        self.transport.write(answer)
        self.transport.close()

    def _discard(self) -> None:
        """Whatever comes from now on belongs to what is answered."""
        self._refused = True
        self._wait_for_the_rest()

    def _wait_for_the_rest(self) -> None:
        """An answer is in the write buffer, and the caller may still be sending what it answers."""
        if self._arriving:
            self._draining_since = self.loop.time()
            self._drained = 0
        self._all.wait(self)

    def _drain(self, size: int) -> None:
        """Waits anew when a piece is complete: many callers read the answer only when they have sent everything."""
        self._drained += size
        if self._drained >= PIECE and self.loop.time() - self._draining_since < MAX_DRAIN:
            self._drained = 0
            self._all.wait(self)
