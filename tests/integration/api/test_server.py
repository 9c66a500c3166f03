"""What only a real server shows: the bytes of a request as they come over the wire."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from json import dumps, loads
from struct import unpack_from
from typing import Any

import pytest

from shared.version import VERSION
from tests.integration.api.calls import API_KEY, CLIENT
from tests.integration.api.running_server import served
from tests.waiting import PATIENCE

KEY = {"Authorization": f"Bearer {API_KEY}"}
JSON = {"Content-Type": "application/json"}
AUTHORIZED = f"Authorization: Bearer {API_KEY}\r\n\r\n".encode()
LIMIT = 2048
DATA_SEGMENTS_IN = 152
"""Where `tcp_info` of linux/tcp.h has the number of segments that brought data."""


@pytest.fixture(scope="module")
def port(database_url: str) -> Iterator[int]:
    """The port of a gunicorn that serves the API."""
    with served(database_url, API_MAX_BODY_BYTES=str(LIMIT), LOG_FORMAT="json") as running:
        yield running.port


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[HTTPResponse, bytes]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request(method, path, body, headers | KEY, encode_chunked="Transfer-Encoding" in headers)
        response = connection.getresponse()
        return response, response.read()


def ask_raw(port: int, request: bytes) -> bytes:
    """The answer to these very bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            return answer.read()


@pytest.mark.usefixtures("clean_database")
def test_a_body_in_chunks_is_read_like_any_other(port: int) -> None:
    body = [part.encode() for part in dumps(CLIENT).partition(",")]
    response, answer = ask(port, "POST", "/v1/client/create/", body, **JSON, **{"Transfer-Encoding": "chunked"})
    assert response.status == 201
    assert loads(answer)["phone_number"] == CLIENT["phone_number"]


def test_a_body_in_chunks_has_a_size_too(port: int) -> None:
    chunks = [dumps(CLIENT).encode().ljust(LIMIT), b"{}"]
    response, answer = ask(port, "POST", "/v1/client/create/", chunks, **JSON, **{"Transfer-Encoding": "chunked"})
    assert response.status == 413
    assert loads(answer)["code"] == 413


@pytest.mark.parametrize("path", [b"/v1/client/\xff/", b"/v1/client/?limit=\xff", b"/v1/client/?\xff=1"])
def test_bytes_that_are_not_utf_8_are_a_client_error(port: int, path: bytes) -> None:
    answer = ask_raw(port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + AUTHORIZED)
    assert answer.split()[1] in (b"400", b"404", b"422")


def test_an_answer_that_has_no_body_has_none(port: int) -> None:
    tagged, _ = ask(port, "GET", "/docs/openapi.json")
    assert tagged.status == 200
    for method, path in (("HEAD", "/v1/client/"), ("OPTIONS", "/v1/client/"), ("HEAD", "/docs/openapi.json")):
        response, answer = ask(port, method, path)
        assert (response.status, answer) == (200, b"")


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="only Linux counts the segments of a connection")
def test_the_head_and_the_body_of_an_answer_come_in_one_segment(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /v1/mailing/create/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + AUTHORIZED)
        with connection.makefile("rb") as answer:
            _, _, body = answer.read().partition(b"\r\n\r\n")
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, DATA_SEGMENTS_IN + 4)
    assert loads(body)["code"] == 405
    assert unpack_from("I", info, DATA_SEGMENTS_IN) == (1,)


@pytest.mark.usefixtures("clean_database")
def test_a_connection_is_kept_alive_after_every_kind_of_answer(port: int) -> None:
    statuses = []
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        for method, path, body, headers in (
            ("POST", "/v1/client/create/", dumps(CLIENT), JSON),
            ("POST", "/v1/client/create/", dumps(CLIENT), JSON),
            ("POST", "/v1/client/create/", "{", JSON),
            ("POST", "/v1/client/create/", "x" * 1000, {"Content-Type": "text/plain"}),
            ("GET", "/v1/client/1/", None, {"If-None-Match": "*"}),
            ("DELETE", "/v1/client/1/", None, {}),
            ("GET", "/v1/client/1/", None, {}),
        ):
            connection.request(method, path, body, headers | KEY)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
    assert statuses == [201, 409, 400, 415, 304, 204, 404]


def test_the_processes_metrics_are_added_up(port: int) -> None:
    for _ in range(30):
        ask(port, "GET", "/healthz")
    _, body = ask(port, "GET", "/metrics")
    line = 'gonets_http_requests_total{method="GET",path="/healthz",status="200"} '
    (counted,) = [said.removeprefix(line) for said in body.decode().splitlines() if said.startswith(line)]
    assert float(counted) >= 30
    assert f'gonets_build_info{{version="{VERSION}"}} 1.0' in body.decode()
