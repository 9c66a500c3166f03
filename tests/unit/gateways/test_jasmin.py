"""The adapter of Jasmin. tests/gateways/test_jasmin.py has the daemon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.jasmin import PROVIDER
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

FIELDS = {"username": "gonets", "password": "s3cret"}


def test_a_russian_text_is_sent_in_ucs2_as_hex() -> None:
    sent = submission_of(adapter_with("jasmin", **FIELDS))

    assert (sent.method, sent.path) == ("POST", "/send")
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert form(sent.body) == {
        "username": "gonets",
        "password": "s3cret",
        "from": "Shop",
        "to": str(PHONE_NUMBER),
        "coding": "8",
        "hex-content": TEXT.encode("utf-16-be").hex(),
    }


def test_receipts_of_both_levels_are_asked_for() -> None:
    account = replace(account_with("jasmin", **FIELDS), receipt_url=RECEIPT_URL)

    sent = submission_of(PROVIDER.make(account))

    assert {name: value for name, value in form(sent.body).items() if name.startswith("dlr")} == {
        "dlr": "yes",
        "dlr-level": "3",
        "dlr-method": "POST",
        "dlr-url": f"{RECEIPT_URL}?message={MESSAGE_ID}",
    }


def test_callbacks_are_acknowledged_as_jasmin_wants() -> None:
    adapter: Any = adapter_with("jasmin", **FIELDS)

    assert (adapter.receipt_answer.status, adapter.receipt_answer.body) == (200, b"ACK/Jasmin")
    assert adapter.inbound_answer == adapter.receipt_answer


def test_a_text_of_the_gsm_alphabet_is_sent_as_it_is() -> None:
    fields = form(submission_of(adapter_with("jasmin", sender="", **FIELDS), Message(text="a&b=€ +")).body)

    assert (fields["coding"], fields["content"]) == ("0", "a&b=€ +")
    assert "from" not in fields


@pytest.mark.parametrize(
    ("status", "words", "result", "reason"),
    [
        (400, "Mandatory argument [to] is not found.", Result.REFUSED, ReasonCode.PROVIDER_SAID),
        (403, "Authentication failure for username:gonets", Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED),
        (403, "Cannot charge submit_sm, check RouterPB log file for details", Result.NO_CREDIT, ReasonCode.NO_CREDIT),
        (412, "No route found", Result.MISCONFIGURED, ReasonCode.NO_ROUTE),
        (500, "Cannot send submit_sm, check the log file", Result.RETRIABLE, ReasonCode.PROVIDER_SAID),
    ],
)
def test_every_error_that_is_documented(status: int, words: str, result: Result, reason: ReasonCode) -> None:
    got = read(adapter_with("jasmin", **FIELDS), answer(status, f'Error "{words}"'))

    assert (got.result, got.code, got.reason and got.reason.code, got.words) == (result, str(status), reason, words)
    assert got.perhaps_recipient is (status == 412)


def test_an_accepted_message_keeps_jasmin_s_id() -> None:
    got = read(adapter_with("jasmin", **FIELDS), answer(200, 'Success "07033084-5cfd-4812-90a4-e4d24ffb6e3d"'))

    assert (got.result, got.provider_message_id) == (Result.ACCEPTED, "07033084-5cfd-4812-90a4-e4d24ffb6e3d")


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("a" * 160, 1), ("€" * 80, 1), ("€" * 81, 2), ("я" * 134, 2), ("я" * 66 + "🎉" * 34, 2)],
)
def test_segments_are_counted_as_jasmin_cuts_them(text: str, count: int) -> None:
    assert adapter_with("jasmin", **FIELDS).segments(text) == count


def test_a_text_that_jasmin_would_cut_short_is_refused() -> None:
    adapter = adapter_with("jasmin", **FIELDS)

    submission_of(adapter, Message(text="я" * 335))
    assert refusal_of(adapter, "я" * 336) == (Result.REFUSED, ReasonCode.TEXT_TOO_LONG)
    submission_of(adapter_with("jasmin", max_parts="6", **FIELDS), Message(text="я" * 336))


@pytest.mark.parametrize(
    ("field", "value"),
    [("username", ""), ("username", "u" * 17), ("password", ""), ("password", "p" * 17), ("max_parts", "-1")],
)
def test_a_wrong_field_is_named(field: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        adapter_with("jasmin", **{**FIELDS, field: value})
