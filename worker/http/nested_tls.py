"""TLS inside TLS: to a gateway and a proxy before it that both use it. Python's sockets of TLS cannot be nested."""

from __future__ import annotations

import ssl

RECEIVE_SIZE = 65_536
"""Bytes received from the outer connection at once."""


class NestedTls:
    """The inner connection, with the methods of a socket that does not block."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> None:
        """`host` is the name that the certificate must have."""
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inner = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._encrypted = b""
        """What the outer connection has not taken yet."""
        self._sending = 0
        """Bytes of the last `send` that are encrypted."""

    def do_handshake(self) -> None:
        """As of a socket that does not block: to be called again after an SSLWantReadError or SSLWantWriteError."""
        while True:
            try:
                self._inner.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            else:
                self._flush()
                return

    def send(self, data: bytes) -> int:
        """As of a socket. After an SSLWantWriteError, it must be called with the same data."""
        self._sending = self._sending or self._inner.write(data)
        self._flush()
        sent, self._sending = self._sending, 0
        return sent

    def recv(self, size: int) -> bytes:
        """As of a socket, but returns all that has arrived: the system does not say when there is more inside."""
        received: list[bytes] = []
        while True:
            try:
                data = self._inner.read(size)
            except ssl.SSLError as error:
                if received:
                    return b"".join(received)
                if not isinstance(error, ssl.SSLWantReadError):
                    raise
                self._flush()
                self._fill()
                continue
            received.append(data)
            if not data:
                return b"".join(received)

    def fileno(self) -> int:
        """The outer socket's."""
        return self._outer.fileno()

    def close(self) -> None:
        """Closes both."""
        self._outer.close()

    def _flush(self) -> None:
        while self._encrypted or self._outgoing.pending:
            self._encrypted = self._encrypted or self._outgoing.read()
            self._encrypted = self._encrypted[self._outer.send(self._encrypted) :]

    def _fill(self) -> None:
        if data := self._outer.recv(RECEIVE_SIZE):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
