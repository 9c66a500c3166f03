"""What Sinch reports and forwards: JSON by POST, signed if the service plan has a secret for it; and what it says of a
batch when it is asked.

Sources: sinch/sinch-sdk-python:sinch/domains/sms (2.3.0: models of delivery reports and inbound messages) and
sinch/domains/authentication/sinch_events, developers.sinch.com/docs/sms/api-reference (delivery reports, webhooks),
developers.sinch.com/docs/sms/smpp/10dlc-errors.

A receipt names the batch, the recipient and our reference. It is about the message as a whole. The signature covers the
body, a nonce and a time, and not the address.

Not verified: the unit of the signed time, which is taken for seconds; codes of operators other than those below.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hmac import digest

from shared.gateways.answer_fields import Fields, code_of, line_of, objects_of
from shared.gateways.base import Callback, CallbackAnswer, InboundPart, Receipt, Response, message_id_of
from shared.gateways.callbacks import (
    Meaning,
    check_age,
    check_signature,
    inbound_of,
    json_of,
    meaning_and_code,
    receipt_of,
    time_of,
    unix_time_of,
)
from shared.gateways.http_statuses import json_object

STATUSES: Mapping[str, Meaning] = {
    "QUEUED": Meaning.ON_ITS_WAY,
    "DISPATCHED": Meaning.ON_ITS_WAY,
    "DELIVERED": Meaning.DELIVERED,
    "UNKNOWN": Meaning.NOT_KNOWN,  # no receipt from the operator, or one that nobody could read: final
    "EXPIRED": Meaning.EXPIRED,
    "ABORTED": Meaning.REJECTED,
    "REJECTED": Meaning.REJECTED,
    "CANCELLED": Meaning.REJECTED,
    "FAILED": Meaning.OTHER,
    "DELETED": Meaning.OTHER,
}
"""By `status`, which some pages write in capitals and others not."""

CODES: Mapping[str, Meaning] = {
    # Of the REST API. 402: no route; 405, 410: parameters, sender; 407: cancelled; 408: rejected; 411: too many parts;
    # 412: region; 413: account blocked.
    **dict.fromkeys(("402", "405", "407", "408", "410", "411", "412", "413"), Meaning.REJECTED),
    "403": Meaning.OTHER,  # internal
    "404": Meaning.OTHER,  # temporary
    "406": Meaning.EXPIRED,
    # Of multimedia messages: an address, the gateway, the operator, the subscriber, the handset.
    **dict.fromkeys(("414", "415", "416", "417", "418"), Meaning.OTHER),
    # Of operators in the USA.
    "15": Meaning.BLOCKED,  # spam
    "60": Meaning.BLOCKED,  # campaign
    "62": Meaning.BLOCKED,  # spam
    "64": Meaning.REJECTED,  # quota
    "152": Meaning.UNKNOWN_SUBSCRIBER,  # teleservice not provisioned
    "300": Meaning.UNKNOWN_SUBSCRIBER,  # destination
    **dict.fromkeys(("310", "321", "332", "334", "349"), Meaning.REJECTED),
    "399": Meaning.OTHER,
}
"""By `code` of a message that failed."""

OF_RECIPIENTS = frozenset({"recipient_delivery_report_sms", "recipient_delivery_report_mms"})
OF_BATCHES = frozenset({"delivery_report_sms", "delivery_report_mms"})
INBOUND = frozenset({"mo_text", "mo_binary", "mo_media"})


class SinchCallbacks:
    """The part of the adapter that reads callbacks and answers to polls."""

    receipt_answer = inbound_answer = CallbackAnswer()

    _callback_secret: str
    """Empty if callbacks are not signed."""
    _secrets: tuple[str, ...]

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipts of a delivery report of a recipient or of a batch, which has one recipient."""
        self._check(callback)
        payload = json_of(callback)
        kind, secrets = line_of(payload.get("type")), (*self._secrets, self._callback_secret)
        if kind in OF_RECIPIENTS:
            return [_receipt(payload, payload, payload.get("recipient"), secrets)]
        if kind in OF_BATCHES:
            return _receipts_of_batch(payload, secrets)
        if kind in INBOUND:
            return []
        raise ValueError("The type of the callback is not known.")

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of a callback. Sinch puts parts together itself."""
        self._check(callback)
        payload = json_of(callback)
        kind = line_of(payload.get("type"))
        if kind in OF_RECIPIENTS | OF_BATCHES:
            return []
        if kind not in INBOUND:
            raise ValueError("The type of the callback is not known.")
        body = payload.get("body")
        # The body of a multimedia message is an object.
        text = body.get("message") or body.get("subject") or "" if isinstance(body, dict) else body
        part = inbound_of(
            sender=payload.get("from"),
            recipient=payload.get("to"),
            text=text,
            provider_message_id=payload.get("id"),
            at=time_of(payload.get("sent_at")) or time_of(payload.get("received_at")),
        )
        return [part]

    def read_poll(self, response: Response) -> list[Receipt]:
        """The receipts of the delivery report."""
        payload = json_object(response.body)
        if response.status != 200 or payload is None:
            raise ValueError("The answer is not a delivery report.")
        return _receipts_of_batch(payload, self._secrets)

    def _check(self, callback: Callback) -> None:
        """Raises CallbackRejectedError unless the callback is signed with the secret, now. Without a secret, all
        pass."""
        if not self._callback_secret:
            return
        headers = callback.headers
        nonce = headers.get("x-sinch-webhook-signature-nonce", "")
        timestamp = headers.get("x-sinch-webhook-signature-timestamp", "")
        content = callback.body + f".{nonce}.{timestamp}".encode("utf-8", "surrogateescape")
        ours = b64encode(digest(self._callback_secret.encode(), content, "sha256"))
        check_signature(ours, headers.get("x-sinch-webhook-signature"))
        check_age(unix_time_of(timestamp), callback)


def _receipts_of_batch(payload: Fields, secrets: tuple[str, ...]) -> list[Receipt]:
    """The receipts of the report of a batch with one recipient. Raises ValueError for another one."""
    statuses = objects_of(payload.get("statuses"))
    if statuses is None:
        raise ValueError("The report has no statuses.")
    receipts = []
    for status in statuses:
        recipients = status.get("recipients")
        if status.get("count") not in (None, 1) or (isinstance(recipients, list) and len(recipients) > 1):
            raise ValueError("The report is about several recipients.")
        recipient = recipients[0] if isinstance(recipients, list) and recipients else None
        receipts.append(_receipt(payload, status, recipient, secrets))
    return receipts


def _receipt(report: Fields, status: Fields, recipient: object, secrets: tuple[str, ...]) -> Receipt:
    state, code = line_of(status.get("status")), code_of(status.get("code"))
    meaning, stored = meaning_and_code(STATUSES, CODES, state.upper(), code)
    return receipt_of(
        meaning,
        message_id=message_id_of(report.get("client_reference")),
        provider_message_id=report.get("batch_id"),
        code=state if stored == state.upper() else stored,
        at=time_of(report.get("operator_status_at")) or time_of(report.get("at")),
        recipient=recipient,
        secrets=secrets,
    )
