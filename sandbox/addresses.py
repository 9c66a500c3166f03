"""Addresses to listen on, and to reach what listens there."""

from __future__ import annotations

import errno
import socket


def is_free(host: str, port: int) -> bool:
    """Whether one can listen there. Raises OSError when the address is not this machine's, or not allowed."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        # As servers do: what is left of closed connections is no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        return True


def free_port(preferred: int) -> int:
    """A port of 127.0.0.1 that nobody listens on: the preferred one if possible."""
    if is_free("127.0.0.1", preferred):
        return preferred
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def authority(host: str, port: int) -> str:
    """`host:port` as in a URL (RFC 3986, 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable(host: str) -> str:
    """Where to reach, from this machine, what listens on `host`, which may mean every address."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
