"""A listener on 127.0.0.1 whose connections are served in threads, all of which end with it."""

from __future__ import annotations

import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Listening(ABC):
    """Accepts while it is entered."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []

    @abstractmethod
    def _take(self, client: socket.socket) -> None:
        """Serves a connection, in threads that `_start` starts. An OSError ends the accepting."""

    @abstractmethod
    def _let_go(self) -> None:
        """Shuts what the threads wait for."""

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shut(self._listener)  # wakes accept, which a close would not
        self._let_go()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._take(client)


class Passing(Listening):
    """Takes connections that are passed on to a server; `_sockets` are both ends of all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._sockets: list[socket.socket] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for sock in self._sockets:
            sock.close()

    def _let_go(self) -> None:
        shut(*self._sockets)


def shut(*sockets: socket.socket) -> None:
    """Ends both directions of connections: whoever waits on them is woken."""
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
