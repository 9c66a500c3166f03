"""A small SMSC: takes every bind and every message of an SMPP 3.4 client, and keeps them (SMPP 3.4, 3 and 4)."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from typing import NamedTuple

from tests.fault_proxy import Listener, shut_down

HEADER = struct.Struct(">IIII")
"""Length, command, status, sequence number (3.2)."""

RESPONSE = 0x80000000
BIND_TRANSCEIVER, SUBMIT_SM, UNBIND, ENQUIRE_LINK = 0x9, 0x4, 0x6, 0x15
HAS_USER_DATA_HEADER = 0x40


class Submitted(NamedTuple):
    """A `submit_sm` (4.4.1), as far as tests look at it."""

    sender: str
    to: str
    data_coding: int
    part: int
    """Of a longer text, from 1; 0 for a text of one segment."""
    content: bytes
    """Without the user data header."""


class SmppPeer(Listener):
    """Listens while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[Submitted] = []
        self.binds = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._ids = itertools.count(1)

    def _connected(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        self._start(self._converse, client)

    def _close_connections(self) -> None:
        with self._lock:
            shut_down(*self._open)

    def _converse(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, struct.error), client.makefile("rb") as stream:
            while True:
                length, command, _, sequence = HEADER.unpack(stream.read(HEADER.size))
                answer = self._answer(command, stream.read(length - HEADER.size))
                head = HEADER.pack(HEADER.size + len(answer), command | RESPONSE, 0, sequence)
                client.sendall(head + answer)

    def _answer(self, command: int, body: bytes) -> bytes:
        if command == BIND_TRANSCEIVER:
            self.binds += 1
            return b"peer\0"
        if command == SUBMIT_SM:
            self.submitted.append(_parse(body))
            return b"%d\0" % next(self._ids)
        return b""


def _parse(body: bytes) -> Submitted:
    _, body = _c_string(body)
    sender, body = _c_string(body[2:])
    to, body = _c_string(body[2:])
    esm_class, body = body[0], body[3:]
    _, body = _c_string(body)
    _, body = _c_string(body)
    data_coding, length = body[2], body[4]
    content, part = body[5 : 5 + length], 0
    if esm_class & HAS_USER_DATA_HEADER:
        header, content = content[: content[0] + 1], content[content[0] + 1 :]
        part = header[-1]
    return Submitted(sender, to, data_coding, part, content)


def _c_string(body: bytes) -> tuple[str, bytes]:
    text, _, rest = body.partition(b"\0")
    return text.decode("latin-1"), rest
