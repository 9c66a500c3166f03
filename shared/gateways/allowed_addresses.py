"""Which addresses of the network a gateway may have: those of the internet, and those that a setting allows.

Otherwise somebody who may enter a gateway could have requests sent to services that only our own machines can reach
(OWASP, "Server-Side Request Forgery Prevention"). The API checks an address when it is entered, and a worker at every
connection, since a name may lead elsewhere by then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from shared.errors import ConfigurationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SETTING = "GATEWAY_ALLOWED_NETWORKS"

NAT64 = IPv6Network("64:ff9b::/96")
"""Its last 32 bits are an IPv4 address (RFC 6052 2.1)."""


def allowed_networks(setting: str) -> tuple[Network, ...]:
    """The networks of GATEWAY_ALLOWED_NETWORKS: in CIDR notation, separated by commas or white space.

    Raises ConfigurationError, which names the part that is wrong.
    """
    networks = []
    for part in re.split(r"[\s,]+", setting.strip()):
        try:
            networks += [ip_network(part)] if part else []
        except ValueError as error:
            raise ConfigurationError(f"{SETTING}: {error}; write networks such as 10.1.0.0/16 or fd00::/8.") from None
    return tuple(networks)


def forbidden_address(ip: str | Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether a gateway may not have this address: it is in no allowed network, and none of the public internet.

    That is: private, loopback, link-local, multicast, reserved, or unspecified. An IPv6 address that stands for an
    IPv4 address (mapped, 6to4, NAT64) is judged by that one. Raises ValueError for a text that is no address.
    """
    address = _embedded(ip_address(ip) if isinstance(ip, str) else ip)
    if any(address in network for network in allowed):
        return False
    is_site_local = isinstance(address, IPv6Address) and address.is_site_local
    return not address.is_global or address.is_multicast or address.is_reserved or is_site_local


def literal_address(host: str) -> Address | None:
    """The address that a host of a URL is, if it is none to look up: IPv6 in brackets, or IPv4 in any of the forms of
    inet_aton, which HTTP clients accept too (`2130706433`, `0x7f.1` and `0177.0.0.1` are 127.0.0.1).
    """
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return _numbers_as_address(host)


def _embedded(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _numbers_as_address(host: str) -> IPv4Address | None:
    parts = host.removesuffix(".").split(".")
    numbers = [_number(part) for part in parts]
    if len(numbers) > 4 or None in numbers:
        return None
    *first, last = (number or 0 for number in numbers)
    if any(number > 255 for number in first) or last >= 256 ** (5 - len(numbers)):
        return None
    return IPv4Address(last + sum(number << 8 * (3 - place) for place, number in enumerate(first)))


def _number(part: str) -> int | None:
    if re.fullmatch("0[xX][0-9a-fA-F]{0,16}", part):
        return int(part[2:] or "0", 16)
    if re.fullmatch("0[0-7]{0,16}", part):
        return int(part, 8)
    return int(part) if re.fullmatch("[0-9]{1,16}", part) else None
