"""How the tests of the simulated gateway talk to it: whole calls, and raw bytes where a library would hide things."""

import json
import socket
from http.client import HTTPConnection, HTTPResponse

from sandbox.simulated_gateway.client import SandboxGateway
from tests.waiting import PATIENCE

TOKEN = "the right one"
PHONE = 79001234567


def body_for(msg_id: int, **fields: object) -> bytes:
    return json.dumps({"id": msg_id, "phone": PHONE, "text": "Привет", **fields}).encode()


def raw(msg_id: int, **fields: object) -> bytes:
    body = body_for(msg_id, **fields)
    head = f"POST /send/{msg_id} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask(
    gateway: SandboxGateway, method: str, path: str, body: bytes = b"", authorization: str = f"Bearer {TOKEN}"
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {"Authorization": authorization})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def post(gateway: SandboxGateway, msg_id: int, **fields: object) -> int:
    return ask(gateway, "POST", f"/send/{msg_id}", body_for(msg_id, **fields))[0].status


def connect(gateway: SandboxGateway) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE)


def everything_from(client: socket.socket) -> bytes:
    with client.makefile("rb") as stream:
        return stream.read()


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False
