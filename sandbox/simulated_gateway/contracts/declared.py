"""A provider of the simulation's own, to be declared in a contract (docs/gateways/http.md), as small ones are.

    POST /declared/send    a form: to, from, text, ref, callback

The header `Authorization: Bearer` has the token. The answer is `{"code": 0, "id": "…", "segments": 2}`; a code above 0
says why it was not taken. The provider does not deduplicate: `ref`, our id, is returned with each receipt.
`callback` is called by POST with a form, for the whole text or for each part: id, ref, to, state, why, at (in
milliseconds), part, parts.
"""

from collections.abc import Sequence
from urllib.parse import urlencode
from uuid import uuid4

from sandbox.simulated_gateway.callbacks import CallbackRequest
from sandbox.simulated_gateway.contracts.base import (
    InboundText,
    Reply,
    ReportingContract,
    Submission,
    int64,
    parameters,
    phone_of,
    texts_of,
)
from sandbox.simulated_gateway.contracts.segments import segments_of
from sandbox.simulated_gateway.faults import Answer, Outcome, Reaction
from sandbox.simulated_gateway.http_messages import Request, http_response, json_response
from sandbox.simulated_gateway.kept_messages import KeptMessage, KeptMessages
from sandbox.simulated_gateway.receipt_plan import Report

SEND = b"/declared/send"
INVALID, WRONG_KEY = 1, 2
CODES = {
    Answer.REFUSED: (200, 3),
    Answer.RETRIABLE: (200, 4),
    Answer.THROTTLED: (429, 5),
    Answer.NO_CREDIT: (200, 6),
    Answer.WRONG_CREDENTIALS: (200, WRONG_KEY),
    Answer.WRONG_SENDER: (200, 7),
    Answer.OPTED_OUT: (200, 8),
}
"""HTTP status and code."""

FORM = "application/x-www-form-urlencoded"

TOML = """
credentials = ["key"]

[headers]
Authorization = "Bearer {key}"

[request]
method = "POST"
path = "/declared/send"
body = "form"

[request.fields]
to = "{phone}"
from = "{sender}"
text = "{text}"
ref = "{id}"
callback = "{receipt_url}"

[answer]
format = "json"
code = "code"
id = "id"
segments = "segments"

[results]
0 = "accepted"
1 = "refused"
2 = { result = "misconfigured", reason = "credentials_rejected" }
3 = "refused"
4 = "retriable"
6 = "no_credit"
7 = { result = "misconfigured", reason = "sender_rejected" }
8 = "opted_out"

[capabilities]
reference = true

[receipts]
format = "form"
id = "id"
reference = "ref"
phone = "to"
status = "state"
code = "why"
time = "at"
time_format = "unix_ms"
part = "part"
parts = "parts"

[receipts.statuses]
accepted = "accepted"
delivered = "delivered"
undelivered = "undelivered"

[receipts.reasons]
expired = "expired"
blocked = "blocked"
unknown_subscriber = "unknown_subscriber"
opted_out = "opted_out"
rejected = "rejected"
other = "other"

[inbound]
format = "form"
sender = "from"
recipient = "to"
text = "text"
id = "id"
reference = "joined"
part = "part"
parts = "parts"
"""
"""The contract, as an administrator would declare it."""


class DeclaredContract(ReportingContract):
    """Answers and callbacks of that provider."""

    name = "declared"
    paths = (b"/declared/",)
    reports_parts = True

    def read(self, request: Request, token: bytes, kept: KeptMessages, now: float) -> Submission | Reaction:
        if request.path != SEND:
            return Reaction(Outcome.NOT_FOUND, 404, http_response(404, b"{}"))
        if request.method != b"POST":
            return Reaction(Outcome.NOT_ALLOWED, 405, http_response(405, b"{}", "Allow: POST"))
        given = parameters(request)
        if request.authorization != b"Bearer " + token:
            return Reaction(Outcome.UNAUTHORIZED, 200, json_response(200, {"code": WRONG_KEY}))
        to, text = given.get("to", ""), given.get("text", "")
        if not phone_of(to) or not text:
            return Reaction(Outcome.MALFORMED, 200, json_response(200, {"code": INVALID}))
        message = KeptMessage(
            self.name,
            self.new_id(),
            to,
            given.get("from", ""),
            text,
            now,
            receipt_url=given.get("callback", ""),
            reference=given.get("ref", ""),
        )
        return Submission((message,), int64(message.reference), phone_of(to))

    def answer(self, answer: Answer, submission: Submission, status: int, fields: Sequence[str]) -> Reply:
        if answer is Answer.ACCEPTED:
            (message,) = submission.messages
            content = {"code": 0, "id": message.id, "segments": segments_of(message.text)}
            return Reply(200, json_response(200, content))
        if answer is Answer.STATUS:
            return Reply(status, http_response(status, b"simulated", *fields, content_type="text/html"))
        status, code = CODES[answer]
        return Reply(status, json_response(status, {"code": code}, *fields))

    def new_id(self) -> str:
        return uuid4().hex[:16]

    def receipt(self, message: KeptMessage, report: Report, url: str) -> CallbackRequest:
        at = round(report.at * 1000)
        fields = {"id": message.id, "ref": message.reference, "to": message.to, "state": report.state, "at": str(at)}
        if report.reason:
            fields["why"] = report.reason
        if report.part:
            fields |= {"part": str(report.part), "parts": str(report.parts)}
        return CallbackRequest("POST", url, FORM, urlencode(fields), report.reason or report.state, at / 1000)

    def inbound(self, inbound: InboundText, url: str) -> Sequence[CallbackRequest]:
        joined = self.new_id()
        requests = []
        for number, text in enumerate(texts_of(inbound), 1):
            fields = {"id": self.new_id(), "from": inbound.sender, "to": inbound.to, "text": text}
            if inbound.parts > 1:
                fields |= {"joined": joined, "part": str(number), "parts": str(inbound.parts)}
            requests.append(CallbackRequest("POST", url, FORM, urlencode(fields)))
        return requests
