"""The sending service's contract, `POST /send/{msgId}`, and how it is kept or broken: no sockets, no HTTP framing."""

import json
from collections.abc import Callable

from sandbox.faults import FaultInjector, Faults, Outcome, Reaction
from sandbox.gateway_http import Request, verdict
from sandbox.gateway_ledger import Ledger

INT64 = range(-(2**63), 2**63)
SEND = b"/send/"

NOT_FOUND = Reaction(Outcome.NOT_FOUND, 404, verdict(404, 1, "there is only /send/{msgId}"))
NOT_ALLOWED = Reaction(Outcome.NOT_ALLOWED, 405, verdict(405, 1, "a message is sent with POST", "Allow: POST"))
UNAUTHORIZED = Reaction(
    Outcome.UNAUTHORIZED, 401, verdict(401, 1, "the token is not right", "WWW-Authenticate: Bearer")
)


class Malformed(ValueError):
    """The body does not say what to send to whom."""


class Gateway:
    """The simulated gateway: its token, its plan of misbehaviour and its ledger.

    `go_down` is called with the seconds of an outage that a plan asks for; it is for the listener to set.
    """

    def __init__(self, token: str) -> None:
        self.ledger = Ledger()
        self.go_down: Callable[[float], None] = lambda seconds: None
        self._own_token = token.encode()
        self.misbehave(Faults())

    def misbehave(self, faults: Faults) -> None:
        """From now on follows this plan; `Faults()` is to behave."""
        self._mischief = FaultInjector(faults)
        self._token = faults.token.encode() if faults.token else self._own_token
        if faults.down_for:
            self.go_down(faults.down_for)

    def receive(self, request: Request, started_at: float) -> tuple[Reaction, int]:
        """Decides about a request and writes it down: what to do now, and its sequence number in the ledger.

        The number is 0 for a request that names no message; only its answer is counted.
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
            return Reaction(Outcome.MALFORMED, 400, verdict(400, 1, str(error))), None
        return self._mischief.pick(msg_id, phone), phone


def _msg_id(path: bytes) -> int | None:
    digits = path.removeprefix(SEND)
    # At most 20 characters: int() has its own idea of how many are too many.
    if digits is path or len(digits) > 20 or not digits.removeprefix(b"-").isdigit():
        return None
    return int(digits) if int(digits) in INT64 else None


def _phone_in(body: bytes, msg_id: int) -> int:
    """The phone number of a well-formed body. Raises Malformed, saying what is wrong with it."""
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
