"""Redirects only to addresses of this application, never to another site (an open redirect)."""

from __future__ import annotations

from urllib.parse import urlsplit


def local_address(given: str | None, otherwise: str) -> str:
    """The given path, if it is one of this application; otherwise the default, since it could lead to another site.

    Browsers take `//` and `/\\` for the beginning of another host.
    """
    if given is None or not given.startswith("/") or given.startswith(("//", "/\\")):
        return otherwise
    return given if given.isprintable() and not urlsplit(given).netloc else otherwise
