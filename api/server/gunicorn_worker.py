"""A gunicorn worker that reads requests with uvicorn."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from gunicorn.workers.base import Worker
from uvicorn import Config, Server

from api.server.connections import Connections
from api.server.direct_connection import DirectConnection
from api.server.wsgi_adapter import WsgiAdapter

ACCEPTED_AT_ONCE: Final = 4
"""New connections accepted in one iteration of the event loop, so that other processes get some too."""


class ApiWorker(Worker):  # type: ignore[misc]
    """Serves the WSGI application that gunicorn has loaded. Its settings are gunicorn's and `adapter_options`."""

    adapter_options: dict[str, Any]
    """The options of `WsgiAdapter`. api/gunicorn.py sets them."""
    in_front: Callable[[Any, WsgiAdapter], Any]
    """Makes the ASGI application in front of the adapter, for what needs no thread, which is also the `DirectRoute`.
    api/gunicorn.py sets it."""

    def init_signals(self) -> None:
        """uvicorn handles SIGTERM and SIGINT while it serves."""
        super().init_signals()
        signal.set_wakeup_fd(-1)

    def run(self) -> None:
        """Serves until a signal, or until gunicorn's main process has ended."""
        # Malformed requests are not logged: any caller could fill the log with them.
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        # What is loaded now stays: a garbage collection need not look at it.
        gc.freeze()
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        options = self.adapter_options
        connections = Connections(options["timeout"], self.cfg.worker_connections)
        application = ApiWorker.in_front(self.wsgi, WsgiAdapter(self.wsgi, **options))
        config = Config(
            app=application,
            http=cast(Any, partial(DirectConnection, connections, application)),
            ws="none",
            loop="asyncio",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=ACCEPTED_AT_ONCE,
            timeout_keep_alive=self.cfg.keepalive,
            timeout_graceful_shutdown=self.cfg.graceful_timeout,
            timeout_notify=1,
            callback_notify=self._notify_main_process,
        )
        self._server = Server(config)
        closing = asyncio.create_task(connections.close_overdue())
        listeners = [listener.sock for listener in self.sockets]
        restoring = asyncio.create_task(self._restore_backlog(listeners))
        await self._server.serve(listeners)
        closing.cancel()
        restoring.cancel()

    async def _restore_backlog(self, listeners: list[socket.socket]) -> None:
        """asyncio has one setting for two values: the kernel's backlog, and connections accepted at a time."""
        while not self._server.started:
            await asyncio.sleep(0.01)
        for listener in listeners:
            listener.listen(self.cfg.backlog)

    async def _notify_main_process(self) -> None:
        self.notify()
        if self.ppid != os.getppid():
            self._server.should_exit = True
