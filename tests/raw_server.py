"""A server on 127.0.0.1 that does to its connections whatever a test says, well-behaved or not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.fault_proxy import Listener, shut_down

OK = b'{"code": 0, "message": "OK"}'


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, requests: list[Request], closing: threading.Event) -> None:
        self.sock = sock
        self.closing = closing
        self._requests = requests

    def read_request(self) -> Request | None:
        """The next request, which the server also keeps; None once the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (received := self.sock.recv(65536)):
                return None
            data += received
        head, _, start = data.partition(b"\r\n\r\n")
        body = bytearray(start)
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        while len(body) < int(headers.get("content-length", "0")):
            if not (received := self.sock.recv(65536)):
                return None
            body += received
        self._requests.append(Request(line, headers, bytes(body)))
        return self._requests[-1]

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def trickle(self, data: bytes, seconds: float = 0.05) -> None:
        """Sends a byte every few moments."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            if self.closing.wait(seconds):
                return

    def wait_for_client_to_leave(self) -> None:
        while self.sock.recv(65536):
            pass

    def reset(self) -> None:
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Serve = Callable[[Peer], None]
Connect = Callable[[socket.socket], socket.socket]


class RawServer(Listener):
    """Listens while it is entered; serves every connection in a thread of its own."""

    def __init__(self, serve: Serve, tls: ssl.SSLContext | Connect | None = None) -> None:
        """`tls` makes its end of each connection secure: a context, or a function of the test's own."""
        super().__init__()
        self.requests: list[Request] = []
        self.connections = 0
        self.most_at_once = 0
        self._serve = serve
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def _connected(self, client: socket.socket) -> None:
        self._start(self._converse, client)

    def _close_connections(self) -> None:
        self._closing.set()
        with self._lock:
            shut_down(*self._open)

    def _converse(self, sock: socket.socket) -> None:
        with self._lock:
            self.connections += 1
        # Whatever the client does to its end, closing it above all, is none of the server's trouble.
        with sock, contextlib.suppress(OSError):
            if self._tls:
                sock.settimeout(10)
                secure = self._tls
                sock = (
                    secure.wrap_socket(sock, server_side=True) if isinstance(secure, ssl.SSLContext) else secure(sock)
                )
                sock.settimeout(None)
            with sock, self._held(sock):
                self._serve(Peer(sock, self.requests, self._closing))

    @contextlib.contextmanager
    def _held(self, sock: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(sock)
            self.most_at_once = max(self.most_at_once, len(self._open))
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(sock)


def response(status: str = "200 OK", body: bytes = OK, *fields: str) -> bytes:
    """A whole, well-formed answer."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def closing(answer: bytes, closed: threading.Semaphore) -> Serve:
    """Gives the first request on each connection that answer, closes the connection, and releases the semaphore."""

    def serve(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)
        peer.sock.close()
        closed.release()

    return serve


def always(answer: bytes) -> Serve:
    """Gives every request the same answer, and keeps the connection."""

    def serve(peer: Peer) -> None:
        while peer.read_request():
            peer.send(answer)

    return serve
