"""Whether an address can be listened on, asked of the system."""

from __future__ import annotations

import socket

import pytest

from sandbox.listen_addresses import authority, free_port, is_free, reachable


def test_a_port_is_free_until_somebody_listens_on_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert not is_free("0.0.0.0", port)  # noqa: S104
        assert free_port(port) != port
    assert is_free("127.0.0.1", port)
    assert free_port(port) == port


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(OSError, match="assign"):
        is_free("192.0.2.1", 8000)  # RFC 5737: of nobody


@pytest.mark.parametrize(
    ("host", "reached", "url_part"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1:80"),
        ("0.0.0.0", "127.0.0.1", "127.0.0.1:80"),  # noqa: S104
        ("::", "::1", "[::1]:80"),
        ("localhost", "localhost", "localhost:80"),
    ],
)
def test_a_listener_on_all_addresses_is_reached_at_the_loopback_address(host: str, reached: str, url_part: str) -> None:
    assert reachable(host) == reached
    assert authority(reachable(host), 80) == url_part
