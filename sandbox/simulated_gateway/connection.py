"""One connection to the simulated gateway: requests are read and answered one at a time, in their order."""

import asyncio
import socket
import struct
import time
from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple, cast

from sandbox.simulated_gateway.control import CONTROL, Control
from sandbox.simulated_gateway.faults import Outcome, Reaction
from sandbox.simulated_gateway.gateway import Gateway
from sandbox.simulated_gateway.http_messages import (
    MAX_BODY,
    MAX_HEAD,
    BadRequest,
    Request,
    read_request,
    result_response,
    with_close,
)

READ_AHEAD = MAX_HEAD + MAX_BODY  # bytes of later requests that are buffered while one is answered
LINGER = 1.0  # seconds for a client to read the response before its connection is closed
TRICKLE_INTERVAL = 1.0  # seconds between two bytes
OVERSIZE_CHUNK, OVERSIZE_CHUNKS = b"x" * 65536, 256  # 16 MiB
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with zero seconds: closing sends RST


class _Exchange(NamedTuple):
    """The request that is being answered, and the reaction to it."""

    keep_alive: bool
    reaction: Reaction | None  # None: a request to the control interface
    sequence: int = 0


class Connections:
    """The open connections. While closed, a connection that was still in the backlog is closed as well."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._closed = False

    def open(self) -> None:
        self._closed = False

    def close(self) -> None:
        self._closed = True
        for connection in tuple(self._open):
            connection.drop()

    def add(self, connection: "Connection") -> None:
        self._open.add(connection)
        if self._closed:
            connection.drop()

    def remove(self, connection: "Connection") -> None:
        self._open.discard(connection)


class Connection(asyncio.Protocol):
    """Serves a client until either side disconnects."""

    def __init__(self, gateway: Gateway, control: Control, connections: Connections) -> None:
        self._gateway = gateway
        self._control = control
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._started_at = 0.0
        self._exchange: _Exchange | None = None
        self._pieces: Iterator[bytes] | None = None  # the rest of a response that is sent in pieces
        self._interval = 0.0  # seconds between the pieces
        self._timer: asyncio.TimerHandle | None = None
        self._congested = False  # the client does not read
        self._discarding = False  # further input is discarded

    def drop(self) -> None:
        """Closes the connection at once, even in the middle of a response."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        if self._timer:
            self._timer.cancel()
        if self._exchange:
            self._close_exchange(answered=False)

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        if not self._buffer:
            self._started_at = time.time()
        self._buffer += data
        if self._exchange is None:
            self._serve()
        elif len(self._buffer) > READ_AHEAD:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        if self._pieces:
            self._send_piece()
        else:
            self._serve()

    def _serve(self) -> None:
        """Answers the buffered requests, up to one whose response takes time."""
        while self._buffer and not (self._exchange or self._congested or self._transport.is_closing()):
            try:
                read = read_request(self._buffer)
            except BadRequest as error:
                self._reject(error)
                return
            if read is None:
                return
            request, self._buffer = read
            if request.path.startswith(CONTROL):
                self._serve_control(request)
            else:
                self._serve_message(request)

    def _reject(self, error: BadRequest) -> None:
        """Answers a malformed request, and closes after a delay: closing at once could discard the response."""
        self._gateway.ledger.begin(self._started_at)
        self._gateway.ledger.end(0, error.status)
        self._transport.write(with_close(result_response(error.status, 1, str(error))))
        self._buffer, self._discarding = b"", True
        self._transport.write_eof()
        self._timer = self._loop.call_later(LINGER, self._transport.abort)

    def _serve_control(self, request: Request) -> None:
        self._exchange = _Exchange(request.keep_alive, None)
        response = self._control.respond(request)
        if isinstance(response, bytes):
            self._respond(response)
        else:
            self._stream(response)

    def _serve_message(self, request: Request) -> None:
        reaction, sequence = self._gateway.receive(request, self._started_at)
        # A response without Content-Length ends with its connection.
        keep_alive = request.keep_alive and reaction.outcome is not Outcome.OVERSIZE
        self._exchange = _Exchange(keep_alive, reaction, sequence)
        if reaction.delay:
            self._timer = self._loop.call_later(reaction.delay, self._react_after_delay, reaction)
        else:
            self._react(reaction)

    def _react_after_delay(self, reaction: Reaction) -> None:
        self._react(reaction)
        self._serve_next()

    def _react(self, reaction: Reaction) -> None:
        match reaction.outcome:
            case Outcome.RESET_BEFORE_ACCEPT | Outcome.RESET_AFTER_ACCEPT:
                self._reset()
            case Outcome.HANG:
                self._buffer, self._discarding = b"", True  # keeps reading, to notice when the client disconnects
                self._transport.resume_reading()
            case Outcome.TRICKLE:
                self._stream((bytes([byte]) for byte in reaction.response), TRICKLE_INTERVAL)
            case Outcome.OVERSIZE:
                self._stream(_oversize_response())
            case _:
                self._respond(reaction.response)

    def _reset(self) -> None:
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._transport.abort()

    def _respond(self, response: bytes) -> None:
        if self._exchange and not self._exchange.keep_alive:
            response = with_close(response)
        self._transport.write(response)
        self._close_exchange(answered=True)

    def _stream(self, pieces: Iterator[bytes], interval: float = 0.0) -> None:
        self._pieces, self._interval = pieces, interval
        self._send_piece()

    def _send_piece(self) -> None:
        """Sends a piece and schedules the next one: after the interval, and when the client has read."""
        piece = next(self._pieces, None) if self._pieces else None
        if piece is None:
            self._pieces = None
            self._close_exchange(answered=True)
            self._serve_next()
            return
        self._transport.write(piece)
        if not self._congested:
            self._timer = self._loop.call_later(self._interval, self._send_piece)

    def _close_exchange(self, answered: bool) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if exchange.reaction:
            self._gateway.ledger.end(exchange.sequence, exchange.reaction.status if answered else 0)
        if not exchange.keep_alive:
            self._transport.close()

    def _serve_next(self) -> None:
        """Serves what the client has sent in the meantime."""
        if not (self._exchange or self._transport.is_closing()):
            self._transport.resume_reading()
            self._serve()


def _oversize_response() -> Iterator[bytes]:
    """A response of 16 MiB without Content-Length."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    yield from repeat(OVERSIZE_CHUNK, OVERSIZE_CHUNKS)
