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
from shared.gateways.account_checks import PATH_PART, credential, option, sender_of
from shared.gateways.answer_fields import fields_of, id_of, line_of
from shared.gateways.authentication import basic
from shared.gateways.base import Account, AccountField, Capabilities, OutgoingMessage, Provider, Response, SubmitResult
from shared.gateways.callbacks import callback_secrets, receipt_url_of
from shared.gateways.code_meanings import NOT_ALLOWED_HERE, STATUSES_OF_ACCOUNT
from shared.gateways.encoding import json_headers, json_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.plivo_callbacks import PlivoCallbacks
from shared.gateways.post_adapter import PollingPostAdapter
from shared.gateways.sanitize import redact

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


class PlivoAdapter(PlivoCallbacks, PollingPostAdapter):
    """The contract as an adapter."""

    capabilities = Capabilities(receipts=True, polls=True, inbound=True, signs=True, max_text=1600)
    polled_id = UUID

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

    def _body_of(self, message: OutgoingMessage) -> bytes:
        body = b'%b%d","text":%b' % (self._start, message.phone_number, json_text(message.text))
        if self._receipt_url:
            body += b',"url":%b%d","method":"POST"' % (self._receipt_url, message.message_id)
        return body + b"}"

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response."""
        payload = fields_of(json_object(response.body))
        if response.status is None or not 200 <= response.status < 300:
            return read_status(response, redact(line_of(payload.get("error")), secrets), HTTP_STATUSES)
        ids = payload.get("message_uuid")
        if not isinstance(ids, list) or len(ids) != 1 or (provider_message_id := id_of(ids[0])) is None:
            return not_understood(response)
        return SubmitResult(Result.ACCEPTED, str(response.status), provider_message_id=provider_message_id)

    def _poll_path_of(self, provider_id: str) -> str:
        return f"{self._path}{provider_id}/"


PROVIDER = Provider(
    name="plivo",
    title="Plivo",
    make=PlivoAdapter,
    capabilities=PlivoAdapter.capabilities,
    address="https://api.plivo.com",
    fields=(
        AccountField(name="auth_id", label="Auth ID"),
        AccountField(name="auth_token", label="Auth token", secret=True),
    ),
)
