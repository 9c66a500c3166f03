"""The adapter of SMS.ru."""

from __future__ import annotations

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from tests.unit.gateways.adapter_cases import (
    PHONE_NUMBER,
    TEXT,
    adapter_with,
    answer,
    form,
    read,
    submission_of,
)
from tests.unit.gateways.samples_smsru import accepted, inner, outer

FIELDS = {"api_id": "A-1 B"}

CODES = {
    200: (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED),
    201: (Result.NO_CREDIT, ReasonCode.NO_CREDIT),
    202: (Result.REFUSED, ReasonCode.PROVIDER_SAID),
    203: (Result.REFUSED, ReasonCode.PROVIDER_SAID),
    204: (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED),
    205: (Result.REFUSED, ReasonCode.TEXT_TOO_LONG),
    206: (Result.THROTTLED, ReasonCode.PROVIDER_SAID),
    207: (Result.REFUSED, ReasonCode.NO_ROUTE),
    208: (Result.REFUSED, ReasonCode.PROVIDER_SAID),
    209: (Result.OPTED_OUT, ReasonCode.OPTED_OUT),
    212: (Result.REFUSED, ReasonCode.PROVIDER_SAID),
    214: (Result.REFUSED, ReasonCode.NO_ROUTE),
    215: (Result.OPTED_OUT, ReasonCode.OPTED_OUT),
    220: (Result.RETRIABLE, ReasonCode.PROVIDER_SAID),
    230: (Result.THROTTLED, ReasonCode.PROVIDER_SAID),
    231: (Result.THROTTLED, ReasonCode.PROVIDER_SAID),
    232: (Result.THROTTLED, ReasonCode.PROVIDER_SAID),
    233: (Result.THROTTLED, ReasonCode.PROVIDER_SAID),
    300: (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED),
    301: (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED),
    302: (Result.MISCONFIGURED, ReasonCode.ACCOUNT_SUSPENDED),
    500: (Result.RETRIABLE, ReasonCode.PROVIDER_SAID),
}


def test_a_message_is_sent_as_a_form() -> None:
    sent = submission_of(adapter_with("smsru", **FIELDS))

    assert (sent.method, sent.path) == ("POST", "/sms/send")
    assert form(sent.body) == {"api_id": "A-1 B", "json": "1", "from": "Shop", "to": str(PHONE_NUMBER), "msg": TEXT}
    assert "from" not in form(submission_of(adapter_with("smsru", sender="", **FIELDS)).body)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("of_the_request", [True, False])
def test_every_code_that_is_documented(code: int, of_the_request: bool) -> None:
    body = outer(code) if of_the_request else inner(code, str(PHONE_NUMBER))

    got = read(adapter_with("smsru", **FIELDS), answer(200, body))

    assert (got.result, got.reason and got.reason.code) == CODES[code]
    assert (got.code, got.words) == (str(code), f"{code}: text")
    assert got.retry_after == (60.0 if code == 231 else None)


def test_an_accepted_message_keeps_its_id() -> None:
    got = read(adapter_with("smsru", **FIELDS), answer(200, accepted(str(PHONE_NUMBER))))

    assert (got.result, got.code, got.provider_message_id) == (Result.ACCEPTED, "100", "000000-10000000")


@pytest.mark.parametrize("api_id", ["", "a\tb"])
def test_a_wrong_field_is_named(api_id: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^api_id: "):
        adapter_with("smsru", api_id=api_id)
