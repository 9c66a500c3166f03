"""An ASGI adapter for a WSGI application (PEP 3333) that occupies no thread while a caller is slow.

A small body is read before a thread is taken. A response is sent in blocks: a thread generates one block, and is free
until the caller has read it. For a large body the application must wait, in one of the upload threads, of which a
limited number read at a time.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from wsgiref.types import WSGIApplication

from api.server.streamed_body import Receive, StreamedBody
from api.server.wsgi_request import WsgiRequest

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
"""ASGI's `send`."""

MAX_BUFFERED: Final = 2**20
"""Maximum bytes of a body that is read before a thread is taken."""
CHUNK_BYTES: Final = 65_536
"""Bytes of a response that are written at a time: a caller must read as many within the timeout."""
UPLOADS: Final = 4
"""Large bodies read at a time, per process. Further ones are refused with 503."""
DOWNLOAD_THREADS: Final = 2
"""For further blocks of long responses, per process: they take turns, and short responses are not delayed."""
UPLOAD_THREADS: Final = 4 * UPLOADS
"""More than UPLOADS, since large bodies that are refused unread need a thread too, briefly."""


class WsgiAdapter:
    """The ASGI application. `timeout` is in seconds, for each chunk of an upload."""

    def __init__(self, application: WSGIApplication, *, max_body: int, threads: int, timeout: float) -> None:
        self._application = application
        self._max_buffered = min(max_body, MAX_BUFFERED)
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(threads, "request")
        self._upload_threads = ThreadPoolExecutor(UPLOAD_THREADS, "upload")
        self._download_threads = ThreadPoolExecutor(DOWNLOAD_THREADS, "download")
        self._upload_slots = threading.BoundedSemaphore(UPLOADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        begun = bytearray()
        more = has_body(scope)
        if announced_length(scope) <= self._max_buffered:
            while more and len(begun) <= self._max_buffered:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                begun += message["body"]
                more = message.get("more_body", False)
        connection = scope["state"]["connection"]
        connection.begin_response()
        loop = asyncio.get_running_loop()
        if not more:
            body: io.BytesIO | StreamedBody = io.BytesIO(begun)
            threads = self._threads
        else:
            body = StreamedBody(receive, bytes(begun), self._upload_slots, self._timeout, loop)
            threads = self._upload_threads
        request = WsgiRequest(self._application, scope, body)
        try:
            block = await loop.run_in_executor(threads, request.begin)
        finally:
            body.close()
        unread = isinstance(body, StreamedBody) and not body.ended
        if unread and expects_continue(scope):
            # The caller may omit the body now, so its next bytes are ambiguous (RFC 9110, 10.1.1).
            request.headers.append((b"connection", b"close"))
        connection.join_head_and_body(scope["method"])
        await send({"type": "http.response.start", "status": request.status, "headers": request.headers})
        if request.ended:
            await _send_block(send, block, more=False)
            return
        await self._stream(request, block, receive, send, watch=not unread)

    async def _stream(self, request: WsgiRequest, block: bytes, receive: Receive, send: Send, *, watch: bool) -> None:
        """Sends a long response, whose next block is generated when the caller has read the last one."""
        loop = asyncio.get_running_loop()
        # Only `receive` reports a caller that has disconnected.
        gone = loop.create_task(_until_gone(receive)) if watch else None
        try:
            await _send_block(send, block, more=True)
            while not request.ended and not (gone and gone.done()):
                block = await loop.run_in_executor(self._download_threads, request.next_block)
                await _send_block(send, block, more=not request.ended)
        finally:
            if gone:
                gone.cancel()
            if not request.ended:
                await loop.run_in_executor(self._download_threads, request.close)


async def _send_block(send: Send, block: bytes, *, more: bool) -> None:
    for start in range(0, len(block) - CHUNK_BYTES, CHUNK_BYTES):
        await send({"type": "http.response.body", "body": block[start : start + CHUNK_BYTES], "more_body": True})
    last = block[-(len(block) % CHUNK_BYTES or CHUNK_BYTES) :]
    await send({"type": "http.response.body", "body": last, "more_body": more})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def has_body(scope: Scope) -> bool:
    """Whether a request has a body."""
    return any(
        (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
        for name, value in scope["headers"]
    )


def announced_length(scope: Scope) -> int:
    """The Content-Length of a request; 0 if it has none."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


def expects_continue(scope: Scope) -> bool:
    """Whether the caller waits to be told before it sends the body."""
    return any(name == b"expect" for name, _ in scope["headers"])
