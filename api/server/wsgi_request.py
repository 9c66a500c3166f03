"""One request to a WSGI application and its response (PEP 3333), whose parts may run in different threads in turn."""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

BLOCK: Final = 65_536
"""Minimum bytes of a response that a thread collects, unless the response ends, before it is free again."""

_ErrorInfo = tuple[type[BaseException], BaseException, TracebackType]


class WsgiRequest:
    """Calls the application once. All parts run in one context of context variables, as in one thread."""

    def __init__(self, application: WSGIApplication, scope: dict[str, Any], body: Any) -> None:
        self._application = application
        self._scope = scope
        self._body = body
        self._context = contextvars.copy_context()
        self._result: Iterable[bytes] = ()
        self._pieces: Iterator[bytes] = iter(())
        self._written: list[bytes] = []
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.ended = False
        """Whether the response is complete."""

    def begin(self) -> bytes:
        """Calls the application; status and headers are known then. Returns the first block of the body."""
        return self._context.run(self._begin)

    def next_block(self) -> bytes:
        """The next block."""
        return self._context.run(self._next_block)

    def close(self) -> None:
        """Closes a response that is not needed any more. A complete one is closed already."""
        self._context.run(self._close)

    def _begin(self) -> bytes:
        environ = environ_of(self._scope, self._body)
        self._result = self._application(environ, self._start_response)  # type: ignore[arg-type]
        self._pieces = iter(self._result)
        return self._next_block()

    def _next_block(self) -> bytes:
        block, size = self._written, sum(map(len, self._written))
        self._written = []
        try:
            while size < BLOCK or self._is_whole(size):
                piece = next(self._pieces, None)
                if piece is None:
                    self._close()
                    break
                block.append(piece)
                size += len(piece)
        except BaseException:
            self._close()
            raise
        return b"".join(block)

    def _is_whole(self, size: int) -> bool:
        """Whether a first block of so many bytes is the response: then its end is looked for at once."""
        return (b"content-length", str(size).encode()) in self.headers

    def _close(self) -> None:
        self.ended = True
        if close := getattr(self._result, "close", None):
            close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], error: _ErrorInfo | None = None, /
    ) -> Callable[[bytes], object]:
        self.status = int(status[:3])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return self._written.append


def environ_of(scope: dict[str, Any], body: Any) -> dict[str, Any]:
    """The WSGI environment of a request.

    Headers do not affect the caller's identity, its address or the application's root path: those are for the
    application's proxy settings. Headers with an underscore in their name are dropped, since they would be confused
    with others, and so is `Proxy`, which programs would read as the environment variable HTTP_PROXY.
    """
    server, client = scope["server"], scope["client"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        # As it was written: servers of WSGI have it under this name.
        "REQUEST_URI": (scope["raw_path"] + b"?" + scope["query_string"]).decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        # The input ends with the body: Werkzeug checks this before it reads a chunked body.
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name or raw_name == b"proxy":
            continue
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        if name in environ:
            value = f"{environ[name]}{'; ' if name == 'HTTP_COOKIE' else ','}{value}"
        environ[name] = value
    return environ
