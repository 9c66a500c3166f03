"""Ports for servers that a test starts."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

HOST = "127.0.0.1"

PORTS = range(10_000, 32_000)
"""Below those that Linux (ip_local_port_range, 32768) and macOS (49152) give to connections and to listeners without a
port of their own: nobody takes one between the choice and the start of the server, however long that takes."""


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 that nothing listens on. Raises RuntimeError when there are not so many."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, 200 * count):
        try:
            socket.create_server((HOST, port)).close()
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"fewer than {count} ports are free")


@contextlib.contextmanager
def unaccepting_port() -> Iterator[int]:
    """A port of 127.0.0.1 that answers no attempt to connect: its backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])
