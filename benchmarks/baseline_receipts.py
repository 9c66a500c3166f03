"""What callbacks are compared with: no framework and no checks, one INSERT and one commit a request."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from benchmarks.postgres import connect, run

INSERT = "INSERT INTO receipt_queue (gateway_id, provider_message_id, state, fingerprint) VALUES (1, %s, %s, %s::uuid)"
KEPT = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """An application of WSGI."""
    if not hasattr(KEPT, "connection"):
        KEPT.connection = connect(os.environ["DATABASE_URL"])
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    fields = {name: values[0] for name, values in parse_qs(body).items()}
    if fields:
        run(KEPT.connection, INSERT, fields["MessageSid"], fields["MessageStatus"], fields["MessageSid"][2:])
    start_response("204 No Content", [])
    return []
