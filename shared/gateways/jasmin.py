"""Jasmin's HTTP API: `POST /send` with the form `username, password, to, from, coding, content | hex-content`.

Sources: jookies/jasmin:misc/doc/sources/apis/http, and of Jasmin 0.11 jasmin/protocols/http/endpoints/send.py,
errors.py, validation.py, jasmin/routing/throwers.py and jasmin/managers/dlr.py. Checked with 0.11.0
(tests/gateways/test_jasmin.py).

- Accepted is 200 with `Success "id"`: the message is in Jasmin's queue. Refused is `Error "words"`. Jasmin takes no
  id of ours and does not deduplicate: after a lost response the doubt remains.
- `coding` 0 is the GSM alphabet, and Jasmin encodes `content` itself; 8 is UTF-16BE in `hex-content`.
- Jasmin cuts a text that has more segments than `long_content_max_parts` of its section http-api, without a word.
  The default is 5. So the account has that number, and longer texts are refused here.
- It cuts long texts every 67 UTF-16 code units, or 153 septets, even within a pair of surrogates.
- Receipts arrive by POST at the `dlr-url` of each message, at level 1 when the SMSC has answered and at level 2 when it
  reports. Replies arrive at the address of an HTTP connector (docs/gateways/jasmin.md). Both have to be answered with
  `ACK/Jasmin`. Nothing authenticates them but the token in the address.
- Of a text in several segments, Jasmin asks the SMSC for the receipt of the last one, so there is one for the whole.
- A refusal for now (RETRIED) is reported too, and then Jasmin submits again, and reports nothing more.
- The times of an SMSC have no offset, so they are not read.
- **0.11.1 reports no deliveries**: its listener fails with `'SubmitSM' object has no attribute 'response'`.

Not verified: versions other than 0.11.0, but for submissions 0.11.1; `Cannot send submit_sm`, the interceptor's errors
and a failover route, which were read in the source only; SMSCs whose alphabet of `coding` 0 is not that of GSM.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.text_segments import Encoding, segments_of
from shared.gateways.account_checks import LINE, credential, number_option, option, optional_sender
from shared.gateways.answer_fields import id_of
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
from shared.gateways.callbacks import Meaning as DeliveryMeaning
from shared.gateways.callbacks import callback_secrets, inbound_of, receipt_of, receipt_url_of
from shared.gateways.code_meanings import (
    CREDENTIALS_REJECTED,
    NO_CREDIT,
    NO_ROUTE,
    NOT_ALLOWED,
    NOT_ALLOWED_HERE,
    RETRIABLE,
    SENDER_REJECTED,
    STATUSES,
    THROTTLED,
    Phrase,
    read_phrase,
)
from shared.gateways.encoding import form_headers, form_of, form_text
from shared.gateways.http_statuses import Meaning, not_understood, read_status
from shared.gateways.sanitize import reason_of, redact
from shared.gateways.smpp_callbacks import bytes_of, line_in, message_id_in, text_of
from shared.gateways.smpp_receipts import SmppReceipt
from shared.gateways.text_checks import refusal_of, segments_cut_anywhere

ACCEPTED = re.compile(rb'\s*Success "([!#-~]{1,200})"\s*')

NO_ROUTE_FOR_ALL = Meaning(Result.MISCONFIGURED, ReasonCode.NO_ROUTE, perhaps_recipient=True)
"""No route of the user fits. Routes may depend on the number, so others may have one."""

PHRASES = (
    Phrase(403, "Authentication failure", CREDENTIALS_REJECTED),
    Phrase(403, "Cannot charge submit_sm", NO_CREDIT),
    Phrase(403, "User throughput exceeded", THROTTLED),
    Phrase(412, "No route found", NO_ROUTE_FOR_ALL),
    # No connector of the route is bound: nothing was queued.
    Phrase(412, "Failover route has no bound connectors", THROTTLED),
    Phrase(400, "Setting source address not authorized", SENDER_REJECTED),
    Phrase(400, "source_address filter mismatch", SENDER_REJECTED),
    Phrase(400, "destination_address filter mismatch", NO_ROUTE),
    Phrase(400, "Long content not authorized", NOT_ALLOWED_HERE),
    Phrase(400, "Setting hex content not authorized", NOT_ALLOWED_HERE),
    Phrase(400, "Authorization failed for user", NOT_ALLOWED),
    Phrase(500, "Cannot send submit_sm", RETRIABLE),
    Phrase(503, "InterceptorPB not", THROTTLED),
)
"""The errors of the API, by status and words. Any other 500 is an error after which a message may be queued."""

CODINGS = {Encoding.GSM_7: b"0", Encoding.UCS_2: b"8"}
"""The parameter `coding`."""

RETRIED = frozenset({"ESME_RSYSERR", "ESME_RTHROTTLED", "ESME_RMSGQFUL", "ESME_RINVSCHED"})
"""The statuses after which Jasmin submits again (jasmin/managers/configs.py, `submit_error_retrial`)."""

ANSWERS: Mapping[str, DeliveryMeaning] = {
    "ESME_ROK": DeliveryMeaning.ON_ITS_WAY,
    "ESME_RINVDSTADR": DeliveryMeaning.UNKNOWN_SUBSCRIBER,
    **dict.fromkeys(RETRIED, DeliveryMeaning.ON_ITS_WAY),
}
"""What `message_status` says of the SMSC's answer (level 1). Every other status is a refusal (SMPP 3.4, 5.1.3)."""

