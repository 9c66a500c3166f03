"""One client's connection to the simulated gateway: bytes in, requests one at a time in their order, bytes out."""

import asyncio
import socket
import struct
import time
from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple, cast

from sandbox.faults import Outcome, Reaction
from sandbox.gateway_contract import Gateway
from sandbox.gateway_control import CONTROL, Control
from sandbox.gateway_http import MAX_BODY, MAX_HEAD, Request, Unreadable, closing, read_request, verdict

READ_AHEAD = MAX_HEAD + MAX_BODY  # bytes of later requests kept while one is being answered
LINGER = 1.0  # seconds in which a client may still read why its connection is being closed
TRICKLE = 1.0  # seconds between two bytes
FLOOD_PIECE, FLOOD_PIECES = b"x" * 65536, 256  # 16 MiB
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends RST


class _Exchange(NamedTuple):
    """The request that is being answered."""

    keep_alive: bool
    reaction: Reaction | None  # None: it is for the control interface
    sequence: int = 0


class Connections:
    """Everybody who is connected. While it is closed, whoever was already on the doorstep is turned back too."""

    def __init__(self) -> None:
        self._present: set[Connection] = set()
        self._closed = False

    def open(self) -> None:
        self._closed = False

    def close(self) -> None:
        self._closed = True
        for connection in tuple(self._present):
            connection.drop()

    def join(self, connection: "Connection") -> None:
        self._present.add(connection)
        if self._closed:
            connection.drop()

    def leave(self, connection: "Connection") -> None:
        self._present.discard(connection)


class Connection(asyncio.Protocol):
    """Serves a client until one of them leaves."""

    def __init__(self, gateway: Gateway, control: Control, connections: Connections) -> None:
        self._gateway = gateway
        self._control = control
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._started_at = 0.0
        self._exchange: _Exchange | None = None
        self._pieces: Iterator[bytes] | None = None  # what is left of an answer that goes out bit by bit
        self._interval = 0.0  # seconds between the pieces
        self._timer: asyncio.TimerHandle | None = None
        self._congested = False  # the client does not read what it is sent
        self._deaf = False  # whatever else comes is thrown away

    def drop(self) -> None:
        """Closes the connection now, whatever is going on."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.join(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self)
        if self._timer:
            self._timer.cancel()
        if self._exchange:
            self._close_exchange(answered=False)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
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
        """Answers the requests that have come, up to one whose answer takes time."""
        while self._buffer and not (self._exchange or self._congested or self._transport.is_closing()):
            try:
                read = read_request(self._buffer)
            except Unreadable as error:
                self._turn_away(error)
                return
            if read is None:
                return
            request, self._buffer = read
            if request.path.startswith(CONTROL):
                self._obey(request)
            else:
                self._receive(request)

    def _turn_away(self, error: Unreadable) -> None:
        """Answers what can't be read, and waits a little: closing at once could destroy the answer on its way."""
        self._gateway.ledger.begin(self._started_at)
        self._gateway.ledger.end(0, error.status)
        self._transport.write(closing(verdict(error.status, 1, str(error))))
        self._buffer, self._deaf = b"", True
        self._transport.write_eof()
        self._timer = self._loop.call_later(LINGER, self._transport.abort)

    def _obey(self, request: Request) -> None:
        self._exchange = _Exchange(request.keep_alive, None)
        response = self._control.respond(request)
        if isinstance(response, bytes):
            self._answer(response)
        else:
            self._stream(response)

    def _receive(self, request: Request) -> None:
        reaction, sequence = self._gateway.receive(request, self._started_at)
        # An endless answer ends only with its connection.
        keep_alive = request.keep_alive and reaction.outcome is not Outcome.OVERSIZE
        self._exchange = _Exchange(keep_alive, reaction, sequence)
        if reaction.delay:
            self._timer = self._loop.call_later(reaction.delay, self._react_late, reaction)
        else:
            self._react(reaction)

    def _react_late(self, reaction: Reaction) -> None:
        self._react(reaction)
        self._go_on()

    def _react(self, reaction: Reaction) -> None:
        match reaction.outcome:
            case Outcome.RESET_BEFORE_ACCEPT | Outcome.RESET_AFTER_ACCEPT:
                self._reset()
            case Outcome.HANG:
                self._buffer, self._deaf = b"", True  # reading goes on, to notice that the client leaves
                self._transport.resume_reading()
            case Outcome.TRICKLE:
                self._stream((bytes([byte]) for byte in reaction.answer), TRICKLE)
            case Outcome.OVERSIZE:
                self._stream(_flood())
            case _:
                self._answer(reaction.answer)

    def _reset(self) -> None:
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._transport.abort()

    def _answer(self, whole: bytes) -> None:
        if self._exchange and not self._exchange.keep_alive:
            whole = closing(whole)
        self._transport.write(whole)
        self._close_exchange(answered=True)

    def _stream(self, pieces: Iterator[bytes], interval: float = 0.0) -> None:
        self._pieces, self._interval = pieces, interval
        self._send_piece()

    def _send_piece(self) -> None:
        """Sends a piece and comes back for the next: when it is time, when others had their turn, when it is read."""
        piece = next(self._pieces, None) if self._pieces else None
        if piece is None:
            self._pieces = None
            self._close_exchange(answered=True)
            self._go_on()
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

    def _go_on(self) -> None:
        """Turns to what the client has sent meanwhile."""
        if not (self._exchange or self._transport.is_closing()):
            self._transport.resume_reading()
            self._serve()


def _flood() -> Iterator[bytes]:
    """An answer that does not say how long it is, and goes on for 16 MiB."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    yield from repeat(FLOOD_PIECE, FLOOD_PIECES)
