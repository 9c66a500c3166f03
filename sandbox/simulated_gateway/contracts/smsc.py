"""SMSC.ru's HTTP API, after smsc.ru/api/http (in English: smscentre.com/api/http) and symfony/smsc-notifier.

    GET or POST /sys/send.php     login and psw, or apikey; phones, mes, sender, id, charset, cost, fmt
    GET or POST /sys/status.php   the same credentials; phone, id, fmt

The account is `sandbox`, and the token is its password and its apikey. The answer is JSON for fmt=3, else text. Texts
are windows-1251 unless `charset` says otherwise. An equal request within a minute is refused with error 9; the same
`id` is taken again later. Errors come with status 200. Receipts go to the address in the settings of the account, by
POST.

Not verified: the fields of receipts and of messages of recipients, and their signature, which is left out here; what
the real one does with an `id` that it has, whether another `id` makes a request another one (here it does), and the
form of `status: -3` (not found). It has no codes for throttling beside 9 and 4, and none for a recipient who has opted
out.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import uuid4

from sandbox.simulated_gateway.callbacks import CallbackRequest
from sandbox.simulated_gateway.contracts.base import (
    LOGIN,
    InboundText,
    Reply,
    ReportingContract,
    Submission,
    int64,
    parameters,
    phone_of,
)
from sandbox.simulated_gateway.contracts.segments import segments_of
from sandbox.simulated_gateway.faults import Answer, Outcome, Reaction
from sandbox.simulated_gateway.http_messages import Request, http_response, json_response
from sandbox.simulated_gateway.kept_messages import KeptMessage, KeptMessages
from sandbox.simulated_gateway.receipt_plan import ACCEPTED, DELIVERED, UNDELIVERED, Report

SEND, STATUS = b"/sys/send.php", b"/sys/status.php"
MAX_ID = 2**31 - 1
MAX_TEXT = 1000  # characters
EQUAL_SECONDS = 60.0
PRICE = 4.5  # of a segment
CHARSETS = {"utf-8": "utf-8", "koi8-r": "koi8-r"}
NOT_FOUND, SENT = -3, 0  # of the statuses
JSON, TEXT = "3", "0"  # of fmt

ERRORS = {
    Answer.REFUSED: (8, "message can not be delivered"),
    Answer.RETRIABLE: (4, "ip is temporarily blocked"),
    Answer.THROTTLED: (9, "too many concurrent requests"),
    Answer.NO_CREDIT: (3, "no money"),
    Answer.WRONG_CREDENTIALS: (2, "authorise error"),
    Answer.WRONG_SENDER: (6, "message is denied"),
    Answer.OPTED_OUT: (8, "message can not be delivered"),
}
WITH_ID = (3, 6, 7, 8)
"""The errors whose answer names the message."""

DELIVERY_STATUSES = {ACCEPTED: 0, DELIVERED: 1, UNDELIVERED: 20}
EXPIRED = 3
DELIVERY_ERRORS = {
    "expired": 6,  # the handset is off, or out of reach
    "blocked": 13,  # barred
    "unknown_subscriber": 1,
    "opted_out": 253,
    "rejected": 248,
    "other": 0,
}
"""`err` of a receipt, by the reason."""

FORM = "application/x-www-form-urlencoded"


class SmscContract(ReportingContract):
    """Answers and callbacks of SMSC.ru."""

    name = "smsc"
    paths = (b"/sys/",)

    def read(self, request: Request, token: bytes, kept: KeptMessages, now: float) -> Submission | Reaction:
        if request.path not in (SEND, STATUS):
            return Reaction(Outcome.NOT_FOUND, 404, http_response(404, b"Not found", content_type="text/html"))
        if request.method not in (b"GET", b"POST"):
            return Reaction(Outcome.NOT_ALLOWED, 405, http_response(405, b"", "Allow: GET, POST"))
        charset = parameters(request).get("charset", "").lower()
        given = parameters(request, CHARSETS.get(charset, "windows-1251"))
        as_json = given.get("fmt") == JSON
        if token.decode() not in (given.get("psw") if given.get("login") == LOGIN else None, given.get("apikey")):
            return _failed(Outcome.UNAUTHORIZED, *ERRORS[Answer.WRONG_CREDENTIALS], as_json)
        if request.path == STATUS:
            return _status(given, kept, as_json)
        return self._submission(given, as_json, kept, now)

    def answer(self, answer: Answer, submission: Submission, status: int, fields: Sequence[str]) -> Reply:
        as_json, cost = submission.answer_format.startswith(JSON), submission.answer_format[1:]
        if answer is Answer.ACCEPTED:
            return Reply(200, _accepted(submission.messages, as_json, cost))
        if answer is Answer.STATUS:
            return Reply(status, http_response(status, b"simulated", *fields, content_type="text/html"))
        code, text = ERRORS[answer]
        return Reply(200, _error(code, text, as_json, submission.messages[0].id))

    def new_id(self) -> str:
        return str(uuid4().int % MAX_ID + 1)

    def receipt(self, message: KeptMessage, report: Report, url: str) -> CallbackRequest:
        status = EXPIRED if report.reason == "expired" else DELIVERY_STATUSES[report.state]
        error = DELIVERY_ERRORS[report.reason] if report.reason else 0
        at, code = datetime.fromtimestamp(report.at, UTC), f"{status} {error}" if error else str(status)
        fields = {
            "id": message.id,
            "phone": message.to,
            "status": status,
            "time": f"{at:%d.%m.%Y %H:%M:%S}",
            "ts": int(report.at),
            "err": error,
            "cnt": segments_of(message.text or " "),
        }
        return CallbackRequest("POST", url, FORM, urlencode(fields), code, float(int(report.at)))

    def inbound(self, inbound: InboundText, url: str) -> Sequence[CallbackRequest]:
        fields = {"phone": inbound.sender, "mes": inbound.text, "to": inbound.to, "id": self.new_id()}
        return (CallbackRequest("POST", url, FORM, urlencode(fields)),)

    def _submission(
        self, given: Mapping[str, str], as_json: bool, kept: KeptMessages, now: float
    ) -> Submission | Reaction:
        phones = [phone.strip() for phone in given.get("phones", "").replace(";", ",").split(",")]
        text, sender, own_id, cost = (given.get(name, "") for name in ("mes", "sender", "id", "cost"))
        if not text or len(text) > MAX_TEXT or (own_id and not 1 <= int64(own_id) <= MAX_ID):
            return _failed(Outcome.MALFORMED, 1, "parameters error", as_json)
        if not all(map(phone_of, phones)):
            return _failed(Outcome.MALFORMED, 7, "invalid number", as_json, own_id or "0")
        if cost == "1":
            price = segments_of(text) * len(phones)
            answer = _plain(f"{price * PRICE:g} ({price} SMS)", {"cost": f"{price * PRICE:g}", "cnt": price}, as_json)
            return Reaction(Outcome.LOOKED_UP, 200, answer)
        message_id = own_id or str(uuid4().int % MAX_ID + 1)
        messages = [KeptMessage("smsc", message_id, phone, sender, text, now) for phone in phones]
        fingerprint = f"smsc {given['phones']} {sender} {own_id} {text}"
        before = kept.requested_at(fingerprint)
        refusal = None
        if before is not None and now - before < EQUAL_SECONDS:
            refusal = _failed(Outcome.DUPLICATE, 9, "duplicate request, wait a minute", as_json)
        answer_format = (JSON if as_json else TEXT) + cost
        return Submission(messages, int64(own_id), phone_of(phones[0]), fingerprint, answer_format, refusal)


def _status(given: Mapping[str, str], kept: KeptMessages, as_json: bool) -> Reaction:
    """The status of a message by phone and id."""
    phone, message_id = given.get("phone", ""), given.get("id", "")
    if not phone_of(phone) or not int64(message_id):
        return _failed(Outcome.LOOKED_UP, 1, "parameters error", as_json)
    found = [one for one in kept.of("smsc", message_id) if phone_of(one.to) == phone_of(phone)]
    if not found:
        answer = _plain("Status = -3", {"status": NOT_FOUND, "last_date": "", "last_timestamp": 0}, as_json)
        return Reaction(Outcome.LOOKED_UP, 200, answer)
    at = datetime.fromtimestamp(found[-1].taken_at, UTC)
    date = f"{at:%d.%m.%Y %H:%M:%S}"
    status = {"status": SENT, "last_date": date, "last_timestamp": int(at.timestamp()), "err": 0}
    return Reaction(Outcome.LOOKED_UP, 200, _plain(f"Status = {SENT}, check_time = {date}", status, as_json))


def _accepted(messages: Sequence[KeptMessage], as_json: bool, cost: str) -> bytes:
    message_id, count = messages[0].id, sum(segments_of(message.text) for message in messages)
    answer: dict[str, object] = {"id": int(message_id), "cnt": count}
    if cost in ("2", "3"):
        answer["cost"] = f"{count * PRICE:g}"
    if cost == "3":
        answer["balance"] = "1000"
    return _plain(f"OK - {count} SMS, ID - {message_id}", answer, as_json)


def _failed(outcome: Outcome, code: int, text: str, as_json: bool, message_id: str = "") -> Reaction:
    return Reaction(outcome, 200, _error(code, text, as_json, message_id))


def _error(code: int, text: str, as_json: bool, message_id: str = "") -> bytes:
    answer: dict[str, object] = {"error": text, "error_code": code}
    if code in WITH_ID:
        answer["id"] = int(message_id or 0)
    return _plain(f"ERROR = {code} ({text})", answer, as_json)


def _plain(text: str, value: Mapping[str, object], as_json: bool) -> bytes:
    if as_json:
        return json_response(200, value)
    return http_response(200, text.encode(), content_type="text/html")
