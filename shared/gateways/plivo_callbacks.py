"""What Plivo reports and forwards: a form by POST (or the same as a query by GET), signed with the auth token; and what
it says of a message when it is asked.

Sources: docs.plivo.com/docs/messaging (concepts/signature-validation, xml/request, troubleshooting/error-codes),
plivo/plivo-python:plivo/utils/signature_v3.py and utils/__init__.py (4.63.0), nyaruka/courier:handlers/plivo (fields).

There is a receipt for each segment, with an id of its own; ParentMessageUUID is the id that the answer named. A receipt
has no time.

Signatures: the newer one (V3) covers the address, the fields and a nonce. The pages about messages name the older one
(V2), which covers only the address without its query, and a nonce. It counts if there is no V3, since otherwise all
callbacks of such accounts would be refused. The headers with Ma have the signature by the main account's token.

Not verified: which of these headers a live account gets.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hmac import compare_digest, digest

from shared.gateways.answer_fields import fields_of, line_of, segments_in
from shared.gateways.base import Callback, CallbackAnswer, CallbackRejectedError, InboundPart, Receipt, Response
from shared.gateways.callbacks import Meaning, form_of, inbound_of, meaning_and_code, pairs_of, receipt_of
from shared.gateways.http_statuses import json_object

STATUSES: Mapping[str, Meaning] = {
    **dict.fromkeys(("queued", "sent"), Meaning.ON_ITS_WAY),
    **dict.fromkeys(("delivered", "read"), Meaning.DELIVERED),
    # With a code, mostly.
    "undelivered": Meaning.OTHER,
    "failed": Meaning.OTHER,
    "rejected": Meaning.REJECTED,
}
"""By `Status`, and `message_state` of a message that was asked for."""

CODES: Mapping[str, Meaning] = {
    "30": Meaning.BLOCKED,  # spam
    "50": Meaning.UNKNOWN_SUBSCRIBER,  # invalid destination number
    "70": Meaning.UNKNOWN_SUBSCRIBER,  # destination permanently unavailable
    "80": Meaning.EXPIRED,  # destination temporarily unavailable
    "100": Meaning.BLOCKED,  # prohibited by carrier
    "200": Meaning.OPTED_OUT,
    "420": Meaning.EXPIRED,
    # 10: invalid message; 40: source number; 60: loop; 90: no route; 110: too long; 201: toll-free number to Canada;
    # 900: no credit; 910: account disabled.
    **dict.fromkeys(("10", "40", "60", "90", "110", "201", "900", "910"), Meaning.REJECTED),
    # 20: network error; 300: not dispatched; 1000: unknown.
    **dict.fromkeys(("20", "300", "1000"), Meaning.OTHER),
}
"""By `ErrorCode` of a message that failed."""

_PART = re.compile(r"([0-9]{1,3}) of ([0-9]{1,3})")


def check_signature(callback: Callback, token: str) -> None:
    """Raises CallbackRejectedError unless the callback is signed with the token."""
    headers = callback.headers
    newer = [headers[name] for name in ("x-plivo-signature-v3", "x-plivo-signature-ma-v3") if name in headers]
    if newer:
        nonce, signed = headers.get("x-plivo-signature-v3-nonce", ""), f"{_content(callback)}."
        given = [one for header in newer for one in header.split(",")]
    else:
        nonce, signed = headers.get("x-plivo-signature-v2-nonce", ""), callback.url.partition("?")[0]
        given = [headers.get("x-plivo-signature-v2", ""), headers.get("x-plivo-signature-ma-v2", "")]
    content = f"{signed}{nonce}".encode("utf-8", "surrogateescape")
    ours = b64encode(digest(token.encode(), content, "sha256"))
    fits = False
    for one in given:
        fits |= compare_digest(ours, one.encode("utf-8", "surrogateescape"))
    if not fits:
        raise CallbackRejectedError("The signature is missing or wrong.")


class PlivoCallbacks:
    """The part of the adapter that reads callbacks and answers to polls."""

    receipt_answer = CallbackAnswer()
    inbound_answer = CallbackAnswer(b"<Response></Response>", "text/xml; charset=utf-8")
    """XML that sends no reply."""

    _token: str
    _secrets: tuple[str, ...]

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a status callback, about a message or a part of one."""
        check_signature(callback, self._token)
        fields = form_of(callback)
        meaning, code = meaning_and_code(STATUSES, CODES, fields.get("Status", ""), fields.get("ErrorCode", ""))
        part, parts = _part_of(fields)
        receipt = receipt_of(
            meaning,
            message_id=callback.message_id,
            provider_message_id=fields.get("ParentMessageUUID") or fields.get("MessageUUID"),
            code=code,
            part=part,
            parts=parts,
            recipient=fields.get("To"),
            secrets=self._secrets,
        )
        return [receipt]

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of a webhook."""
        check_signature(callback, self._token)
        fields = form_of(callback)
        if "Status" in fields:
            return []  # a receipt
        part = inbound_of(
            sender=fields.get("From"),
            recipient=fields.get("To"),
            text=fields.get("Text"),
            provider_message_id=fields.get("MessageUUID"),
        )
        return [part]

    def read_poll(self, response: Response) -> list[Receipt]:
        """The state of the message."""
        payload = fields_of(json_object(response.body))
        state = line_of(payload.get("message_state"))
        if response.status != 200 or not state:
            raise ValueError("The answer has no state of a message.")
        meaning, code = meaning_and_code(STATUSES, CODES, state, line_of(payload.get("error_code")))
        segments = segments_in(payload.get("units")) or 1
        receipt = receipt_of(
            meaning,
            provider_message_id=payload.get("message_uuid"),
            code=code,
            # Of several segments it may be the state of the first one, whose id this is.
            part="1" if segments > 1 else None,
            parts=segments if segments > 1 else None,
            recipient=payload.get("to_number"),
            secrets=self._secrets,
        )
        return [receipt]


def _part_of(fields: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The part and the number of parts; neither for a message of one segment."""
    own, parent = line_of(fields.get("MessageUUID")), line_of(fields.get("ParentMessageUUID"))
    info = _PART.fullmatch(fields.get("PartInfo", "").strip())
    if info:
        return (None, None) if int(info[2]) <= 1 else (info[1], info[2])
    return (own, None) if own and parent and own != parent else (None, None)


def _content(callback: Callback) -> str:
    """What V3 signs, but for the nonce: the address, the sorted query, and the sorted fields of a form."""
    address = callback.url.partition("?")[0]
    query = "&".join(f"{name}={value}" for name, value in sorted(callback.query))
    if not callback.body:
        return f"{address}?{query}" if query else address
    fields = "".join(f"{name}{value}" for name, value in sorted(pairs_of(callback)))
    if not fields:
        return f"{address}?{query}" if query else address
    return f"{address}?{query}{'.' if query else ''}{fields}"
