"""The simulated gateway's control interface, under `/_/`: reads its ledger and sets its faults.

    GET /_/ledger?after=SEQ&limit=N&all=1   the entries, one JSON object a line; `all` includes what was not accepted
    GET /_/ledger/{id}?all=1                one message's entries, a JSON list
    DELETE /_/ledger                        clears the entries, the counts and the messages
    GET /_/messages?contract=NAME&id=ID     the messages that were taken, one JSON object a line, not those of /send/
    GET /_/summary, GET /_/rate             the counts; the requests started in each second
    GET /_/faults, PUT /_/faults            the plan of faults (faults.py); {} has none
    GET /_/receipts, PUT /_/receipts        the plan of receipts (receipt_plan.py)
    GET /_/callbacks?after=SEQ              the callbacks and their answers, one JSON object a line
    GET /_/callbacks/summary                their counts
    POST /_/callbacks                       makes a receipt: {"contract", "id", "to", "url", "state", "reason"}
    POST /_/inbound                         forwards a message: {"contract", "sender", "to", "text", "parts", "url"}

It needs no token: any client that reaches the port may use it, so the default address is 127.0.0.1.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from sandbox.simulated_gateway.contracts.base import InboundText
from sandbox.simulated_gateway.faults import Faults
from sandbox.simulated_gateway.gateway import Gateway
from sandbox.simulated_gateway.http_messages import Request, json_response, result_response
from sandbox.simulated_gateway.plan_fields import PlanError
from sandbox.simulated_gateway.receipt_plan import ACCEPTED, DELIVERED, REASONS, UNDELIVERED, ReceiptPlan
from sandbox.simulated_gateway.reporting import ReceiptRequest

CONTROL = b"/_/"
PATHS = (
    "the paths are /_/ledger, /_/ledger/{id}, /_/messages, /_/summary, /_/rate, /_/faults, /_/receipts, /_/callbacks, "
    "/_/callbacks/summary and /_/inbound"
)
MAX_PARTS = 20
ENTRIES_A_CHUNK = 250  # some 2 ms, during which no other client is served

Response = bytes | Iterator[bytes]


class _InvalidRequest(ValueError):
    """The request is invalid; the message says why."""


class Control:
    """Answers the requests under `/_/`. A response is one byte string, or an iterator of chunks when it may be long."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._plan: object = {}
        self._receipts: object = {}

    def respond(self, request: Request) -> Response:
        """The response to a request."""
        resource, _, msg_id = request.path.removeprefix(CONTROL).partition(b"/")
        methods = self._one_message(msg_id) if resource == b"ledger" and msg_id else self._resource(request.path)
        if not methods:
            return result_response(404, 1, PATHS)
        respond = methods.get(request.method)
        if respond is None:
            allowed = b", ".join(methods).decode()
            return result_response(405, 1, f"only {allowed} is possible here", f"Allow: {allowed}")
        try:
            return respond(request)
        except (_InvalidRequest, PlanError) as error:
            return result_response(400, 1, str(error))

    def _resource(self, path: bytes) -> dict[bytes, Callable[[Request], Response]]:
        ledger = self._gateway.ledger
        resources: dict[bytes, dict[bytes, Callable[[Request], Response]]] = {
            b"ledger": {b"GET": self._list_entries, b"DELETE": self._forget},
            b"messages": {b"GET": self._list_messages},
            b"summary": {b"GET": lambda request: json_response(200, ledger.summary()._asdict())},
            b"rate": {b"GET": lambda request: json_response(200, ledger.rate())},
            b"faults": {b"GET": lambda request: json_response(200, self._plan), b"PUT": self._set_faults},
            b"receipts": {b"GET": lambda request: json_response(200, self._receipts), b"PUT": self._set_receipts},
            b"callbacks": {b"GET": self._list_callbacks, b"POST": self._send_receipt},
            b"callbacks/summary": {b"GET": self._summarize_callbacks},
            b"inbound": {b"POST": self._send_inbound},
        }
        return resources.get(path.removeprefix(CONTROL), {})

    def _one_message(self, msg_id: bytes) -> dict[bytes, Callable[[Request], Response]]:
        return {b"GET": lambda request: self._list_entries_of(msg_id, request)}

    def _list_entries(self, request: Request) -> Response:
        after, limit = _number(request, "after") or 0, _number(request, "limit")
        entries = self._gateway.ledger.entries(after, limit, bool(_number(request, "all")))
        return _in_chunks(entry._asdict() for entry in entries)

    def _list_entries_of(self, msg_id: bytes, request: Request) -> Response:
        number = _whole("id", msg_id.decode("latin-1"))
        entries = self._gateway.ledger.entries_of(number, bool(_number(request, "all")))
        return json_response(200, [entry._asdict() for entry in entries])

    def _list_messages(self, request: Request) -> Response:
        contract, message_id = _text(request, "contract"), _text(request, "id")
        messages = self._gateway.kept.all_of(contract)
        return _in_chunks(message._asdict() for message in messages if message_id in (None, message.id))

    def _forget(self, request: Request) -> Response:
        self._gateway.forget()
        return json_response(200, {})

    def _list_callbacks(self, request: Request) -> Response:
        entries = self._gateway.reporting.sender.ledger.entries(_number(request, "after") or 0)
        return _in_chunks(
            {**entry.callback._asdict(), "request": entry.callback.request._asdict()}
            | {"calls": entry.calls, "status": entry.status, "acknowledged_at": entry.acknowledged_at}
            for entry in entries
        )

    def _summarize_callbacks(self, request: Request) -> Response:
        sender = self._gateway.reporting.sender
        return json_response(200, sender.ledger.summary(sender.waiting)._asdict())

    def _send_receipt(self, request: Request) -> Response:
        given = _texts(_object(request, "callbacks"), ReceiptRequest._fields, ("contract", "to", "url"))
        self._check_contract(given["contract"])
        asked = ReceiptRequest(**{"id": "", **given})
        known = {ACCEPTED: (None,), DELIVERED: (None,), UNDELIVERED: REASONS}
        if asked.reason not in known.get(asked.state, ()):
            raise _InvalidRequest(
                f"state: must be one of {', '.join(known)}, and reason, of the last one, of {REASONS}"
            )
        return json_response(200, {"sequence": self._gateway.reporting.send_one(asked).sequence})

    def _send_inbound(self, request: Request) -> Response:
        plan = _object(request, "inbound")
        parts = plan.pop("parts", 1)
        if not isinstance(parts, int) or not 1 <= parts <= MAX_PARTS:
            raise _InvalidRequest(f"parts: must be a whole number from 1 to {MAX_PARTS}, not {parts!r}")
        names = ("contract", "sender", "to", "text", "url")
        given = _texts(plan, names, names)
        self._check_contract(given["contract"])
        inbound = InboundText(given["sender"], given["to"], given["text"], parts)
        made = self._gateway.reporting.send_inbound(given["contract"], inbound, given["url"])
        return json_response(200, {"sequences": [callback.sequence for callback in made]})

    def _check_contract(self, name: str) -> None:
        contracts = self._gateway.reporting.contracts
        if name not in contracts:
            raise _InvalidRequest(f"contract: must be one of {', '.join(contracts)}, not {name!r}")

    def _set_receipts(self, request: Request) -> Response:
        plan = _object(request, "receipts")
        self._gateway.reporting.set_plan(ReceiptPlan.from_json(plan))
        self._receipts = plan
        return json_response(200, plan)

    def _set_faults(self, request: Request) -> Response:
        plan = _body(request, "faults")
        self._gateway.set_faults(Faults.from_json(plan))
        self._plan = plan
        return json_response(200, plan)


def _body(request: Request, name: str) -> Any:
    try:
        return json.loads(request.body.decode())
    except (ValueError, RecursionError):
        raise _InvalidRequest(f"{name}: the body is not JSON") from None


def _object(request: Request, name: str) -> dict[str, Any]:
    given = _body(request, name)
    if not isinstance(given, dict):
        raise _InvalidRequest(f"{name}: must be a JSON object")
    return given


def _texts(given: Mapping[str, object], known: Collection[str], required: Collection[str]) -> dict[str, str]:
    """The fields, all of which are texts."""
    for name in (*given, *required):
        if name not in known or not isinstance(given.get(name), str):
            raise _InvalidRequest(f"{name}: must be one of {', '.join(known)}, and a text")
    return {name: str(value) for name, value in given.items()}


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
