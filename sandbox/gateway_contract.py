"""The gateway's contract, `POST /send/{msgId}`, and its faults: no sockets, no HTTP framing."""

import json
from collections.abc import Callable

from sandbox.faults import FaultInjector, Faults, Outcome, Reaction
from sandbox.gateway_http import Request, result_response
from sandbox.gateway_ledger import Ledger

INT64 = range(-(2**63), 2**63)
SEND = b"/send/"

NOT_FOUND = Reaction(Outcome.NOT_FOUND, 404, result_response(404, 1, "not found: the only path is /send/{msgId}"))
NOT_ALLOWED = Reaction(Outcome.NOT_ALLOWED, 405, result_response(405, 1, "only POST is possible here", "Allow: POST"))
UNAUTHORIZED = Reaction(
    Outcome.UNAUTHORIZED, 401, result_response(401, 1, "the token is not valid", "WWW-Authenticate: Bearer")
)


class Malformed(ValueError):
    """The body is not a valid message."""


class Gateway:
    """The simulated gateway: its token, its plan of faults and its ledger.

    `go_down` is called with the duration in seconds of a plan's outage; the listener sets it.
    """

    def __init__(self, token: str) -> None:
        self.ledger = Ledger()
        self.go_down: Callable[[float], None] = lambda seconds: None
        self._own_token = token.encode()
        self.set_faults(Faults())

    def set_faults(self, faults: Faults) -> None:
        """Replaces the plan; `Faults()` has no faults."""
        self._injector = FaultInjector(faults)
        self._token = faults.token.encode() if faults.token else self._own_token
        if faults.down_for:
            self.go_down(faults.down_for)

    def receive(self, request: Request, started_at: float) -> tuple[Reaction, int]:
        """Records a request; returns the reaction and its sequence number in the ledger.

        The number is 0 for a request without a valid message id; only its response is counted.
        """
        self.ledger.begin(started_at)
        msg_id = _msg_id(request.path)
        if msg_id is None:
            return NOT_FOUND, 0
        if request.method != b"POST":
            return NOT_ALLOWED, 0
        reaction, phone = self._decide(request, msg_id)
        return reaction, self.ledger.record(msg_id, phone, request.body, reaction, started_at)

    def _decide(self, request: Request, msg_id: int) -> tuple[Reaction, int | None]:
        scheme, _, token = request.authorization.partition(b" ")
        if token != self._token or scheme.lower() != b"bearer":
            return UNAUTHORIZED, None
        try:
            phone = _phone_in(request.body, msg_id)
        except Malformed as error:
            return Reaction(Outcome.MALFORMED, 400, result_response(400, 1, str(error))), None
        return self._injector.pick(msg_id, phone), phone


def _msg_id(path: bytes) -> int | None:
    digits = path.removeprefix(SEND)
    # At most 20 characters: int() raises an error of its own for thousands of digits.
    if digits is path or len(digits) > 20 or not digits.removeprefix(b"-").isdigit():
        return None
    return int(digits) if int(digits) in INT64 else None


def _phone_in(body: bytes, msg_id: int) -> int:
    """The phone number in a valid body. Raises Malformed, saying what is invalid."""
    try:
        message = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(message, dict):
        raise Malformed("the body is not an object")
    if type(message.get("id")) is not int or message["id"] not in INT64:
        raise Malformed("id must be an int64")
    if type(message.get("phone")) is not int or message["phone"] not in INT64:
        raise Malformed("phone must be an int64")
    if not isinstance(message.get("text"), str):
        raise Malformed("text must be a string")
    if message["id"] != msg_id:
        raise Malformed(f"id is {message['id']} in the body and {msg_id} in the path")
    phone: int = message["phone"]
    return phone
