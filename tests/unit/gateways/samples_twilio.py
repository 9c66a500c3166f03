"""Answers of Twilio, by the result that they have, and its callbacks. {id} and {phone} of answers are those of the
message."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Callback, InboundPart, Receipt, SentMessage
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, answer
from tests.unit.gateways.callback_cases import (
    INBOUND_URL,
    MESSAGE_URL,
    CallbackSamples,
    called,
    get,
    post_form,
)
from tests.unit.gateways.conformance import Samples

SID = "SM" + "0123456789abcdef" * 2

DATE = "Thu, 24 Aug 2023 05:01:45 +0000"


def created(status: str = "queued", to: str = "+{phone}", **fields: Any) -> Answer:
    """An answer with a new message."""
    message: dict[str, Any] = {
        "sid": SID,
        "account_sid": "AC" + "0" * 32,
        "from": "+15005550006",
        "to": to,
        "body": "Hello",
        "status": status,
        "num_segments": "1",
        "num_media": "0",
        "direction": "outbound-api",
        "price": None,
        "price_unit": "USD",
        "error_code": None,
        "error_message": None,
        "date_created": DATE,
    }
    return answer(201, {**message, **fields})


def failed(status: int, code: int, message: str = "What it says", **headers: str) -> Answer:
    """An answer with an error."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return answer(status, {"code": code, "message": message, "more_info": more, "status": status}, **headers)


SAMPLES: Samples = {
    "accepted": [created(), created("accepted", num_segments="0"), created("sent", price="-0.00750")],
    "refused": [failed(400, 21211), failed(400, 21614), failed(400, 99999), created("failed", error_code=30006)],
    "retriable": [failed(400, 30001), created("failed", error_code=30003), answer(408)],
    "throttled": [failed(429, 20429, Retry_After="2"), failed(429, 20429), failed(400, 21611), answer(429)],
    "misconfigured": [
        failed(401, 20003),
        answer(401),
        failed(404, 20404),
        failed(403, 20005),
        failed(400, 21606),
        failed(400, 21703),
        failed(400, 21408),
    ],
    "no_credit": [answer(402)],
    "opted_out": [failed(400, 21610)],
    "ambiguous": [
        failed(500, 20500),
        failed(503, 21610),
        answer(201),
        answer(200, "<html>Welcome</html>"),
        answer(201, {"status": "queued"}),
        answer(201, {"sid": None}),
    ],
    "other_id": [created(to="+15005550001")],
}


# What it reports and forwards


def signed(callback: Callback, account: Account) -> Callback:
    """The callback as Twilio signs it: the address, and the sorted fields of a form by POST."""
    try:
        pairs = parse_qsl(callback.body.decode(), keep_blank_values=True)
    except ValueError:
        pairs = []
    if "bodySHA256=" in callback.url:
        pairs = []
    content = callback.url + "".join(name + value for name, value in sorted(set(pairs)))
    digest = hmac.digest(account.credentials["auth_token"].encode(), content.encode(), "sha1")
    return replace(callback, headers={**callback.headers, "x-twilio-signature": b64encode(digest).decode()})


def status_fields(status: str, **fields: str) -> dict[str, str]:
    """The fields of a status callback."""
    return {
        "SmsSid": SID,
        "SmsStatus": status,
        "MessageStatus": status,
        "To": f"+{PHONE_NUMBER}",
        "MessageSid": SID,
        "AccountSid": "AC" + "0" * 32,
        "From": "+15005550006",
        "ApiVersion": "2010-04-01",
        **fields,
    }


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None, **fields: Any) -> Receipt:
    """A receipt about the message."""
    known = {"message_id": MESSAGE_ID, "provider_message_id": SID, "recipient": f"+{PHONE_NUMBER}"}
    return Receipt(state=state, code=code, reason=reason, **{**known, **fields})


INBOUND = {
    "ToCountry": "US",
    "MessageSid": SID,
    "NumMedia": "0",
    "SmsSid": SID,
    "SmsStatus": "received",
    "Body": "Да & +1 🎉\nSTOP",
    "To": "+15005550006",
    "NumSegments": "1",
    "AccountSid": "AC" + "0" * 32,
    "From": f"+{PHONE_NUMBER}",
    "ApiVersion": "2010-04-01",
}


def received(text: str) -> InboundPart:
    """An inbound message."""
    return InboundPart(sender=f"+{PHONE_NUMBER}", recipient="+15005550006", text=text, provider_message_id=SID)


def json_status(payload: Any) -> Callback:
    """A callback in JSON, whose hash is in the address."""
    body = json.dumps(payload).encode()
    url = f"{MESSAGE_URL}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    return called("POST", url, body, content_type="application/json")


def known(status: str, **fields: Any) -> Answer:
    """The answer to the question for the message."""
    return created(status, f"+{PHONE_NUMBER}", **fields)._replace(status=200)


UPDATED = datetime(2023, 8, 24, 5, 1, 45, tzinfo=UTC)

CALLBACKS = CallbackSamples(
    receipts=[
        (post_form(status_fields("queued"), MESSAGE_URL), [reported(ReceiptState.ACCEPTED, "queued")]),
        (post_form(status_fields("delivered"), MESSAGE_URL), [reported(ReceiptState.DELIVERED, "delivered")]),
        (
            post_form(status_fields("undelivered", ErrorCode="30003"), MESSAGE_URL),
            [reported(ReceiptState.UNDELIVERED, "30003", UndeliveredReason.EXPIRED)],
        ),
        (
            post_form(status_fields("failed", ErrorCode="30005", ErrorMessage="Unknown handset")),
            [
                reported(
                    ReceiptState.UNDELIVERED,
                    "30005",
                    UndeliveredReason.UNKNOWN_SUBSCRIBER,
                    message_id=None,
                    words="Unknown handset",
                )
            ],
        ),
        (get(status_fields("delivered"), MESSAGE_URL), [reported(ReceiptState.DELIVERED, "delivered")]),
        (json_status(status_fields("sent")), [reported(ReceiptState.ACCEPTED, "sent")]),
        (post_form(INBOUND), []),
    ],
    new_status=post_form(status_fields("teleported"), MESSAGE_URL),
    inbound=[
        (post_form(INBOUND, INBOUND_URL), [received(INBOUND["Body"])]),
        (get(INBOUND, INBOUND_URL), [received(INBOUND["Body"])]),
        (post_form({**INBOUND, "Body": ""}, INBOUND_URL), [received("")]),
        (post_form(status_fields("sent"), INBOUND_URL), []),
    ],
    sign=signed,
    signature_in=["x-twilio-signature"],
    signs_url=True,
    polls=[
        (
            known("delivered", date_updated=DATE),
            [reported(ReceiptState.DELIVERED, "delivered", message_id=None, at=UPDATED)],
        ),
        (
            answer(
                200,
                json.loads(created("failed", to=f"+{PHONE_NUMBER}", error_code=30006, error_message="Landline").body),
            ),
            [
                reported(
                    ReceiptState.UNDELIVERED,
                    "30006",
                    UndeliveredReason.UNKNOWN_SUBSCRIBER,
                    message_id=None,
                    words="Landline",
                )
            ],
        ),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, SID),
)
