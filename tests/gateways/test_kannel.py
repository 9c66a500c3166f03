"""Debian's Kannel, driven by the adapter over HTTP as a worker does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from tests.gateways.kannel import MAX_MESSAGES, PASSWORD, QUEUE_LIMIT, USERNAME, Kannel, running_kannel
from tests.gateways.programs import free_ports
from tests.gateways.sending import send, sender
from tests.unit.gateways.adapter_cases import MESSAGE, PHONE_NUMBER, Message
from tests.waiting import eventually

pytestmark = pytest.mark.gateways

ACCOUNT = {"username": USERNAME, "password": PASSWORD, "max_messages": str(MAX_MESSAGES)}
DENIED = 79990001199


@pytest.fixture(scope="module")
def kannel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kannel]:
    with running_kannel(tmp_path_factory.mktemp("kannel"), DENIED) as started:
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
    [port] = free_ports(1)

    assert send(f"http://127.0.0.1:{port}", "kannel", MESSAGE, **ACCOUNT).result is Result.UNREACHABLE


def test_without_an_smsc_messages_are_queued_until_the_queue_is_full(kannel_alone: Kannel) -> None:
    kannel_alone.disconnect()

    with sender(kannel_alone.url, "kannel", **ACCOUNT) as gateway:
        results = [gateway.send(number, PHONE_NUMBER, MESSAGE.text) for number in range(QUEUE_LIMIT + 2)]

    assert [got.result for got in results[:QUEUE_LIMIT]] == [Result.ACCEPTED] * QUEUE_LIMIT
    last = results[-1]
    assert (last.result, last.code) == (Result.RETRIABLE, "503")
    assert last.words == "Temporal failure, try again later."
