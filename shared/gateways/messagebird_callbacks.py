"""What MessageBird reports and forwards: a query by GET, or a form by POST, with a signed token in a header; and what
it says of a message when it is asked.

Sources: messagebird/python-rest-api:messagebird/request_validator.py (2.2.0), nyaruka/courier:handlers/messagebird,
docs.bird.com/api/channels-api/message-status-and-interactions/message-failure-sources (the codes of the SMS platform),
message.py (which statuses there are).

Receipts name our reference, and are about the message as a whole. The token is in `MessageBird-Signature-JWT`; its
claims have the SHA-256 of the whole address and of the body, and times between which it is valid. The key is not the
access key.

Not verified: whether receipts by GET are signed as inbound messages are; whether a recipient's opt-out has the code 103
everywhere (courier takes it for that); codes other than those below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from hmac import compare_digest

from shared.domain.delivery import ReceiptState
from shared.gateways.answer_fields import Fields, code_of, fields_of, line_of, objects_of
from shared.gateways.base import (
    Callback,
    CallbackAnswer,
    CallbackRejectedError,
    InboundPart,
    Receipt,
    Response,
    message_id_of,
)
from shared.gateways.callbacks import Meaning, check_age, form_of, inbound_of, receipt_of, time_of, unix_time_of
from shared.gateways.http_statuses import json_object
from shared.gateways.signed_tokens import claims_of

STATUSES: Mapping[str, Meaning] = {
    **dict.fromkeys(("scheduled", "sent", "buffered"), Meaning.ON_ITS_WAY),
    "delivered": Meaning.DELIVERED,
    "expired": Meaning.EXPIRED,
    "delivery_failed": Meaning.OTHER,
}
"""By `status`."""

REASONS: Mapping[str, Meaning] = {
    "dlr not received": Meaning.NOT_KNOWN,  # nothing came from the operator within the validity: no failure
    "unknown subscriber": Meaning.UNKNOWN_SUBSCRIBER,
    "unavailable subscriber": Meaning.EXPIRED,
    "expired": Meaning.EXPIRED,
    "opted out": Meaning.OPTED_OUT,
}
"""By `statusReason` of a failure without a code."""

CODES: Mapping[str, Meaning] = {
    # 1, 5: unknown to the operator; 9: illegal subscriber; 10, 11: no such service; 12: call barred. 2, 3: unknown base
    # station, exchange. They all stand for "unknown subscriber" on the platform's page.
    **dict.fromkeys(("1", "2", "3", "5", "9", "10", "11", "12"), Meaning.UNKNOWN_SUBSCRIBER),
    **dict.fromkeys(("6", "27", "31"), Meaning.EXPIRED),  # absent, or busy
    "13": Meaning.BLOCKED,  # barred
    "103": Meaning.OPTED_OUT,
    "104": Meaning.REJECTED,  # sender not registered
}
"""By `statusErrorCode` of a failure."""

ISSUER = "MessageBird"

LEEWAY = timedelta(seconds=1)
"""By which the times of a token may be off (as the client has it)."""


class MessagebirdCallbacks:
    """The part of the adapter that reads callbacks and answers to polls."""

    receipt_answer = inbound_answer = CallbackAnswer(b"OK")

    _signing_key: str
    """Empty if callbacks are not signed."""
    _secrets: tuple[str, ...]

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a status report."""
        self._check(callback)
        fields = form_of(callback)
        if not fields.get("status"):
            raise ValueError("The receipt has no status.")
        secrets = (*self._secrets, self._signing_key)
        return [_receipt_of(fields, fields, fields.get("statusErrorCode", ""), secrets)]

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of a webhook; one to a short code has other names. MessageBird puts parts together itself."""
        self._check(callback)
        fields = form_of(callback)
        if "status" in fields and not line_of(fields.get("originator")):
            return []  # a receipt
        short_code = bool(fields.get("shortcode"))
        part = inbound_of(
            sender=fields.get("originator"),
            recipient=fields.get("shortcode" if short_code else "recipient"),
            text=fields.get("message" if short_code else "body"),
            provider_message_id=fields.get("mid" if short_code else "id"),
            at=time_of(fields.get("receive_datetime" if short_code else "createdDatetime"), "%Y%m%d%H%M%S"),
        )
        return [part]

    def read_poll(self, response: Response) -> list[Receipt]:
        """The status of the message's recipient."""
        payload = fields_of(json_object(response.body))
        recipients = objects_of(fields_of(payload.get("recipients")).get("items"))
        if response.status != 200 or not recipients or len(recipients) != 1:
            raise ValueError("The answer is not about one message.")
        (recipient,) = recipients
        if not line_of(recipient.get("status")):
            raise ValueError("The answer has no status of a message.")
        return [_receipt_of(payload, recipient, code_of(recipient.get("statusErrorCode")), self._secrets)]

    def _check(self, callback: Callback) -> None:
        """Raises CallbackRejectedError unless the callback has a token of now about it. Without a key, all pass."""
        if not self._signing_key:
            return
        claims = claims_of(callback.headers.get("messagebird-signature-jwt", ""), self._signing_key)
        starts, ends = unix_time_of(claims.get("nbf")), unix_time_of(claims.get("exp"))
        check_age(starts, callback)
        if starts is None or ends is None or not starts - LEEWAY <= callback.received_at <= ends + LEEWAY:
            raise CallbackRejectedError("The signature is too old.")
        fits = claims.get("iss") == ISSUER
        fits &= _is_hash_of(claims.get("url_hash"), callback.url.encode("utf-8", "surrogateescape"))
        payload_hash = claims.get("payload_hash")
        fits &= _is_hash_of(payload_hash, callback.body) if callback.body else not payload_hash
        if not fits:
            raise CallbackRejectedError("The signature is about another callback.")


def _receipt_of(message: Fields, recipient: Fields, code: str, secrets: tuple[str, ...]) -> Receipt:
    """The receipt of a message in the state of its recipient."""
    status, reason = line_of(recipient.get("status")), line_of(recipient.get("statusReason"))
    meaning = STATUSES.get(status, Meaning.ON_ITS_WAY)  # a status that is not documented decides nothing
    failed = meaning.state is ReceiptState.UNDELIVERED
    if failed:
        meaning = CODES.get(code) or REASONS.get(reason.strip().lower(), meaning)
    return receipt_of(
        meaning,
        message_id=message_id_of(message.get("reference")),
        provider_message_id=message.get("id"),
        code=code if failed and code not in ("", "0") else status,
        words=reason if failed else None,
        at=time_of(recipient.get("statusDatetime")),
        recipient=recipient.get("recipient"),
        secrets=secrets,
    )


def _is_hash_of(claim: object, content: bytes) -> bool:
    given = line_of(claim).encode("utf-8", "surrogateescape")
    return compare_digest(hashlib.sha256(content).hexdigest().encode(), given)
