"""How many blocks the response of a WSGI application has: each one takes a thread."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pytest
from werkzeug.wrappers import Response

from api.server.wsgi_request import BLOCK, WsgiRequest

SCOPE: dict[str, Any] = {
    **{"method": "GET", "raw_path": b"/", "query_string": b"", "http_version": "1.1", "headers": []},
    **{"server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 50000)},
}


def begun(body: bytes | Iterable[bytes]) -> tuple[WsgiRequest, bytes]:
    request = WsgiRequest(Response(body), SCOPE, io.BytesIO())
    return request, request.begin()


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, 10 * BLOCK])
def test_a_response_of_known_length_that_is_one_piece_is_one_block(size: int) -> None:
    request, block = begun(bytes(size))
    assert len(block) == size
    assert request.ended


def test_a_response_of_unknown_length_is_ended_when_there_is_no_more_of_it() -> None:
    request, block = begun(iter([bytes(BLOCK), bytes(BLOCK), b"end"]))
    assert len(block) == BLOCK
    assert not request.ended
    assert len(request.next_block()) == BLOCK
    assert not request.ended
    assert request.next_block() == b"end"
    assert request.ended
