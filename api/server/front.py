"""An ASGI application that answers with a WSGI application (PEP 3333), and spends no thread on callers who are slow.

A request's body is read before a thread is taken, if it is small; an answer goes out in blocks, and a thread makes one
block and is free until the caller has read it. What remains is a large body: the application must wait for it, in one
of the threads for uploads, of which only so many read at a time.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from wsgiref.types import WSGIApplication

from api.server.exchange import Exchange
from api.server.upload import Receive, Upload

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
"""ASGI's `send`."""

MAX_BUFFERED: Final = 2**20
"""Bytes of a body that is read before it is answered, at most, whatever size a body may have."""
PIECE: Final = 65_536
"""Bytes of an answer that are handed on at a time: the slowest caller must read as many within the timeout."""
UPLOADS: Final = 4
"""Large bodies that are read at a time, in one process. Further ones are refused with 503."""
DOWNLOAD_THREADS: Final = 2
"""For the blocks of long answers after the first one, in one process: they take turns, and short answers pass them."""
UPLOAD_THREADS: Final = 4 * UPLOADS
"""More than may read: large bodies that are refused unread need a thread too, for a moment."""


class Front:
    """The ASGI application. `timeout` is in seconds: for each piece of an upload."""

    def __init__(self, application: WSGIApplication, *, max_body: int, threads: int, timeout: float) -> None:
        self._application = application
        self._max_buffered = min(max_body, MAX_BUFFERED)
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(threads, "request")
        self._upload_threads = ThreadPoolExecutor(UPLOAD_THREADS, "upload")
        self._download_threads = ThreadPoolExecutor(DOWNLOAD_THREADS, "download")
        self._upload_slots = threading.BoundedSemaphore(UPLOADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        begun = bytearray()
        more = _has_body(scope)
        if _announced_length(scope) <= self._max_buffered:
            while more and len(begun) <= self._max_buffered:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                begun += message["body"]
                more = message.get("more_body", False)
        scope["state"]["connection"].begin_answer()
        loop = asyncio.get_running_loop()
        if not more:
            body: io.BytesIO | Upload = io.BytesIO(begun)
            threads = self._threads
        else:
            body = Upload(receive, bytes(begun), self._upload_slots, self._timeout, loop)
            threads = self._upload_threads
        exchange = Exchange(self._application, scope, body)
        try:
            block = await loop.run_in_executor(threads, exchange.begin)
        finally:
            body.close()
        unread = isinstance(body, Upload) and not body.ended
        if unread and _expects_continue(scope):
            # The caller may not send the body any more, so nobody knows what its next bytes are (RFC 9110, 10.1.1).
            exchange.headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": exchange.status, "headers": exchange.headers})
        if exchange.ended:
            await _send_block(send, block, more=False)
            return
        await self._stream(exchange, block, receive, send, watch=not unread)

    async def _stream(self, exchange: Exchange, block: bytes, receive: Receive, send: Send, *, watch: bool) -> None:
        """Sends a long answer, whose next block is made when the caller has read the last one."""
        loop = asyncio.get_running_loop()
        # Of a caller who is gone, only `receive` knows.
        gone = loop.create_task(_until_gone(receive)) if watch else None
        try:
            await _send_block(send, block, more=True)
            while not exchange.ended and not (gone and gone.done()):
                block = await loop.run_in_executor(self._download_threads, exchange.next_block)
                await _send_block(send, block, more=not exchange.ended)
        finally:
            if gone:
                gone.cancel()
            if not exchange.ended:
                await loop.run_in_executor(self._download_threads, exchange.close)


async def _send_block(send: Send, block: bytes, *, more: bool) -> None:
    for start in range(0, len(block) - PIECE, PIECE):
        await send({"type": "http.response.body", "body": block[start : start + PIECE], "more_body": True})
    last = block[-(len(block) % PIECE or PIECE) :]
    await send({"type": "http.response.body", "body": last, "more_body": more})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _has_body(scope: Scope) -> bool:
    return any(
        (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
        for name, value in scope["headers"]
    )


def _announced_length(scope: Scope) -> int:
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


def _expects_continue(scope: Scope) -> bool:
    return any(name == b"expect" for name, _ in scope["headers"])
