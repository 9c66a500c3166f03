"""The address of the pages on which recipients opt out: the setting OPT_OUT_URL of API and workers."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from environs import validate

IS_OPT_OUT_URL = validate.Regexp(
    r"(https?://[A-Za-z0-9.:-]*[A-Za-z0-9](/[A-Za-z0-9._-]+)*)?\Z",
    error="must be an address of letters, digits, dots and hyphens, such as https://stop.example.com or "
    "https://sms.example.com/u, without a query and without a slash at its end.",
)
"""The validator of OPT_OUT_URL. All of its characters take one septet in GSM 7-bit."""


class OptOutAddress(NamedTuple):
    """Where the pages are."""

    host: str
    """The name of the host; with its port, if only that tells it from the API's host."""
    path: str
    """The path without a slash at its end; empty for the whole host."""
    is_separate: bool
    """Whether nothing else is served at that host."""

    def is_at(self, host: str) -> bool:
        """Whether the header `Host` of a request names the host."""
        name = _name_and_port(host)[0] if ":" not in self.host else ":".join(_name_and_port(host))
        return name == self.host

    def token(self, path: str) -> str | None:
        """What follows the address in the path of a request, in capitals or not; None if it does not begin with it."""
        start = f"{self.path}/"
        return path[len(start) :] if path[: len(start)].lower() == start.lower() else None


def opt_out_address(opt_out_url: str, public_url: str) -> OptOutAddress | None:
    """Where the pages of OPT_OUT_URL are, beside an API at PUBLIC_URL; None if it is not set.

    The host is separate if it is not that of PUBLIC_URL. Without PUBLIC_URL, it is.
    """
    if not opt_out_url:
        return None
    own, others = _host_of(opt_out_url), _host_of(public_url)
    host = ":".join(own) if own[0] == others[0] and own != others else own[0]
    return OptOutAddress(host, urlsplit(opt_out_url).path, is_separate=own != others)


def _host_of(url: str) -> tuple[str, str]:
    return _name_and_port(urlsplit(url).netloc)


def _name_and_port(host: str) -> tuple[str, str]:
    """The name in lower case, without a dot at its end; the port, or nothing for those of HTTP and HTTPS."""
    name, _, port = host.lower().partition(":")
    return name.rstrip("."), "" if port in ("80", "443") else port
