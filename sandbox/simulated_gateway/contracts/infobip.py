"""Infobip's SMS API, version 3, after its OpenAPI document (api-evangelist/infobip:openapi/infobip-sms-openapi.json).

    POST /sms/3/messages          {"messages": [{"sender", "destinations": [{"to", "messageId"}], "content": {"text"}}]}
    GET  /sms/3/logs?messageId=…  what was taken under these ids (repeatable); /sms/1/logs has the older form

`Authorization: App TOKEN`, or Basic with the account `sandbox`. A `messageId` that was taken before is refused:
REJECTED_DUPLICATE_MESSAGE_ID, group 5, id 23. `webhooks.delivery.url` is called by POST with a list of results, and
repeated until it is answered 200; without a signature, as if none were set up. Statuses:
infobip.com/docs/essentials/response-status-and-error-codes. Not verified: the codes of errors beside 400, 401 and 429,
and how soon the logs of the real one have a message.
"""

import json
import time
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qs
from uuid import uuid4

from sandbox.simulated_gateway.callbacks import CallbackRequest
from sandbox.simulated_gateway.contracts.base import (
    LOGIN,
    InboundText,
    Reply,
    ReportingContract,
    Submission,
    int64,
    phone_of,
)
from sandbox.simulated_gateway.contracts.segments import segments_of
from sandbox.simulated_gateway.faults import Answer, Outcome, Reaction
from sandbox.simulated_gateway.http_messages import Request, json_response
from sandbox.simulated_gateway.kept_messages import KeptMessage, KeptMessages
from sandbox.simulated_gateway.receipt_plan import ACCEPTED, DELIVERED, Report

SEND, LOGS, OLD_LOGS = b"/sms/3/messages", b"/sms/3/logs", b"/sms/1/logs"
MAX_MESSAGE_ID = 200  # characters


class Status(NamedTuple):
    """A message's status."""

    group_id: int
    group: str
    id: int
    name: str
    description: str

    def as_json(self) -> dict[str, object]:
        """As answers contain it."""
        return {
            "groupId": self.group_id,
            "groupName": self.group,
            "id": self.id,
            "name": self.name,
            "description": self.description,
        }


PENDING = Status(1, "PENDING", 26, "PENDING_ACCEPTED", "Message accepted, pending for delivery.")
ENROUTE = Status(1, "PENDING", 7, "PENDING_ENROUTE", "Message sent to next instance")
DUPLICATE = Status(5, "REJECTED", 23, "REJECTED_DUPLICATE_MESSAGE_ID", "Rejected duplicate message ID")

REJECTIONS = {
    Answer.REFUSED: Status(5, "REJECTED", 6, "REJECTED_NETWORK", "Network is forbidden"),
    Answer.RETRIABLE: Status(5, "REJECTED", 21, "REJECTED_SYSTEM_ERROR", "System error"),
    Answer.NO_CREDIT: Status(5, "REJECTED", 12, "REJECTED_NOT_ENOUGH_CREDITS", "Not enough credits"),
    Answer.WRONG_SENDER: Status(5, "REJECTED", 11, "REJECTED_SOURCE", "Invalid Source address"),
    Answer.OPTED_OUT: Status(5, "REJECTED", 10, "REJECTED_DND", "Destination on DND list"),
}
"""Answers with HTTP 200, which reject each message of the request."""

ERRORS = {Answer.WRONG_CREDENTIALS: (401, "Invalid login details"), Answer.THROTTLED: (429, "Too many requests")}
NO_ERROR = {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "description": "No Error", "permanent": False}

DELIVERED_TO_HANDSET = Status(3, "DELIVERED", 5, "DELIVERED_TO_HANDSET", "Message delivered to handset")
NOT_DELIVERED = Status(2, "UNDELIVERABLE", 9, "UNDELIVERABLE_NOT_DELIVERED", "Message sent not delivered")
EXPIRED = Status(4, "EXPIRED", 15, "EXPIRED_EXPIRED", "Message expired")

