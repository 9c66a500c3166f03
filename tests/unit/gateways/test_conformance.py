"""What every provider's adapter has in common, whatever its contract. What needs a network is in
tests/integration/gateways/test_conformance.py."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
import requests

from shared.domain.reasons import ReasonCode
from shared.domain.results import FINAL, TAKEN, Result
from shared.errors import ConfigurationError
from shared.gateways.base import (
    Account,
    Adapter,
    AdapterWithLookUp,
    LookUp,
    Provider,
    Submission,
    SubmitResult,
)
from shared.gateways.registry import PROVIDERS
from shared.gateways.sanitize import CODE_LIMIT, WORDS_LIMIT
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE, TEXT, Message, answer_to, read, submission_of
from tests.unit.gateways.conformance import (
    KINDS,
    OTHER_ID,
    account_of,
    adapter_of,
    all_samples,
    has_result,
    samples_of,
)

MAX_ID = 2**63 - 1
LONGEST_NUMBER = 999_999_999_999_999


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> Provider:
    return PROVIDERS[request.param]


@pytest.fixture
def adapter(provider: Provider) -> Adapter:
    return adapter_of(provider.name)


def requests_of(adapter: Adapter, message: Message = MESSAGE) -> list[Submission]:
    """The submission of a message, and its look-up where there is one."""
    submissions = [submission_of(adapter, message)]
    if adapter.capabilities.looks_up:
        look_up = looking_up(adapter).prepare_look_up(message)
        if isinstance(look_up, Submission):
            submissions.append(look_up)
    return submissions


def looking_up(adapter: Adapter) -> AdapterWithLookUp:
    adapter_with_look_up: Any = adapter
    typed: AdapterWithLookUp = adapter_with_look_up
    return typed


# What is declared


def test_every_provider_has_samples_of_its_answers(provider: Provider) -> None:
    samples = samples_of(provider.name)

    assert samples, f"tests/unit/gateways/samples_{provider.name}.py is missing: see conformance.py"
    assert {"accepted", "refused", "throttled", "misconfigured"} <= samples.keys() <= KINDS
    assert all(samples.values())


def test_a_provider_is_described_for_forms(provider: Provider) -> None:
    names = [one.name for one in provider.fields]

    assert provider.name.isalnum()
    assert provider.name.islower()
    assert provider.title
    assert len({*names, "address", "sender", "name"}) == len(names) + 3
    for one in provider.fields:
        assert one.name.isidentifier()
        assert one.label
        assert not one.choices or not one.default or one.default in one.choices
        assert not (one.secret and one.default)
    assert provider.address == "" or provider.address.startswith("https://")
    assert not provider.address.endswith("/")


def test_capabilities_are_those_that_the_adapter_has(adapter: Adapter) -> None:
    capabilities = adapter.capabilities

    assert capabilities.batch == 1
    assert capabilities.max_text is None or capabilities.max_text >= 1
    assert capabilities.looks_up is hasattr(adapter, "prepare_look_up") is hasattr(adapter, "read_look_up")
    if capabilities.looks_up:
        assert 0 <= looking_up(adapter).look_up_after < looking_up(adapter).look_up_within < math.inf
    if capabilities.deduplicates:
        assert samples_about_our_id(adapter), "it deduplicates by an id that it does not send"


def samples_about_our_id(adapter: Adapter) -> bool:
    one, other = (submission_of(adapter, Message(message_id=number)) for number in (1, 2))
    return (one.path, one.body) != (other.path, other.body)


# Submissions


def test_the_same_message_is_the_same_request_byte_for_byte(provider: Provider, adapter: Adapter) -> None:
    again, another = requests_of(adapter), requests_of(adapter_of(provider.name))

    assert requests_of(adapter) == again == another


def test_messages_of_different_numbers_and_texts_are_different_requests(adapter: Adapter) -> None:
    messages = MESSAGE, MESSAGE._replace(phone_number=79161234568), MESSAGE._replace(text="Hello")
    submissions = [submission_of(adapter, message) for message in messages]

    assert len({(one.path, one.body) for one in submissions}) == 3


def test_the_headers_are_one_object_for_all_messages(adapter: Adapter) -> None:
    first = requests_of(adapter)
    second = requests_of(adapter, Message(7, 79990001122, "Hello"))

    for one, other in zip(first, second, strict=True):
        assert one.headers is other.headers


def test_a_request_is_fit_for_http(adapter: Adapter) -> None:
    for submission in requests_of(adapter):
        assert submission.method in ("GET", "POST", "PUT")
        assert submission.path.startswith("/")
        assert submission.path.isascii()
        assert submission.path.isprintable()
        assert " " not in submission.path
        assert "#" not in submission.path
        assert submission.method != "GET" or submission.body == b""
        for name, value in submission.headers.items():
            assert f"{name}{value}".isascii()
            assert value.isprintable()
            assert value == value.strip() != ""
            assert name.lower() not in ("host", "content-length", "transfer-encoding", "connection")


def test_no_text_breaks_out_of_its_place(adapter: Adapter) -> None:
    plain = submission_of(adapter, MESSAGE._replace(text="Hello"))
    texts = ["&to=1&x=", '","to":"1', "\r\nHost: elsewhere\r\n\r\nGET / HTTP/1.1", "../../x?y#z", "%26to%3D1", "a=b;c"]
    for text in [*texts, TEXT]:
        submission = submission_of(adapter, MESSAGE._replace(text=text))
        assert submission.path.isprintable()
        assert " " not in submission.path
        assert submission.path.count("?") == plain.path.count("?")
        assert submission.path.partition("?")[0] == plain.path.partition("?")[0]
        assert submission.path.count("&") == plain.path.count("&")
        assert len(names_in(submission.body)) == len(names_in(plain.body))


def names_in(body: bytes) -> list[str]:
    """The names of a form's or a JSON body's fields, wherever they stand."""
    if body[:1] in (b"{", b"["):
        names: list[str] = []
        json.loads(body, object_pairs_hook=lambda pairs: names.extend(name for name, _ in pairs))
        return names
    return [part.partition(b"=")[0].decode() for part in body.split(b"&")]


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "имя\x00"], ids=ascii)
def test_no_value_of_the_account_adds_a_header(provider: Provider, value: str) -> None:
    account = account_of(provider)
    secrets = {name: f"{old.rstrip()}{value}" for name, old in account.credentials.items()}
    for changed in (replace(account, sender=value), replace(account, credentials=secrets)):
        try:
            submission = provider.make(changed).prepare(MESSAGE)
            if isinstance(submission, Submission):
                # As the worker's client prepares it.
                prepared = requests.Request("POST", "http://gateway.example", submission.headers).prepare()
                assert all("\n" not in line and "\r" not in line for line in prepared.headers.values())
                assert submission.path.isprintable()
        except (ConfigurationError, ValueError):  # ValueError: requests refuses to send such a header
            continue


def test_the_secrets_are_the_text_the_number_and_the_credentials_that_it_sends(
    provider: Provider, adapter: Adapter
) -> None:
    account = account_of(provider)
    values = [line.rpartition(" = ")[2] for value in account.credentials.values() for line in value.splitlines()]
    for submission in requests_of(adapter):
        sent = f"{submission.path} {dict(submission.headers)} {submission.body!r}"
        authorization = submission.headers.get("Authorization", "").split()[-1:]
        for value in (*values, *authorization, str(MESSAGE.phone_number)):
            if value in sent or value in unquote_plus(sent):
                assert value in submission.secrets
    assert {TEXT, str(MESSAGE.phone_number)} <= {*submission_of(adapter, MESSAGE).secrets}


def test_the_account_is_not_shown(provider: Provider, adapter: Adapter) -> None:
    account = account_of(provider)

    for value in account.credentials.values():
        assert value not in repr(account)
        assert value not in repr(adapter)


@pytest.mark.parametrize(("message_id", "phone_number"), [(1, 1234567), (2**31, 10**14), (MAX_ID, LONGEST_NUMBER)])
def test_the_smallest_and_the_largest_numbers_are_sent(adapter: Adapter, message_id: int, phone_number: int) -> None:
    submission = submission_of(adapter, MESSAGE._replace(message_id=message_id, phone_number=phone_number))

    assert str(phone_number) in unquote_plus(submission.path) + submission.body.decode()


@pytest.mark.parametrize(
    ("text", "segments"),
    [("п" * 70, 1), ("п" * 71, 2), ("a" * 160, 1), ("a" * 161, 2), ("€" * 80, 1), ("🎉" * 35, 1)],
    ids=lambda value: f"{value[0]} {len(value)}" if isinstance(value, str) else str(value),
)
def test_segments_are_counted_as_phone_networks_split_texts(adapter: Adapter, text: str, segments: int) -> None:
    assert adapter.segments(text) == segments


@pytest.mark.parametrize("text", ["", "a" * 161, "a" * 152 + "€" * 77, "я" * 134, "\U0001f389" * 67])
def test_segments_are_the_same_without_an_account(provider: Provider, adapter: Adapter, text: str) -> None:
    assert provider.count_segments(text) == adapter.segments(text)


def test_a_limit_of_segments_is_an_option_with_a_default(provider: Provider) -> None:
    if provider.max_segments_option:
        default = next(field.default for field in provider.fields if field.name == provider.max_segments_option)
        assert int(default) > 0


@pytest.mark.parametrize(
    "text",
    ["п" * 70, "п" * 71, "a" * 160, "a" * 161, "a" * 1600, "п" * 1600],
    ids=lambda text: f"{text[0]} {len(text)}",
)
def test_a_long_text_is_sent_whole_or_refused_as_too_long(adapter: Adapter, text: str) -> None:
    prepared = adapter.prepare(MESSAGE._replace(text=text))

    if isinstance(prepared, SubmitResult):
        assert (prepared.result, prepared.reason and prepared.reason.code) == (
            Result.REFUSED,
            ReasonCode.TEXT_TOO_LONG,
        )
    else:
        assert text in prepared.secrets


def test_a_text_at_the_limit_is_sent_and_a_longer_one_refused(adapter: Adapter) -> None:
    limit = adapter.capabilities.max_text
    if limit is not None:
        submission_of(adapter, MESSAGE._replace(text="a" * limit))
        refused = adapter.prepare(MESSAGE._replace(text="a" * (limit + 1)))
        assert isinstance(refused, SubmitResult)
        assert refused.reason
        assert (refused.result, refused.reason.code) == (Result.REFUSED, ReasonCode.TEXT_TOO_LONG)


@pytest.mark.parametrize("text", ["half a smile: \ud83d", "\udc00"], ids=ascii)
def test_a_text_that_is_no_unicode_is_refused(adapter: Adapter, text: str) -> None:
    refused = adapter.prepare(MESSAGE._replace(text=text))

    assert isinstance(refused, SubmitResult)
    assert refused.reason
    assert (refused.result, refused.reason.code) == (Result.REFUSED, ReasonCode.TEXT_NOT_ENCODABLE)


@pytest.mark.parametrize(
    "text", ["a\x00b", "a\x1b[31m\x7f\u2028\u202eb", "\r\n\t", " ", "\ufeff", "\ufffe\uffff"], ids=ascii
)
def test_control_characters_in_a_text_are_sent_or_refused(adapter: Adapter, text: str) -> None:
    prepared = adapter.prepare(MESSAGE._replace(text=text))

    if isinstance(prepared, SubmitResult):
        assert prepared.result is Result.REFUSED
    else:
        assert prepared.path.isprintable()
        assert len(names_in(prepared.body)) == len(names_in(submission_of(adapter, MESSAGE).body))


# Answers as the contract has them


def test_each_sample_has_its_result(provider: Provider, adapter: Adapter) -> None:
    for kind, sample in all_samples(provider.name):
        result = read(adapter, sample)
        assert has_result(result, kind), (kind, sample, result)
        check_facts(result)


def check_facts(result: SubmitResult) -> None:
    """What holds for the result of any answer."""
    assert isinstance(result.result, Result)
    assert result.result is not Result.UNREACHABLE
    assert result.code
    assert len(result.code) <= CODE_LIMIT
    assert result.code.isprintable()
    assert result.words is None or (len(result.words) <= WORDS_LIMIT and result.words.isprintable())
    identifier = result.provider_message_id
    assert identifier is None or (0 < len(identifier) <= WORDS_LIMIT and identifier.isprintable())
    assert result.retry_after is None or result.retry_after >= 0
    assert result.retry_after is None or result.result is Result.THROTTLED
    assert result.segments is None or result.segments > 0
    assert result.price is None or (result.price.is_finite() and result.price >= 0)
    assert not result.not_understood or result.result is Result.AMBIGUOUS
    assert not result.perhaps_recipient or result.result in (Result.MISCONFIGURED, Result.NO_CREDIT)
    assert not result.perhaps_duplicate or result.result is Result.REFUSED


def test_an_answer_about_another_message_is_not_understood(provider: Provider, adapter: Adapter) -> None:
    for sample in samples_of(provider.name).get(OTHER_ID, ()):
        assert read(adapter, sample).not_understood, sample


def test_an_acceptance_of_another_number_is_not_ours(provider: Provider, adapter: Adapter) -> None:
    # Where accepted samples name the number, which the sample of another message shows too.
    other = Message(MESSAGE.message_id, 14155550123)
    for sample in samples_of(provider.name)["accepted"]:
        if b"{phone}" in sample.body:
            answer = answer_to(other, sample._replace(body=sample.body.replace(b"{id}", b"%d" % MESSAGE.message_id)))
            assert read(adapter, answer).result is Result.AMBIGUOUS, sample


def test_an_acceptance_of_another_id_is_not_ours(provider: Provider, adapter: Adapter) -> None:
    # Where accepted samples name our id, whatever it is called there.
    for sample in samples_of(provider.name)["accepted"]:
        if b"{id}" in sample.body:
            another = sample._replace(body=sample.body.replace(b"{id}", b"%d" % (MESSAGE.message_id + 1)))
            assert read(adapter, another).not_understood, sample


def test_codes_of_the_account_and_of_recipients_have_reasons(provider: Provider, adapter: Adapter) -> None:
    for kind in ("misconfigured", "no_credit", "opted_out"):
        for sample in samples_of(provider.name).get(kind, ()):
            assert read(adapter, sample).reason is not None, sample


def test_a_result_does_not_depend_on_the_answers_before(provider: Provider, adapter: Adapter) -> None:
    samples = [sample for _, sample in all_samples(provider.name)]
    fresh = [read(adapter_of(provider.name), answer) for answer in samples]

    assert [read(adapter, answer) for answer in samples] == fresh
    assert [read(adapter, answer) for answer in reversed(samples)] == fresh[::-1]


def test_a_time_to_wait_is_kept(adapter: Adapter) -> None:
    throttled = read(adapter, Answer(429, {"retry-after": "37"}))

    assert (throttled.result, throttled.retry_after) == (Result.THROTTLED, 37.0)
    assert read(adapter, Answer(503, {"Retry-After": "5"})).result in (Result.THROTTLED, Result.RETRIABLE)


def test_429_throttles_without_a_time_too(adapter: Adapter) -> None:
    for headers in ({}, {"Retry-After": "soon"}, {"Retry-After": "-1"}):
        result = read(adapter, Answer(429, headers))
        assert (result.result, result.retry_after) == (Result.THROTTLED, None)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_wrong_address(adapter: Adapter, status: int) -> None:
    result = read(adapter, Answer(status, {"Location": "https://elsewhere.example/"}))

    assert (result.result, result.reason and result.reason.code) == (Result.MISCONFIGURED, ReasonCode.REDIRECTED)


def test_401_is_about_the_account(adapter: Adapter) -> None:
    assert read(adapter, Answer(401)).result is Result.MISCONFIGURED


@pytest.mark.parametrize("status", [418, 451, 499])
def test_an_unknown_error_of_ours_is_not_repeated(adapter: Adapter, status: int) -> None:
    assert read(adapter, Answer(status)).result is Result.REFUSED


@pytest.mark.parametrize("status", [500, 502, 504, 520])
def test_an_error_of_theirs_leaves_it_open(adapter: Adapter, status: int) -> None:
    result = read(adapter, Answer(status, {}, b"<html><h1>Bad Gateway</h1></html>"))

    assert result.result is Result.AMBIGUOUS
    assert not result.not_understood


def test_an_acceptance_in_the_body_of_an_error_is_none(provider: Provider, adapter: Adapter) -> None:
    for sample in samples_of(provider.name)["accepted"]:
        for status in (302, 400, 403, 500, 503):
            assert read(adapter, sample._replace(status=status)).result not in TAKEN


def test_a_response_without_a_status_is_none(adapter: Adapter) -> None:
    with pytest.raises(ValueError, match="status"):
        adapter.read(Answer(None), MESSAGE)  # type: ignore[arg-type]


# Answers that no contract has

GARBAGE = {
    "empty": b"",
    "blank": b" \r\n",
    "text": b"hello",
    "NUL": b"\x00\x00",
    "page": b"<!DOCTYPE html><html><body>Please log in</body></html>",
    "null": b"null",
    "true": b"true",
    "number": b"0",
    "string": b'"OK"',
    "list": b"[]",
    "list of lists": b"[[], [[]]]",
    "object": b"{}",
    "other object": b'{"unexpected": {"status": "fine"}}',
    "JSON cut short": b'{"code": 0, "message": "O',
    "two objects": b"{}{}",
    "deep lists": b"[" * 20_000,
    "deep objects": b'{"messages":' * 5_000,
    "deep and whole": b"[" * 20_000 + b"]" * 20_000,
    "long number": b'{"code": ' + b"9" * 5000 + b"}",
    "not a number": b'{"code": NaN, "status": Infinity, "id": -Infinity}',
    "no UTF-8": b'{"code": "\xff\xfe\xfa"}',
    "UTF-16": '{"x": "y"}'.encode("utf-16"),
    "half a character": b'{"id": "\\ud800", "code": "\\udfff"}',
    "long": b"x" * 64 * 1024,
    "long line of JSON": b'{"x": "' + b"y" * 64 * 1024 + b'"}',
}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_that_is_not_in_the_contract_is_not_understood(adapter: Adapter, status: int) -> None:
    for name, body in GARBAGE.items():
        result = read(adapter, Answer(status, {}, body))
        assert result.result is Result.AMBIGUOUS, (name, result)
        assert result.not_understood, name
        check_facts(result)


@pytest.mark.parametrize("status", [299, 303, 400, 403, 404, 409, 422, 429, 500, 503])
def test_garbage_with_any_other_status_is_no_acceptance(provider: Provider, adapter: Adapter, status: int) -> None:
    # With some contracts, the status 409 alone says that the id is known.
    known = {sample.status for sample in samples_of(provider.name).get("duplicate", ())} & {409}
    for name, body in GARBAGE.items():
        result = read(adapter, Answer(status, {}, body))
        assert result.result not in TAKEN or (status in known and result.result is Result.DUPLICATE), name
        check_facts(result)


def test_a_sample_that_is_cut_short_is_no_acceptance(provider: Provider, adapter: Adapter) -> None:
    for sample in samples_of(provider.name)["accepted"]:
        whole = answer_to(MESSAGE, sample).body
        if whole[:1] == b"{":
            for length in range(len(whole.rstrip())):
                assert read(adapter, sample._replace(body=whole[:length])).result is Result.AMBIGUOUS


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths to everything within a JSON value."""
    if path:
        yield path
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from leaves(one, (*path, key))


