"""SMS.ru: `POST /sms/send` with the form `api_id, to, msg, json=1, from`.

Sources: the vendor's pages sms.ru/api/send and sms.ru/api/status as tele2.sms.ru and joomla.sms.ru mirror them,
XpycTee/smsru_api (PyPI `smsru-api`), ica4c/smsru_gateway_simulator.

- Every answer is 200: `{"status", "status_code", "sms": {phone: {"status", "status_code", "sms_id" |
  "status_text"}}, "balance"}`. The outer code concerns the request, the inner one the recipient; 100 is a success
  in both.
- SMS.ru takes no id of ours and does not deduplicate: after a lost response the doubt remains.
- A text has at most 8 segments, or it is refused with 205; Cyrillic counts 70 or 67 characters a segment.
- 206 and 230 to 233 are limits: of the account a day; of a number a day (230), of the same text to a number a
  minute (231) and a day (232), of codes to a number (233). Only the minute is a time to wait for.

Receipts come to the address in the account's settings, and are signed with `api_id`: smsru_callbacks.py. Statuses of
up to 100 messages can be asked for.

Not verified: all of it against an account; whether 230 to 233 ever mean that the message was taken before. Requests
here have one recipient, so the limit of 100 does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from shared.domain.results import Result
from shared.gateways.account_checks import LINE, credential, optional_sender
from shared.gateways.answer_fields import (
    Fields,
    code_of,
    fields_of,
    id_of,
    is_another_recipient,
    joined,
    price_of,
)
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
from shared.gateways.code_meanings import (
    ACCOUNT_SUSPENDED,
    CREDENTIALS_REJECTED,
    NO_CREDIT,
    NO_ROUTE,
    OPTED_OUT,
    REFUSED,
    RETRIABLE,
    SENDER_REJECTED,
    STATUSES,
    TEXT_TOO_LONG,
    THROTTLED,
    result_of,
)
from shared.gateways.encoding import form_headers, form_of, form_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.post_adapter import PostAdapter
from shared.gateways.sanitize import redact
from shared.gateways.smsru_callbacks import SmsruCallbacks

SUCCESS = "100"

SMS_ID = re.compile(r"[0-9A-Za-z-]{1,60}")
"""SMS.ru's id of a message."""

CODES: Mapping[str, Meaning] = {
    "200": CREDENTIALS_REJECTED,
    "201": NO_CREDIT,
    "202": REFUSED,  # the number is wrong
    "203": REFUSED,  # no text
    "204": SENDER_REJECTED,
    "205": TEXT_TOO_LONG,
    "206": THROTTLED,  # the account's limit a day
    "207": NO_ROUTE,
    "208": REFUSED,  # the parameter time, which is not sent
    "209": OPTED_OUT,  # our own list of numbers to leave out
    "212": REFUSED,  # not UTF-8
    "214": NO_ROUTE,  # a number abroad
    "215": OPTED_OUT,  # SMS.ru's list, after a complaint
    "220": RETRIABLE,  # the service is not available for now
    "230": THROTTLED,
    "231": THROTTLED,
    "232": THROTTLED,
    "233": THROTTLED,
    "300": CREDENTIALS_REJECTED,
    "301": CREDENTIALS_REJECTED,
    "302": ACCOUNT_SUSPENDED,  # the account was not confirmed
    "500": RETRIABLE,
}
"""The values of `status_code`, outer and inner."""

WAITS = {"231": 60.0}
"""Seconds to wait after a code whose text names a time."""


class SmsruAdapter(SmsruCallbacks, PostAdapter):
    """The API for one account."""

    capabilities = Capabilities(receipts=True, polls=True, signs=True)
    poll_limit = 100

    _path = "/sms/send"

    def __init__(self, account: Account) -> None:
        self._api_id = credential(account, "api_id", LINE)
        self._secrets = (self._api_id,)
        self._start = form_of({"api_id": self._api_id, "json": "1", "from": optional_sender(account)})
        self._headers = form_headers()

    def _body_of(self, message: OutgoingMessage) -> bytes:
        return b"%b&to=%d&msg=%b" % (self._start, message.phone_number, form_text(message.text))

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response, with SMS.ru's id if it was accepted."""
        payload = fields_of(json_object(response.body))
        if response.status != 200:
            return read_status(response, redact(_words_of(payload), secrets), STATUSES)
        code = code_of(payload.get("status_code"))
        if not code:
            return not_understood(response)
        if code != SUCCESS:
            return _failure(payload, secrets)
        entry = _only_entry(payload, message)
        inner, provider_message_id = code_of(entry.get("status_code")), id_of(entry.get("sms_id"))
        if not inner or (inner == SUCCESS and provider_message_id is None):
            return not_understood(response)
        if inner != SUCCESS:
            return _failure(entry, secrets)
        price = price_of(entry.get("cost"))
        return SubmitResult(Result.ACCEPTED, SUCCESS, provider_message_id=provider_message_id, price=price)

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        """The request for the statuses of messages; None if SMS.ru's id of none of them is known."""
        known = (message.provider_message_id or "" for message in messages)
        ids = ",".join(sms_id for sms_id in known if SMS_ID.fullmatch(sms_id))
        if not ids:
            return None
        body = form_of({"api_id": self._api_id, "json": "1", "sms_id": ids})
        return Submission("POST", "/sms/status", self._headers, body, self._secrets)


def _failure(payload: Fields, secrets: Collection[str]) -> SubmitResult:
    """A code that is not documented is an error too, of unknown kind: it is tried again."""
    code = code_of(payload.get("status_code"))
    words = redact(_words_of(payload), secrets)
    return result_of(CODES.get(code, RETRIABLE), code, words, retry_after=WAITS.get(code))


def _only_entry(payload: Fields, message: OutgoingMessage) -> Fields:
    """What is said about the recipient; nothing if it is said about another one, or about several."""
    entries = fields_of(payload.get("sms"))
    if len(entries) != 1:
        return {}
    [(phone_number, entry)] = entries.items()
    return {} if is_another_recipient(phone_number, message) else fields_of(entry)


def _words_of(payload: Fields) -> str:
    return joined(payload.get("status_code"), payload.get("status_text"))


PROVIDER = Provider(
    name="smsru",
    title="SMS.ru",
    make=SmsruAdapter,
    capabilities=SmsruAdapter.capabilities,
    max_segments=8,
    address="https://sms.ru",
    sender_required=False,
    fields=(AccountField(name="api_id", label="api_id", secret=True),),
)
