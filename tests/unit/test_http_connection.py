"""A connection whose other end closes at moments that are hard to meet through a sender."""

from __future__ import annotations

import select
import threading

import pytest

from tests.raw_server import OK, Peer, RawServer, response
from tests.waiting import PATIENCE, eventually
from worker.http.connection import HttpConnection
from worker.http.connector import Connector, Timeouts, connect_now
from worker.lanes.gateway_client import _tls_context

LONG = b"POST / HTTP/1.1\r\nContent-Length: 30000000\r\n\r\n" + b"x" * 30_000_000
"""More than the system buffers."""


def connected_to(server: RawServer) -> HttpConnection:
    connector = Connector(server.url, "", _tls_context(None), Timeouts(PATIENCE, PATIENCE))
    return HttpConnection(connect_now(connector))


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_response_is_read_from_a_connection_that_takes_no_more_of_the_request(is_whole: bool) -> None:
    may_answer = threading.Event()

    def answer_and_reset(peer: Peer) -> None:
        may_answer.wait(PATIENCE)
        peer.send(response() if is_whole else response()[: -len(OK)])
        peer.reset()

    with RawServer(answer_and_reset) as server:
        connection = connected_to(server)
        connection.begin(LONG)
        assert connection.is_sending
        may_answer.set()
        poll = select.poll()
        poll.register(connection.fd, 0)
        eventually(lambda: poll.poll(0))  # it has been reset

        connection.send()

        assert not connection._unsent
        while not connection.receive():
            pass
        assert connection.response.status == 200
        assert (connection.response.error is None) == is_whole
        assert not connection.is_usable
        connection.close()
