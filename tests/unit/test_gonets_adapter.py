"""The specification's contract: its submission, what responses mean, and what gateways say instead."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, quote_plus

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import OF_THE_ACCOUNT, Result
from shared.errors import ConfigurationError
from shared.gateways.base import Submission, SubmitResult
from shared.gateways.http_statuses import STATUSES
from shared.gateways.registry import PROVIDERS, provider_named
from shared.gateways.sanitize import CODE_LIMIT, WORDS_LIMIT
from tests.gateway_accounts import gonets_adapter
from tests.submit_results import Answer, submitted
from tests.unit.test_attempt_decision import delivery

NOW = datetime(1994, 11, 6, 8, 49, 0, tzinfo=UTC)
"""37 seconds before the example date of RFC 9110 5.6.7."""


def read(status: int, body: bytes = b"", *, secrets: tuple[str, ...] = (), **headers: str) -> SubmitResult:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return gonets_adapter().read(Answer(status, fields, body, NOW), delivery(), secrets)


def test_a_message_is_submitted_as_the_specification_says() -> None:
    submission = gonets_adapter().prepare(delivery(message_id=2**63 - 1, phone_number=79001234567, text="Привет"))

    assert isinstance(submission, Submission)
    assert (submission.method, submission.path) == ("POST", "/send/9223372036854775807")
    assert submission.headers["Authorization"] == "Bearer token"
    assert submission.body == '{"id":9223372036854775807,"phone":79001234567,"text":"Привет"}'.encode()
    assert set(submission.secrets) == {"token", "Привет", "79001234567"}


def test_a_text_that_is_no_unicode_is_refused_and_not_submitted() -> None:
    refused = gonets_adapter().prepare(delivery(text="half a smile: \ud83d"))

    assert refused == submitted(Result.REFUSED, reason=ReasonCode.TEXT_NOT_ENCODABLE)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_is_found_by_its_name(provider: str) -> None:
    assert provider_named(provider).capabilities.batch >= 1
    with pytest.raises(ConfigurationError, match=provider):
        provider_named("carrier pigeon")


def test_a_body_that_was_read_before_has_the_same_result_again() -> None:
    adapter = gonets_adapter()
    good, other = Answer(200, {}, b'{"code": 0}'), Answer(200, {}, b'{"code": 9}')
    results = [adapter.read(answer, delivery()).result for answer in (good, good, other, good, Answer(200))]

    assert results == ["accepted", "accepted", "retriable", "accepted", "ambiguous"]


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_success_with_code_0_is_accepted(status: int) -> None:
    assert read(status, b'{"code": 0, "message": "OK"}') == submitted(Result.ACCEPTED, status)


@pytest.mark.parametrize("body", [b'{"code":0}', b' {"code": -0, "more": [1]}\r\n', b'\xef\xbb\xbf{"code": 0}'])
def test_only_the_code_makes_the_success(body: bytes) -> None:
    assert read(200, body).result is Result.ACCEPTED


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b'{"code": 1, "message": "no such operator"}', 1, "code 1: no such operator"),
        (b'{"code": -5}', -5, "code -5"),
        (b'{"code": 7, "message": null}', 7, "code 7"),
        (b'{"code": 7, "message": {"a": 1}}', 7, "code 7"),
    ],
)
def test_a_success_with_another_code_may_be_repeated(body: bytes, code: int, words: str) -> None:
    assert read(200, body) == submitted(Result.RETRIABLE, code, words)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"<html>Welcome to the hotel</html>",
        b"null",
        b"0",
        b"[]",
        b'[{"code": 0}]',
        b"{}",
        b'{"message": "OK"}',
        b'{"code": false}',
        b'{"code": true}',
        b'{"code": null}',
        b'{"code": "0"}',
        b'{"code": 0.0}',
        b'{"Code": 0}',
        b'{"code": 0',
        b'{"code": 0} and more',
        b'{"code": 1' + b"0" * 5000 + b"}",
        b'{"code": 0, "message": "\xff"}',
        b"[" * 60_000,
        b"\x00" * 100,
        b"\x1f\x8b\x08\x00",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_success_with_anything_else_is_ambiguous(body: bytes) -> None:
    answer = read(200, body)

    assert answer == submitted(Result.AMBIGUOUS, 200, reason=ReasonCode.UNEXPECTED_BODY, not_understood=True)


def test_a_success_with_no_content_is_ambiguous() -> None:
    assert read(204).result is Result.AMBIGUOUS


@pytest.mark.parametrize("status", [400, 406, 409, 410, 413, 415, 422, 431, 451, 499])
def test_a_client_error_about_the_message_is_refused_for_good(status: int) -> None:
    assert read(status) == submitted(Result.REFUSED, status, perhaps_duplicate=status == 409)


@pytest.mark.parametrize("status", [408, 425])
def test_a_request_that_the_gateway_did_not_take_up_may_be_repeated(status: int) -> None:
    assert read(status) == submitted(Result.RETRIABLE, status)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 402, 403, 404, 405, 407, 421, 426])
def test_an_answer_about_address_credentials_or_credit_is_of_the_account(status: int) -> None:
    expected = Result.NO_CREDIT if status == 402 else Result.MISCONFIGURED

    assert read(status) == submitted(
        expected, status, reason=STATUSES[status].reason, perhaps_recipient=status in (402, 403, 404)
    )
    assert STATUSES[status].reason is not ReasonCode.PROVIDER_SAID
    assert expected in OF_THE_ACCOUNT


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_says_that_the_address_needs_changing(status: int) -> None:
    reason = read(status, location="https://elsewhere.example/").reason

    assert reason is not None
    assert reason.sentence == "The gateway redirects to another address; change the address of the gateway"


def test_an_answer_about_the_account_keeps_what_the_gateway_said() -> None:
    reason = read(401, b'{"code": 12, "message": "token expired"}').reason

    assert reason is not None
    assert reason.sentence == "The gateway does not accept the token (code 12: token expired)"


@pytest.mark.parametrize(
    ("status", "body", "not_understood"),
    [
        (200, b'{"code": 0}', False),
        (200, b'{"code": 7}', False),
        (200, b'{"code": "0"}', True),
        (201, b"", True),
        (303, b"", True),
        (400, b"", False),
        (401, b"", False),
        (500, b"", False),
    ],
)
def test_an_answer_that_is_no_error_and_not_in_the_contract_is_not_understood(
    status: int, body: bytes, not_understood: bool
) -> None:
    assert read(status, body).not_understood is not_understood


@pytest.mark.parametrize(
    "status", [100, 101, 103, 300, 303, 304, 305, 399, 500, 501, 502, 503, 504, 511, 599, 600, 999]
)
def test_a_status_that_does_not_tell_is_ambiguous(status: int) -> None:
    assert read(status, b'{"code": 0}').result is Result.AMBIGUOUS


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("37", 37.0),
        (" 37 ", 37.0),
        ("037", 37.0),
        ("1.5", 1.5),
        ("900", 900.0),
        ("901", 901.0),
        ("9" * 30, 1e30),
        ("9" * 10_000, math.inf),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 37.0),
        ("Sun Nov  6 08:49:37 1994", 37.0),
        ("Thu, 01 Jan 2099 00:00:00 GMT", (datetime(2099, 1, 1, tzinfo=UTC) - NOW).total_seconds()),
        ("Sat, 05 Nov 1994 08:49:37 GMT", 0.0),
        ("Mon, 06 Jan 2003 08:49:37 GMT", (datetime(2003, 1, 6, 8, 49, 37, tzinfo=UTC) - NOW).total_seconds()),
    ],
    ids=lambda value: str(value)[:32],
)
def test_a_throttled_answer_says_when_to_come_back(status: int, value: str, seconds: float) -> None:
    answer = read(status, Retry_After=value)

    assert answer.result is Result.THROTTLED
    assert answer.retry_after == seconds


GARBAGE = [
    "",
    "-5",
    "+5",
    "soon",
    "5 minutes",
    "1e3",
    "5, 10",
    "0x10",
    "٣٧",
    "inf",
    "nan",
    "\x00",
    "Sun, 31 Feb 2099 00:00:00 GMT",
    "Sun, 06 Nov 99999 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 +9999",
    "Sun, 06 Nov " + "9" * 5000 + " 08:49:37 GMT",
]


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: repr(value[:32]))
def test_429_throttles_even_when_it_does_not_say_for_how_long(value: str) -> None:
    assert read(429, Retry_After=value) == submitted(Result.THROTTLED, 429)


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: repr(value[:32]))
def test_503_that_does_not_say_for_how_long_is_ambiguous(value: str) -> None:
    assert read(503, Retry_After=value).result is Result.AMBIGUOUS


def test_429_without_the_header_throttles() -> None:
    assert read(429) == submitted(Result.THROTTLED, 429)


def test_retry_after_means_nothing_on_other_statuses() -> None:
    assert read(500, Retry_After="5").retry_after is None
    assert read(400, Retry_After="5").retry_after is None


def test_header_names_are_read_in_any_case() -> None:
    assert read(429, RETRY_AFTER="5").retry_after == 5.0
    assert read(429, retry_after="5").retry_after == 5.0


@pytest.mark.parametrize("drift", [timedelta(hours=-3), timedelta(0), timedelta(days=400)])
def test_a_date_is_counted_from_the_gateways_clock(drift: timedelta) -> None:
    theirs = NOW + drift
    form = "%a, %d %b %Y %H:%M:%S GMT"

    answer = read(429, Retry_After=(theirs + timedelta(seconds=60)).strftime(form), Date=theirs.strftime(form))

    assert answer.retry_after == 60.0


def test_a_date_is_counted_from_our_clock_when_the_gateway_shows_none() -> None:
    answer = read(429, Retry_After="Sun, 06 Nov 1994 08:49:37 GMT", Date="today")

    assert answer.retry_after == 37.0


def test_a_refusal_carries_the_gateways_own_words() -> None:
    assert read(400, b'{"code": 31, "message": "bad number"}').words == "code 31: bad number"
    assert read(422, b'{"code": "E31", "message": "bad number"}').words == "code E31: bad number"
    assert read(422, b'{"message": "bad number"}').words == "bad number"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"message": 5}', b'{"message": " "}'])
def test_a_refusal_without_words_has_no_reason(body: bytes) -> None:
    assert read(400, body).reason is None


def test_the_gateway_s_message_is_one_printable_line() -> None:
    body = json.dumps({"code": 5, "message": "one\r\n two\t\x00three\u202e\ud800 четыре\u2028"}).encode()

    assert read(200, body).words == "code 5: one two three четыре"


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_the_gateway_s_message_is_cut_to_a_limit(status: int) -> None:
    answer = read(status, json.dumps({"code": 10**4000, "message": "long " * 1000}).encode())

    assert answer.words is not None
    assert len(answer.words) == WORDS_LIMIT
    assert answer.words.endswith("…")
    assert answer.code is not None
    assert len(answer.code) <= CODE_LIMIT


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_secrets_are_masked_in_words(status: int) -> None:
    body = json.dumps({"code": 5, "message": "Bearer s3cret may not say 'Hi,\n79990001122' to 79990001122"}).encode()

    words = read(status, body, secrets=("s3cret", "79990001122", "Hi,\n79990001122", "")).words

    assert words is not None
    assert "Bearer *** may not say '***' to ***" in words


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_text_is_masked_as_it_stands_in_a_body_that_is_repeated(ascii_only: bool) -> None:
    text = 'Say "да",\n5 \\ 6'
    request = json.dumps({"text": text}, ensure_ascii=ascii_only)

    assert read(500, json.dumps({"message": request}).encode(), secrets=(text,)).words == '{"text": "***"}'


@pytest.mark.parametrize("quoting", [quote, quote_plus, html.escape], ids=["address", "form", "page"])
def test_a_text_is_masked_as_it_stands_in_other_quotes_of_a_request(quoting: Callable[[str], str]) -> None:
    text = 'Say "да" & <go> 5/6'
    words = read(
        500, json.dumps({"message": f"{quoting(text)}, to %2B79990001122"}).encode(), secrets=(text, "79990001122")
    )

    assert words.words == "***, to %2B***"
