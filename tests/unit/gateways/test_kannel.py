"""The adapter of Kannel. tests/gateways/test_kannel.py has the daemon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.kannel import PROVIDER
from tests.unit.gateways.adapter_cases import (
    MESSAGE_ID,
    PHONE_NUMBER,
    TEXT,
    Message,
    account_with,
    adapter_with,
    answer,
    form,
    read,
    refusal_of,
    submission_of,
)
from tests.unit.gateways.callback_cases import RECEIPT_URL
from tests.unit.gateways.samples_kannel import called_back

FIELDS = {"username": "gonets", "password": "s3 cret"}


def test_a_russian_text_is_sent_in_ucs2_by_get() -> None:
    sent = submission_of(adapter_with("kannel", **FIELDS))

    assert (sent.method, urlsplit(sent.path).path, sent.body) == ("GET", "/cgi-bin/sendsms", b"")
    assert form(urlsplit(sent.path).query) == {
        "username": "gonets",
        "password": "s3 cret",
        "from": "Shop",
        "to": str(PHONE_NUMBER),
        "coding": "2",
        "charset": "UTF-8",
        "text": TEXT,
    }


def test_receipts_are_asked_for_at_an_address_that_kannel_completes() -> None:
    account = replace(account_with("kannel", **FIELDS), receipt_url="https://gonets.example/v1/receipt/caf%C3%A9/t0k")

    sent = submission_of(PROVIDER.make(account))

    query = form(urlsplit(sent.path).query)
    assert query["dlr-mask"] == "31"
    # Kannel fills in what a percent sign starts, and makes one of two.
    assert query["dlr-url"] == (
        f"https://gonets.example/v1/receipt/caf%%C3%%A9/t0k?message={MESSAGE_ID}"
        "&type=%d&smsc-id=%F&text=%A&time=%T&to=%p"
    )
    assert "t0k" in sent.secrets


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("DELIVRD", (ReceiptState.DELIVERED, None)),
        ("DELIVERED", (ReceiptState.DELIVERED, None)),
        ("delivrd", (ReceiptState.DELIVERED, None)),
        ("EXPIRED", (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED)),
        ("DELETED", (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER)),
        ("UNDELIV", (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER)),
        ("UNDELIVERABLE", (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER)),
        ("FAILED", (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER)),
        ("REJECTD", (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED)),
        ("REJECTED", (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED)),
        ("UNKNOWN", (ReceiptState.UNKNOWN, None)),
        *(
            (state, (ReceiptState.ACCEPTED, None))
            for state in ("ACCEPTD", "ACCEPTED", "ENROUTE", "ACKED", "BUFFRED", "BUFFERD", "SCHEDULED", "SCHEDLD")
        ),
        ("MADEUP", (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER)),
        ("", (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER)),
    ],
)
@pytest.mark.parametrize("form", ["id:7 sub:001 stat:{} err:000 text:stat:DELIVRD", "id:7 STAT: {} TEXT:"])
def test_the_state_of_the_smsc_counts_where_kannel_says_failure(state: str, expected: object, form: str) -> None:
    adapter: Any = adapter_with("kannel", **FIELDS)

    [receipt] = adapter.read_receipts(called_back("2", form.format(state)))

    assert (receipt.state, receipt.reason) == expected


def test_a_receipt_without_the_id_of_a_message_is_refused() -> None:
    adapter: Any = adapter_with("kannel", **FIELDS)

    with pytest.raises(ValueError, match="names no message"):
        adapter.read_receipts(called_back("1", url=RECEIPT_URL))


def test_a_text_of_the_gsm_alphabet_is_sent_in_it() -> None:
    sent = submission_of(
        adapter_with("kannel", sender="", smsc="second", path="/send", **FIELDS), Message(text="a&b=€ +")
    )

    query = form(urlsplit(sent.path).query)
    assert (query["coding"], query["text"], query["smsc"]) == ("0", "a&b=€ +", "second")
    assert "from" not in query
    assert urlsplit(sent.path).path == "/send"


@pytest.mark.parametrize(
    ("status", "body", "result", "reason"),
    [
        (202, "0: Accepted for delivery", Result.ACCEPTED, None),
        (202, "3: Queued for later delivery", Result.ACCEPTED, None),
        (403, "Authorization failed for sendsms", Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED),
        (403, "Not routable. Do not try again.", Result.REFUSED, ReasonCode.NO_ROUTE),
        (400, "Missing receiver number, rejected", Result.REFUSED, ReasonCode.PROVIDER_SAID),
        (503, "Temporal failure, try again later.", Result.RETRIABLE, ReasonCode.PROVIDER_SAID),
    ],
)
def test_every_answer_that_is_documented(status: int, body: str, result: Result, reason: ReasonCode | None) -> None:
    got = read(adapter_with("kannel", **FIELDS), answer(status, body))

    assert (got.result, got.code, got.reason and got.reason.code) == (result, str(status), reason)
    assert got.provider_message_id is None


def test_a_403_of_another_server_is_not_taken_for_one_of_kannel_s() -> None:
    got = read(adapter_with("kannel", **FIELDS), answer(403, "<h1>Forbidden</h1>"))

    assert (got.result, got.perhaps_recipient) == (Result.MISCONFIGURED, True)


def test_a_server_that_quotes_the_address_does_not_give_the_password_away() -> None:
    adapter = adapter_with("kannel", **FIELDS)

    words = read(adapter, answer(404, f"not found: {submission_of(adapter).path}")).words

    assert words is not None
    assert "password=***" in words
    assert "cret" not in words


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("a" * 160, 1), ("a" * 161, 2), ("я" * 70, 1), ("я" * 71, 2), ("я" * 134, 2), ("я" * 66 + "🎉" * 34, 2)],
)
def test_segments_are_counted_as_kannel_cuts_them(text: str, count: int) -> None:
    assert adapter_with("kannel", **FIELDS).segments(text) == count


@pytest.mark.parametrize(("most", "letters"), [("1", 70), ("2", 134), ("10", 670)])
def test_a_text_that_kannel_would_cut_short_is_refused(most: str, letters: int) -> None:
    adapter = adapter_with("kannel", max_messages=most, **FIELDS)

    submission_of(adapter, Message(text="я" * letters))
    assert refusal_of(adapter, "я" * (letters + 1)) == (Result.REFUSED, ReasonCode.TEXT_TOO_LONG)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", ""),
        ("password", ""),
        ("password", "a\nb"),
        ("max_messages", "0"),
        ("max_messages", "ten"),
        ("max_messages", "9" * 5000),
        ("path", "sendsms"),
        ("path", "/a?b"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        adapter_with("kannel", **{**FIELDS, field: value})
