"""A small SMSC: takes every bind and every message of an SMPP 3.4 client, keeps them, and reports on them when a test
says so (SMPP 3.4, 3 and 4)."""

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
BIND_TRANSCEIVER, SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 0x9, 0x4, 0x5, 0x6, 0x15
IS_RECEIPT, HAS_USER_DATA_HEADER = 0x04, 0x40
"""Bits of `esm_class` (5.2.12)."""

INVALID_DESTINATION = 0x0B
"""The status ESME_RINVDSTADR."""

UCS_2 = 8


class Submitted(NamedTuple):
    """A `submit_sm` (4.4.1), as far as tests look at it."""

    sender: str
    to: str
    data_coding: int
    part: int
    """Of a longer text, from 1; 0 for a text of one segment."""
    content: bytes
    """Without the user data header."""
    message_id: str
    """The peer's own, in its response."""
    registered: bool
    """Whether a receipt is asked for."""


class SmppPeer(Listener):
    """Listens while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[Submitted] = []
        self.binds = 0
        self.refused: set[str] = set()
        """The numbers that it refuses messages to."""
        self.acknowledged: list[int] = []
        """The statuses of the responses to what it has sent."""
        self._open: set[socket.socket] = set()
        self._bound: socket.socket | None = None
        self._lock = threading.Lock()
        self._ids, self._sequence = itertools.count(1), itertools.count(1)

    def receipt(self, submitted: Submitted, state: str, error: str = "000") -> None:
        """Reports on a message, as the text of appendix B."""
        # Jasmin fails on what is no UTF-8 there, and passes on nothing any more.
        beginning = submitted.content[:20].decode("ascii", "ignore")
        text = (
            f"id:{submitted.message_id} sub:001 dlvrd:001 submit date:2603011200 done date:2603011201 "
            f"stat:{state} err:{error} text:{beginning}"
        )
        self._deliver(submitted.to, submitted.sender, IS_RECEIPT, 0, text.encode("ascii"))

    def text(self, sender: str, to: str, content: bytes, data_coding: int = 0, header: bytes = b"") -> None:
        """Sends a message of a handset, or a part of one with a user data header."""
        self._deliver(sender, to, HAS_USER_DATA_HEADER if header else 0, data_coding, header + content)

    def _deliver(self, sender: str, to: str, esm_class: int, data_coding: int, content: bytes) -> None:
        addresses = b"".join(b"\1\1%b\0" % number.encode() for number in (sender, to))
        # Protocol, priority, times (empty), registered delivery, replace, data coding, default text, length (4.6.1).
        rest = bytes([esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, len(content)])
        body = b"\0%b%b%b" % (addresses, rest, content)
        with self._lock:
            assert self._bound, "nobody is bound"
            head = HEADER.pack(HEADER.size + len(body), DELIVER_SM, 0, next(self._sequence))
            self._bound.sendall(head + body)

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
                length, command, status, sequence = HEADER.unpack(stream.read(HEADER.size))
                body = stream.read(length - HEADER.size)
                if command & RESPONSE:
                    self.acknowledged.append(status)
                    continue
                status, answer = self._answer(client, command, body)
                head = HEADER.pack(HEADER.size + len(answer), command | RESPONSE, status, sequence)
                with self._lock:
                    client.sendall(head + answer)

    def _answer(self, client: socket.socket, command: int, body: bytes) -> tuple[int, bytes]:
        if command == BIND_TRANSCEIVER:
            self.binds += 1
            self._bound = client
            return 0, b"peer\0"
        if command == SUBMIT_SM:
            message_id = str(next(self._ids))
            submitted = _parse(body, message_id)
            if submitted.to in self.refused:
                return INVALID_DESTINATION, b""
            self.submitted.append(submitted)
            return 0, message_id.encode() + b"\0"
        return 0, b""


def _parse(body: bytes, message_id: str) -> Submitted:
    _, body = _c_string(body)
    sender, body = _c_string(body[2:])
    to, body = _c_string(body[2:])
    esm_class, body = body[0], body[3:]
    _, body = _c_string(body)
    _, body = _c_string(body)
    registered, data_coding, length = body[0] & 1 == 1, body[2], body[4]
    content, part = body[5 : 5 + length], 0
    if esm_class & HAS_USER_DATA_HEADER:
        header, content = content[: content[0] + 1], content[content[0] + 1 :]
        part = header[-1]
    return Submitted(sender, to, data_coding, part, content, message_id, registered)


def _c_string(body: bytes) -> tuple[str, bytes]:
    text, _, rest = body.partition(b"\0")
    return text.decode("latin-1"), rest
