"""Jasmin with its brokers and an SMSC, driven by the adapter over HTTP as a worker does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from tests.gateways.jasmin import PASSWORD, Jasmin, running_jasmin
from tests.gateways.programs import free_ports
from tests.gateways.sending import send, sender
from tests.unit.gateways.adapter_cases import MESSAGE, Message
from tests.waiting import eventually

pytestmark = pytest.mark.gateways

ACCOUNT = {"username": "gonets", "password": PASSWORD}


@pytest.fixture(scope="module")
def jasmin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jasmin]:
    with running_jasmin(tmp_path_factory.mktemp("jasmin")) as started:
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
    [port] = free_ports(1)

    assert send(f"http://127.0.0.1:{port}", "jasmin", MESSAGE, **ACCOUNT).result is Result.UNREACHABLE
