"""Kannel's HTTP interface: `GET /cgi-bin/sendsms?username&password&from&to&coding&charset&text` of its smsbox.

Sources: pruiz/kannel:doc/userguide/userguide.xml (sendsms-user, "Using the HTTP interface to send SMS messages")
and pruiz/kannel:gw/smsbox.c. Checked with Debian's Kannel 1.4.5 (tests/gateways/test_kannel.py): all phrases below.

- Accepted is 202 with `0: Accepted for delivery`, or `3: Queued for later delivery` while no SMSC takes it. There
  is no id of the message, and Kannel does not deduplicate: after a lost response the doubt remains.
- Kannel cuts a text that is longer than `max-messages` of its sendsms-user, without a word. The default is 1. So
  the account has that number, and longer texts are refused here.
- It cuts long texts every 67 UTF-16 code units, or 153 septets, even within a pair of surrogates.
- The password is part of the request's URL, so a proxy may log it.
- Receipts arrive by GET at the `dlr-url` of each message, in which Kannel fills in `%d` and others. It is asked for all
  but intermediate notifications (32). Nothing authenticates them but the token in the address.
- Of a text in several segments, Kannel asks the SMSC for the receipt of the first one, so there is one for the whole.
- It takes every state that it does not know for a failure, UNKNOWN too. The receipt's own text says more.
- Replies arrive by GET as the `get-url` of an sms-service says: docs/gateways/kannel.md has it. Kannel joins the parts
  of long ones (`sms-combine-concatenated-mo`), and sends an answer's body to the sender unless `max-messages` is 0.

Not verified: versions other than 1.4.5, SMSCs that do not use SMPP, and messages of a proxy between us and the smsbox.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import quote_plus

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.text_segments import Encoding, segments_of
from shared.gateways.account_checks import LINE, PATH, credential, number_option, option, optional, optional_sender
from shared.gateways.base import (
    Account,
    AccountField,
    Adapter,
    Callback,
    CallbackAnswer,
    Capabilities,
    InboundPart,
    OutgoingMessage,
    Provider,
    Receipt,
    Response,
    Submission,
    SubmitResult,
)
from shared.gateways.callbacks import Meaning, callback_secrets, inbound_of, receipt_of, receipt_url_of, unix_time_of
from shared.gateways.code_meanings import (
    CREDENTIALS_REJECTED,
    NO_ROUTE,
    RETRIABLE,
    SENDER_REJECTED,
    STATUSES,
    Phrase,
    read_phrase,
)
from shared.gateways.encoding import form_of, form_text
from shared.gateways.http_statuses import not_understood, read_status
from shared.gateways.sanitize import reason_of, redact
from shared.gateways.smpp_callbacks import bytes_of, concatenation_in, line_in, message_id_in
from shared.gateways.smpp_receipts import smpp_receipt_in
from shared.gateways.text_checks import refusal_of, segments_cut_anywhere

ACCEPTED = ("0: Accepted for delivery", "3: Queued for later delivery")
"""The beginnings of the bodies of a 202."""

PHRASES = (
    Phrase(403, "Authorization failed for sendsms", CREDENTIALS_REJECTED),
    Phrase(403, "Not routable. Do not try again.", NO_ROUTE),
    Phrase(400, "Sender missing and no global set, rejected", SENDER_REJECTED),
    Phrase(400, "denied by white- and/or black-lists", NO_ROUTE),
    # The bearerbox's queue is full, or it does not take messages now: nothing was taken.
    Phrase(503, "Temporal failure, try again later.", RETRIABLE),
)
"""What smsbox answers, by status and words."""

CODINGS = {Encoding.GSM_7: "0", Encoding.UCS_2: "2"}
"""The parameter `coding`."""

DEFAULT_PATH = "/cgi-bin/sendsms"
"""The default of `sendsms-url` in smsbox's configuration."""

MASK = 1 + 2 + 4 + 8 + 16
"""`dlr-mask`: the types that are asked for."""

RECEIPT_QUERY = "&type=%d&smsc-id=%F&text=%A&time=%T&to=%p"
"""What Kannel fills in: the type, the SMSC's id, its words, the time in seconds since 1970, the recipient."""

TYPES: Mapping[str, Meaning] = {
    "1": Meaning.DELIVERED,
    "2": Meaning.OTHER,
    "4": Meaning.ON_ITS_WAY,  # buffered by the SMSC
    "8": Meaning.ON_ITS_WAY,  # accepted by it
    "16": Meaning.REJECTED,  # by it
    "32": Meaning.ON_ITS_WAY,  # an intermediate notification
}
"""By `%d`."""

FAILED, REFUSED = "2", "16"

NACK = re.compile(r"NACK/([0-9A-Za-z]{1,12})/(.*)", re.DOTALL)
"""The words of an SMSC that has refused a message: the status of its response, and Kannel's name of it."""

INVALID_DESTINATION = 0x0B
"""The status ESME_RINVDSTADR (SMPP 3.4, 5.1.3)."""

BINARY = "1"
"""The `coding` of a message that is no text."""

CHARSETS = frozenset(
    {"utf-8", "utf-16be", "us-ascii", "windows-1252", "windows-1251", "koi8-r", "iso-8859-1", "iso-8859-5"}
)
"""The values of `%C` that are read."""


