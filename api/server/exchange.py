"""One request to a WSGI application and its answer (PEP 3333), whose parts may run in different threads in turn."""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

BLOCK: Final = 65_536
"""Bytes of an answer that are collected at least, unless it ends, before a thread is free again."""

_ErrorInfo = tuple[type[BaseException], BaseException, TracebackType]


class Exchange:
    """Calls the application once. All of it runs in one context of context variables, as if in one thread."""

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
        """Whether the application has nothing more to say."""

    def begin(self) -> bytes:
        """Calls the application; status and headers are known then. Returns the first block of the answer's body."""
        return self._context.run(self._begin)

    def next_block(self) -> bytes:
        """The next block."""
        return self._context.run(self._next_block)

    def close(self) -> None:
        """Ends an answer that is not wanted any more. One that has ended is closed already."""
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
            while size < BLOCK:
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
    """The request as a WSGI application is told of it.

    Nothing that a caller sends says who it is, where it comes from, or under which path the application lies: that is
    for the application's own proxy settings. So a header whose name has an underscore is left out, which would look
    like another one, and `Proxy`, which programs take for their environment's HTTP_PROXY.
    """
    server, client = scope["server"], scope["client"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        # The input ends where the body does: Werkzeug asks before it reads a body in chunks.
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
