"""Twilio: `POST /2010-04-01/Accounts/{Sid}/Messages.json` as a form, success `201` with a `sid`.

Sources: twilio/twilio-oai:spec/json/twilio_api_v2010.json, the "Error and Warning Dictionary" at
twilio.com/docs/api/errors, nyaruka/courier:handlers/twiml (handlers.go, and errors.json with the texts of all codes),
and twilio 9.13.0 (Python).

There is no field for our id and no deduplication: a repeat after a lost answer may be delivered twice. Nor can a
message be looked up by our id. The header I-Twilio-Idempotency-Token is known of callbacks only, so none is sent. Our
id goes into the address for receipts. twilio_callbacks.py reads those and inbound messages. Segments are counted as
phone networks split texts: a messaging service with "smart encoding" may need fewer.

Not verified: the answers of a live account; whether an account without credit has a code of its own (it is suspended,
by what is known: 20005, 30002).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from shared.domain.results import Result
from shared.gateways.account_checks import PATH_PART, credential, option, sender_of
from shared.gateways.answer_fields import (
    Fields,
    fields_of,
    id_of,
    integer_of,
    is_another_recipient,
    line_of,
    price_of,
    segments_in,
)
from shared.gateways.authentication import basic
from shared.gateways.base import Account, AccountField, Capabilities, OutgoingMessage, Provider, Response, SubmitResult
from shared.gateways.callbacks import callback_secrets, receipt_url_of
from shared.gateways.code_meanings import (
    ACCOUNT_SUSPENDED,
    CREDENTIALS_REJECTED,
    NO_ROUTE,
    NOT_ALLOWED_HERE,
    OPTED_OUT,
    REFUSED,
    RETRIABLE,
    SENDER_REJECTED,
    SENDER_REJECTED_HERE,
    STATUSES,
    TEXT_TOO_LONG,
    THROTTLED,
    WRONG_ADDRESS,
    result_of,
)
from shared.gateways.encoding import form_headers, form_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.post_adapter import PollingPostAdapter
from shared.gateways.retry_after import retry_after
from shared.gateways.sanitize import redact
from shared.gateways.twilio_callbacks import TwilioCallbacks

SID = re.compile(r"[SM]M[0-9a-fA-F]{32}")
"""The id of a message."""

MESSAGING_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
"""A sender id of this form is a messaging service, which chooses the number itself."""

CODES: Mapping[int, Meaning] = {
    10001: ACCOUNT_SUSPENDED,
    14107: THROTTLED,  # rate of messages exceeded
    20003: CREDENTIALS_REJECTED,
    20005: ACCOUNT_SUSPENDED,
    20404: WRONG_ADDRESS,  # no such account
    20429: THROTTLED,
    # Permission for the region of the number; a trial account may send to numbers that it has verified.
    21408: NOT_ALLOWED_HERE,
    21608: NOT_ALLOWED_HERE,
    # The sender. 21606 says "for this destination", so it may concern one recipient.
    21212: SENDER_REJECTED,
    21603: SENDER_REJECTED,
    21606: SENDER_REJECTED_HERE,
    21607: SENDER_REJECTED,
    21616: SENDER_REJECTED,
    21659: SENDER_REJECTED,
    21660: SENDER_REJECTED,
    21701: SENDER_REJECTED,
    21702: SENDER_REJECTED,
    21703: SENDER_REJECTED,
    21704: SENDER_REJECTED,
    21705: SENDER_REJECTED,
    21610: OPTED_OUT,
    21611: THROTTLED,  # the sender's queue is full
    21612: NO_ROUTE,
    21617: TEXT_TOO_LONG,
    # 21211, 21214, 21614, 21635: no number, none of a mobile phone; 21601, 21604: none; 21266: the sender's own;
    # 21602, 21619: no text.
    **dict.fromkeys((21211, 21214, 21266, 21601, 21602, 21604, 21614, 21619, 21635), REFUSED),
    # Those of deliveries, in case a message fails at once.
    30001: RETRIABLE,  # queue overflow
    30002: ACCOUNT_SUSPENDED,
    30003: RETRIABLE,  # handset unreachable
    30004: REFUSED,  # blocked
    30005: REFUSED,  # unknown handset
    30006: REFUSED,  # landline
    30007: REFUSED,  # filtered
    30008: RETRIABLE,  # unknown error
    30022: THROTTLED,
    30023: THROTTLED,
    30034: SENDER_REJECTED,  # a number without a registered campaign
    63018: THROTTLED,
}
"""By `code` of an error, and `error_code` of a message that failed at once."""

FAILED = frozenset({"failed", "undelivered", "canceled"})
"""Statuses of a new message that was not taken. All others say that it was."""


class TwilioAdapter(TwilioCallbacks, PollingPostAdapter):
    """The contract as an adapter."""

    capabilities = Capabilities(receipts=True, polls=True, inbound=True, signs=True, max_text=1600)
    """A longer text is refused with 21617."""
    polled_id = SID

    def __init__(self, account: Account) -> None:
        account_sid, token = option(account, "account_sid", PATH_PART), credential(account, "auth_token")
        sender = sender_of(account)
        authorization = basic(account_sid, token)
        self._token = token
        self._messages = f"/2010-04-01/Accounts/{account_sid}/Messages"
        self._path = f"{self._messages}.json"
        self._headers = form_headers(authorization)
        self._receipt_url = form_text(receipt_url_of(account))
        self._secrets = token, authorization.removeprefix("Basic "), *callback_secrets(account)
        name = b"MessagingServiceSid" if MESSAGING_SERVICE.fullmatch(sender) else b"From"
        self._end = b"&%b=%b&Body=" % (name, form_text(sender))

    def _body_of(self, message: OutgoingMessage) -> bytes:
        body = b"To=%%2B%d%b%b" % (message.phone_number, self._end, form_text(message.text))
        if self._receipt_url:
            body += b"&StatusCallback=%b%d" % (self._receipt_url, message.message_id)
        return body

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response."""
        payload = fields_of(json_object(response.body))
        if response.status is None or not 200 <= response.status < 300:
            return _read_error(response, payload, secrets)
        sid, status = id_of(payload.get("sid")), line_of(payload.get("status"))
        if sid is None or is_another_recipient(payload.get("to"), message):
            return not_understood(response)
        if status in FAILED:
            return _read_failed(payload, sid, secrets)
        return SubmitResult(
            Result.ACCEPTED,
            str(response.status),
            provider_message_id=sid,
            segments=segments_in(payload.get("num_segments")),
            price=price_of(payload.get("price")),
        )

    def _poll_path_of(self, provider_id: str) -> str:
        return f"{self._messages}/{provider_id}.json"