class KannelAdapter(Adapter):
    """The interface of one sendsms-user."""

    capabilities = Capabilities(receipts=True, inbound=True)
    receipt_answer = CallbackAnswer()
    inbound_answer = CallbackAnswer()
    """Its body is sent to the sender of the message, unless Kannel is told not to."""

    def __init__(self, account: Account) -> None:
        # A percent sign of the address itself is doubled: Kannel takes it for the start of something to fill in.
        self._receipt_url = receipt_url_of(account).replace("%", "%%")
        self._callback_secrets = callback_secrets(account)
        self._password = credential(account, "password", LINE)
        self._max_messages = number_option(account, "max_messages", 1)
        query = form_of(
            {
                "username": option(account, "username", LINE),
                "password": self._password,
                "from": optional_sender(account),
                "smsc": optional(account, "smsc"),
            }
        )
        self._start = f"{option(account, 'path', PATH, DEFAULT_PATH)}?{query.decode()}"
        self._headers: Mapping[str, str] = {"Accept": "text/plain"}

    def segments(self, text: str) -> int:
        """As Kannel cuts it."""
        return segments_cut_anywhere(text)

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal if Kannel would cut its text short."""
        text, phone_number = message.text, str(message.phone_number)
        if refused := refusal_of(text):
            return refused
        if self.segments(text) > self._max_messages:
            return SubmitResult(Result.REFUSED, reason=reason_of(ReasonCode.TEXT_TOO_LONG))
        coding = CODINGS[segments_of(text).encoding]
        path = f"{self._start}&to={phone_number}&coding={coding}&charset=UTF-8&text={form_text(text).decode()}"
        if self._receipt_url:
            receipt_url = f"{self._receipt_url}{message.message_id}{RECEIPT_QUERY}"
            path += f"&dlr-mask={MASK}&dlr-url={quote_plus(receipt_url)}"
        secrets = (self._password, *self._callback_secrets, text, phone_number)
        return Submission("GET", path, self._headers, b"", secrets)

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response, which names neither id nor recipient."""
        said = response.body.decode(errors="replace").strip()
        if response.status == 202 and said.startswith(ACCEPTED):
            return SubmitResult(Result.ACCEPTED, "202")
        if response.status is not None and 200 <= response.status < 300:
            return not_understood(response)
        known = read_phrase(response, said, PHRASES, secrets)
        return known or read_status(response, redact(said, secrets), STATUSES)

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a request to a `dlr-url`."""
        fields = bytes_of(callback)
        kind, said = line_in(fields, "type"), line_in(fields, "text")
        if not kind:
            raise ValueError("The receipt has no type.")
        meaning, code, words = _read_report(kind, said)
        return [
            receipt_of(
                meaning,
                message_id=message_id_in(callback),
                code=code,
                words=words,
                at=unix_time_of(line_in(fields, "time")),
                recipient=line_in(fields, "to"),
                secrets=(self._password, *self._callback_secrets),
            )
        ]

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of a request to the `get-url` of an sms-service."""
        fields = bytes_of(callback)
        if "text" not in fields:
            raise ValueError("The message has no text.")
        header = concatenation_in(fields.get("udh", b""))
        return [
            inbound_of(
                sender=line_in(fields, "from"),
                recipient=line_in(fields, "to"),
                text=_text_of(fields["text"], line_in(fields, "charset"), line_in(fields, "coding")),
                provider_message_id=line_in(fields, "id"),
                at=unix_time_of(line_in(fields, "time")),
                reference=header and header.reference,
                part=header and header.part,
                parts=header and header.parts,
            )
        ]


def _read_report(kind: str, said: str) -> tuple[Meaning, str, str]:
    """The meaning, the code and the words of a report. An SMSC's own words say more than Kannel's type."""
    meaning = TYPES.get(kind, Meaning.ON_ITS_WAY)
    receipt = smpp_receipt_in(said)
    if kind == FAILED and receipt:
        return receipt.meaning or meaning, receipt.code, ""
    refused = NACK.match(said) if kind == REFUSED else None
    if refused:
        status = int(refused[1], 16) if re.fullmatch(r"0x[0-9a-fA-F]+", refused[1]) else None
        return Meaning.UNKNOWN_SUBSCRIBER if status == INVALID_DESTINATION else meaning, refused[1], refused[2]
    return meaning, receipt.code if receipt else kind, ""


def _text_of(content: bytes, charset: str, coding: str) -> str:
    """The text; in hexadecimal if it is none. What cannot be decoded becomes U+FFFD."""
    if coding == BINARY:
        return content.hex()
    return content.decode(charset if charset.lower() in CHARSETS else "utf-8", "replace")


PROVIDER = Provider(
    name="kannel",
    title="Kannel",
    make=KannelAdapter,
    capabilities=KannelAdapter.capabilities,
    count_segments=segments_cut_anywhere,
    max_segments_option="max_messages",
    sender_required=False,
    fields=(
        AccountField(name="username", label="User name (username of the sendsms-user)"),
        AccountField(name="password", label="Password (password of the sendsms-user)", secret=True),
        AccountField(name="max_messages", label="Segments of a text at most (max-messages)", default="1"),
        AccountField(name="smsc", label="SMSC that messages are sent through (smsc-id)", required=False),
        AccountField(name="path", label="Path (sendsms-url)", required=False, default=DEFAULT_PATH),
    ),
)
