"""The simulated gateway: accepts messages, keeps a ledger of requests, and injects faults on request.

    python -m sandbox.gateway [--host 127.0.0.1] [--port 8081] [--token TOKEN]

SANDBOX_GATEWAY_HOST, SANDBOX_GATEWAY_PORT and GATEWAY_TOKEN set the same. Port 0 means any free port.
It needs only the standard library, and of this folder faults.py and gateway*.py.

    POST /send/{msgId}   Authorization: Bearer TOKEN   {"id": int, "phone": int, "text": string}
    200 {"code": 0, "message": "OK"}, or 400, 401, 404, 405, 411, 413 with {"code": 1, "message": reason}

It does not deduplicate: a repeated message is accepted and recorded again. sandbox/gateway_control.py reads the ledger
and sets the faults.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence

from sandbox.gateway_connection import Connection, Connections
from sandbox.gateway_contract import Gateway
from sandbox.gateway_control import Control

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the gateway until SIGTERM or SIGINT (exit 0); exits with 2 when it cannot start."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))  # nothing to save
    options = _options(arguments)
    listener = Listener(Gateway(options.token), options.host, options.port)
    try:
        asyncio.run(listener.listen(lambda url: print(f"gateway listening on {url}", flush=True)))
    except OSError as error:
        reason = error.strerror or error
        print(f"The gateway cannot listen on {options.host}:{options.port}: {reason}.", file=sys.stderr)
        sys.exit(2)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.gateway", description="The simulated gateway.")
    parser.add_argument("--host", default=os.environ.get("SANDBOX_GATEWAY_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=_port, default=os.environ.get("SANDBOX_GATEWAY_PORT", "8081"))
    parser.add_argument("--token", default=os.environ.get("GATEWAY_TOKEN"))
    options = parser.parse_args(arguments)
    if not options.token:
        parser.error("set the token with --token or GATEWAY_TOKEN.")
    return options


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, not {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
