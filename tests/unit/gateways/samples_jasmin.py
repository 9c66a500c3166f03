"""What the HTTP API of Jasmin 0.11.1 answers."""

from __future__ import annotations

from urllib.parse import urlencode

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Callback, InboundPart, Receipt
from tests.unit.gateways.adapter_cases import MESSAGE_ID, answer
from tests.unit.gateways.callback_cases import INBOUND_URL, MESSAGE_URL, CallbackSamples, called, post_form
from tests.unit.gateways.conformance import Samples

SAMPLES: Samples = {
    "accepted": [answer(200, 'Success "07033084-5cfd-4812-90a4-e4d24ffb6e3d"')],
    "refused": [
        answer(400, 'Error "Argument [to] has an invalid value: [x]."'),
        answer(400, 'Error "Value filter failed for user [g] (destination_address filter mismatch)."'),
        answer(400, 'Error "Value filter failed for user [g] (content filter mismatch)."'),
    ],
    "retriable": [answer(500, 'Error "Cannot send submit_sm, check SMPPClientManagerPB log file for details"')],
    "throttled": [
        answer(403, 'Error "User throughput exceeded"'),
        answer(412, 'Error "Failover route has no bound connectors"'),
        answer(503, 'Error "InterceptorPB not connected !"'),
        answer(429, Retry_After="30"),
    ],
    "misconfigured": [
        answer(403, 'Error "Authentication failure for username:gonets"'),
        answer(412, 'Error "No route found"'),
        answer(400, 'Error "Authorization failed for user [g] (Cannot send MT messages)."'),
        answer(400, 'Error "Authorization failed for user [g] (Setting source address not authorized)."'),
        answer(400, 'Error "Value filter failed for user [g] (source_address filter mismatch)."'),
    ],
    "no_credit": [answer(403, 'Error "Cannot charge submit_sm, check RouterPB log file for details"')],
    "ambiguous": [
        answer(200),
        answer(200, 'Success ""'),
        answer(200, 'Success "two words"'),
        answer(200, 'Error "odd"'),
        answer(201, 'Success "1"'),
        answer(500, 'Error "Unknown error: x"'),
        answer(502, "<html>"),
    ],
}


# What it reports and forwards

JASMIN_ID = "0bdeafe7-eb4f-4fbf-a1dd-c6a91539c4e8"


def called_back(status: str, **fields: str) -> Callback:
    """A call to the `dlr-url`."""
    return post_form(
        {"id": JASMIN_ID, "level": "1", "message_status": status, "connector": "smsc", **fields}, MESSAGE_URL
    )


def at_level_2(status: str, error: str = "000") -> Callback:
    """A call after the SMSC has reported."""
    dates = {"subdate": "2603011200", "donedate": "2603011201"}
    return called_back(status, level="2", id_smsc="7", sub="001", dlvrd="001", err=error, text="Order", **dates)


def reported(state: ReceiptState, code: str, reason: UndeliveredReason | None = None) -> Receipt:
    """A receipt about the message."""
    return Receipt(state=state, code=code, reason=reason, message_id=MESSAGE_ID, provider_message_id=JASMIN_ID)


def forwarded(content: bytes, coding: bytes = b"\0", **fields: str | bytes) -> Callback:
    """A call to the HTTP connector."""
    known = {"id": "5849ae2f-0d60-4bfb", "from": "79990000009", "to": "12345", "origin-connector": "smsc"}
    body = urlencode({**known, "content": content, "binary": content.hex(), "coding": coding, **fields})
    return called("POST", INBOUND_URL, body.encode(), content_type="application/x-www-form-urlencoded")


def received(text: str) -> InboundPart:
    """What that says."""
    return InboundPart(sender="79990000009", recipient="12345", text=text, provider_message_id="5849ae2f-0d60-4bfb")


UNDELIVERED = ReceiptState.UNDELIVERED

CALLBACKS = CallbackSamples(
    receipts=[
        (called_back("ESME_ROK"), [reported(ReceiptState.ACCEPTED, "ESME_ROK")]),
        # Jasmin submits again, and reports nothing more.
        *(
            (called_back(status), [reported(ReceiptState.ACCEPTED, status)])
            for status in ("ESME_RSYSERR", "ESME_RTHROTTLED", "ESME_RMSGQFUL", "ESME_RINVSCHED")
        ),
        (
            called_back("ESME_RINVDSTADR"),
            [reported(UNDELIVERED, "ESME_RINVDSTADR", UndeliveredReason.UNKNOWN_SUBSCRIBER)],
        ),
        (called_back("ESME_RSUBMITFAIL"), [reported(UNDELIVERED, "ESME_RSUBMITFAIL", UndeliveredReason.REJECTED)]),
        (at_level_2("DELIVRD"), [reported(ReceiptState.DELIVERED, "DELIVRD")]),
        (at_level_2("ACCEPTD"), [reported(ReceiptState.ACCEPTED, "ACCEPTD")]),
        (at_level_2("UNKNOWN"), [reported(ReceiptState.UNKNOWN, "UNKNOWN")]),
        (at_level_2("EXPIRED"), [reported(UNDELIVERED, "EXPIRED", UndeliveredReason.EXPIRED)]),
        (at_level_2("UNDELIV", "011"), [reported(UNDELIVERED, "UNDELIV 011", UndeliveredReason.OTHER)]),
        (at_level_2("DELETED"), [reported(UNDELIVERED, "DELETED", UndeliveredReason.OTHER)]),
        (at_level_2("REJECTD", "012"), [reported(UNDELIVERED, "REJECTD 012", UndeliveredReason.REJECTED)]),
        # By GET, and with the beginning of a Russian text in UCS-2.
        (
            called("GET", f"{MESSAGE_URL}&{at_level_2('DELIVRD').body.decode()}&text=%04%D8%00"),
            [reported(ReceiptState.DELIVERED, "DELIVRD")],
        ),
    ],
    new_status=at_level_2("MADEUP"),
    inbound=[
        (forwarded(b"Hi\0 a\x11b \x1be {"), [received("Hi@ a_b € ä")]),
        (forwarded("Привет 🎉".encode("utf-16-be"), b"\x08"), [received("Привет 🎉")]),
        (forwarded("Привет".encode("utf-16-be"), b"8"), [received("Привет")]),
        (forwarded("Привет".encode("iso8859_5"), b"\x06"), [received("Привет")]),
        (forwarded(b"caf\xe9", b"\x03"), [received("café")]),
        (forwarded(b"flash", b"\x10"), [received("flash")]),
        (forwarded("вспышка".encode("utf-16-be"), b"\x18"), [received("вспышка")]),
        (forwarded(b"\x01\xff", b"\x04"), [received("01ff")]),
        (forwarded(b""), [received("")]),
    ],
)