UNDELIVERED = {
    "expired": (EXPIRED, 27, "EC_ABSENT_SUBSCRIBER", False),
    "blocked": (NOT_DELIVERED, 13, "EC_CALL_BARRED", True),
    "unknown_subscriber": (NOT_DELIVERED, 1, "EC_UNKNOWN_SUBSCRIBER", True),
    "opted_out": (REJECTIONS[Answer.OPTED_OUT], 0, "NO_ERROR", False),
    "rejected": (REJECTIONS[Answer.REFUSED], 0, "NO_ERROR", False),
    "other": (NOT_DELIVERED, 255, "EC_UNKNOWN_ERROR", False),
}
"""Status and error (id, name, whether it is permanent) of a receipt, by the reason."""

JSON = "application/json"


class _Invalid(ValueError):
    """The body is not a valid request; the message says why."""


class InfobipContract(ReportingContract):
    """Answers and callbacks of Infobip."""

    name = "infobip"
    paths = (b"/sms/",)

    def read(self, request: Request, token: bytes, kept: KeptMessages, now: float) -> Submission | Reaction:
        method = {SEND: b"POST", LOGS: b"GET", OLD_LOGS: b"GET"}.get(request.path)
        if method is None:
            return _failed(Outcome.NOT_FOUND, 404, "Requested URL not found")
        if request.method != method:
            return _failed(Outcome.NOT_ALLOWED, 405, "Method not allowed")
        basic = b64encode(LOGIN.encode() + b":" + token)
        if request.authorization not in (b"App " + token, b"Basic " + basic):
            return _failed(Outcome.UNAUTHORIZED, *ERRORS[Answer.WRONG_CREDENTIALS])
        if method == b"GET":
            return _logs(request, kept)
        try:
            messages = _messages_in(request.body, now)
        except _Invalid as error:
            return _failed(Outcome.MALFORMED, 400, str(error))
        first = messages[0]
        refusal = None
        ids = [message.id for message in messages]
        # A request with several messages is refused as a whole: the real one would take the others.
        if len(set(ids)) < len(ids) or any(kept.of(self.name, message_id) for message_id in ids):
            refusal = Reaction(Outcome.DUPLICATE, 200, _statuses(messages, DUPLICATE))
        return Submission(messages, int64(first.id), phone_of(first.to), refusal=refusal)

    def answer(self, answer: Answer, submission: Submission, status: int, fields: Sequence[str]) -> Reply:
        if answer is Answer.ACCEPTED:
            return Reply(200, _statuses(submission.messages, PENDING))
        if answer in REJECTIONS:
            return Reply(200, _statuses(submission.messages, REJECTIONS[answer]))
        status, text = ERRORS.get(answer, (status, "simulated"))
        return Reply(status, _error(status, text, fields))

    def new_id(self) -> str:
        return str(uuid4())

    def receipt(self, message: KeptMessage, report: Report, url: str) -> CallbackRequest:
        status, error_id, error_name, permanent = (ENROUTE, 0, "NO_ERROR", False)
        if report.state == DELIVERED:
            status = DELIVERED_TO_HANDSET
        elif report.state != ACCEPTED:
            status, error_id, error_name, permanent = UNDELIVERED[report.reason or "other"]
        error = {"id": error_id, "name": error_name, "permanent": permanent}
        result = {
            "bulkId": message.batch,
            "messageId": message.id,
            "to": message.to,
            "from": message.sender,
            "sentAt": _timestamp(message.taken_at),
            "doneAt": _timestamp(report.at),
            "messageCount": segments_of(message.text or " "),
            "price": {"pricePerMessage": 0.05, "currency": "EUR"},
            "status": status.as_json(),
            "error": {**NO_ERROR, **error},
        }
        at = datetime.fromisoformat(_timestamp(report.at)).timestamp()
        code = f"{status.id} {error_id}" if error_id else str(status.id)
        return CallbackRequest("POST", url, JSON, json.dumps({"results": [result]}), code, at)

    def inbound(self, inbound: InboundText, url: str) -> Sequence[CallbackRequest]:
        result = {
            "messageId": str(uuid4()),
            "from": inbound.sender,
            "to": inbound.to,
            "text": inbound.text,
            "cleanText": inbound.text,
            "receivedAt": _timestamp(time.time()),
            "smsCount": segments_of(inbound.text),
            "price": {"pricePerMessage": 0, "currency": "EUR"},
        }
        content = {"results": [result], "messageCount": 1, "pendingMessageCount": 0}
        return (CallbackRequest("POST", url, JSON, json.dumps(content)),)


