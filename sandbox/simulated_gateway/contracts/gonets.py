"""The contract of Gonets' own specification: `POST /send/{msgId}` with a bearer token (docs/gateway.md).

It does not deduplicate: a repeated message is accepted again.
"""

import json
from collections.abc import Sequence

from sandbox.simulated_gateway.contracts.base import INT64, Reply, Submission
from sandbox.simulated_gateway.faults import Answer, Outcome, Reaction
from sandbox.simulated_gateway.http_messages import Request, result_response
from sandbox.simulated_gateway.kept_messages import KeptMessages

NAME = "gonets"
SEND = b"/send/"

NOT_FOUND = Reaction(Outcome.NOT_FOUND, 404, result_response(404, 1, "not found: the only path is /send/{msgId}"))
NOT_ALLOWED = Reaction(Outcome.NOT_ALLOWED, 405, result_response(405, 1, "only POST is possible here", "Allow: POST"))
UNAUTHORIZED = Reaction(
    Outcome.UNAUTHORIZED, 401, result_response(401, 1, "the token is not valid", "WWW-Authenticate: Bearer")
)
SUCCESS = result_response(200, 0, "OK")
ACCEPTED = Reaction(Outcome.ACCEPTED, 200, SUCCESS, accepts=True)

REFUSALS = {
    Answer.REFUSED: (400, 400, "the number cannot be reached"),
    Answer.RETRIABLE: (200, 7, "blocked"),
    Answer.THROTTLED: (429, 429, "too many requests"),
    Answer.NO_CREDIT: (402, 402, "the balance is used up"),
    Answer.WRONG_CREDENTIALS: (401, 401, "the token is not valid"),
    Answer.WRONG_SENDER: (403, 403, "the sender is not allowed"),
    Answer.OPTED_OUT: (400, 400, "the recipient has opted out"),
}
"""Status, code and message. The contract has no code of its own for a recipient who has opted out."""


class Malformed(ValueError):
    """The body is not a valid message."""


class GonetsContract:
    """It keeps no messages: their bodies are in the ledger as hashes, so that a million of them fit into memory."""

    name = NAME
    paths = (SEND,)

    def read(self, request: Request, token: bytes, kept: KeptMessages, now: float) -> Submission | Reaction:
        msg_id = message_id(request.path)
        if msg_id is None:
            return NOT_FOUND
        if request.method != b"POST":
            return NOT_ALLOWED
        scheme, _, given = request.authorization.partition(b" ")
        if given != token or scheme.lower() != b"bearer":
            return UNAUTHORIZED
        try:
            return Submission((), msg_id, _phone_in(request.body, msg_id))
        except Malformed as error:
            return Reaction(Outcome.MALFORMED, 400, result_response(400, 1, str(error)))

    def answer(self, answer: Answer, submission: Submission, status: int, fields: Sequence[str]) -> Reply:
        if answer is Answer.ACCEPTED:
            return Reply(200, SUCCESS)
        if answer is Answer.STATUS:
            return Reply(status, result_response(status, status, "simulated", *fields))
        status, code, message = REFUSALS[answer]
        return Reply(status, result_response(status, code, message, *fields))


def message_id(path: bytes) -> int | None:
    """The message's id in the path; None if there is none."""
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
