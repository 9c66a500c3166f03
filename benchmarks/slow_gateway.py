"""A gateway that answers every message with success after a latency, and holds thousands of connections meanwhile.

    python -m benchmarks.slow_gateway --port 8091 --latency 0.1

One thread and one epoll: the latency is the same for all, so answers leave in the order in which requests came.
It serves as the fast gateway too, with no latency, where nginx is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import sys
import time
from collections import deque
from pathlib import Path
from typing import cast

import requests

from benchmarks.gateways import Served, wait_until_it_answers
from benchmarks.processes import Child, Server
from sandbox.addresses import free_port

BODY = b'{"code": 0, "message": "OK"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CONTROL = b"/_/"
FINEST = 0.001
"""Seconds between two looks at the answers that wait."""


class SlowGateway(Server):
    """The running gateway; a context manager."""

    token = "benchmark"  # noqa: S105  it asks for none, and the worker must have one

    def __init__(self, folder: Path, latency: float) -> None:
        self.latency = latency
        self.name = f"a gateway of {latency * 1000:.0f} ms" if latency else "Python's asyncio as the gateway"
        port = free_port(8091)
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "benchmarks.slow_gateway", "--port", str(port), "--latency", str(latency)]
        child = Child("the slow gateway", command, folder / "slow-gateway.log")
        super().__init__(child)
        wait_until_it_answers(child, f"{self.url}/_/served")

    def requests(self) -> int:
        """Requests since `forget`: for progress bars."""
        return self.served().requests

    def forget(self) -> None:
        """Begins to count anew."""
        requests.get(f"{self.url}/_/forget", timeout=10).raise_for_status()

    def served(self) -> Served:
        """The messages served since `forget`."""
        return Served(**requests.get(f"{self.url}/_/served", timeout=10).json())


class Counter:
    """What has been served."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.requests, self.first, self.last = 0, 0.0, 0.0
        self._ids: set[bytes] = set()

    def count(self, path: bytes) -> None:
        self.requests += 1
        self._ids.add(path)
        self.last = time.time()
        self.first = self.first or self.last

    def report(self) -> bytes:
        served = Served(self.requests, len(self._ids), self.first, self.last)
        body = json.dumps(served._asdict()).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """One client's connection; requests on it come one after another (no pipelining)."""

    def __init__(self, counter: Counter, waiting: deque[tuple[float, asyncio.Transport]], latency: float) -> None:
        self._counter = counter
        self._waiting = waiting
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = LENGTH.search(self._received, 0, end)
        if len(self._received) < end + 4 + (int(length[1]) if length else 0):
            return
        path = self._received.split(b" ", 2)[1]
        self._received = b""
        if path.startswith(CONTROL):
            if path.endswith(b"forget"):
                self._counter.forget()
            self._transport.write(self._counter.report())
            return
        self._counter.count(path)
        if self._latency:
            self._waiting.append((time.monotonic() + self._latency, self._transport))
        else:
            self._transport.write(OK)


async def listen(port: int, latency: float) -> None:
    """Serves until the process is ended."""
    counter = Counter()
    waiting: deque[tuple[float, asyncio.Transport]] = deque()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Connection(counter, waiting, latency), "127.0.0.1", port, backlog=8192)
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            waiting.popleft()[1].write(OK)
        await asyncio.sleep(max(FINEST, waiting[0][0] - now) if waiting else max(FINEST, latency / 20))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_gateway", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, required=True, help="seconds")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(listen(options.port, options.latency))


if __name__ == "__main__":
    main()
