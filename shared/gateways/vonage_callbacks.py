"""What Vonage's SMS API reports and forwards: a query by GET, a form or JSON by POST, signed if the account says so.

Sources: developer.vonage.com (receive-a-delivery-receipt, signing-messages), the support page "Vonage SMS Delivery
Error Codes and Descriptions", Nexmo/api-specification:definitions/sms.yml, nyaruka/courier:handlers/nexmo,
vonage_http_client 1.5.2 (auth.py: the signature).

There is a receipt for each segment, with an id of its own; all have our `client-ref`. Inbound messages may come in
parts. The signature is one of the fields; it covers all others, and not the address. Its secret is not the API secret.
In values it takes & and = for _. It is hexadecimal, in either case.

Not verified: the time zone of `scts`, which is taken for UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from hmac import digest

from shared.gateways.answer_fields import line_of
from shared.gateways.base import Callback, CallbackAnswer, CallbackRejectedError, InboundPart, Receipt, message_id_of
from shared.gateways.callbacks import (
    Meaning,
    check_age,
    check_signature,
    form_of,
    inbound_of,
    json_of,
    meaning_and_code,
    receipt_of,
    time_of,
    unix_time_of,
)

MD5_HASH = "md5hash"

METHODS = (MD5_HASH, "md5", "sha1", "sha256", "sha512")
"""Of signatures: the MD5 of the fields and the secret, or an HMAC with one of the hash functions."""

STATUSES: Mapping[str, Meaning] = {
    "accepted": Meaning.ON_ITS_WAY,
    "buffered": Meaning.ON_ITS_WAY,
    "delivered": Meaning.DELIVERED,
    "unknown": Meaning.NOT_KNOWN,
    "expired": Meaning.EXPIRED,
    "failed": Meaning.OTHER,
    "rejected": Meaning.REJECTED,
    "deleted": Meaning.OTHER,
}
"""By `status`."""

CODES: Mapping[str, Meaning] = {
    "2": Meaning.EXPIRED,  # absent, for now
    "3": Meaning.UNKNOWN_SUBSCRIBER,  # absent permanently
    "4": Meaning.BLOCKED,  # barred by the user
    "6": Meaning.BLOCKED,  # spam filter
    "7": Meaning.EXPIRED,  # handset busy
    "9": Meaning.OPTED_OUT,  # "User has requested not to receive messages from a specific service"
    "12": Meaning.UNKNOWN_SUBSCRIBER,  # destination unreachable: no route to the number
    "13": Meaning.BLOCKED,  # age
    "14": Meaning.BLOCKED,  # by the operator
    "15": Meaning.REJECTED,  # the recipient's prepaid account
    "10": Meaning.REJECTED,  # message
    "11": Meaning.REJECTED,  # no route
    "16": Meaning.REJECTED,  # quota
    # 50: entity, 51: header, 52: content, 53: consent, 54: regulation.
    **dict.fromkeys(("50", "51", "52", "53", "54"), Meaning.BLOCKED),
    # 1: unknown; 5: portability; 8: network; 99: general.
    **dict.fromkeys(("1", "5", "8", "99"), Meaning.OTHER),
}
"""By `err-code` of a message that failed."""


class VonageCallbacks:
    """The part of the adapter that reads callbacks."""

    receipt_answer = inbound_answer = CallbackAnswer()

    _signature_secret: str
    """Empty if callbacks are not signed."""
    _method: str
    _secrets: tuple[str, ...]

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of a segment; none of the empty callback that tests an address."""
        fields = self._checked_fields(callback)
        if not fields or ("status" not in fields and "text" in fields):
            return []
        status = fields.get("status", "")
        meaning, code = meaning_and_code(STATUSES, CODES, status, fields.get("err-code", ""))
        receipt = receipt_of(
            Meaning.EXPIRED if status == "expired" else meaning,
            message_id=message_id_of(fields.get("client-ref")),
            provider_message_id=fields.get("messageId"),
            code=code if code != "0" else status,
            at=time_of(fields.get("scts"), "%y%m%d%H%M"),
            part=fields.get("messageId"),
            recipient=fields.get("msisdn"),
            secrets=(*self._secrets, self._signature_secret),
        )
        return [receipt]

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of a webhook, or a part of a long one; none of the empty callback that tests an address."""
        fields = self._checked_fields(callback)
        if not fields or "status" in fields:
            return []
        concatenated = fields.get("concat") == "true"
        part = inbound_of(
            sender=fields.get("msisdn"),
            recipient=fields.get("to"),
            # A binary message has its content in hexadecimal.
            text=fields.get("text", fields.get("data")),
            provider_message_id=fields.get("messageId"),
            at=time_of(fields.get("message-timestamp")),
            reference=fields.get("concat-ref") if concatenated else None,
            part=fields.get("concat-part") if concatenated else None,
            parts=fields.get("concat-total") if concatenated else None,
        )
        return [part]

    def _checked_fields(self, callback: Callback) -> Mapping[str, str]:
        """The fields of a callback. Raises CallbackRejectedError unless they are signed with the secret, now. Without a
        secret, all pass, and so does a callback that says nothing."""
        fields = _fields_of(callback)
        if not self._signature_secret or not fields:
            return fields
        signed = {name: value for name, value in fields.items() if name != "sig"}
        # Otherwise two fields could be taken for one with the same signature.
        if any("&" in name or "=" in name for name in signed):
            raise CallbackRejectedError("The signature is missing or wrong.")
        given = fields.get("sig", "")
        given = given.lower() if given.isupper() else given
        check_signature(signature_of(signed, self._signature_secret, self._method), given)
        check_age(unix_time_of(fields.get("timestamp")), callback)
        return fields


def signature_of(fields: Mapping[str, str], secret: str, method: str) -> str:
    """The signature of fields, in lower case."""
    pairs = ((name, value.replace("&", "_").replace("=", "_")) for name, value in sorted(fields.items()))
    content = "".join(f"&{name}={value}" for name, value in pairs).encode("utf-8", "surrogatepass")
    if method == MD5_HASH:
        return hashlib.md5(content + secret.encode(), usedforsecurity=False).hexdigest()
    return digest(secret.encode(), content, method).hex()


def _fields_of(callback: Callback) -> Mapping[str, str]:
    if not callback.body.lstrip().startswith(b"{"):
        return form_of(callback)
    payload = json_of(callback)
    if any(not line_of(value) and value != "" for value in payload.values()):
        raise ValueError("A field is no text.")
    return {name: line_of(value) for name, value in payload.items()}
