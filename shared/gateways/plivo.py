"""Plivo: `POST /v1/Account/{auth id}/Message/` in JSON, success `202` with one `message_uuid`.

Sources: plivo/plivo-python:plivo/resources/messages.py and plivo/rest/client.py (4.63.0: which statuses are errors, and
that 403 is a missing geo permission), nyaruka/courier:handlers/plivo.

There is no field for our id and no deduplication, and a message cannot be looked up by our id. An answer names no
recipient, so an answer for another message cannot be recognised. Our id goes into the address for receipts.
plivo_callbacks.py reads those and inbound messages. `GET …/Message/{uuid}/` asks for the state of a message.

Not verified: whether the state of a message of several segments that is asked for is that of all: it is read as that of
the first one; the limit of 1,600 characters (courier splits there); what an account without credit answers (402 is read
as that); the answers of a live account.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from shared.domain.results import Result
from shared.domain.text_segments import count_segments
from shared.gateways import plivo_callbacks
from shared.gateways.account_checks import PATH_PART, credential, option, sender_of
from shared.gateways.answer_fields import fields_of, id_of, line_of, segments_in
from shared.gateways.authentication import basic
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
)
from shared.gateways.callbacks import callback_secrets, polled_id_in, receipt_of, receipt_url_of
from shared.gateways.code_meanings import NOT_ALLOWED_HERE, STATUSES_OF_ACCOUNT
from shared.gateways.encoding import json_headers, json_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.sanitize import redact
from shared.gateways.text_checks import refusal_of

MAX_TEXT = 1600
"""Characters."""

CAPABILITIES = Capabilities(receipts=True, polls=True, inbound=True, signs=True, max_text=MAX_TEXT)

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The id of a message, or of a powerpack."""

POWERPACK = UUID
"""A sender id of this form is a powerpack, which chooses the number itself."""

HTTP_STATUSES: Mapping[int, Meaning] = {
    **STATUSES_OF_ACCOUNT,
    # Permission for the country of the number.
    403: NOT_ALLOWED_HERE,
}
"""Plivo has no codes of its own in answers to submissions: the status decides."""


class PlivoAdapter:
    """The contract as an adapter. One for each account; any thread may use it."""

    capabilities = CAPABILITIES
    receipt_answer = plivo_callbacks.RECEIPT_ANSWER
    inbound_answer = plivo_callbacks.INBOUND_ANSWER
    poll_limit = 1

    def __init__(self, account: Account) -> None:
        auth_id, token = option(account, "auth_id", PATH_PART), credential(account, "auth_token")
        sender = sender_of(account)
        authorization = basic(auth_id, token)
        self._path = f"/v1/Account/{auth_id}/Message/"
        self._headers = json_headers(authorization)
        self._token = token
        self._secrets = token, authorization.removeprefix("Basic "), *callback_secrets(account)
        # A JSON string that ends before our id.
        self._receipt_url = json_text(receipt_url_of(account))[:-1] if account.receipt_url else b""
        name = b"powerpack_uuid" if POWERPACK.fullmatch(sender) else b"src"
        self._start = b'{"%b":%b,"dst":"' % (name, json_text(sender))

    def segments(self, text: str) -> int:
        """As a phone network splits the text."""
        return count_segments(text)

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal, if its text cannot be submitted."""
        text, phone_number = message.text, str(message.phone_number)
        if refused := refusal_of(text, MAX_TEXT):
            return refused
        body = b'%b%b","text":%b' % (self._start, phone_number.encode(), json_text(text))
        if self._receipt_url:
            body += b',"url":%b%d","method":"POST"' % (self._receipt_url, message.message_id)
        body += b"}"
        return Submission("POST", self._path, self._headers, body, (*self._secrets, text, phone_number))

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response."""
        payload = fields_of(json_object(response.body))
        if response.status is None or not 200 <= response.status < 300:
            return read_status(response, redact(line_of(payload.get("error")), secrets), HTTP_STATUSES)
        ids = payload.get("message_uuid")
        if not isinstance(ids, list) or len(ids) != 1 or (provider_message_id := id_of(ids[0])) is None:
            return not_understood(response)
        return SubmitResult(Result.ACCEPTED, str(response.status), provider_message_id=provider_message_id)

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a status callback."""
        return plivo_callbacks.receipts_of(callback, self._token, self._secrets)

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of a webhook."""
        return plivo_callbacks.inbound_parts_of(callback, self._token)

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        """The request for a message by its UUID."""
        uuid = polled_id_in(messages, UUID)
        if uuid is None:
            return None
        return Submission("GET", f"{self._path}{uuid}/", self._headers, b"", self._secrets)

    def read_poll(self, response: Response) -> list[Receipt]:
        """The state of the message."""
        payload = fields_of(json_object(response.body))
        state = line_of(payload.get("message_state"))
        if response.status != 200 or not state:
            raise ValueError("The answer has no state of a message.")
        code = line_of(payload.get("error_code")) if state in plivo_callbacks.FAILED else ""
        segments = segments_in(payload.get("units")) or 1
        receipt = receipt_of(
            plivo_callbacks.meaning_of(state, code),
            provider_message_id=payload.get("message_uuid"),
            code=code or state,
            # Of several segments it may be the state of the first one, whose id this is.
            part="1" if segments > 1 else None,
            parts=segments if segments > 1 else None,
            recipient=payload.get("to_number"),
            secrets=self._secrets,
        )
        return [receipt]


PROVIDER = Provider(
    name="plivo",
    title="Plivo",
    make=PlivoAdapter,
    capabilities=CAPABILITIES,
    address="https://api.plivo.com",
    fields=(
        AccountField(name="auth_id", label="Auth ID"),
        AccountField(name="auth_token", label="Auth token", secret=True),
    ),
)
