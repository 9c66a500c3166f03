"""What Twilio reports and forwards: a form by POST (or by GET, if the console says so), signed with the auth token; and
what it says of a message when it is asked.

Sources: twilio/twilio-oai:spec/json/twilio_api_v2010.json (the statuses), the "Error and Warning Dictionary" at
twilio.com/docs/api/errors and nyaruka/courier:handlers/twiml (errors.json, handlers.go), twilio 9.13.0
(request_validator.py).

A receipt has no time: RawDlrDoneDate is the carrier's, in a time zone that it does not name. `partially_delivered` is
explained nowhere; it decides nothing. Signatures with a shared key (X-Twilio-Webhooks-Signature-Settings) are not read:
an account that has switched to those is refused.
"""

from __future__ import annotations

import binascii
import codecs
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from shared.gateways.answer_fields import Fields, fields_of, line_of
from shared.gateways.base import Callback, CallbackAnswer, CallbackRejectedError, InboundPart, Receipt, Response
from shared.gateways.callbacks import Meaning, form_of, inbound_of, json_of, pairs_of, receipt_of, time_of
from shared.gateways.http_statuses import json_object

STATUSES: Mapping[str, Meaning] = {
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending", "sent", "partially_delivered"), Meaning.ON_ITS_WAY),
    **dict.fromkeys(("delivered", "read"), Meaning.DELIVERED),
    "canceled": Meaning.REJECTED,
}
"""By `MessageStatus`. `failed` and `undelivered` have a code."""

FAILED = frozenset({"failed", "undelivered"})

OF_INBOUND = frozenset({"receiving", "received"})
"""Statuses of messages to us."""

CODES: Mapping[str, Meaning] = {
    "21610": Meaning.OPTED_OUT,
    # No number; none of a mobile phone.
    **dict.fromkeys(("21211", "21214", "21614", "21635"), Meaning.UNKNOWN_SUBSCRIBER),
    "30003": Meaning.EXPIRED,  # the handset is off, or out of reach
    "30004": Meaning.BLOCKED,
    "30005": Meaning.UNKNOWN_SUBSCRIBER,
    "30006": Meaning.UNKNOWN_SUBSCRIBER,  # a landline
    "30007": Meaning.BLOCKED,  # filtered
    "30036": Meaning.EXPIRED,  # validity period
    # 30001: queue overflow; 30002: account suspended; 30010: price; 30012, 30013: validity period; 30018: sender id not
    # registered; 30019: size; 30022, 30023, 30027: rates of 10DLC; 30024: sender id; 30032: toll-free number not
    # verified; 30034: number without a campaign; 63018: rate.
    **dict.fromkeys(("30001", "30002", "30010", "30012", "30013", "30018", "30019"), Meaning.REJECTED),
    **dict.fromkeys(("30022", "30023", "30024", "30027", "30032", "30034", "63018"), Meaning.REJECTED),
    # 30008: unknown; 30009: a segment is missing; 30017: congestion; 30020, 30021: internal; 30410: timeout.
    **dict.fromkeys(("30008", "30009", "30017", "30020", "30021", "30410"), Meaning.OTHER),
}
"""By `ErrorCode` of a message that failed. Any other is `OTHER`."""

SHORTEST_BASE64 = 60
"""Characters from which an inbound text may be the base64 of a concatenated one (as courier has it)."""


def check_signature(callback: Callback, token: str) -> None:
    """Raises CallbackRejectedError unless `X-Twilio-Signature` is the HMAC-SHA1 of the address and the sorted fields
    of the form. If the address names `bodySHA256`, that covers the body instead."""
    given = callback.headers.get("x-twilio-signature", "").encode("utf-8", "surrogateescape")
    body_hash = dict(callback.query).get("bodySHA256")
    signed = "" if body_hash is not None or not callback.body else _signed_fields(callback)
    fits = any(hmac.compare_digest(_signature(f"{url}{signed}", token), given) for url in _spellings(callback.url))
    if body_hash is not None:
        ours = hashlib.sha256(callback.body).hexdigest().encode()
        fits &= hmac.compare_digest(ours, body_hash.encode("utf-8", "surrogateescape"))
    if not fits:
        raise CallbackRejectedError("The signature is missing or wrong.")


