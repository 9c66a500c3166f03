"""MessageBird (REST API of rest.messagebird.com): `POST /messages` in JSON, success `201` with an `id`.

Sources: messagebird/python-rest-api (2.2.0: messagebird/client.py, message.py, recipient.py, error.py),
nyaruka/courier:handlers/messagebird. It is the older API of a company that is called Bird now; its newer API is another
contract.

Our id goes as `reference` and comes back in receipts; nothing is deduplicated by it, and a message cannot be looked up
by it. messagebird_callbacks.py reads receipts and inbound messages. `GET /messages/{id}` asks for a message by
MessageBird's id. The data coding is `auto`: the default is the GSM alphabet, which would replace other characters.

Not verified: the meaning of the codes of errors, and of `auto`, which are in no source that could be read; the longest
text; the answers of a live account.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.results import Result
from shared.domain.text_segments import count_segments
from shared.gateways import messagebird_callbacks
from shared.gateways.account_checks import PATH_PART, credential, optional_credential, sender_of
from shared.gateways.answer_fields import (
    Fields,
    code_of,
    fields_of,
    id_of,
    integer_of,
    is_another_id,
    is_another_recipient,
    joined,
    line_of,
    objects_of,
    segments_in,
)
from shared.gateways.base import (
    Account,
    AccountField,
    Callback,
    Capabilities,
    InboundPart,
    OutgoingMessage,
    Provider,
    Receipt,
    Response,
    SentMessage,
    Submission,
    SubmitResult,
    message_id_of,
)
from shared.gateways.callbacks import callback_secrets, polled_id_in, receipt_of, time_of
from shared.gateways.code_meanings import (
    CREDENTIALS_REJECTED,
    NO_CREDIT,
    OPTED_OUT,
    REFUSED,
    RETRIABLE,
    SENDER_REJECTED,
    STATUSES_OF_ACCOUNT,
    result_of,
)
from shared.gateways.encoding import json_headers, json_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.sanitize import redact
from shared.gateways.text_checks import refusal_of

CAPABILITIES = Capabilities(reference=True, receipts=True, polls=True, inbound=True, signs=True)

CODES: Mapping[int, Meaning] = {
    2: CREDENTIALS_REJECTED,  # "request not allowed": a wrong access key
    9: REFUSED,  # parameters missing
    10: REFUSED,  # parameters invalid
    25: NO_CREDIT,
    98: RETRIABLE,
    99: RETRIABLE,
}
"""By `code` of the first error, with a status of 400 to 499."""

DELIVERY_CODES: Mapping[str, Meaning] = {"103": OPTED_OUT}
"""By `statusErrorCode` of a recipient whose delivery failed at once."""


class MessagebirdAdapter:
    """The contract as an adapter. One for each account; any thread may use it."""

    capabilities = CAPABILITIES
    receipt_answer = messagebird_callbacks.RECEIPT_ANSWER
    inbound_answer = messagebird_callbacks.INBOUND_ANSWER
    poll_limit = 1

    def __init__(self, account: Account) -> None:
        self._key = credential(account, "access_key")
        self._headers = json_headers(f"AccessKey {self._key}")
        self._signing_key = optional_credential(account, "signing_key")
        self._secrets = self._key, *callback_secrets(account)
        self._receipts = b""
        if account.receipt_url:
            self._receipts = b'"reportUrl":%b,' % json_text(account.receipt_url)
        self._start = b'{"datacoding":"auto","originator":%b,"recipients":"' % json_text(sender_of(account))

    def segments(self, text: str) -> int:
        """As a phone network splits the text."""
        return count_segments(text)

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal, if its text is not valid Unicode."""
        text, phone_number = message.text, str(message.phone_number)
        if refused := refusal_of(text):
            return refused
        body = b'%b%b",%b"reference":"%d","body":%b}' % (
            self._start,
            phone_number.encode(),
            self._receipts,
            message.message_id,
            json_text(text),
        )
        return Submission("POST", "/messages", self._headers, body, (*self._secrets, text, phone_number))

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response."""
        payload = fields_of(json_object(response.body))
        if response.status is None or not 200 <= response.status < 300:
            return _read_error(response, payload, secrets)
        provider_message_id = id_of(payload.get("id"))
        recipients = objects_of(fields_of(payload.get("recipients")).get("items"))
        if provider_message_id is None or not recipients or len(recipients) != 1:
            return not_understood(response)
        recipient = recipients[0]
        if is_another_recipient(recipient.get("recipient"), message) or is_another_id(
            payload.get("reference"), message.message_id
        ):
            return not_understood(response)
        if recipient.get("status") == "delivery_failed":
            code, words = code_of(recipient.get("statusErrorCode")), line_of(recipient.get("statusReason"))
            meaning = DELIVERY_CODES.get(code, REFUSED)
            return result_of(
                meaning, code or "delivery_failed", redact(words, secrets), provider_message_id=provider_message_id
            )
        segments = segments_in(recipient.get("messagePartCount"))
        return SubmitResult(
            Result.ACCEPTED, str(response.status), provider_message_id=provider_message_id, segments=segments
        )

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a status report."""
        return messagebird_callbacks.receipts_of(callback, self._signing_key, (*self._secrets, self._signing_key))

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of a webhook."""
        return messagebird_callbacks.inbound_parts_of(callback, self._signing_key)

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        """The request for a message by its id."""
        message_id = polled_id_in(messages, PATH_PART)
        if message_id is None:
            return None
        return Submission("GET", f"/messages/{message_id}", self._headers, b"", self._secrets)

    def read_poll(self, response: Response) -> list[Receipt]:
        """The status of the message's recipient."""
        payload = fields_of(json_object(response.body))
        recipients = objects_of(fields_of(payload.get("recipients")).get("items"))
        if response.status != 200 or not recipients or len(recipients) != 1:
            raise ValueError("The answer is not about one message.")
        return [_read_recipient(payload, recipients[0], self._secrets)]


