"""An HTTP server that reads callbacks with an adapter, and answers as its contract wants."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from shared.gateways.base import Callback, CallbackAnswer, CallbackRejectedError, InboundPart, Receipt

HOST = "127.0.0.1"


class CallbackServer:
    """Listens while it is entered."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter
        self.receipts: list[Receipt] = []
        self.inbound: list[InboundPart] = []
        self.callbacks: list[Callback] = []
        self.errors: list[Exception] = []
        self._server = ThreadingHTTPServer((HOST, 0), _handler_for(self))
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        # A percent sign, since some programs take it for the start of something to fill in.
        self.receipt_url = f"{self.url}/v1/receipt/caf%C3%A9/t0ken"
        self.inbound_url = f"{self.url}/v1/inbound/caf%C3%A9/t0ken"

    def receipts_of(self, message_id: int) -> list[Receipt]:
        """What has been said of a message so far."""
        return [receipt for receipt in self.receipts if receipt.message_id == message_id]

    def take(self, callback: Callback) -> CallbackAnswer:
        """Reads a callback."""
        self.callbacks.append(callback)
        answer: CallbackAnswer
        try:
            if callback.url.startswith(self.receipt_url):
                self.receipts += self.adapter.read_receipts(callback)
                answer = self.adapter.receipt_answer
            else:
                self.inbound += self.adapter.read_inbound(callback)
                answer = self.adapter.inbound_answer
        except (ValueError, CallbackRejectedError) as error:
            self.errors.append(error)
            answer = CallbackAnswer(status=400)
        return answer

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


def _handler_for(server: CallbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _called(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            url = server.url + self.path
            answer = server.take(
                Callback(method=self.command, url=url, headers=headers, body=body, received_at=datetime.now(UTC))
            )
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _called  # noqa: N815 - as the library calls them

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler
