"""Kannel's sendsms of smsbox, after its user guide and source (pruiz/kannel:doc/userguide/userguide.xml, gw/smsbox.c).

    GET /cgi-bin/sendsms?username&password&to&from&text&coding&charset&dlr-mask&dlr-url

`user` and `pass` are other names of the first two: the account is `sandbox`, the token its password. `to` may hold
several numbers, separated by spaces. `text` is UTF-8 unless `charset` or coding=2 (UTF-16BE) says otherwise. The answer
has no id, and a repeat is another message. `dlr-url` is called by GET for the states of `dlr-mask`, with its escapes
filled in (userguide, "Delivery reports"), and without a signature. smsbox repeats it as `http-request-retry` says.
Kannel has no credit and no throttling of its own: the answers are those to a message that it cannot route, and to one
that it cannot take now. Not verified: the words of the errors with 400.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote_plus, urlencode
from uuid import uuid4

from sandbox.simulated_gateway.callbacks import CallbackRequest
from sandbox.simulated_gateway.contracts.base import (
    LOGIN,
    InboundText,
    Reply,
    ReportingContract,
    Submission,
    parameters,
    phone_of,
    texts_of,
)
from sandbox.simulated_gateway.faults import Answer, Outcome, Reaction
from sandbox.simulated_gateway.http_messages import Request, http_response
from sandbox.simulated_gateway.kept_messages import KeptMessage, KeptMessages
from sandbox.simulated_gateway.receipt_plan import ACCEPTED, DELIVERED, UNDELIVERED, Report

SENDSMS = b"/cgi-bin/sendsms"
UCS2 = "2"
ENCODINGS = {"UTF-16BE": "utf-16-be", "UCS-2BE": "utf-16-be", "UCS-2": "utf-16-be", "ISO-8859-1": "latin-1"}
NUMBER = frozenset("0123456789 +-")

NOT_ROUTABLE = (403, "Not routable. Do not try again.")
TEMPORAL = (503, "Temporal failure, try again later.")
ANSWERS = {
    Answer.ACCEPTED: (202, "0: Accepted for delivery"),
    Answer.REFUSED: NOT_ROUTABLE,
    Answer.RETRIABLE: TEMPORAL,
    Answer.THROTTLED: TEMPORAL,
    Answer.NO_CREDIT: NOT_ROUTABLE,
    Answer.WRONG_CREDENTIALS: (403, "Authorization failed for sendsms"),
    Answer.WRONG_SENDER: (400, "Sender missing and no global set, rejected"),
    Answer.OPTED_OUT: (400, "Number(s) has/have been denied by white- and/or black-lists."),
}

TYPES = {ACCEPTED: 8, DELIVERED: 1, UNDELIVERED: 2}
"""The type of a report (`%d`), a bit of `dlr-mask`: 8 is "delivered to the SMSC"."""

SMPP_STATES = {
    "expired": ("EXPIRED", "027"),
    "blocked": ("UNDELIV", "012"),
    "unknown_subscriber": ("UNDELIV", "001"),
    "opted_out": ("REJECTD", "010"),
    "rejected": ("REJECTD", "008"),
    "other": ("UNDELIV", "255"),
}
"""`stat` and `err` of the SMSC's own text (`%A`), by the reason. What `err` means differs by SMSC."""


class KannelContract(ReportingContract):
    """Answers and callbacks of Kannel."""

    name = "kannel"
    paths = (b"/cgi-bin/",)
    needs_query = True

    def read(self, request: Request, token: bytes, kept: KeptMessages, now: float) -> Submission | Reaction:
        if request.path != SENDSMS:
            return _failed(Outcome.NOT_FOUND, 404, "Unknown request.")
        if request.method != b"GET":  # smsbox takes POST with XML or with headers of its own
            return _failed(Outcome.NOT_ALLOWED, 405, "Unsupported method.")
        given = parameters(request)
        user = given.get("username", given.get("user"))
        if (user, given.get("password", given.get("pass"))) != (LOGIN, token.decode()):
            return _failed(Outcome.UNAUTHORIZED, *ANSWERS[Answer.WRONG_CREDENTIALS])
        text = parameters(request, _encoding(given)).get("text")
        return _submission(given, text, now)

    def answer(self, answer: Answer, submission: Submission, status: int, fields: Sequence[str]) -> Reply:
        status, text = ANSWERS.get(answer, (status, "simulated"))
        return Reply(status, _response(status, text, fields))

    def new_id(self) -> str:
        return str(uuid4())

    def receipt(self, message: KeptMessage, report: Report, url: str) -> CallbackRequest:
        kind = TYPES[report.state]
        state, error = SMPP_STATES[report.reason] if report.reason else ("DELIVRD", "000")
        at = datetime.fromtimestamp(report.at, UTC)
        said = (
            "ACK/"
            if report.state == ACCEPTED
            else f"id:{message.id} sub:001 dlvrd:001 submit date:{at:%y%m%d%H%M} done date:{at:%y%m%d%H%M} "
            f"stat:{state} err:{error} text:{message.text[:12]}"
        )
        filled = {"d": str(kind), "F": message.id, "A": said, "t": f"{at:%Y-%m-%d %H:%M:%S}", "T": str(int(report.at))}
        filled |= {"p": message.sender, "P": message.to, "i": "sandbox"}
        called = re.sub("%(.)", lambda found: "%" if found[1] == "%" else quote_plus(filled.get(found[1], "")), url)
        return CallbackRequest("GET", called, at=float(int(report.at)))

    def inbound(self, inbound: InboundText, url: str) -> Sequence[CallbackRequest]:
        """As a `get-url` with these fields would have it; in parts, as without `sms-combine-concatenated-mo`."""
        fields = {"from": inbound.sender, "to": inbound.to, "coding": "0", "charset": "UTF-8"}
        reference = uuid4().int % 256
        requests = []
        for number, text in enumerate(texts_of(inbound), 1):
            header = bytes((5, 0, 3, reference, inbound.parts, number)) if inbound.parts > 1 else b""
            query = {**fields, "id": str(uuid4()), "text": text.encode(), "udh": header}
            requests.append(CallbackRequest("GET", f"{url}?{urlencode(query)}"))
        return requests


def _encoding(given: Mapping[str, str]) -> str:
    named = given.get("charset") or ("UTF-16BE" if given.get("coding") == UCS2 else "UTF-8")
    return ENCODINGS.get(named.upper(), "utf-8")


def _submission(given: Mapping[str, str], text: str | None, now: float) -> Submission | Reaction:
    to, sender = given.get("to", "").split(), given.get("from", "")
    invalid = (
        (not to, "Empty receiver number not allowed, rejected"),
        (text is None, "Wrong sendsms args, rejected"),
        (any(set(number) - NUMBER for number in to), "Garbage 'to' field, rejected."),
        (not sender, ANSWERS[Answer.WRONG_SENDER][1]),
    )
    for is_invalid, why in invalid:
        if is_invalid:
            return _failed(Outcome.MALFORMED, 400, why)
    # Without a mask nothing is reported.
    url = given.get("dlr-url", "") if given.get("dlr-mask", "0") != "0" else ""
    messages = [KeptMessage("kannel", str(uuid4()), number, sender, text or "", now, receipt_url=url) for number in to]
    return Submission(messages, phone=phone_of(to[0]))


def _failed(outcome: Outcome, status: int, text: str) -> Reaction:
    return Reaction(outcome, status, _response(status, text))


def _response(status: int, text: str, fields: Sequence[str] = ()) -> bytes:
    return http_response(status, text.encode(), *fields, content_type="text/html")
