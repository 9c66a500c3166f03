"""The simulated gateway's control interface, under `/_/`: reads its ledger and sets its faults.

    GET /_/ledger?after=SEQ&limit=N&all=1   the entries, one JSON object a line; `all` includes what was not accepted
    GET /_/ledger/{id}?all=1                one message's entries, a JSON list
    DELETE /_/ledger                        clears the entries, the counts and the messages
    GET /_/messages?contract=NAME&id=ID     the messages that were taken, one JSON object a line, not those of /send/
    GET /_/summary, GET /_/rate             the counts; the requests started in each second
    GET /_/faults, PUT /_/faults            the plan of faults (faults.py); {} has none

It needs no token: any client that reaches the port may use it, so the default address is 127.0.0.1.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from urllib.parse import parse_qs

from sandbox.simulated_gateway.faults import Faults, FaultsError
from sandbox.simulated_gateway.gateway import Gateway
from sandbox.simulated_gateway.http_messages import Request, http_response, result_response

CONTROL = b"/_/"
PATHS = "the paths are /_/ledger, /_/ledger/{id}, /_/messages, /_/summary, /_/rate and /_/faults"
ENTRIES_A_CHUNK = 250  # some 2 ms, during which no other client is served

Response = bytes | Iterator[bytes]


class _InvalidRequest(ValueError):
    """The request is invalid; the message says why."""


class Control:
    """Answers the requests under `/_/`. A response is one byte string, or an iterator of chunks when it may be long."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._plan: object = {}

    def respond(self, request: Request) -> Response:
        """The response to a request."""
        resource, _, msg_id = request.path.removeprefix(CONTROL).partition(b"/")
        methods = self._one_message(msg_id) if resource == b"ledger" and msg_id else self._resource(resource)
        if not methods:
            return result_response(404, 1, PATHS)
        respond = methods.get(request.method)
        if respond is None:
            allowed = b", ".join(methods).decode()
            return result_response(405, 1, f"only {allowed} is possible here", f"Allow: {allowed}")
        try:
            return respond(request)
        except (_InvalidRequest, FaultsError) as error:
            return result_response(400, 1, str(error))

    def _resource(self, name: bytes) -> dict[bytes, Callable[[Request], Response]]:
        ledger = self._gateway.ledger
        resources: dict[bytes, dict[bytes, Callable[[Request], Response]]] = {
            b"ledger": {b"GET": self._list_entries, b"DELETE": self._forget},
            b"messages": {b"GET": self._list_messages},
            b"summary": {b"GET": lambda request: _json(ledger.summary()._asdict())},
            b"rate": {b"GET": lambda request: _json(ledger.rate())},
            b"faults": {b"GET": lambda request: _json(self._plan), b"PUT": self._set_faults},
        }
        return resources.get(name, {})

    def _one_message(self, msg_id: bytes) -> dict[bytes, Callable[[Request], Response]]:
        return {b"GET": lambda request: self._list_entries_of(msg_id, request)}

    def _list_entries(self, request: Request) -> Response:
        after, limit = _number(request, "after") or 0, _number(request, "limit")
        entries = self._gateway.ledger.entries(after, limit, bool(_number(request, "all")))
        return _in_chunks(entry._asdict() for entry in entries)

    def _list_entries_of(self, msg_id: bytes, request: Request) -> Response:
        number = _whole("id", msg_id.decode("latin-1"))
        entries = self._gateway.ledger.entries_of(number, bool(_number(request, "all")))
        return _json([entry._asdict() for entry in entries])

    def _list_messages(self, request: Request) -> Response:
        contract, message_id = _text(request, "contract"), _text(request, "id")
        messages = self._gateway.kept.all_of(contract)
        return _in_chunks(message._asdict() for message in messages if message_id in (None, message.id))

    def _forget(self, request: Request) -> Response:
        self._gateway.forget()
        return _json({})

    def _set_faults(self, request: Request) -> Response:
        try:
            plan = json.loads(request.body.decode())
        except (ValueError, RecursionError):
            raise _InvalidRequest("faults: the body is not JSON") from None
        self._gateway.set_faults(Faults.from_json(plan))
        self._plan = plan
        return _json(plan)


def _json(value: object) -> bytes:
    return http_response(200, json.dumps(value).encode())


def _in_chunks(entries: Iterator[Mapping[str, object]]) -> Iterator[bytes]:
    """The response in chunks (RFC 9112, 7.1), so that a client notices when it is cut off."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    while some := list(islice(entries, ENTRIES_A_CHUNK)):
        lines = "".join(json.dumps(entry) + "\n" for entry in some).encode()
        yield b"%x\r\n%b\r\n" % (len(lines), lines)
    yield b"0\r\n\r\n"


def _text(request: Request, name: str) -> str | None:
    given = parse_qs(request.query.decode("latin-1"), keep_blank_values=True).get(name)
    return given[-1] if given else None


def _number(request: Request, name: str) -> int | None:
    given = _text(request, name)
    return None if given is None else _whole(name, given)


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _InvalidRequest(f"{name}: must be a whole number, not {text!r}")
    return int(text)