PROVIDER = Provider(
    name="twilio",
    title="Twilio",
    make=TwilioAdapter,
    capabilities=TwilioAdapter.capabilities,
    address="https://api.twilio.com",
    fields=(
        AccountField(name="account_sid", label="Account SID"),
        AccountField(name="auth_token", label="Auth token", secret=True),
    ),
)


def _read_failed(payload: Fields, sid: str, secrets: Collection[str]) -> SubmitResult:
    """A message that was created, and failed before the answer."""
    code = integer_of(payload.get("error_code"))
    words = redact(line_of(payload.get("error_message")) or line_of(payload.get("status")), secrets)
    meaning = CODES.get(code, REFUSED) if code is not None else REFUSED
    return result_of(meaning, str(code or payload.get("status")), words, provider_message_id=sid)


def _read_error(response: Response, payload: Fields, secrets: Collection[str]) -> SubmitResult:
    code, words = integer_of(payload.get("code")), redact(line_of(payload.get("message")), secrets)
    meaning = None if code is None else CODES.get(code)
    if meaning is None or not 400 <= (response.status or 0) < 500:
        return read_status(response, words, STATUSES)  # a 5xx leaves it open, whatever its code
    wait = retry_after(response.headers, response.received_at) if meaning.result is Result.THROTTLED else None
    return result_of(meaning, str(code), words, retry_after=wait)
