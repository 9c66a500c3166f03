"""Debian's Kannel, driven by the adapter over HTTP as a worker does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from tests.gateways.callback_server import CallbackServer
from tests.gateways.kannel import MAX_MESSAGES, PASSWORD, QUEUE_LIMIT, USERNAME, Kannel, running_kannel
from tests.gateways.sending import send, sender
from tests.gateways.smpp_peer import UCS_2, Submitted
from tests.ports import free_port
from tests.unit.gateways.adapter_cases import MESSAGE, PHONE_NUMBER, Message, adapter_with
from tests.waiting import eventually

pytestmark = pytest.mark.gateways

ACCOUNT = {"username": USERNAME, "password": PASSWORD, "max_messages": str(MAX_MESSAGES)}
DENIED = 79990001199


@pytest.fixture(scope="module")
def server() -> Iterator[CallbackServer]:
    with CallbackServer(adapter_with("kannel", **ACCOUNT)) as listening:
        yield listening


@pytest.fixture(scope="module")
def kannel(tmp_path_factory: pytest.TempPathFactory, server: CallbackServer) -> Iterator[Kannel]:
    with running_kannel(tmp_path_factory.mktemp("kannel"), DENIED, server.inbound_url) as started:
        yield started


@pytest.fixture
def kannel_alone(tmp_path: Path) -> Iterator[Kannel]:
    """One that a test may break."""
    with running_kannel(tmp_path, DENIED) as started:
        yield started


def arrived(kannel: Kannel, phone_number: int, encoding: str) -> str:
    """What fakesmsc has got for a number, joined as a phone joins it."""
    segments = [segment for segment in kannel.segments() if segment.to == str(phone_number)]
    return b"".join(segment.content for segment in segments).decode(encoding, errors="replace")


def test_an_accepted_text_arrives(kannel: Kannel) -> None:
    message = Message(phone_number=79990000001, text="Hello & goodbye: 100% €5 {x}")

    got = send(kannel.url, "kannel", message, **ACCOUNT)

    assert (got.result, got.code, got.provider_message_id) == (Result.ACCEPTED, "202", None)
    eventually(lambda: arrived(kannel, message.phone_number, "utf-8") == message.text)


@pytest.mark.parametrize("number", [2, 3], ids=["5 segments", "the most segments"])
def test_a_long_russian_text_arrives_whole(kannel: Kannel, number: int) -> None:
    letters = 300 if number == 2 else 67 * MAX_MESSAGES
    text = ("Здравствуйте, «мир»! 🎉 " * 60).encode("utf-16-be")[: 2 * letters].decode("utf-16-be", errors="ignore")
    message = Message(phone_number=79990000000 + number, text=text)

    with sender(kannel.url, "kannel", **ACCOUNT) as gateway:
        assert gateway.send(*message).result is Result.ACCEPTED

    eventually(lambda: arrived(kannel, message.phone_number, "utf-16-be") == text)
    segments = [segment for segment in kannel.segments() if segment.to == str(message.phone_number)]
    assert len(segments) == (5 if number == 2 else MAX_MESSAGES)
    assert all(segment.header for segment in segments)


def test_a_text_is_cut_short_by_the_default_of_max_messages_and_so_refused_by_default(kannel: Kannel) -> None:
    short = {"username": "short", "password": PASSWORD}
    message = Message(phone_number=79990000004, text="я" * 71)

    assert send(kannel.url, "kannel", message, **short).result is Result.REFUSED
    assert send(kannel.url, "kannel", message, max_messages="2", **short).result is Result.ACCEPTED
    eventually(lambda: arrived(kannel, message.phone_number, "utf-16-be"))
    assert len(arrived(kannel, message.phone_number, "utf-16-be")) < 71


def test_a_wrong_password_is_of_the_account(kannel: Kannel) -> None:
    got = send(kannel.url, "kannel", MESSAGE, **{**ACCOUNT, "password": "wrong"})

    assert (got.result, got.code) == (Result.MISCONFIGURED, "403")
    assert got.reason is not None
    assert got.reason.code is ReasonCode.CREDENTIALS_REJECTED


def test_a_missing_sender_is_of_the_account(kannel: Kannel) -> None:
    got = send(kannel.url, "kannel", MESSAGE, name="", **ACCOUNT)

    assert (got.result, got.code) == (Result.MISCONFIGURED, "400")
    assert got.reason is not None
    assert got.reason.code is ReasonCode.SENDER_REJECTED


@pytest.mark.parametrize(("phone_number", "code"), [(44790001122, "403"), (DENIED, "400")])
def test_a_number_without_a_route_is_refused(kannel: Kannel, phone_number: int, code: str) -> None:
    got = send(kannel.url, "kannel", Message(phone_number=phone_number), **ACCOUNT)

    assert (got.result, got.code) == (Result.REFUSED, code)
    assert got.reason is not None
    assert got.reason.code is ReasonCode.NO_ROUTE


def test_a_wrong_path_is_of_the_account(kannel: Kannel) -> None:
    got = send(kannel.url, "kannel", MESSAGE, path="/cgi-bin/other", **ACCOUNT)

    assert (got.result, got.reason and got.reason.code) == (Result.MISCONFIGURED, ReasonCode.ADDRESS_NOT_FOUND)


def test_no_smsbox_is_unreachable() -> None:
    port = free_port()

    assert send(f"http://127.0.0.1:{port}", "kannel", MESSAGE, **ACCOUNT).result is Result.UNREACHABLE


def test_without_an_smsc_messages_are_queued_until_the_queue_is_full(kannel_alone: Kannel) -> None:
    kannel_alone.disconnect()

    with sender(kannel_alone.url, "kannel", **ACCOUNT) as gateway:
        results = [gateway.send(number, PHONE_NUMBER, MESSAGE.text) for number in range(QUEUE_LIMIT + 2)]

    assert [got.result for got in results[:QUEUE_LIMIT]] == [Result.ACCEPTED] * QUEUE_LIMIT
    last = results[-1]
    assert (last.result, last.code) == (Result.RETRIABLE, "503")
    assert last.words == "Temporal failure, try again later."


def reported(kannel: Kannel, server: CallbackServer, message: Message) -> Submitted:
    """Sends a message that is reported on, and waits until Kannel has said that the SMSC took it."""
    got = send(kannel.url, "kannel", message, receipt_url=server.receipt_url, **ACCOUNT)
    assert got.result is Result.ACCEPTED
    eventually(lambda: [receipt.state for receipt in server.receipts_of(message.message_id)] == [ReceiptState.ACCEPTED])
    return next(each for each in kannel.peer.submitted if each.to == str(message.phone_number) and each.registered)


def await_receipts(server: CallbackServer, message: Message, count: int) -> None:
    eventually(lambda: len(server.receipts_of(message.message_id)) == count)


def test_kannel_calls_when_the_smsc_has_taken_a_message_and_when_it_reports(
    kannel: Kannel, server: CallbackServer
) -> None:
    delivered, failed = (Message(7001 + n, 78880000001 + n, "Order 42 is ready: 100% {x}") for n in (0, 1))
    for message, state, error in ((delivered, "DELIVRD", "000"), (failed, "UNDELIV", "011")):
        submitted = reported(kannel, server, message)
        kannel.peer.receipt(submitted, "ENROUTE")
        await_receipts(server, message, 2)
        kannel.peer.receipt(submitted, state, error)
        await_receipts(server, message, 3)
        # Kannel has forgotten the message by then.
        kannel.peer.receipt(submitted, state, error)

    first, second = (server.receipts_of(message.message_id) for message in (delivered, failed))
    assert [(receipt.state, receipt.code) for receipt in first] == [
        (ReceiptState.ACCEPTED, "8"),
        (ReceiptState.ACCEPTED, "ENROUTE"),
        (ReceiptState.DELIVERED, "DELIVRD"),
    ]
    last = second[-1]
    assert (last.state, last.reason, last.code) == (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER, "UNDELIV 011")
    assert {(receipt.part, receipt.words) for receipt in (*first, *second)} == {(None, None)}
    assert {receipt.recipient for receipt in first} == {str(delivered.phone_number)}
    assert abs((last.at or datetime.min.replace(tzinfo=UTC)) - datetime.now(UTC)) < timedelta(hours=1)


@pytest.mark.parametrize(
    ("number", "state", "expected"),
    [
        (3, "EXPIRED", (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED)),
        (4, "REJECTD", (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED)),
        # Kannel itself takes both for failures.
        (5, "UNKNOWN", (ReceiptState.UNKNOWN, None)),
        (6, "DELIVERED", (ReceiptState.DELIVERED, None)),
    ],
)
def test_the_smsc_s_own_state_counts_and_not_kannel_s_type(
    kannel: Kannel, server: CallbackServer, number: int, state: str, expected: object
) -> None:
    message = Message(7000 + number, 78880000000 + number, "Hello")

    kannel.peer.receipt(reported(kannel, server, message), state)

    await_receipts(server, message, 2)
    last = server.receipts_of(message.message_id)[-1]
    assert (last.state, last.reason) == expected


def test_a_long_text_has_one_receipt_for_the_whole(kannel: Kannel, server: CallbackServer) -> None:
    message = Message(7011, 78880000011, "Здравствуйте, «мир»! 🎉" * 8)
    first = reported(kannel, server, message)
    parts = [each for each in kannel.peer.submitted if each.to == str(message.phone_number)]

    for part in parts:
        kannel.peer.receipt(part, "DELIVRD")

    await_receipts(server, message, 2)
    eventually(lambda: len(kannel.peer.acknowledged) >= len(parts))
    assert [part.registered for part in parts] == [True, False, False]
    assert first == parts[0]
    [_, last] = server.receipts_of(message.message_id)
    assert (last.state, last.part, last.parts) == (ReceiptState.DELIVERED, None, None)


def test_a_message_that_the_smsc_refuses_is_undelivered(kannel: Kannel, server: CallbackServer) -> None:
    message = Message(7021, 78880000021, "Hello")
    kannel.peer.refused.add(str(message.phone_number))

    send(kannel.url, "kannel", message, receipt_url=server.receipt_url, **ACCOUNT)

    eventually(lambda: server.receipts_of(message.message_id))
    [receipt] = server.receipts_of(message.message_id)
    assert (receipt.state, receipt.reason) == (ReceiptState.UNDELIVERED, UndeliveredReason.UNKNOWN_SUBSCRIBER)
    assert (receipt.code, receipt.words) == ("0x0000000b", "Invalid Destination Address")


def test_what_a_handset_sends_arrives(kannel: Kannel, server: CallbackServer) -> None:
    parts = [(2, "мир"), (1, "Здравствуй, ")]
    kannel.peer.text("79990000009", "12345", "Привет 🎉".encode("utf-16-be"), UCS_2)
    kannel.peer.text("79990000009", "12345", b"a@b \x00 \x1b\x65 {")
    for part, text in parts:
        kannel.peer.text("79990000009", "12345", text.encode("utf-16-be"), UCS_2, bytes([5, 0, 3, 7, 2, part]))

    eventually(lambda: len(server.inbound) == 3)
    assert {part.text for part in server.inbound} == {"Привет 🎉", "a¡b @ € ä", "Здравствуй, мир"}
    assert {(part.sender, part.recipient, part.parts) for part in server.inbound} == {("+79990000009", "+12345", 1)}
    assert len({part.provider_message_id for part in server.inbound}) == 3
    assert not server.errors
    # The empty answer is not sent to the handset.
    assert not [each for each in kannel.peer.submitted if each.to.endswith("79990000009")]
