"""The transport of a connection, which sends the head of a response together with the beginning of its body."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from api.server.connection_transport import ConnectionTransport
from tests.waiting import PATIENCE, in_background


def received(write: Callable[[ConnectionTransport], None], *, is_arriving: bool = False) -> bytes:
    """What a caller reads until the end of a connection on which this is written."""

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            write(ConnectionTransport(transport, lambda: is_arriving, lambda: None))

    async def read_all() -> bytes:
        server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", 0)
        async with server, asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            data = await reader.read()
            writer.close()
        return data

    # The thread of a test may have an event loop that a test of the console in the browser has left.
    return in_background(lambda: asyncio.run(read_all())).result(PATIENCE)


@pytest.mark.parametrize("is_arriving", [False, True])
def test_a_head_whose_body_fails_is_sent_before_the_connection_is_closed(is_arriving: bool) -> None:
    def write(transport: ConnectionTransport) -> None:
        transport.join_next_two()
        transport.write(b"head")
        transport.close()

    assert received(write, is_arriving=is_arriving) == b"head"


def test_two_writes_that_are_sent_as_one_are_in_their_order() -> None:
    def write(transport: ConnectionTransport) -> None:
        transport.join_next_two()
        for data in (b"head", b" body", b" more"):
            transport.write(data)
        transport.close()

    assert received(write) == b"head body more"
