"""The body of a request that is too large to buffer: a thread reads it as it arrives."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import Any, Final

from werkzeug.exceptions import ServiceUnavailable

from shared.domain.sentences import ErrorCode

Receive = Callable[[], Awaitable[Any]]
"""ASGI's `receive`."""

CHUNK_BYTES: Final = 65_536
"""Bytes that a caller must send within the timeout: the minimum rate of an upload."""
RETRY_AFTER = 10
"""Seconds in Retry-After when there are too many uploads."""


class StreamedBody(io.RawIOBase):
    """`wsgi.input` of such a request. Its `close` must be called.

    Reading raises TimeoutError and ConnectionError, and ServiceUnavailable (503) when too many uploads are being read.
    An application that refuses the request without reading it takes none of the slots.
    """

    def __init__(
        self,
        receive: Receive,
        begun: bytes,
        slots: threading.Semaphore,
        timeout: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__()
        self._receive = receive
        self._held = memoryview(begun)
        self._slots = slots
        self._timeout = timeout
        self._loop = loop
        self._has_slot = False
        self.ended = False
        """Whether the whole body has been received."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Waits for the next bytes; 0 at the end."""
        if not self._held and not self.ended:
            self._held = memoryview(self._next_piece())
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size

    def close(self) -> None:
        """Releases the slot."""
        if self._has_slot:
            self._has_slot = False
            self._slots.release()
        super().close()

    def _next_piece(self) -> bytes:
        if not self._has_slot:
            if not self._slots.acquire(blocking=False):
                raise ServiceUnavailable(ErrorCode.TOO_MANY_UPLOADS(), retry_after=RETRY_AFTER)
            self._has_slot = True
        try:
            return asyncio.run_coroutine_threadsafe(self._collect(), self._loop).result()
        except (CancelledError, RuntimeError) as error:  # the process and its event loop are stopping
            raise ConnectionAbortedError from error

    async def _collect(self) -> bytes:
        collected = bytearray()
        async with asyncio.timeout(self._timeout):
            while len(collected) < CHUNK_BYTES and not self.ended:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise ConnectionResetError
                collected += message["body"]
                self.ended = not message.get("more_body", False)
        return bytes(collected)
