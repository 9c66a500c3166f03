"""The transport of a connection: it closes as HTTP demands, and sends the head of a response together with its body.

A connection that is closed while input arrives is reset, and the reset can reach the caller before it has read the
response. So only our side is closed, and input is discarded until the caller closes too (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast


class ConnectionTransport:
    """asyncio's transport, whose `close` lingers while a request is still arriving. A second `close` does not.

    Two writes can be sent as one, which takes the kernel and the caller half the time.
    """

    def __init__(self, transport: asyncio.Transport, is_arriving: Callable[[], bool], lingers: Callable[[], None]):
        """`lingers` is called when it begins: from then on, input must be discarded."""
        self._transport = transport
        self._is_arriving = is_arriving
        self._lingers = lingers
        self._lingering = False
        self._joins = False
        self._held = b""

    @classmethod
    def around(
        cls, transport: asyncio.Transport, is_arriving: Callable[[], bool], lingers: Callable[[], None]
    ) -> asyncio.Transport:
        """Wraps a transport: other attributes are those of the transport."""
        return cast(asyncio.Transport, cls(transport, is_arriving, lingers))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def join_next_two(self) -> None:
        """Sends the next two writes as one."""
        self._joins = True

    def write(self, data: bytes) -> None:
        """Sends data, or holds it until the next write."""
        if self._joins:
            self._joins, self._held = False, data
        else:
            self._transport.write(self._held + data)
            self._held = b""

    def is_closing(self) -> bool:
        """Whether the connection is closing."""
        return self._lingering or self._transport.is_closing()

    def close(self) -> None:
        """Closes the connection, or only our side of it, once what has been written is sent."""
        if self._held and not self.is_closing():  # the second of two writes has failed
            self.write(b"")
        if self.is_closing() or not self._is_arriving():
            self._transport.close()
            return
        self.linger()

    def linger(self) -> None:
        """Closes our side of the connection, once what has been written is sent."""
        self._lingering = True
        self._transport.write_eof()
        # Reading may have been paused for an application that will not read.
        self._transport.resume_reading()
        self._lingers()
