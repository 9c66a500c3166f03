"""Where a browser may be sent next: only to an address of ours."""

from __future__ import annotations

from urllib.parse import urlsplit


def local_address(given: str | None, otherwise: str) -> str:
    """The path that was given, if it is one of ours; anything else would lead people astray under our name.

    Browsers take `//` and `/\\` for the beginning of another host.
    """
    if given is None or not given.startswith("/") or given.startswith(("//", "/\\")):
        return otherwise
    return given if given.isprintable() and not urlsplit(given).netloc else otherwise