def _messages_in(body: bytes, now: float) -> list[KeptMessage]:
    """The messages of a valid body, one for each destination; one at least. Raises _Invalid."""
    try:
        given = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise _Invalid("the body is not JSON") from None
    bulk = uuid4().hex
    messages = []
    for message in _objects(given if isinstance(given, dict) else {}, "messages"):
        content = message.get("content")
        text = content.get("text") if isinstance(content, dict) else None
        if not isinstance(text, str) or not text:
            raise _Invalid("messages[].content.text: must not be blank")
        sender = message.get("sender", "")
        if not isinstance(sender, str):
            raise _Invalid("messages[].sender: must be a string")
        for destination in _objects(message, "destinations"):
            to, message_id = destination.get("to"), destination.get("messageId", uuid4().hex)
            if not isinstance(to, str) or not phone_of(to):
                raise _Invalid("messages[].destinations[].to: must be a phone number")
            if not isinstance(message_id, str) or not 0 < len(message_id) <= MAX_MESSAGE_ID:
                raise _Invalid("messages[].destinations[].messageId: must be a string of 1 to 200 characters")
            url = _receipt_url(message)
            messages.append(KeptMessage("infobip", message_id, to, sender, text, now, batch=bulk, receipt_url=url))
    return messages


def _receipt_url(message: dict[str, object]) -> str:
    webhooks = message.get("webhooks")
    delivery = webhooks.get("delivery") if isinstance(webhooks, dict) else None
    url = delivery.get("url") if isinstance(delivery, dict) else None
    return url if isinstance(url, str) else ""


def _objects(of: dict[str, object], name: str) -> list[dict[str, object]]:
    given = of.get(name)
    if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
        raise _Invalid(f"{name}: must be a list of objects that is not empty")
    return given


def _statuses(messages: Sequence[KeptMessage], status: Status) -> bytes:
    answers = [
        {
            "messageId": message.id,
            "status": status.as_json(),
            "destination": message.to,
            "details": {"messageCount": segments_of(message.text)},
        }
        for message in messages
    ]
    return json_response(200, {"bulkId": messages[0].batch, "messages": answers})


def _logs(request: Request, kept: KeptMessages) -> Reaction:
    """What was taken under the ids that are asked for, or to the destination; everything without either."""
    given = parse_qs(request.query.decode("latin-1"))
    ids, to = given.get("messageId"), given.get("destination", given.get("to", [None]))[0]
    represent = _log if request.path == LOGS else _old_log
    asked = kept.all_of("infobip") if ids is None else (each for one in ids for each in kept.of("infobip", one))
    found = [represent(message) for message in asked if to in (None, message.to)]
    return Reaction(Outcome.LOOKED_UP, 200, json_response(200, {"results": found[-50:]}))


def _log(message: KeptMessage) -> dict[str, object]:
    at = _timestamp(message.taken_at)
    return {
        "sender": message.sender,
        "destination": message.to,
        "bulkId": message.batch,
        "messageId": message.id,
        "sentAt": at,
        "doneAt": at,
        "messageCount": segments_of(message.text),
        "price": {"pricePerMessage": 0.05, "currency": "EUR"},
        "status": ENROUTE.as_json(),
        "error": NO_ERROR,
        "content": {"text": message.text},
    }


def _old_log(message: KeptMessage) -> dict[str, object]:
    new = _log(message)
    renamed = {"sender": "from", "destination": "to", "messageCount": "smsCount"}
    return {renamed.get(name, name): value for name, value in new.items() if name != "content"} | {"text": message.text}


def _timestamp(seconds: float) -> str:
    """2026-11-29T12:00:00.000+0000."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _failed(outcome: Outcome, status: int, text: str) -> Reaction:
    return Reaction(outcome, status, _error(status, text))


def _error(status: int, text: str, fields: Sequence[str] = ()) -> bytes:
    error = {"errorCode": f"E{status}", "description": text, "action": "", "violations": [], "resources": []}
    return json_response(status, error, *fields)
