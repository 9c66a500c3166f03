"""TLS within TLS: to a gateway with https, through a proxy with https. `ssl.SSLSocket` wraps plain sockets only."""

from __future__ import annotations

import ssl

BLOCK = 16_384
"""Bytes received at once: what a record of TLS may have (RFC 8446, section 5.1)."""


class NestedTls:
    """The methods of a non-blocking `ssl.SSLSocket` that connections use, over another one."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> None:
        """`host` is the name that the certificate must have."""
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._unsent = b""
        self._written = 0

    def do_handshake(self) -> None:
        """Raises `ssl.SSLWantReadError` and `ssl.SSLWantWriteError` until it is done, as the other methods."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
            else:
                self._flush()
                return

    def send(self, data: bytes) -> int:
        """Returns how many bytes have been sent. After an exception it is to be called with the same data again."""
        if not self._written:
            self._written = self._tls.write(data)
        self._flush()
        written, self._written = self._written, 0
        return written

    def recv(self, size: int) -> bytes:
        """What has arrived; nothing at the end."""
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._receive()
            except ssl.SSLEOFError:
                return b""

    def fileno(self) -> int:
        """The descriptor of the connection."""
        return self._outer.fileno()

    def close(self) -> None:
        """Closes the connection."""
        self._outer.close()

    def _flush(self) -> None:
        self._unsent += self._outgoing.read()
        while self._unsent:
            self._unsent = self._unsent[self._outer.send(self._unsent) :]

    def _receive(self) -> None:
        if received := self._outer.recv(BLOCK):
            self._incoming.write(received)
        else:
            self._incoming.write_eof()