STATUS = re.compile(r"[A-Z][A-Z0-9_]{1,39}")
"""A `message_status`."""

ACKNOWLEDGED = CallbackAnswer(b"ACK/Jasmin")
"""Without this, Jasmin calls again three times, half a minute apart, and gives up."""

LONGEST_CREDENTIAL = 16
"""Characters of a user name or a password (send.py)."""


class JasminAdapter(Adapter):
    """The API for one user of Jasmin."""

    capabilities = Capabilities(receipts=True, inbound=True)
    receipt_answer = ACKNOWLEDGED
    inbound_answer = ACKNOWLEDGED

    def __init__(self, account: Account) -> None:
        self._receipt_url = form_text(receipt_url_of(account))
        self._callback_secrets = callback_secrets(account)
        self._password = credential(account, "password", LINE, LONGEST_CREDENTIAL)
        username = option(account, "username", LINE, longest=LONGEST_CREDENTIAL)
        self._max_parts = number_option(account, "max_parts", 5)
        self._start = form_of({"username": username, "password": self._password, "from": optional_sender(account)})
        self._headers = form_headers(accept="text/plain")

    def segments(self, text: str) -> int:
        """As Jasmin cuts it."""
        return segments_cut_anywhere(text)

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal if Jasmin would cut its text short."""
        text, phone_number = message.text, str(message.phone_number)
        if refused := refusal_of(text):
            return refused
        if self.segments(text) > self._max_parts:
            return SubmitResult(Result.REFUSED, reason=reason_of(ReasonCode.TEXT_TOO_LONG))
        fields, encoded = _text_fields(text)
        body = b"%b&to=%b&%b" % (self._start, phone_number.encode(), fields)
        if self._receipt_url:
            body += b"&dlr=yes&dlr-level=3&dlr-method=POST&dlr-url=%b%d" % (self._receipt_url, message.message_id)
        secrets = (self._password, *self._callback_secrets, text, encoded, phone_number)
        return Submission("POST", "/send", self._headers, body, secrets)

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response, with Jasmin's id if it was accepted. It names neither our id nor the recipient."""
        if response.status is not None and 200 <= response.status < 300:
            accepted = ACCEPTED.fullmatch(response.body) if response.status == 200 else None
            if accepted is None:
                return not_understood(response)
            return SubmitResult(Result.ACCEPTED, "200", provider_message_id=id_of(accepted[1].decode()))
        said = response.body.decode(errors="replace").strip().removeprefix("Error ").strip('"')
        known = read_phrase(response, said, PHRASES, secrets)
        return known or read_status(response, redact(said, secrets), STATUSES)

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a call to a `dlr-url`."""
        fields = bytes_of(callback)
        status = line_in(fields, "message_status")
        if not STATUS.fullmatch(status):
            raise ValueError("The receipt has no status.")
        meaning, code = _read_report(status, line_in(fields, "err"))
        return [
            receipt_of(
                meaning,
                message_id=message_id_in(callback),
                provider_message_id=line_in(fields, "id"),
                code=code,
                secrets=(self._password, *self._callback_secrets),
            )
        ]

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of a call to an HTTP connector. Jasmin joins the parts of long ones."""
        fields = bytes_of(callback)
        content = bytes.fromhex(line_in(fields, "binary")) if "binary" in fields else fields.get("content")
        if content is None:
            raise ValueError("The message has no text.")
        return [
            inbound_of(
                sender=line_in(fields, "from"),
                recipient=line_in(fields, "to"),
                text=text_of(content, _data_coding_of(fields.get("coding", b""))),
                provider_message_id=line_in(fields, "id"),
            )
        ]


def _read_report(status: str, error: str) -> tuple[DeliveryMeaning, str]:
    if status.startswith("ESME_"):
        return ANSWERS.get(status, DeliveryMeaning.REJECTED), status
    receipt = SmppReceipt(status, error)
    return receipt.meaning or DeliveryMeaning.ON_ITS_WAY, receipt.code


def _data_coding_of(value: bytes) -> int:
    """Jasmin writes it as one byte, and by its manual as a number."""
    number = line_in({"coding": value}, "coding")
    if number.isascii() and number.isdecimal() and len(number) <= 3:
        return int(number)
    return value[0] if len(value) == 1 else 0


@lru_cache(maxsize=100)
def _text_fields(text: str) -> tuple[bytes, str]:
    """The coding and the text, and the form of the text that is a secret as well."""
    # All messages of a mailing have the same text.
    encoding, encoded = segments_of(text).encoding, text.encode("utf-16-be").hex()
    if encoding is Encoding.GSM_7:
        return b"coding=%b&content=%b" % (CODINGS[encoding], form_text(text)), encoded
    return b"coding=%b&hex-content=%b" % (CODINGS[encoding], encoded.encode()), encoded


PROVIDER = Provider(
    name="jasmin",
    title="Jasmin",
    make=JasminAdapter,
    capabilities=JasminAdapter.capabilities,
    count_segments=segments_cut_anywhere,
    max_segments_option="max_parts",
    sender_required=False,
    fields=(
        AccountField(name="username", label="User name"),
        AccountField(name="password", label="Password", secret=True),
        AccountField(name="max_parts", label="Segments of a text at most (long_content_max_parts)", default="5"),
    ),
)
