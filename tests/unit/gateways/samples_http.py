"""Answers and callbacks by the declared contract of docs/gateways/http-examples/json.toml."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Callback, InboundPart, Receipt, SentMessage
from tests.database import ROOT
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, answer
from tests.unit.gateways.callback_cases import INBOUND_URL, RECEIVED_AT, CallbackSamples, post_json
from tests.unit.gateways.conformance import Samples

EXAMPLES = ROOT / "docs" / "gateways" / "http-examples"

ACCOUNT = Account(
    address="http://gateway.example",
    sender="Gonets",
    credentials={"credentials": "api_key = s3cret-key\nwebhook_key = s3cret-webhook"},
    options={"contract": (EXAMPLES / "json.toml").read_text()},
)


def about_message(status: int | str, http_status: int = 200, **fields: object) -> Answer:
    """An answer about our message, with a status of the contract's own."""
    message = {"reference": "{id}", "to": "{phone}", "status": status, **fields}
    return answer(http_status, {"messages": [message]})


def error(http_status: int, code: str, message: str = "", **fields: object) -> Answer:
    """An answer about the account."""
    return answer(http_status, {"error": {"code": code, "message": message, **fields}})


SAMPLES: Samples = {
    "accepted": [about_message(0, id="a1b2", parts=1, price="2.40"), about_message(0, 201, id=77)],
    "duplicate": [about_message(7, id="a1b2"), about_message(7, 409)],
    "refused": [about_message(10, description="no such number"), about_message(11, 400), answer(422)],
    "retriable": [about_message(20), answer(408)],
    "opted_out": [about_message(30, description="STOP")],
    "throttled": [
        error(429, "BUSY", wait=37),
        error(200, "BUSY"),
        answer(429, Retry_After="37"),
        answer(503, Retry_After="37"),
        error(429, "OTHER", wait=37),
    ],
    "misconfigured": [about_message(40), error(403, "SUSPENDED"), error(403, "ELSE"), answer(401)],
    "no_credit": [error(402, "POOR", "top up"), answer(402)],
    "ambiguous": [about_message(0, 500), about_message(99), error(200, "ELSE"), answer(503)],
    "other_id": [
        about_message(0, id="a1b2", reference="{id}1"),
        about_message(0, id="a1b2", to="7{phone}"),
        about_message(0, id="a1b2", to=["{phone}"]),
        about_message(10, 400, reference=1),
        answer(200, '{"messages": [{"to": "{phone}", "status": 0, "id": "1"}, {"to": "79", "status": 0, "id": "2"}]}'),
    ],
}


# What it reports and forwards


def signed(callback: Callback, account: Account) -> Callback:
    """The callback as the contract says that it is signed."""
    key = account.credentials["credentials"].rpartition("\n")[2].partition("=")[2].strip()
    stamp = str(int(RECEIVED_AT.timestamp()))
    digest = hmac.digest(key.encode(), f"{stamp}.".encode() + callback.body, hashlib.sha256).hex()
    return replace(callback, headers={**callback.headers, "x-timestamp": stamp, "x-signature": f"sha256={digest}"})


def report(status: str, **fields: object) -> dict[str, object]:
    """A receipt about the message in a callback."""
    return {
        "id": "a1b2",
        "reference": str(MESSAGE_ID),
        "to": f"+{PHONE_NUMBER}",
        "status": status,
        "at": "29.11.2026 15:00:07",
        **fields,
    }


def reported(state: ReceiptState, code: str, **fields: Any) -> Receipt:
    """The same as it is read."""
    known = {
        "message_id": MESSAGE_ID,
        "provider_message_id": "a1b2",
        "recipient": f"+{PHONE_NUMBER}",
        "at": datetime(2026, 11, 29, 12, 0, 7, tzinfo=UTC),
    }
    return Receipt(state=state, code=code, **{**known, **fields})


ABSENT = report("failed", error={"code": 21, "text": "Absent"}, part=2, parts=2)

INBOUND = {
    "id": "c3d4",
    "from": f"+{PHONE_NUMBER}",
    "to": "4242",
    "text": "Да & нет 🎉",
    "at": int(RECEIVED_AT.timestamp()),
}

RECEIVED = InboundPart(
    sender=f"+{PHONE_NUMBER}", recipient="4242", text="Да & нет 🎉", provider_message_id="c3d4", at=RECEIVED_AT
)

CALLBACKS = CallbackSamples(
    receipts=[
        (post_json({"reports": [report("sent")]}), [reported(ReceiptState.ACCEPTED, "sent")]),
        (
            post_json({"reports": [report("delivered", part=1, parts=2, at="soon"), ABSENT, {"status": "sent"}]}),
            [
                reported(ReceiptState.DELIVERED, "delivered", part="1", parts=2, at=None),
                reported(
                    ReceiptState.UNDELIVERED,
                    "21",
                    reason=UndeliveredReason.UNKNOWN_SUBSCRIBER,
                    words="Absent",
                    part="2",
                    parts=2,
                ),
            ],
        ),
        (
            post_json({"reports": [report("failed"), report("expired", reference="of-another-system")]}),
            [
                reported(ReceiptState.UNDELIVERED, "failed", reason=UndeliveredReason.OTHER),
                reported(ReceiptState.UNDELIVERED, "expired", reason=UndeliveredReason.EXPIRED, message_id=None),
            ],
        ),
        (post_json({"reports": [report("lost")]}), [reported(ReceiptState.UNKNOWN, "lost")]),
        (post_json({"balance": 12}), []),
    ],
    new_status=post_json({"reports": [report("teleported")]}),
    inbound=[
        (post_json(INBOUND, INBOUND_URL), [RECEIVED]),
        (
            post_json({**INBOUND, "text": "", "long": {"id": 7, "part": 1, "of": 2}}, INBOUND_URL),
            [replace(RECEIVED, text="", reference="7", part=1, parts=2)],
        ),
    ],
    sign=signed,
    signature_in=["x-signature", "x-timestamp"],
    signs_time=True,
    signature_optional=False,
    polls=[
        (
            answer(200, {"message": {"id": "a1b2", "reference": str(MESSAGE_ID), "delivery": "expired"}}),
            [reported(ReceiptState.UNDELIVERED, "expired", reason=UndeliveredReason.EXPIRED, at=None, recipient=None)],
        ),
    ],
    sent=SentMessage(MESSAGE_ID, PHONE_NUMBER, "a1b2"),
)
