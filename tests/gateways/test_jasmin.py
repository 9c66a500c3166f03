"""Jasmin with its brokers and an SMSC, driven by the adapter over HTTP as a worker does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from tests.gateways.callback_server import CallbackServer
from tests.gateways.jasmin import PASSWORD, Jasmin, running_jasmin
from tests.gateways.sending import send, sender
from tests.gateways.smpp_peer import UCS_2, Submitted
from tests.ports import free_port
from tests.unit.gateways.adapter_cases import MESSAGE, Message, adapter_with
from tests.waiting import eventually

pytestmark = pytest.mark.gateways

ACCOUNT = {"username": "gonets", "password": PASSWORD}


@pytest.fixture(scope="module")
def server() -> Iterator[CallbackServer]:
    with CallbackServer(adapter_with("jasmin", **ACCOUNT)) as listening:
        yield listening


@pytest.fixture(scope="module")
def jasmin(tmp_path_factory: pytest.TempPathFactory, server: CallbackServer) -> Iterator[Jasmin]:
    with running_jasmin(tmp_path_factory.mktemp("jasmin"), server.inbound_url) as started:
        yield started


def arrived(jasmin: Jasmin, phone_number: int) -> bytes:
    """What the SMSC has got for a number, joined as a phone joins it."""
    parts = [each for each in jasmin.peer.submitted if each.to == str(phone_number)]
    return b"".join(each.content for each in sorted(parts, key=lambda each: each.part))


def test_an_accepted_text_arrives(jasmin: Jasmin) -> None:
    message = Message(phone_number=79990000001, text="Hello & goodbye: 100% {x} é")

    got = send(jasmin.url, "jasmin", message, **ACCOUNT)

    assert (got.result, got.code) == (Result.ACCEPTED, "200")
    assert got.provider_message_id
    # In the GSM alphabet, whose braces are two septets each (3GPP TS 23.038).
    eventually(lambda: arrived(jasmin, message.phone_number) == b"Hello & goodbye: 100% \x1b(x\x1b) \x05")


def test_two_messages_have_two_ids(jasmin: Jasmin) -> None:
    with sender(jasmin.url, "jasmin", **ACCOUNT) as gateway:
        ids = {gateway.send(number, 79990000002, MESSAGE.text).provider_message_id for number in (1, 2)}

    assert len(ids) == 2
    assert None not in ids


@pytest.mark.parametrize(("segments", "letters"), [(1, 70), (2, 71), (5, 335)])
def test_a_russian_text_arrives_whole(jasmin: Jasmin, segments: int, letters: int) -> None:
    text = ("Здравствуйте, мир! 🎉" * 20).encode("utf-16-be")[: 2 * letters].decode("utf-16-be", errors="ignore")
    message = Message(phone_number=79990000010 + segments, text=text)

    assert send(jasmin.url, "jasmin", message, **ACCOUNT).result is Result.ACCEPTED

    eventually(lambda: arrived(jasmin, message.phone_number) == text.encode("utf-16-be"))
    parts = [each for each in jasmin.peer.submitted if each.to == str(message.phone_number)]
    assert (len(parts), {each.data_coding for each in parts}) == (segments, {8})


def test_jasmin_cuts_a_text_of_more_segments_short_and_so_it_is_refused(jasmin: Jasmin) -> None:
    message = Message(phone_number=79990000020, text="я" * 336)

    assert send(jasmin.url, "jasmin", message, **ACCOUNT).result is Result.REFUSED
    assert send(jasmin.url, "jasmin", message, max_parts="6", **ACCOUNT).result is Result.ACCEPTED
    eventually(lambda: arrived(jasmin, message.phone_number) == ("я" * 335).encode("utf-16-be"))


@pytest.mark.parametrize(
    ("fields", "phone_number", "result", "reason"),
    [
        ({"password": "wrong"}, 79990000030, Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED),
        ({}, 44790001122, Result.MISCONFIGURED, ReasonCode.NO_ROUTE),
        ({"username": "poor"}, 79990000031, Result.NO_CREDIT, ReasonCode.NO_CREDIT),
        ({"username": "nameless"}, 79990000032, Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED),
        ({"username": "nowhere"}, 79990000033, Result.REFUSED, ReasonCode.NO_ROUTE),
    ],
)
def test_a_refusal_says_what_it_concerns(
    jasmin: Jasmin, fields: dict[str, str], phone_number: int, result: Result, reason: ReasonCode
) -> None:
    got = send(jasmin.url, "jasmin", Message(phone_number=phone_number), **{**ACCOUNT, **fields})

    assert (got.result, got.reason and got.reason.code) == (result, reason), got
    assert got.words
    assert arrived(jasmin, phone_number) == b""


def test_a_user_that_sends_faster_than_allowed_is_throttled(jasmin: Jasmin) -> None:
    with sender(jasmin.url, "jasmin", username="slow", password=PASSWORD) as gateway:
        results = [gateway.send(number, 79990000040, "on").result for number in (1, 2)]

    assert results == [Result.ACCEPTED, Result.THROTTLED]


def test_no_jasmin_is_unreachable() -> None:
    port = free_port()

    assert send(f"http://127.0.0.1:{port}", "jasmin", MESSAGE, **ACCOUNT).result is Result.UNREACHABLE


def reported(jasmin: Jasmin, server: CallbackServer, message: Message) -> Submitted:
    """Sends a message that is reported on, and waits until Jasmin has said that the SMSC took it."""
    got = send(jasmin.url, "jasmin", message, receipt_url=server.receipt_url, **ACCOUNT)
    assert got.result is Result.ACCEPTED
    eventually(lambda: server.receipts_of(message.message_id))
    [receipt] = server.receipts_of(message.message_id)
    assert (receipt.state, receipt.code) == (ReceiptState.ACCEPTED, "ESME_ROK")
    assert receipt.provider_message_id == got.provider_message_id
    return next(each for each in jasmin.peer.submitted if each.to == str(message.phone_number) and each.registered)


@pytest.mark.parametrize(
    ("number", "state", "error", "expected"),
    [
        (1, "DELIVRD", "000", (ReceiptState.DELIVERED, None, "DELIVRD")),
        (2, "UNDELIV", "011", (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER, "UNDELIV 011")),
        (3, "EXPIRED", "000", (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED, "EXPIRED")),
        (4, "REJECTD", "000", (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED, "REJECTD")),
        (5, "UNKNOWN", "000", (ReceiptState.UNKNOWN, None, "UNKNOWN")),
        (6, "ACCEPTD", "000", (ReceiptState.ACCEPTED, None, "ACCEPTD")),
    ],
)
def test_jasmin_calls_when_the_smsc_has_taken_a_message_and_when_it_reports(
    jasmin: Jasmin, server: CallbackServer, number: int, state: str, error: str, expected: object
) -> None:
    message = Message(7000 + number, 79991000000 + number, "Order 42 is ready: 100% {x}")

    submitted = reported(jasmin, server, message)
    for _ in ("once", "twice"):
        jasmin.peer.receipt(submitted, state, error)

    # Of a final state Jasmin passes on the second one only if it comes before the first one is forgotten.
    eventually(lambda: len(server.receipts_of(message.message_id)) >= (3 if state in ("ACCEPTD", "UNKNOWN") else 2))
    [last] = {*server.receipts_of(message.message_id)[1:]}
    assert (last.state, last.reason, last.code) == expected
    assert (last.part, last.words) == (None, None)


def test_a_long_text_has_one_receipt_for_the_whole(jasmin: Jasmin, server: CallbackServer) -> None:
    message = Message(7011, 79991000011, "Здравствуйте, «мир»! 🎉" * 8)
    last = reported(jasmin, server, message)
    parts = [each for each in jasmin.peer.submitted if each.to == str(message.phone_number)]

    for part in parts:
        jasmin.peer.receipt(part, "DELIVRD")

    eventually(lambda: len(server.receipts_of(message.message_id)) == 2)
    assert [part.registered for part in parts] == [False, False, True]
    assert last == parts[-1]
    receipt = server.receipts_of(message.message_id)[-1]
    assert (receipt.state, receipt.part, receipt.parts) == (ReceiptState.DELIVERED, None, None)


def test_a_message_that_the_smsc_refuses_is_undelivered(jasmin: Jasmin, server: CallbackServer) -> None:
    message = Message(7021, 79991000021, "Hello")
    jasmin.peer.refused.add(str(message.phone_number))

    send(jasmin.url, "jasmin", message, receipt_url=server.receipt_url, **ACCOUNT)

    eventually(lambda: server.receipts_of(message.message_id))
    [receipt] = server.receipts_of(message.message_id)
    assert (receipt.state, receipt.reason) == (ReceiptState.UNDELIVERED, UndeliveredReason.UNKNOWN_SUBSCRIBER)
    assert receipt.code == "ESME_RINVDSTADR"


def test_what_a_handset_sends_arrives(jasmin: Jasmin, server: CallbackServer) -> None:
    parts = [(2, "мир"), (1, "Здравствуй, ")]
    jasmin.peer.text("79990000009", "12345", "Привет 🎉".encode("utf-16-be"), UCS_2)
    jasmin.peer.text("79990000009", "12345", b"a@b \x00 \x1b\x65 {")
    for part, text in parts:
        jasmin.peer.text("79990000009", "12345", text.encode("utf-16-be"), UCS_2, bytes([5, 0, 3, 7, 2, part]))

    eventually(lambda: len(server.inbound) == 3)
    assert {part.text for part in server.inbound} == {"Привет 🎉", "a¡b @ € ä", "Здравствуй, мир"}
    assert {(part.sender, part.recipient, part.parts) for part in server.inbound} == {("79990000009", "12345", 1)}
    assert len({part.provider_message_id for part in server.inbound}) == 3
    assert not server.errors
