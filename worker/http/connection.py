"""A connection that requests are sent on, one after another, without blocking.

Nothing is ever repeated: a request that has begun to leave ends with a response or an error.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time

from worker.http.connector import Wait, wait_for
from worker.http.response_reader import LastResponse, ResponseReader

BODY_LIMIT = 64 * 1024
"""Bytes of a response that are read. The success body has 27; one that is much longer is an error."""

IDLE_LIMIT = 1.0
"""Seconds after which an idle connection is not used again.

Servers close idle connections after 2 to 5 seconds (gunicorn 2, Node.js, Apache and uvicorn 5) and workers look for
messages every 5: a request sent just as the server closes gets no response, which leaves its message in doubt.
"""

RECEIVE_SIZE = 65_536
"""Bytes received at once: more than one record of TLS has, so nothing decrypted stays in the library."""

LARGE = 65_536
"""Bytes from which on a request is not copied when a part of it has been sent."""

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class HttpConnection:
    """One connection."""

    __slots__ = ("_socket", "_unsent", "fd", "last_used", "response")

    def __init__(
        self, connected: socket.socket, body_limit: int = BODY_LIMIT, last: LastResponse | None = None
    ) -> None:
        """`connected` does not block. Of a response at most `body_limit` bytes are read. Connections to one gateway may
        share `last`.
        """
        self._socket = connected
        self.response = ResponseReader(body_limit, last)
        """The response to the last request, as far as it has arrived."""
        self._unsent: bytes | memoryview = b""
        self.fd = connected.fileno()
        self.last_used = time.monotonic()
        """Monotonic time of the last response."""

    @property
    def is_usable(self) -> bool:
        """Whether it may be used again: not if it has been idle for long, or was closed, or something has arrived that
        nobody asked for.
        """
        if time.monotonic() - self.last_used >= IDLE_LIMIT:
            return False
        return not wait_for(Wait(self.fd, select.POLLIN, 0.0)) or self.is_undisturbed()

    def is_undisturbed(self) -> bool:
        """Whether something that has arrived is only for TLS, such as a ticket. Reads it."""
        with contextlib.suppress(OSError):
            try:
                self._socket.recv(1)
            except _NOT_NOW:
                return True
        return False

    @property
    def is_sending(self) -> bool:
        """Whether a part of the request has not left yet: it is to be continued when the connection is writable."""
        return bool(self._unsent)

    @property
    def may_be_followed(self) -> bool:
        """Whether another request may be sent after this response."""
        return self.response.may_be_followed and not self._unsent

    def begin(self, request: bytes) -> None:
        """Sends a request: from here on, the gateway may have got it."""
        self.response.begin()
        self._unsent = request if len(request) < LARGE else memoryview(request)
        self.send()

    def send(self) -> None:
        """Sends as much of the request as the system takes now."""
        unsent = self._unsent
        try:
            sent = self._socket.send(unsent)
        except _NOT_NOW:
            return
        except OSError:
            # The other end has closed. It may have answered before, so only reading tells.
            self._unsent = b""
            return
        self._unsent = unsent[sent:]

    def receive(self) -> bool:
        """Reads what has arrived. Returns whether the exchange has ended."""
        try:
            data = self._socket.recv(RECEIVE_SIZE)
        except _NOT_NOW:
            return False
        except OSError as error:
            self.fail(_named(error))
            return True
        if data:
            return self.response.feed(data)
        self.response.end()
        return True

    def fail(self, error: OSError) -> None:
        """Ends the exchange with an error."""
        self.response.error = error

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()


def perform(connection: HttpConnection, request: bytes, seconds: float) -> None:
    """Sends a request and waits for its response, at most so many seconds. Closes the connection unless it may be
    followed.
    """
    deadline = time.monotonic() + seconds
    connection.begin(request)
    while True:
        events = select.POLLIN | (select.POLLOUT if connection.is_sending else 0)
        event = wait_for(Wait(connection.fd, events, deadline))
        if not event:
            connection.fail(TimeoutError("timed out"))
            break
        if event & select.POLLOUT:
            connection.send()
        if event & ~select.POLLOUT and connection.receive():
            break
    connection.last_used = time.monotonic()
    if not connection.may_be_followed:
        connection.close()


def _named(error: OSError) -> OSError:
    """The error as we show it: the library's own text of an error of TLS says nothing to users."""
    return OSError("the connection was lost") if isinstance(error, ssl.SSLError) else error
