"""Vonage SMS API: `POST /sms/json` as a form; always `200`, with an entry for each segment and a status in each.

Sources: Nexmo/api-specification:definitions/sms.yml (2021), the pages troubleshooting-sms and api-errors/sms at
developer.vonage.com, nyaruka/courier:handlers/nexmo, and vonage 4.9.1 (Python; its module vonage_sms is 1.2.0).

Our id goes as `client-ref` and comes back in receipts; nothing is deduplicated by it, and a message cannot be looked up
by it. vonage_callbacks.py reads receipts and inbound messages. Credentials go in the header, as the client sends them;
the older form has them in the body.

All entries of an answer decide. If some segments were taken and others refused, a part of the text may arrive, and is
paid: neither accepted nor refused would be true, so the result is ambiguous, and the mailing's `on_unknown` says what
follows.

The time in "please wait [ 250 ] and retry" is in milliseconds (courier waits as long).

Not verified: the answers of a live account; the longest text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import lru_cache

from shared.domain.results import FINAL, Result
from shared.domain.text_segments import Encoding, segments_of
from shared.gateways.account_checks import PATH_PART, credential, option, optional_credential, sender_of
from shared.gateways.answer_fields import (
    Fields,
    code_of,
    fields_of,
    id_of,
    is_another_id,
    is_another_recipient,
    joined,
    line_of,
    objects_of,
    price_of,
)
from shared.gateways.authentication import basic
from shared.gateways.base import Account, AccountField, Capabilities, OutgoingMessage, Provider, Response, SubmitResult
from shared.gateways.callbacks import callback_secrets
from shared.gateways.code_meanings import (
    ACCEPTED,
    ACCOUNT_SUSPENDED,
    CREDENTIALS_REJECTED,
    NO_CREDIT,
    NOT_ALLOWED,
    NOT_ALLOWED_HERE,
    OPTED_OUT,
    REFUSED,
    RETRIABLE,
    SENDER_REJECTED_HERE,
    STATUSES,
    TEXT_TOO_LONG,
    THROTTLED,
    result_of,
)
from shared.gateways.encoding import form_headers, form_text
from shared.gateways.http_statuses import Meaning, json_object, not_understood, read_status
from shared.gateways.post_adapter import PostAdapter
from shared.gateways.sanitize import redact
from shared.gateways.vonage_callbacks import MD5_HASH, METHODS, VonageCallbacks

LONGEST_CALLBACK = 100
"""Characters of `callback` (as the client has it). A longer address is entered in the dashboard."""

CODES: Mapping[str, Meaning] = {
    "0": ACCEPTED,
    "1": THROTTLED,
    "4": CREDENTIALS_REJECTED,
    "5": RETRIABLE,  # internal error
    "7": OPTED_OUT,  # number barred: it may not receive texts
    "8": ACCOUNT_SUSPENDED,
    "9": NO_CREDIT,
    "10": THROTTLED,  # too many binds
    "11": NOT_ALLOWED,  # account not enabled for HTTP
    "12": TEXT_TOO_LONG,
    "14": CREDENTIALS_REJECTED,  # invalid signature
    # "Non-authorized sender id, most commonly in North America": of the account or of one country.
    "15": SENDER_REJECTED_HERE,
    # A demo account may send to numbers that it has listed.
    "29": NOT_ALLOWED_HERE,
    "32": CREDENTIALS_REJECTED,  # signature and secret together are not allowed
    # 2, 3: parameters missing, invalid; 6: prefix unknown; 22: network code; 23: callback; 33: number deactivated.
    **dict.fromkeys(("2", "3", "6", "22", "23", "33"), REFUSED),
}
"""By `status` of an entry. One that is not documented is an error too, of unknown kind: it is tried again."""

_WAIT = re.compile(r"please wait \[ *([0-9]{1,9}) *\] and retry")


class VonageAdapter(VonageCallbacks, PostAdapter):
    """The contract as an adapter."""

    capabilities = Capabilities(reference=True, receipts=True, inbound=True, signs=True)

    _path = "/sms/json"

    def __init__(self, account: Account) -> None:
        authorization = basic(option(account, "api_key", PATH_PART), secret := credential(account, "api_secret"))
        self._headers = form_headers(authorization)
        self._secrets = secret, authorization.removeprefix("Basic "), *callback_secrets(account)
        self._signature_secret = optional_credential(account, "signature_secret")
        self._method = option(account, "signature_method", "|".join(METHODS), MD5_HASH)
        self._receipts = b""
        if account.receipt_url:
            self._receipts = b"&status-report-req=1"
            if len(account.receipt_url) <= LONGEST_CALLBACK:
                self._receipts += b"&callback=" + form_text(account.receipt_url)
        self._start = b"from=%b&to=" % form_text(sender_of(account))

    def _body_of(self, message: OutgoingMessage) -> bytes:
        recipient = b"%d&client-ref=%d" % (message.phone_number, message.message_id)
        return self._start + recipient + self._receipts + _text_fields(message.text)

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response."""
        payload = fields_of(json_object(response.body))
        if response.status is None or not 200 <= response.status < 300:
            words = joined(payload.get("title"), payload.get("detail"))
            return read_status(response, redact(words, secrets), STATUSES)
        entries = objects_of(payload.get("messages"))
        if not entries or any(_is_about_another(entry, message) for entry in entries):
            return not_understood(response)
        taken = [entry for entry in entries if code_of(entry.get("status")) == "0"]
        refused = [entry for entry in entries if code_of(entry.get("status")) not in ("0", "")]
        if len(taken) + len(refused) < len(entries) or any(id_of(entry.get("message-id")) is None for entry in taken):
            return not_understood(response)  # an entry without a status, or an acceptance without an id
        if not refused:
            return _accepted(taken)
        decisive = _read_refused(_decisive(refused), secrets)
        if taken:
            # A part of the text was taken.
            provider_message_id = id_of(taken[0].get("message-id"))
            return SubmitResult(
                Result.AMBIGUOUS, decisive.code, decisive.reason, provider_message_id=provider_message_id
            )
        return decisive


