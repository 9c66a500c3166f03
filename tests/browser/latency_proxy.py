"""A proxy that adds latency: what a browser sends, and what it gets, arrives so much later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager


@contextmanager
def latency_proxy(port: int, delay: float) -> Iterator[int]:
    """A port of 127.0.0.1 that leads to another one; each direction takes `delay` seconds."""
    proxy = _LatencyProxy(port, delay)
    thread = threading.Thread(target=asyncio.run, args=(proxy.run(),))
    thread.start()
    loop, here = proxy.ready.result()
    yield here
    loop.call_soon_threadsafe(proxy.stop.set)
    thread.join()


class _LatencyProxy:
    def __init__(self, port: int, delay: float) -> None:
        self._port, self._delay = port, delay
        self._ends: set[asyncio.StreamWriter] = set()
        self.ready: Future[tuple[asyncio.AbstractEventLoop, int]] = Future()
        self.stop = asyncio.Event()

    async def run(self) -> None:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.ready.set_result((asyncio.get_running_loop(), server.sockets[0].getsockname()[1]))
        await self.stop.wait()
        server.close()
        for end in self._ends:
            end.transport.abort()
        await asyncio.sleep(0.1)  # their tasks see the end

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends |= {writer, far_writer}
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        later = asyncio.get_running_loop().call_later
        try:
            while data := await source.read(65536):
                later(self._delay, sink.write, data)
        except ConnectionError:
            pass
        later(self._delay, sink.close)
