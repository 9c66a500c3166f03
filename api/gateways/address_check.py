"""The check of a gateway's address when it is entered. Workers check again at every connection."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from flask import current_app

from shared.domain.sentences import ErrorCode
from shared.errors import Invalid
from shared.gateways.allowed_addresses import Address, forbidden_address, literal_address

# A URL without a user, a query or a fragment, whose host and path clients cannot read in two ways.
_ADDRESS = re.compile(
    r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?", re.ASCII
)

MAX_ADDRESS = 500


def checked_address(text: str) -> str:
    """The address without a slash at its end.

    Raises Invalid if it is no address of HTTP, or leads to a network that GATEWAY_ALLOWED_NETWORKS would have to name.
    A name that cannot be resolved now is accepted.
    """
    text = text.strip()
    if len(text) > MAX_ADDRESS or not _ADDRESS.fullmatch(text):
        raise Invalid("address", ErrorCode.NOT_AN_ADDRESS)
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
        host.encode("idna")  # as those do that look it up: labels must not be empty or longer than 63
    except ValueError:
        raise Invalid("address", ErrorCode.NOT_AN_ADDRESS) from None
    if port == 0:
        raise Invalid("address", ErrorCode.NOT_AN_ADDRESS)
    allowed = current_app.config["GATEWAY_NETWORKS"]
    if any(forbidden_address(ip, allowed) for ip in _addresses_of(host, port or 443)):
        raise Invalid("address", ErrorCode.ADDRESS_FORBIDDEN, host=host)
    return text.rstrip("/")


def _addresses_of(host: str, port: int) -> Sequence[Address | str]:
    literal = literal_address(host)
    if literal is not None:
        return [literal]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]