PROVIDER = Provider(
    name="vonage",
    title="Vonage",
    make=VonageAdapter,
    capabilities=VonageAdapter.capabilities,
    address="https://rest.nexmo.com",
    fields=(
        AccountField(name="api_key", label="API key"),
        AccountField(name="api_secret", label="API secret", secret=True),
        AccountField(name="signature_secret", label="Signature secret", secret=True, required=False),
        AccountField(name="signature_method", label="Signature method", default=MD5_HASH, choices=METHODS),
    ),
)


@lru_cache(maxsize=100)
def _text_fields(text: str) -> bytes:
    # All messages of a mailing have the same text. Without the type, characters outside GSM arrive as question marks.
    kind = b"unicode" if segments_of(text).encoding is Encoding.UCS_2 else b"text"
    return b"&type=%b&text=%b" % (kind, form_text(text))


def _is_about_another(entry: Fields, message: OutgoingMessage) -> bool:
    return is_another_recipient(entry.get("to"), message) or is_another_id(entry.get("client-ref"), message.message_id)


def _accepted(entries: list[Fields]) -> SubmitResult:
    """All segments were taken. The id is that of the first; receipts name the ids of single segments."""
    prices = [price_of(entry.get("message-price")) for entry in entries]
    known = [price for price in prices if price is not None]
    return SubmitResult(
        Result.ACCEPTED,
        "0",
        provider_message_id=id_of(entries[0].get("message-id")),
        segments=len(entries),
        price=sum(known, Decimal(0)) if len(known) == len(entries) else None,
    )


def _decisive(refused: list[Fields]) -> Fields:
    """The entry that decides: the first that is final, since a repeat of the whole text cannot change it."""
    return next((entry for entry in refused if _meaning_of(entry).result in FINAL), refused[0])


def _meaning_of(entry: Fields) -> Meaning:
    return CODES.get(code_of(entry.get("status")), RETRIABLE)


def _read_refused(entry: Fields, secrets: Collection[str]) -> SubmitResult:
    meaning, words = _meaning_of(entry), line_of(entry.get("error-text"))
    wait = _WAIT.search(words) if meaning.result is Result.THROTTLED else None
    seconds = int(wait[1]) / 1000 if wait else None
    return result_of(meaning, code_of(entry.get("status")), redact(words, secrets), retry_after=seconds)
