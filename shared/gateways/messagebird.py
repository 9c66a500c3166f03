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
from shared.gateways.base import Account, AccountField, Capabilities, OutgoingMessage, Provider, Response, SubmitResult
from shared.gateways.callbacks import callback_secrets
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
from shared.gateways.messagebird_callbacks import MessagebirdCallbacks
from shared.gateways.post_adapter import PollingPostAdapter
from shared.gateways.sanitize import redact

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


class MessagebirdAdapter(MessagebirdCallbacks, PollingPostAdapter):
    """The contract as an adapter."""

    capabilities = Capabilities(reference=True, receipts=True, polls=True, inbound=True, signs=True)
    polled_id = PATH_PART

    _path = "/messages"

    def __init__(self, account: Account) -> None:
        key = credential(account, "access_key")
        self._headers = json_headers(f"AccessKey {key}")
        self._signing_key = optional_credential(account, "signing_key")
        self._secrets = key, *callback_secrets(account)
        self._receipts = b""
        if account.receipt_url:
            self._receipts = b'"reportUrl":%b,' % json_text(account.receipt_url)
        self._start = b'{"datacoding":"auto","originator":%b,"recipients":"' % json_text(sender_of(account))

    def _body_of(self, message: OutgoingMessage) -> bytes:
        return b'%b%d",%b"reference":"%d","body":%b}' % (
            self._start,
            message.phone_number,
            self._receipts,
            message.message_id,
            json_text(message.text),
        )

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

    def _poll_path_of(self, provider_id: str) -> str:
        return f"{self._path}/{provider_id}"


PROVIDER = Provider(
    name="messagebird",
    title="MessageBird",
    make=MessagebirdAdapter,
    capabilities=MessagebirdAdapter.capabilities,
    address="https://rest.messagebird.com",
    fields=(
        AccountField(name="access_key", label="Access key", secret=True),
        AccountField(name="signing_key", label="Signing key", secret=True, required=False),
    ),
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
