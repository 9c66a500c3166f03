"""SMSC.ru: `POST /sys/send.php` with the form `login, psw | apikey, phones, mes, sender, id, charset, fmt, cost`.

Sources: the vendor's pages smsc.ru/api/http/ and smsc.ru/api/http/status_messages/ (in English
smscentre.com/api/http), symfony/smsc-notifier:SmscTransport.php, hublotik/sms_sending-smsc-laravel:app/smsc_api.php
(the vendor's library).

- Success and failure are both 200: `{"id", "cnt", "cost"}`, or `{"error", "error_code"[, "id"]}` with a code of 1
  to 9.
- `id` is ours: a number from 1 to 2147483647. The vendor calls it "not necessarily unique", so there is NO
  deduplication by it; a request about it concerns the last message with that id. A message of ours with a larger id
  is sent without it, and can't be looked up.
- Error 9 is an equal request within a minute, or too many connections at once. Whether the earlier request was
  taken is not said, so the message waits for a minute and is looked up or sent again.
- Look-up: `POST /sys/status.php` with `phone, id, fmt=3`. -3 (or error 3) is not found; 22 to 25 are a wrong or
  forbidden number or text, no money, no route: refused after all. -2 stopped, 3 expired and 20 undeliverable are a
  matter of receipts, as are -1, 0, 1, 2 and 4: SMSC.ru had the message.
- A text (`mes`) has at most 1000 characters, Cyrillic counts 70 or 67 characters a segment.
- Backup addresses are www2.smsc.ru to www5.smsc.ru: enter one as the address of the account when smsc.ru is down.

Receipts come to the address in the account's settings: smsc_callbacks.py.

Not verified: all of it against an account; what a repeated id does; whether status.php wants the number as send.php
got it; that a response's id is always the one that was sent (another id counts as another message's); for how long a
message can be found; ids as strings of up to 40 characters, which newer pages mention.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.account_checks import LINE, credential, optional, optional_credential, optional_sender
from shared.gateways.answer_fields import (
    Fields,
    code_of,
    fields_of,
    id_of,
    is_another_id,
    is_another_recipient,
    joined,
    price_of,
    segments_in,
)
from shared.gateways.base import (
    Account,
    AccountField,
    Capabilities,
    LookUp,
    LookUpResult,
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
    REFUSED,
    RETRIABLE,
    SENDER_REJECTED_HERE,
    STATUSES,
    THROTTLED,
    result_of,
)
from shared.gateways.encoding import form_headers, form_of, form_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.post_adapter import PostAdapter
from shared.gateways.sanitize import reason_of, redact
from shared.gateways.smsc_callbacks import LARGEST_ID, SmscCallbacks

CODES: Mapping[str, Meaning] = {
    "1": REFUSED,  # a wrong parameter
    "2": CREDENTIALS_REJECTED,  # login or password, or an IP address that the account does not allow
    "3": NO_CREDIT,
    "4": ACCOUNT_SUSPENDED,  # our IP address, after many errors
    "5": REFUSED,  # the form of a date; we send none
    # The text or the sender id is forbidden.
    "6": SENDER_REJECTED_HERE,
    "7": REFUSED,  # the form of the number
    "8": NO_ROUTE,
    "9": THROTTLED,
}
"""The values of `error_code`."""

SAME_REQUEST_SECONDS = 60.0
"""How long an equal request gets error 9."""

NOT_FOUND = "-3"
ERROR_NOT_FOUND = "3"
"""The status, and the error of status.php, of a message that SMSC.ru does not have."""

FOUND = frozenset({"-2", "-1", "0", "1", "2", "3", "4", "20"})
REFUSED_LATER = frozenset({"22", "23", "24", "25"})
"""The statuses of a message that it has, and of one that it refused after it had answered."""


class SmscAdapter(SmscCallbacks, PostAdapter):
    """The API for one account."""

    capabilities = Capabilities(looks_up=True, reference=True, receipts=True, polls=True, signs=True, max_text=1000)
    poll_limit = 100
    """An estimate: the vendor names no limit."""
    look_up_after = 60.0
    """Seconds. An estimate: the vendor names no time in which a message that was taken can be found."""
    look_up_within = 86400.0
    """Seconds. An estimate too: the vendor does not say for how long a message can be found. A day is cautious."""

    _path = "/sys/send.php"

    def __init__(self, account: Account) -> None:
        if account.credentials.get("apikey"):
            secret = credential(account, "apikey", LINE)
            fields = {"apikey": secret}
        else:
            login = optional(account, "login")
            if not login:
                raise ConfigurationError("login: must be entered with a password, or an API key instead")
            secret = credential(account, "password", LINE)
            fields = {"login": login, "psw": secret}
        self._secrets = (secret,)
        self._credentials = form_of({**fields, "fmt": "3", "charset": "utf-8"})
        self._start = b"%b&%b&phones=%%2B" % (
            self._credentials,
            form_of({"cost": "2", "sender": optional_sender(account)}),
        )
        self._headers = form_headers()
        self._callback_secret = optional_credential(account, "callback_secret", LINE)

    def _body_of(self, message: OutgoingMessage) -> bytes:
        # The plus is in the start: without it, SMSC.ru may correct the number.
        body = b"%b%d&mes=%b" % (self._start, message.phone_number, form_text(message.text))
        return body + b"&id=%d" % message.message_id if message.message_id <= LARGEST_ID else body

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response, with the number of segments and the price if it was accepted."""
        payload = fields_of(json_object(response.body))
        if response.status != 200:
            return read_status(response, redact(_words_of(payload), secrets), STATUSES)
        if _is_another(payload, message):
            return not_understood(response)
        code = code_of(payload.get("error_code"))
        if code or "error" in payload:
            words = _words_of(payload)
            # Too many at once ends by itself, at a time that nobody knows; an equal request may come after a minute.
            wait = SAME_REQUEST_SECONDS if code == "9" and "concurrent" not in words else None
            # A code that is not documented is an error too, of unknown kind: it is tried again.
            return result_of(CODES.get(code, RETRIABLE), code or "200", redact(words, secrets), retry_after=wait)
        provider_message_id = id_of(payload.get("id"))
        if provider_message_id is None:
            return not_understood(response)
        return SubmitResult(
            Result.ACCEPTED,
            "200",
            provider_message_id=provider_message_id,
            segments=segments_in(payload.get("cnt")),
            price=price_of(payload.get("cost")),
        )

    def prepare_look_up(self, message: OutgoingMessage) -> Submission | None:
        """The request for a message's status; None if it was sent without its id."""
        if message.message_id > LARGEST_ID:
            return None
        phone_number = str(message.phone_number)
        # By POST, which status.php takes as well: the password does not stand in the address.
        body = b"%b&phone=%b&id=%d" % (self._credentials, phone_number.encode(), message.message_id)
        secrets = (*self._secrets, message.text, phone_number)
        return Submission("POST", "/sys/status.php", self._headers, body, secrets)

    def read_look_up(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> LookUpResult:
        """Whether SMSC.ru has the message; `UNCLEAR` for an error, or a status that it does not document."""
        payload = fields_of(json_object(response.body)) if response.status == 200 else {}
        if not payload or _is_another(payload, message):
            return LookUpResult(LookUp.UNCLEAR, str(response.status))
        status, error = code_of(payload.get("status")), code_of(payload.get("error_code"))
        words = redact(_words_of(payload), secrets)
        if status == NOT_FOUND or (error == ERROR_NOT_FOUND and not status):
            return LookUpResult(LookUp.NOT_FOUND, status or error)
        if status in FOUND and not error:
            return LookUpResult(LookUp.FOUND, status)
        if status in REFUSED_LATER and not error:
            return LookUpResult(LookUp.REFUSED, status, reason_of(ReasonCode.LOOK_UP_REFUSED, words or status))
        return LookUpResult(LookUp.UNCLEAR, error or status or None, reason_of(ReasonCode.LOOK_UP_FAILED, words))

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        """The request for the statuses of messages, by the ids that SMSC.ru knows them by."""
        asked = [(str(message.phone_number), sent) for message in messages if (sent := _sent_id_of(message))]
        if not asked:
            return None
        # A comma at the end makes the answer a list even for one message.
        phone_numbers, ids = (",".join([*column, ""]) for column in zip(*asked, strict=True))
        body = b"%b&%b" % (self._credentials, form_of({"phone": phone_numbers, "id": ids}))
        secrets = (*self._secrets, *(phone_number for phone_number, _ in asked))
        return Submission("POST", "/sys/status.php", self._headers, body, secrets)


def _sent_id_of(message: SentMessage) -> str:
    """The id that a message was sent with, or SMSC.ru's own; empty if there is none."""
    if message.message_id <= LARGEST_ID:
        return str(message.message_id)
    return provider_id if (provider_id := message.provider_message_id or "").isdecimal() else ""


def _is_another(payload: Fields, message: OutgoingMessage) -> bool:
    """Whether an answer has another id or another recipient. The id of a message that was sent without one is
    SMSC.ru's own."""
    sent_id = message.message_id <= LARGEST_ID
    return (sent_id and is_another_id(payload.get("id"), message.message_id)) or is_another_recipient(
        payload.get("phone"), message
    )


def _words_of(payload: Fields) -> str:
    return joined(payload.get("error_code"), payload.get("error"))


PROVIDER = Provider(
    name="smsc",
    title="SMSC.ru",
    make=SmscAdapter,
    capabilities=SmscAdapter.capabilities,
    address="https://smsc.ru",
    sender_required=False,
    fields=(
        AccountField(name="login", label="Login, if there is no API key", required=False),
        AccountField(name="password", label="Password, if there is no API key", secret=True, required=False),
        AccountField(name="apikey", label="API key", secret=True, required=False),
        AccountField(name="callback_secret", label="Callback secret", secret=True, required=False),
    ),
)
