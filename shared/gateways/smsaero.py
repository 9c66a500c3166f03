"""SMS Aero, API v2: `POST /v2/sms/send` with JSON `{"number", "text", "sign"}`.

Sources: smsaero/smsaero_python:smsaero/__init__.py (the vendor's SDK, PyPI `smsaero-api`), smsaero/smsaero_golang.

- Authentication is Basic with the e-mail address of the account and an API key.
- Accepted is 200 `{"success": true, "data": {"id", "number", "status", "extendStatus", "cost", …}}`; refused is
  `{"success": false, "message"}`, or of the older API `{"result": "no credits" | "reject", "reason"}`.
- SMS Aero takes no id of ours and does not deduplicate: after a lost response the doubt remains.
- A text has at most 800 characters by the vendor's SDK for Go; its SDK for Python takes 2 to 640.
- The SDK tries gate.smsaero.ru, then .org, then .net, also after a request that may have been taken. Here the
  address of the account is the only one.

Not verified: all of it against an account; how segments are counted; the words of failures; which HTTP statuses come
with which failure; the
numbers of `status` (sources contradict each other), so only `success` and `id` of an answer are read. Each message
names the address for its receipt: smsaero_callbacks.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.results import Result
from shared.gateways.account_checks import USER, credential, option, sender_of
from shared.gateways.answer_fields import fields_of, id_of, is_another_recipient, line_of, price_of
from shared.gateways.authentication import basic
from shared.gateways.base import (
    Account,
    AccountField,
    Capabilities,
    OutgoingMessage,
    Provider,
    Response,
    SentMessage,
    Submission,
    SubmitResult,
)
from shared.gateways.callbacks import callback_secrets, polled_id_in, receipt_url_of
from shared.gateways.code_meanings import NO_CREDIT, REFUSED, RETRIABLE, STATUSES, result_of
from shared.gateways.encoding import json_headers, json_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.post_adapter import PostAdapter
from shared.gateways.sanitize import redact
from shared.gateways.smsaero_callbacks import SmsaeroCallbacks

RESULTS: Mapping[str, Meaning] = {"no credits": NO_CREDIT, "reject": REFUSED}
"""The values of `result` in answers of the older API, which the SDK still reads."""

WORDS_OF_NO_CREDIT = ("credit", "balance", "money")
"""Words in the `message` of a failure, in lower case. An assumption: the SDK knows `no credits` alone."""


class SmsaeroAdapter(SmsaeroCallbacks, PostAdapter):
    """The API for one account."""

    capabilities = Capabilities(receipts=True, polls=True, max_text=800)
    poll_limit = 1

    _path = "/v2/sms/send"

    def __init__(self, account: Account) -> None:
        api_key = credential(account, "api_key")
        authorization = basic(option(account, "email", USER), api_key)
        self._credentials = (api_key, authorization.removeprefix("Basic "))
        self._headers = json_headers(authorization)
        self._start = b'{"sign":%b,"number":' % json_text(sender_of(account))
        self._receipt_url = json_text(receipt_url_of(account))[:-1] if account.receipt_url else b""
        self._secrets = (*self._credentials, *callback_secrets(account))

    def _body_of(self, message: OutgoingMessage) -> bytes:
        body = b'%b%d,"text":%b' % (self._start, message.phone_number, json_text(message.text))
        if self._receipt_url:
            body += b',"callbackUrl":%b%d","callbackFormat":"JSON"' % (self._receipt_url, message.message_id)
        return body + b"}"

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response, with SMS Aero's id and price if it was accepted."""
        payload = fields_of(json_object(response.body))
        words = redact(_words_of(payload), secrets)
        meaning = _meaning_of(payload)
        if meaning is not None:
            return result_of(meaning, str(response.status), words)
        if response.status != 200:
            return read_status(response, words, STATUSES)
        if payload.get("success") is False:
            # A failure that the status does not explain: it is tried again.
            return result_of(RETRIABLE, "200", words)
        data = payload.get("data")
        if payload.get("success") is not True or not isinstance(data, dict):
            return not_understood(response)
        provider_id = id_of(data.get("id"))
        if provider_id is None or is_another_recipient(data.get("number"), message):
            return not_understood(response)
        return SubmitResult(Result.ACCEPTED, "200", provider_message_id=provider_id, price=price_of(data.get("cost")))

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        """The request for the status of a message; None if SMS Aero's id of it is not known."""
        sms_id = polled_id_in(messages, "[0-9]+")
        if sms_id is None:
            return None
        return Submission("POST", "/v2/sms/status", self._headers, b'{"id":%b}' % sms_id.encode(), self._credentials)


def _meaning_of(payload: Mapping[str, object]) -> Meaning | None:
    if payload.get("success") is True:
        return None
    meaning = RESULTS.get(line_of(payload.get("result")))
    message = line_of(payload.get("message")).lower()
    return NO_CREDIT if meaning is None and any(word in message for word in WORDS_OF_NO_CREDIT) else meaning


def _words_of(payload: Mapping[str, object]) -> str:
    """Their message, and the fields that it concerns."""
    message = line_of(payload.get("message")) or line_of(payload.get("reason")) or line_of(payload.get("result"))
    data = payload.get("data")
    fields = ", ".join(map(str, data)) if payload.get("success") is False and isinstance(data, dict) else ""
    return f"{message} ({fields})" if fields else message


PROVIDER = Provider(
    name="smsaero",
    title="SMS Aero",
    make=SmsaeroAdapter,
    capabilities=SmsaeroAdapter.capabilities,
    address="https://gate.smsaero.ru",
    fields=(
        AccountField(name="email", label="E-mail address of the account"),
        AccountField(name="api_key", label="API key", secret=True),
    ),
)