def with_value(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    """A copy of a JSON value, with another one in one place."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = with_value(value[path[0]], path[1:], new)
    return copy


def json_samples(provider: str) -> Iterator[tuple[int, Mapping[str, str], Any]]:
    """The first JSON answers of each kind: status, headers and payload."""
    for samples in samples_of(provider).values():
        answers = [answer_to(MESSAGE, sample) for sample in samples]
        for answer in [answer for answer in answers if answer.body[:1] == b"{"][:3]:
            yield answer.status, answer.headers, json.loads(answer.body)


WRONG: list[object] = [None, True, {}, [{}], "", "\ud800\x00\n", -1, 1.5, 10**30, "9" * 400]


def test_values_of_wrong_types_are_read_without_an_error(provider: Provider, adapter: Adapter) -> None:
    secrets = submission_of(adapter, MESSAGE).secrets
    for status, headers, payload in json_samples(provider.name):
        for path in leaves(payload):
            for wrong in WRONG:
                body = json.dumps(with_value(payload, path, wrong)).encode()
                check_facts(adapter.read(Answer(status, headers, body), MESSAGE, secrets))


# What must not be shown


def spellings(secret: str) -> set[str]:
    """A secret as it stands in requests, and so in answers that quote them."""
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
    }


def check_nothing_shown(result: SubmitResult, secrets: tuple[str, ...]) -> None:
    shown = [repr(result), str(result.code), str(result.log_fields())]
    if result.reason:
        shown += [result.reason.sentence, *(str(value) for value in result.reason.parameters.values())]
    for secret in secrets:
        for spelling in spellings(secret):
            assert all(spelling not in text and repr(spelling)[1:-1] not in text for text in shown), (spelling, shown)


def quotes_of(submission: Submission) -> list[str]:
    """Words of an answer that quote the request, in parts and as a whole."""
    body = submission.body.decode()
    lines = "\n".join(f"{name}: {value}" for name, value in submission.headers.items())
    whole = f"{submission.method} {submission.path} HTTP/1.1\n{lines}\n\n{body}"
    return [f"cannot send {TEXT!s} to +{MESSAGE.phone_number}", whole, body, submission.path, *lines.splitlines()]


def test_an_answer_that_quotes_the_request_shows_nothing_of_it(provider: Provider, adapter: Adapter) -> None:
    submission = submission_of(adapter, MESSAGE)
    for words in quotes_of(submission):
        for status in (200, 400, 401, 402, 403, 404, 409, 422, 429, 500, 503):
            for body in (words, json.dumps({"message": words, "code": words, "error": {"message": words}})):
                check_nothing_shown(read(adapter, Answer(status, {}, body.encode())), submission.secrets)


def test_no_text_of_a_sample_that_quotes_the_request_is_shown(provider: Provider, adapter: Adapter) -> None:
    submission = submission_of(adapter, MESSAGE)
    secrets = tuple(secret for secret in submission.secrets if secret != str(MESSAGE.message_id))
    for status, headers, payload in json_samples(provider.name):
        for path in leaves(payload):
            for words in (f"wrong: {TEXT} for {MESSAGE.phone_number}", *submission.secrets):
                body = json.dumps(with_value(payload, path, words)).encode()
                result = adapter.read(Answer(status, headers, body), MESSAGE, submission.secrets)
                # Ids and prices are the provider's own; only the ledger has them.
                check_nothing_shown(replace(result, provider_message_id=None, price=None), secrets)


# Look-ups


def test_a_look_up_that_is_not_understood_is_unclear(adapter: Adapter) -> None:
    if adapter.capabilities.looks_up:
        secrets = requests_of(adapter)[-1].secrets
        for body in GARBAGE.values():
            for status in (200, 302, 401, 403, 429, 500, 503):
                result = looking_up(adapter).read_look_up(Answer(status, {}, body), MESSAGE, secrets)
                assert result.outcome is LookUp.UNCLEAR, (status, body[:40])


def test_results_that_are_final_come_from_answers_alone(adapter: Adapter) -> None:
    """An answer whose body did not arrive has only its status, and most statuses do not end a message."""
    final = [status for status in range(200, 600) if read(adapter, Answer(status)).result in FINAL | TAKEN]

    assert all(400 <= status < 500 for status in final)


def test_accounts_are_independent(provider: Provider) -> None:
    one = account_of(provider)
    two: Account = replace(one, sender="Other1")

    assert submission_of(provider.make(one), MESSAGE) == submission_of(provider.make(one), MESSAGE)
    submission_of(provider.make(two), MESSAGE)
