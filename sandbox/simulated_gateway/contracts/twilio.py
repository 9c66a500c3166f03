"""Twilio's Programmable Messaging, version 2010-04-01, after twilio/twilio-oai:spec/json/twilio_api_v2010.json.

    POST /2010-04-01/Accounts/{AccountSid}/Messages.json           To, From or MessagingServiceSid, Body
    GET  /2010-04-01/Accounts/{AccountSid}/Messages.json?To=…      what was taken, the newest first
    GET  /2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json     one message

Basic authentication: any account sid, which must be the one of the path, and the token. There is no id of ours and no
deduplication: a repeat is another message. StatusCallback is called for each state by POST, with a form that is signed
in X-Twilio-Signature (twilio.com/docs/usage/security). Error codes: twilio.com/docs/api/errors. Twilio has no code for
used-up credit: the account is suspended (20005). The real one repeats a refused callback only as the fragment of the
address says (`#rc=5`); here it is always repeated. Not verified: the HTTP status of 20005 and 21611, and the words of
the errors.
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from sandbox.simulated_gateway.callbacks import CallbackRequest
from sandbox.simulated_gateway.contracts.base import (
    InboundText,
    Reply,
    ReportingContract,
    Submission,
    parameters,
    phone_of,
)
from sandbox.simulated_gateway.contracts.segments import segments_of
from sandbox.simulated_gateway.faults import Answer, Outcome, Reaction
from sandbox.simulated_gateway.http_messages import Request, json_response
from sandbox.simulated_gateway.kept_messages import KeptMessage, KeptMessages
from sandbox.simulated_gateway.receipt_plan import ACCEPTED, DELIVERED, UNDELIVERED, Report

ROOT = b"/2010-04-01/Accounts/"
RESOURCE = re.compile(rb"/2010-04-01/Accounts/(AC[0-9a-f]{32})/Messages(?:/(SM[0-9a-f]{32}))?\.json")
MAX_TEXT = 1600  # characters
LISTED = 50  # the default PageSize

ERRORS = {
    Answer.REFUSED: (400, 21211, "Invalid 'To' Phone Number"),
    Answer.RETRIABLE: (429, 21611, "This 'From' number has exceeded the maximum number of queued messages"),
    Answer.THROTTLED: (429, 20429, "Too Many Requests"),
    Answer.NO_CREDIT: (401, 20005, "Account not active"),
    Answer.WRONG_CREDENTIALS: (401, 20003, "Authenticate"),
    Answer.WRONG_SENDER: (400, 21606, "The 'From' phone number provided is not a valid message-capable phone number"),
    Answer.OPTED_OUT: (400, 21610, "Attempt to send to unsubscribed recipient"),
}
"""HTTP status, code and message."""

CODE_OF_STATUS = {401: 20003, 404: 20404, 405: 20004, 429: 20429, 503: 20503}

STATUSES = {ACCEPTED: "sent", DELIVERED: "delivered", UNDELIVERED: "undelivered"}
"""MessageStatus of a receipt."""

DELIVERY_ERRORS = {
    "expired": 30003,  # unreachable destination handset
    "blocked": 30004,
    "unknown_subscriber": 30005,
    "opted_out": 21610,
    "rejected": 30034,  # a number without a registered campaign
    "other": 30008,  # unknown error
}
"""ErrorCode of a receipt, by the reason."""

FORM = "application/x-www-form-urlencoded"


class TwilioContract(ReportingContract):
    """Answers and callbacks of Twilio."""

    name = "twilio"
    paths = (ROOT,)

    def read(self, request: Request, token: bytes, kept: KeptMessages, now: float) -> Submission | Reaction:
        found = RESOURCE.fullmatch(request.path)
        if found is None:
            return _failed(Outcome.NOT_FOUND, 404, 20404, "The requested resource was not found")
        account, sid = found[1].decode(), (found[2] or b"").decode()
        if not _is_authorized(request.authorization, account, token):
            return _failed(Outcome.UNAUTHORIZED, *ERRORS[Answer.WRONG_CREDENTIALS])
        if request.method == b"GET":
            return _one(account, sid, kept) if sid else _list(account, parameters(request), kept)
        if request.method != b"POST" or sid:
            return _failed(Outcome.NOT_ALLOWED, 405, 20004, "Method not allowed")
        return _submission(parameters(request), account, now)

    def answer(self, answer: Answer, submission: Submission, status: int, fields: Sequence[str]) -> Reply:
        if answer is Answer.ACCEPTED:
            (message,) = submission.messages
            return Reply(201, json_response(201, _representation(message, "queued"), *fields))
        if answer is Answer.STATUS:
            code = CODE_OF_STATUS.get(status, 20500 if status >= 500 else 20001)
            return Reply(status, _error(status, code, "simulated", fields))
        status, code, text = ERRORS[answer]
        return Reply(status, _error(status, code, text, fields))

    def new_id(self) -> str:
        return f"SM{uuid4().hex}"

    def receipt(self, message: KeptMessage, report: Report, url: str) -> CallbackRequest:
        status = STATUSES[report.state]
        fields = {
            "ApiVersion": "2010-04-01",
            "AccountSid": message.account,
            "MessageSid": message.id,
            "SmsSid": message.id,
            "MessageStatus": status,
            "SmsStatus": status,
            "From": message.sender,
            "To": message.to,
        }
        code = DELIVERY_ERRORS[report.reason] if report.reason else None
        if code:
            fields |= {"ErrorCode": str(code)}
        return CallbackRequest("POST", url, FORM, urlencode(fields), str(code or status))

    def signature(self, request: CallbackRequest, token: str) -> Mapping[str, str]:
        signed = request.url + "".join(sorted(name + value for name, value in parse_qsl(request.body, True)))
        digest = hmac.digest(token.encode(), signed.encode(), "sha1")
        return {"X-Twilio-Signature": b64encode(digest).decode()}

    def inbound(self, inbound: InboundText, url: str) -> Sequence[CallbackRequest]:
        sid = self.new_id()
        fields = {
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsStatus": "received",
            "From": inbound.sender,
            "To": inbound.to,
            "Body": inbound.text,
            "NumMedia": "0",
            "NumSegments": str(segments_of(inbound.text)),
        }
        return (CallbackRequest("POST", url, FORM, urlencode(fields)),)


def _is_authorized(authorization: bytes, account: str, token: bytes) -> bool:
    scheme, _, given = authorization.partition(b" ")
    try:
        return scheme.lower() == b"basic" and b64decode(given, validate=True) == account.encode() + b":" + token
    except ValueError:
        return False


def _submission(given: Mapping[str, str], account: str, now: float) -> Submission | Reaction:
    to, text = given.get("To", ""), given.get("Body", "")
    sender = given.get("From") or given.get("MessagingServiceSid") or ""
    invalid = (
        (not to, 21604, "A 'To' phone number is required."),
        (not sender, 21603, "A 'From' phone number is required."),
        (not text, 21602, "Message body is required."),
        (not (to.startswith("+") and phone_of(to)), 21211, f"The 'To' number {to} is not a valid phone number."),
        (len(text) > MAX_TEXT, 21617, "The concatenated message body exceeds the 1600 character limit."),
    )
    for is_invalid, code, why in invalid:
        if is_invalid:
            return _failed(Outcome.MALFORMED, 400, code, why)
    url = given.get("StatusCallback", "")
    message = KeptMessage("twilio", f"SM{uuid4().hex}", to, sender, text, now, account, receipt_url=url)
    return Submission((message,), phone=phone_of(to))


def _one(account: str, sid: str, kept: KeptMessages) -> Reaction:
    for message in kept.of("twilio", sid):
        if message.account == account:
            return Reaction(Outcome.LOOKED_UP, 200, json_response(200, _representation(message, "sent")))
    text = f"The requested resource /2010-04-01/Accounts/{account}/Messages/{sid}.json was not found"
    return _failed(Outcome.LOOKED_UP, 404, 20404, text)


def _list(account: str, given: Mapping[str, str], kept: KeptMessages) -> Reaction:
    to, sender = given.get("To"), given.get("From")
    size = given.get("PageSize", "")
    limit = int(size) if size.isdigit() and len(size) < 5 else LISTED
    found = [
        _representation(message, "sent")
        for message in kept.all_of("twilio")
        if message.account == account and to in (None, message.to) and sender in (None, message.sender)
    ]
    uri = f"/2010-04-01/Accounts/{account}/Messages.json"
    page = {
        "messages": found[::-1][:limit],
        "page": 0,
        "page_size": limit,
        "start": 0,
        "end": max(0, min(len(found), limit) - 1),
        "first_page_uri": uri,
        "next_page_uri": None,
        "previous_page_uri": None,
        "uri": uri,
    }
    return Reaction(Outcome.LOOKED_UP, 200, json_response(200, page))


def _representation(message: KeptMessage, status: str) -> dict[str, object]:
    through_service = message.sender.startswith("MG")
    at = format_datetime(datetime.fromtimestamp(message.taken_at, UTC))
    uri = f"/2010-04-01/Accounts/{message.account}/Messages/{message.id}"
    return {
        "sid": message.id,
        "account_sid": message.account,
        "api_version": "2010-04-01",
        "body": message.text,
        "date_created": at,
        "date_sent": at if status == "sent" else None,
        "date_updated": at,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": None if through_service else message.sender,
        "messaging_service_sid": message.sender if through_service else None,
        "num_media": "0",
        # A messaging service chooses the sender later, and the segments are counted then.
        "num_segments": "0" if through_service and status != "sent" else str(segments_of(message.text)),
        "price": None,
        "price_unit": "USD",
        "status": "accepted" if through_service and status != "sent" else status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def _failed(outcome: Outcome, status: int, code: int, text: str) -> Reaction:
    return Reaction(outcome, status, _error(status, code, text))


def _error(status: int, code: int, text: str, fields: Sequence[str] = ()) -> bytes:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_response(status, {"code": code, "message": text, "more_info": more, "status": status}, *fields)
