"""The listening socket of the simulated gateway, and its outages."""

import asyncio
import socket
from collections.abc import Callable

from sandbox.simulated_gateway.connection import Connection, Connections
from sandbox.simulated_gateway.control import Control
from sandbox.simulated_gateway.gateway import Gateway

BACKLOG = 1024  # connections waiting to be accepted


class Listener:
    """The gateway's listening socket, which can be closed for the duration of an outage."""

    def __init__(self, gateway: Gateway, host: str, port: int) -> None:
        self._gateway = gateway
        self._control = Control(gateway)
        self._host, self._port = host, port
        self._connections = Connections()
        gateway.go_down = self._go_down

    async def listen(self, announce: Callable[[str], None]) -> None:
        """Listens until cancelled, except during outages; gives `announce` the URL once. Raises OSError on failure."""
        loop = asyncio.get_running_loop()
        bound = self._bind()
        bound.listen(BACKLOG)
        announce(f"http://{self._authority()}")
        while True:
            self._outage: asyncio.Future[float] = loop.create_future()
            self._server = await loop.create_server(self._accept, sock=bound, backlog=BACKLOG, start_serving=False)
            await self._server.start_serving()
            seconds = await self._outage
            self._connections.close()
            # Bound but not listening: connections are refused, and no other process can take the port.
            bound = self._bind()
            await asyncio.sleep(seconds)
            self._connections.open()

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # The protocol is named because asyncio sets TCP_NODELAY only on sockets that name it.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((self._host, self._port))
        self._port = bound.getsockname()[1]
        return bound

    def _accept(self) -> Connection:
        return Connection(self._gateway, self._control, self._connections)

    def _go_down(self, seconds: float) -> None:
        # The socket closes at once, so that no connection is accepted after the response to this request.
        self._server.close()
        if not self._outage.done():  # another request for an outage came at the same time
            self._outage.set_result(seconds)

    def _authority(self) -> str:
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
