"""Which addresses gateways may have."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from shared.errors import ConfigurationError
from shared.gateways.allowed_addresses import Address, allowed_networks, forbidden_address, literal_address

INSIDE = [
    "0.0.0.0",  # noqa: S104  an address that is refused
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.0.3",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]

OUTSIDE = [
    "1.1.1.1",
    "100.63.255.255",
    "172.32.0.1",
    "203.0.112.1",
    "2606:4700::1111",
    "::ffff:1.1.1.1",
    "2002:101:101::",
    "64:ff9b::101:101",
]


@pytest.mark.parametrize("ip", INSIDE)
def test_an_address_that_is_not_of_the_internet_is_forbidden(ip: str) -> None:
    assert forbidden_address(ip)


@pytest.mark.parametrize("ip", OUTSIDE)
def test_an_address_of_the_internet_is_not_forbidden(ip: str) -> None:
    assert not forbidden_address(ip)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_an_address_in_an_allowed_network_is_not_forbidden(ip: str) -> None:
    assert not forbidden_address(ip, allowed_networks("127.0.0.0/8, ::1"))


def test_an_allowed_network_allows_no_other_address() -> None:
    allowed = allowed_networks("10.1.0.0/16 fd00::/8")
    assert len(allowed) == 2
    assert not forbidden_address("10.1.2.3", allowed)
    assert forbidden_address("10.2.0.1", allowed)
    assert forbidden_address("fc00::1", allowed)


def test_an_empty_setting_allows_nothing() -> None:
    assert allowed_networks(" ") == ()


@pytest.mark.parametrize("setting", ["10.0.0.1/8", "localhost", "10.0.0.0/8;127.0.0.1", "10.0.0.0/33"])
def test_a_wrong_network_is_named(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_ALLOWED_NETWORKS: '?" + setting[:5]):
        allowed_networks(setting)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", IPv4Address("127.0.0.1")),
        ("2130706433", IPv4Address("127.0.0.1")),
        ("0x7f000001", IPv4Address("127.0.0.1")),
        ("0177.0.0.1", IPv4Address("127.0.0.1")),
        ("0x7f.1", IPv4Address("127.0.0.1")),
        ("127.1", IPv4Address("127.0.0.1")),
        ("127.0.0.1.", IPv4Address("127.0.0.1")),
        ("10.258", IPv4Address("10.0.1.2")),
        ("0", IPv4Address("0.0.0.0")),  # noqa: S104
        ("[::1]", IPv6Address("::1")),
        ("sms.example", None),
        ("1.2.3.4.5", None),
        ("256.1.1.1", None),
        ("4294967296", None),
        ("0xg", None),
    ],
)
def test_a_host_in_numbers_is_the_address_that_clients_take_it_for(host: str, expected: Address | None) -> None:
    assert literal_address(host) == expected
