"""Redirects only to addresses of this application, never to another site (an open redirect)."""

from __future__ import annotations

from urllib.parse import urlsplit


def local_address(given: str | None, default: str) -> str:
    """The given path, if it is within this application; otherwise the default.

    Browsers interpret `//` and `/\\` as the beginning of another host.
    """
    if given is None or not given.startswith("/") or given.startswith(("//", "/\\")):
        return default
    return given if given.isprintable() and not urlsplit(given).netloc else default
