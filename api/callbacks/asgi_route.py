"""The addresses of callbacks in front of the ASGI application: without a thread, and without Flask.

Most callbacks arrive as a whole and are served directly (api/server/direct_connection.py); others as ASGI has it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from flask import Flask

from api.callbacks.answers import Answer
from api.callbacks.receiver import MAX_BODY, PREFIXES, BodyTooLargeError, Call, Receiver
from api.server.direct_connection import DirectRequest, Headers, Respond
from api.server.wsgi_adapter import announced_length, expects_continue, has_body

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]
"""An application of ASGI."""
CountRequest = Callable[[str, str, int, float], None]
"""Gets the method, the path's pattern, the status, and the seconds that the answer took."""

PATTERNS = {prefix: f"{prefix}<path:address>" for prefix in PREFIXES}
"""The patterns of the paths, as Flask has them."""

HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class DisconnectedError(Exception):
    """The caller has closed the connection before its request was complete."""


class CallbackRoute:
    """The ASGI application in front of another one, and a `DirectRoute`."""

    prefixes = tuple(prefix.encode() for prefix in PREFIXES)

    def __init__(self, receiver: Receiver, others: Application, count: CountRequest) -> None:
        self._receiver = receiver
        self._others = others
        self._count = count

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serves one request, at whatever speed it arrives."""
        path: bytes = scope["raw_path"]
        if not path.startswith(self.prefixes):
            await self._others(scope, receive, send)
            return
        begun_at = time.perf_counter()
        body = _Body(scope, receive)
        call = _call(scope["method"], path, scope["query_string"], scope["headers"], scope["client"][0])
        try:
            answer = await self._receiver.receive(call, body.read)
        except DisconnectedError:
            return
        scope["state"]["connection"].begin_response()
        await _send(answer, send, closes=not body.ended and expects_continue(scope))
        self._has_answered(call, answer, begun_at)

    def serve(self, request: DirectRequest, respond: Respond) -> bool:
        """Serves one request that has arrived as a whole."""
        begun_at = time.perf_counter()
        call = _call(request.method, request.path, request.query, request.headers, request.address)

        def answered(answer: Answer) -> None:
            respond(answer.status, _headers(answer), answer.body)
            self._has_answered(call, answer, begun_at)

        return self._receiver.receive_now(call, request.body, answered)

    def _has_answered(self, call: Call, answer: Answer, begun_at: float) -> None:
        pattern = next(pattern for prefix, pattern in PATTERNS.items() if call.path.startswith(prefix))
        self._count(call.method, pattern, answer.status, time.perf_counter() - begun_at)


def callbacks_in_front(application: Flask, others: Application) -> CallbackRoute:
    """The route for an application whose other requests are answered by `others`."""
    return CallbackRoute(application.extensions["callbacks"].of_server, others, application.extensions["count_request"])


class _Body:
    """The body of a request, which is read once it is wanted."""

    def __init__(self, scope: Scope, receive: Callable[[], Awaitable[Any]]) -> None:
        self._announced = announced_length(scope)
        self._receive = receive
        self.ended = not has_body(scope)

    async def read(self) -> bytes:
        """Raises BodyTooLargeError and DisconnectedError."""
        if self._announced > MAX_BODY:
            raise BodyTooLargeError
        body = bytearray()
        while not self.ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            body += message["body"]
            if len(body) > MAX_BODY:
                raise BodyTooLargeError
            self.ended = not message.get("more_body", False)
        return bytes(body)


def _call(method: str, path: bytes, query: bytes, raw_headers: Headers, address: str) -> Call:
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw_headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return Call(
        method=method,
        path=path.decode("latin-1"),
        query=query.decode("latin-1"),
        headers=headers,
        address=address,
        scheme="http",
    )


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", answer.content_type.encode()), *HEADERS]
    for name, value in answer.headers.items():
        headers.append((name.lower().encode(), value.encode()))
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    return headers


async def _send(answer: Answer, send: Any, *, closes: bool) -> None:
    headers = _headers(answer)
    if closes:  # the caller may omit the body now, so its next bytes are ambiguous (RFC 9110, 10.1.1)
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
