"""SMS Gateway for Android (SMSGate): what its webhooks say, in JSON that the phone posts.

Source: android-sms-gateway/docs-web:docs/features/webhooks.md, android-sms-gateway/server (the states of
GET /messages/{id}).

- One webhook is registered for each event, at the addresses for receipts (`sms:sent`, `sms:delivered`, `sms:failed`,
  `sms:cancelled`) and for inbound messages (`sms:received`).
- `sms:delivered` comes once for each part of a long text, whose number is not said, and `sms:sent` once with
  `partsCount`. `sms:failed` comes once if any part has failed.
- `X-Signature` is the HMAC-SHA256 of the body and `X-Timestamp` (seconds), in hexadecimal; each repeat is signed anew.
  The key is in the app's settings.
- `messageId` of an inbound message is made of its content. The `id` of the event is unique, and a repeat has it too.

Not verified: all of it with a phone; whether the state of a message that is asked for is about all of its parts.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from shared.gateways.answer_fields import Fields, fields_of, line_of, objects_of
from shared.gateways.base import Callback, CallbackAnswer, InboundPart, Receipt, Response, message_id_of
from shared.gateways.callbacks import (
    Meaning,
    check_age,
    check_signature,
    inbound_of,
    json_of,
    receipt_of,
    time_of,
    unix_time_of,
)
from shared.gateways.http_statuses import json_object

EVENTS: Mapping[str, tuple[Meaning, str]] = {
    "sms:sent": (Meaning.ON_ITS_WAY, "sentAt"),
    "sms:delivered": (Meaning.DELIVERED, "deliveredAt"),
    "sms:failed": (Meaning.OTHER, "failedAt"),
    "sms:cancelled": (Meaning.OTHER, "cancelledAt"),
}
"""The meaning of each event of a message of ours, and the name of its time."""

OF_A_PART = "sms:delivered"
RECEIVED = "sms:received"

FAILED_STATES = ("Failed", "Cancelled")
STATES: Mapping[str, Meaning] = {
    **dict.fromkeys(("Pending", "Cancelling", "Processed", "Sent"), Meaning.ON_ITS_WAY),
    "Delivered": Meaning.DELIVERED,
    **dict.fromkeys(FAILED_STATES, Meaning.OTHER),
}
"""By `state`."""


class SmsgateCallbacks:
    """The part of the adapter that reads callbacks and answers to polls."""

    receipt_answer = inbound_answer = CallbackAnswer()

    _signing_key: str
    """Empty if callbacks are not signed."""
    _callback_secrets: tuple[str, ...]

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipt of an event of the phone; none, if it is about something else."""
        event, kind, payload = self._checked(callback)
        if not kind.startswith("sms:") or kind in (RECEIVED, "sms:data-received"):
            return []
        meaning, time = EVENTS.get(kind, (Meaning.ON_ITS_WAY, ""))
        return [
            receipt_of(
                meaning,
                message_id=message_id_of(payload.get("messageId")),
                provider_message_id=payload.get("messageId"),
                code=kind,
                words=payload.get("reason"),
                at=time_of(payload.get(time)),
                part=event.get("id") if kind == OF_A_PART else None,
                parts=payload.get("partsCount"),
                recipient=payload.get("recipient") or payload.get("phoneNumber"),
                secrets=self._callback_secrets,
            )
        ]

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The message of an event; none, if it is about something else. The phone has joined its parts."""
        event, kind, payload = self._checked(callback)
        if kind != RECEIVED:
            return []
        return [
            inbound_of(
                sender=payload.get("sender") or payload.get("phoneNumber"),
                recipient=payload.get("recipient"),
                text=payload.get("message"),
                provider_message_id=event.get("id") or payload.get("messageId"),
                at=time_of(payload.get("receivedAt")),
            )
        ]

    def read_poll(self, response: Response) -> list[Receipt]:
        """The receipt of the state of a message; none, if the server does not have it."""
        payload = fields_of(json_object(response.body))
        if response.status == 404 and "not found" in line_of(payload.get("message")):
            return []
        state = line_of(payload.get("state"))
        if response.status != 200 or not state:
            raise ValueError(f"The server does not tell the state of the message: {response.status}.")
        recipient = next(iter(objects_of(payload.get("recipients")) or []), {})
        return [
            receipt_of(
                STATES.get(state, Meaning.ON_ITS_WAY),
                message_id=message_id_of(payload.get("id")),
                provider_message_id=payload.get("id"),
                code=state,
                words=recipient.get("error"),
                at=time_of(fields_of(payload.get("states")).get(state)),
                recipient=None if payload.get("isHashed") is True else recipient.get("phoneNumber"),
                secrets=self._callback_secrets,
            )
        ]

    def _checked(self, callback: Callback) -> tuple[Fields, str, Fields]:
        """The event of a callback, its kind and its payload. Raises CallbackRejectedError if it is not signed with the
        key, where there is one."""
        if self._signing_key:
            signed_at = callback.headers.get("x-timestamp", "")
            ours = hmac.digest(self._signing_key.encode(), callback.body + signed_at.encode(), "sha256").hex()
            check_signature(ours, callback.headers.get("x-signature"))
            check_age(unix_time_of(signed_at), callback)
        event = json_of(callback)
        kind = line_of(event.get("event"))
        if not kind:
            raise ValueError("There is no event.")
        return event, kind, fields_of(event.get("payload"))