PROVIDER = Provider(
    name="messagebird",
    title="MessageBird",
    make=MessagebirdAdapter,
    capabilities=CAPABILITIES,
    address="https://rest.messagebird.com",
    fields=(
        AccountField(name="access_key", label="Access key", secret=True),
        AccountField(name="signing_key", label="Signing key", secret=True, required=False),
    ),
)


def _read_recipient(payload: Fields, recipient: Fields, secrets: Collection[str]) -> Receipt:
    """The receipt that the state of a recipient is."""
    status, reason = line_of(recipient.get("status")), line_of(recipient.get("statusReason"))
    if not status:
        raise ValueError("The answer has no status of a message.")
    code = code_of(recipient.get("statusErrorCode"))
    failed = status in messagebird_callbacks.FAILED
    return receipt_of(
        messagebird_callbacks.meaning_of(status, code, reason),
        message_id=message_id_of(payload.get("reference")),
        provider_message_id=payload.get("id"),
        code=code if failed and code not in ("", "0") else status,
        words=reason if failed else None,
        at=time_of(recipient.get("statusDatetime")),
        recipient=recipient.get("recipient"),
        secrets=secrets,
    )


def _read_error(response: Response, payload: Fields, secrets: Collection[str]) -> SubmitResult:
    """Of several errors the first one decides."""
    error: Fields = (objects_of(payload.get("errors")) or [{}])[0]
    code, parameter = integer_of(error.get("code")), error.get("parameter")
    words = redact(joined(code, error.get("description"), parameter), secrets)
    meaning = CODES.get(code) if code is not None else None
    if meaning is None or not 400 <= (response.status or 0) < 500:
        return read_status(response, words, STATUSES_OF_ACCOUNT)
    if meaning is REFUSED and parameter == "originator":
        meaning = SENDER_REJECTED  # every message has the same
    return result_of(meaning, str(code), words)