class TwilioCallbacks:
    """The part of the adapter that reads callbacks and answers to polls."""

    receipt_answer = CallbackAnswer(status=204)
    inbound_answer = CallbackAnswer(b'<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml; charset=utf-8")
    """TwiML that sends no reply."""

    _token: str
    _secrets: tuple[str, ...]

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a status callback; none for a callback about a message to us."""
        check_signature(callback, self._token)
        fields = _fields_of(callback)
        status = line_of(fields.get("MessageStatus") or fields.get("SmsStatus"))
        if not status:
            raise ValueError("The receipt has no status.")
        if status in OF_INBOUND:
            return []
        failed = status in FAILED
        code = line_of(fields.get("ErrorCode")) if failed else ""
        receipt = receipt_of(
            _meaning_of(status, code),
            message_id=callback.message_id,
            provider_message_id=fields.get("MessageSid") or fields.get("SmsSid"),
            code=code or status,
            words=fields.get("ErrorMessage") if failed else None,
            recipient=fields.get("To"),
            secrets=self._secrets,
        )
        return [receipt]

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of a webhook. Twilio puts parts together itself."""
        check_signature(callback, self._token)
        fields = _fields_of(callback)
        if line_of(fields.get("MessageStatus")):
            return []  # a receipt
        text = fields.get("Body")
        part = inbound_of(
            sender=fields.get("From"),
            recipient=fields.get("To"),
            text=decoded(text) if isinstance(text, str) else text,
            provider_message_id=fields.get("MessageSid") or fields.get("SmsSid"),
        )
        return [part]

    def read_poll(self, response: Response) -> list[Receipt]:
        """The status of the message."""
        payload = fields_of(json_object(response.body))
        status = line_of(payload.get("status"))
        if response.status != 200 or not status:
            raise ValueError("The answer has no status of a message.")
        failed = status in FAILED
        code = line_of(payload.get("error_code")) if failed else ""
        receipt = receipt_of(
            _meaning_of(status, code),
            provider_message_id=payload.get("sid"),
            code=code or status,
            words=payload.get("error_message") if failed else None,
            at=time_of(payload.get("date_updated"), "%a, %d %b %Y %H:%M:%S %z"),
            recipient=payload.get("to"),
            secrets=self._secrets,
        )
        return [receipt]


def _meaning_of(status: str, code: str) -> Meaning:
    """The meaning of a status and an error code. A status that is not documented decides nothing."""
    return CODES.get(code, Meaning.OTHER) if status in FAILED else STATUSES.get(status, Meaning.ON_ITS_WAY)


def decoded(text: str) -> str:
    """The text, without the base64 in which concatenated messages sometimes come.

    It is base64 for certain if it is long, has only the 64 characters and its padding, and is printable UTF-8 within.
    The last character may be cut.
    """
    packed = text.replace("\r", "").replace("\n", "").strip()
    if len(packed) < SHORTEST_BASE64 or len(packed) % 4:
        return text
    try:
        raw = b64decode(packed, validate=True)
        inner = codecs.getincrementaldecoder("utf-8")().decode(raw)
    except (binascii.Error, ValueError):
        return text
    canonical = b64encode(raw).decode() == packed
    return inner if canonical and all(one.isprintable() or one in "\r\n\t" for one in inner) else text


def _fields_of(callback: Callback) -> Fields:
    if callback.body and "bodySHA256" in dict(callback.query):
        return json_of(callback)
    return form_of(callback)


def _signature(signed: str, token: str) -> bytes:
    return b64encode(hmac.digest(token.encode(), signed.encode("utf-8", "surrogateescape"), "sha1"))


def _signed_fields(callback: Callback) -> str:
    """The names and values of a form, sorted, one after the other; equal ones once."""
    return "".join(f"{name}{value}" for name, value in sorted(set(pairs_of(callback))))


def _spellings(url: str) -> Iterator[str]:
    """The address as it is; and with and without the usual port, which Twilio signs in some cases and not in others."""
    yield url
    parts = urlsplit(url)
    port, host = {"https": ":443", "http": ":80"}.get(parts.scheme), parts.netloc
    start = len(parts.scheme) + len("://")
    if port and host.endswith(port):
        yield url[:start] + host.removesuffix(port) + url[start + len(host) :]
    elif port and parts.port is None:
        yield url[:start] + host + port + url[start + len(host) :]
