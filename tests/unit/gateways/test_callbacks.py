"""What reading callbacks has in common for every provider that reports deliveries or forwards messages, whatever its
contract. callback_cases.py says what it needs of a provider."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import (
    Account,
    Callback,
    CallbackAnswer,
    CallbackRejectedError,
    InboundPart,
    Receipt,
    SentMessage,
    Submission,
)
from shared.gateways.callbacks import MAX_AGE, form_of
from shared.gateways.registry import PROVIDERS
from shared.gateways.sanitize import WORDS_LIMIT
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, TEXT, submission_of
from tests.unit.gateways.callback_cases import (
    CALLBACK_TOKEN,
    INBOUND_URL,
    RECEIPT_URL,
    CallbackSamples,
    callback_account,
    callbacks_of,
    called,
    reading,
    without_secrets,
)
from tests.unit.gateways.test_conformance import GARBAGE, WRONG, leaves, with_value

NAMES = [name for name in PROVIDERS if callbacks_of(name)]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture
def samples(name: str) -> CallbackSamples:
    found = callbacks_of(name)
    assert found
    return found


@pytest.fixture
def adapter(name: str) -> Any:
    return reading(name)


@pytest.fixture
def sign(name: str, samples: CallbackSamples) -> Callable[[Callback], Callback]:
    """Signs as the provider does, with the secrets of the account."""
    account = callback_account(name)
    return lambda callback: samples.sign(callback, account)


def readers_of(adapter: Any) -> list[Callable[[Callback], list[Any]]]:
    capabilities = adapter.capabilities
    both = [(capabilities.receipts, "read_receipts"), (capabilities.inbound, "read_inbound")]
    return [getattr(adapter, reader) for declared, reader in both if declared]


def read_by(adapter: Any, samples: CallbackSamples) -> Iterator[tuple[Callable[[Callback], list[Any]], Callback, Any]]:
    """Each sample, what reads it, and what it says."""
    for callback, receipts in samples.receipts:
        yield adapter.read_receipts, callback, receipts
    for callback, parts in samples.inbound:
        yield adapter.read_inbound, callback, parts


def read_or_refuse(read: Callable[[Callback], list[Any]], callback: Callback) -> list[Any] | None:
    """What it reads; None if it refuses the callback as it may, with a short sentence that quotes nothing."""
    try:
        found = read(callback)
    except (ValueError, CallbackRejectedError) as error:
        check_sentence(str(error))
        return None
    assert isinstance(found, list)
    for one in found:
        check_receipt(one) if isinstance(one, Receipt) else check_part(one)
    return found


def check_sentence(sentence: str) -> None:
    assert 0 < len(sentence) <= 200, sentence
    assert sentence.isprintable(), sentence
    assert not [one for one in (CALLBACK_TOKEN, str(PHONE_NUMBER), TEXT[:20]) if one in sentence], sentence


def check_receipt(receipt: Receipt) -> None:
    """What holds for any receipt."""
    assert isinstance(receipt.state, ReceiptState)
    assert receipt.message_id is not None or receipt.provider_message_id is not None
    assert receipt.message_id is None or 0 < receipt.message_id < 10**18
    assert (receipt.reason is None) is (receipt.state is not ReceiptState.UNDELIVERED)
    assert receipt.reason is None or isinstance(receipt.reason, UndeliveredReason)
    check_line(receipt.provider_message_id, 200)
    check_line(receipt.code, 100)
    check_line(receipt.words, WORDS_LIMIT)
    check_line(receipt.part, 200)
    check_line(receipt.recipient, 100)
    assert receipt.at is None or receipt.at.utcoffset() is not None
    assert receipt.parts is None or 1 <= receipt.parts <= 1000


def check_part(part: InboundPart) -> None:
    """What holds for any inbound message."""
    assert isinstance(part, InboundPart)
    assert part.sender
    check_line(part.sender, 100)
    assert not part.recipient or part.recipient.isprintable()
    assert len(part.recipient) <= 100
    assert "\x00" not in part.text, "PostgreSQL stores no NUL"
    part.text.encode()
    check_line(part.provider_message_id, 200)
    check_line(part.reference, 200)
    assert part.at is None or part.at.utcoffset() is not None
    assert 1 <= part.part <= part.parts <= 1000
    assert part.parts == 1 or part.reference


def check_line(line: str | None, longest: int) -> None:
    assert line is None or (0 < len(line) <= longest and line.isprintable()), line


# What is declared


def test_a_provider_that_calls_has_samples() -> None:
    calling = {name for name, one in PROVIDERS.items() if one.capabilities.receipts or one.capabilities.inbound}

    assert calling | {"http"} == set(NAMES)  # whose contracts declare what they can do


def test_capabilities_are_those_that_the_adapter_has(samples: CallbackSamples, adapter: Any) -> None:
    capabilities = adapter.capabilities

    assert capabilities.receipts is bool(samples.receipts) is hasattr(adapter, "read_receipts")
    assert capabilities.inbound is bool(samples.inbound) is hasattr(adapter, "read_inbound")
    assert capabilities.polls is bool(samples.polls) is hasattr(adapter, "read_poll") is hasattr(adapter, "poll_limit")
    assert capabilities.signs is bool(samples.signature_in)


def test_an_answer_is_a_success(adapter: Any) -> None:
    answers = [getattr(adapter, name, None) for name in ("receipt_answer", "inbound_answer")]
    capabilities = adapter.capabilities

    assert [answer is not None for answer in answers] == [capabilities.receipts, capabilities.inbound]
    for answer in answers:
        if answer is not None:
            assert isinstance(answer, CallbackAnswer)
            assert 200 <= answer.status < 300
            assert answer.content_type


# Asking for receipts


def test_a_message_without_an_address_for_receipts_is_as_before(name: str, adapter: Any) -> None:
    account = callback_account(name)
    plain = submission_of(reading(name, replace(account, receipt_url="")))
    asking = submission_of(adapter)

    assert (plain.method, plain.headers) == (asking.method, asking.headers)
    assert CALLBACK_TOKEN not in unquote_plus(f"{plain.path} {plain.body.decode()}")


def test_the_address_for_receipts_is_a_secret_and_names_the_message(name: str, adapter: Any) -> None:
    asking = submission_of(adapter)
    sent = unquote_plus(f"{asking.path} {asking.body.decode()}").replace("\\/", "/")

    if CALLBACK_TOKEN in sent:
        assert RECEIPT_URL in sent
        assert any(CALLBACK_TOKEN in secret for secret in asking.secrets)
        assert adapter.capabilities.reference or f"message={MESSAGE_ID}" in sent
    assert submission_of(reading(name)) == asking


# Callbacks as the contract has them


def test_each_sample_says_what_it_says(samples: CallbackSamples, adapter: Any, sign: Any) -> None:
    for read, callback, expected in read_by(adapter, samples):
        assert read_or_refuse(read, sign(callback)) == expected, callback
        assert read(sign(callback)) == expected, "the same when it is repeated"


def test_there_is_a_sample_for_each_kind_of_receipt(samples: CallbackSamples, adapter: Any) -> None:
    states = {receipt.state for _, receipts in samples.receipts for receipt in receipts}

    if adapter.capabilities.receipts:
        assert {ReceiptState.ACCEPTED, ReceiptState.DELIVERED, ReceiptState.UNDELIVERED} <= states
        assert samples.new_status


def test_a_status_that_is_not_documented_decides_nothing(samples: CallbackSamples, adapter: Any, sign: Any) -> None:
    if samples.new_status:
        [receipt] = adapter.read_receipts(sign(samples.new_status))

        assert receipt.state is ReceiptState.ACCEPTED
        assert receipt.code


def test_a_callback_means_the_same_whatever_came_before(
    name: str, samples: CallbackSamples, adapter: Any, sign: Any
) -> None:
    for _, callback, expected in reversed([*read_by(adapter, samples)]):
        fresh = reading(name)
        for read in readers_of(fresh):
            read_or_refuse(read, sign(callback))
        assert expected in [read_or_refuse(read, sign(callback)) for read in readers_of(fresh)]


def test_words_contain_no_secret_number_or_text(name: str, samples: CallbackSamples, adapter: Any, sign: Any) -> None:
    secrets = [CALLBACK_TOKEN, *callback_account(name).credentials.values()]
    for callback, _ in samples.receipts:
        found = adapter.read_receipts(sign(callback))
        assert TEXT[:10] not in "".join(str(receipt.words) for receipt in found)
        numbers = {receipt.recipient.lstrip("+") for receipt in found if receipt.recipient}
        quotes = [f"cannot send to {one}" for one in (*secrets, *numbers)]
        for quoting in changed_everywhere(callback, quotes, quotes):
            for receipt in read_or_refuse(adapter.read_receipts, sign(quoting)) or []:
                shown = f"{receipt.words} {receipt.code}"
                known = {receipt.recipient.lstrip("+")} if receipt.recipient else set()
                assert not [one for one in {*secrets, *(numbers & known)} if one in shown], shown


# Callbacks that no contract has


def garbage(url: str) -> Iterator[Callback]:
    """Bodies and queries that no provider sends, at an address."""
    fields = {"many fields": b"&".join(b"a%d=1" % number for number in range(5000)), "huge": b"x" * 300_000}
    forms = {"no UTF-8": b"id=%ff%fe&status=%ff", "separators": b"&&;;==&=", "NUL": b"id=%00&status=%00&message=%00"}
    for body in chain(GARBAGE.values(), fields.values(), forms.values()):
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            yield called("POST", url, body, content_type=kind)
        text = body[:5000].decode("latin-1")
        query = "".join(one if one.isascii() and one.isprintable() and one not in " #" else "%FF" for one in text)
        yield called("GET", f"{url}?{query}")


def test_garbage_is_refused_or_says_nothing(adapter: Any, sign: Any) -> None:
    for read in readers_of(adapter):
        for callback in garbage(RECEIPT_URL if read.__name__ == "read_receipts" else INBOUND_URL):
            assert not read_or_refuse(read, sign(callback)), callback.body[:100]
            read_or_refuse(read, callback)


def changed_everywhere(callback: Callback, values: list[Any], texts: list[Any]) -> Iterator[Callback]:
    """The callback with each of the values (in JSON) or texts (in a form or query) in place of each of its fields;
    without each of them; with each twice."""
    try:
        payload = json.loads(callback.body)
    except ValueError:
        payload = None
    if isinstance(payload, dict | list):
        for path in leaves(payload):
            for value in values:
                yield replace(callback, body=json.dumps(with_value(payload, path, value)).encode())
    elif callback.body:
        for changed in changed_pairs(callback.body.decode(), texts):
            yield replace(callback, body=changed.encode())
    start, _, query = callback.url.partition("?")
    for changed in changed_pairs(query, texts):
        yield replace(callback, url=f"{start}?{changed}")


def changed_pairs(encoded: str, values: list[Any]) -> Iterator[str]:
    pairs = parse_qsl(encoded, keep_blank_values=True)
    for at, (key, old) in enumerate(pairs):
        before, after = pairs[:at], pairs[at + 1 :]
        for value in values:
            yield urlencode([*before, (key, value), *after])
        yield urlencode([*before, *after])
        yield urlencode([*pairs, (key, old)])


ODD: list[Any] = [
    "",
    "0",
    "7",
    "-1",
    "9" * 400,
    "\x00",
    "a\r\nb\u2028",
    "🎉",
    b"\xff\xfe",
    "null",
    "[]",
    " ",
    "x" * 5000,
]


def test_fields_of_wrong_types_and_values_are_read_or_refused(
    samples: CallbackSamples, adapter: Any, sign: Any
) -> None:
    for read, callback, _ in read_by(adapter, samples):
        for changed in changed_everywhere(callback, WRONG, ODD):
            read_or_refuse(read, sign(changed))


def test_json_that_is_cut_short_is_refused(samples: CallbackSamples, adapter: Any, sign: Any) -> None:
    for read, callback, _ in read_by(adapter, samples):
        if callback.body[:1] == b"{":
            for length in range(1, len(callback.body), 7):
                assert read_or_refuse(read, sign(replace(callback, body=callback.body[:length]))) is None


def test_callbacks_of_other_providers_are_read_or_refused(name: str, adapter: Any, sign: Any) -> None:
    for other in set(NAMES) - {name}:
        theirs = callbacks_of(other)
        assert theirs
        account = callback_account(other)
        for callback, _ in chain(theirs.receipts, theirs.inbound):
            for read in readers_of(adapter):
                read_or_refuse(read, sign(callback))
                read_or_refuse(read, theirs.sign(callback, account))


# Signatures


def is_refused(read: Callable[[Callback], list[Any]], callback: Callback) -> bool:
    """Whether a forged callback is refused, or says nothing. One that cannot be parsed need not be called forged."""
    try:
        return not read(callback)
    except (CallbackRejectedError, ValueError):
        return True


def with_signature(callback: Callback, field: str, value: str | None) -> Callback:
    """The signed callback with another value of a header or field of the signature; without it, if that is None."""

    def changed(fields: Mapping[str, Any]) -> dict[str, Any]:
        values = {key: old if key != field else value for key, old in fields.items()}
        return {key: one for key, one in values.items() if one is not None}

    if field in callback.headers:
        return replace(callback, headers=changed(callback.headers))
    if callback.body[:1] == b"{":
        return replace(callback, body=json.dumps(changed(json.loads(callback.body))).encode())
    if callback.body:
        return replace(callback, body=urlencode(changed(form_of(callback))).encode())
    return replace(callback, url=f"{callback.url.partition('?')[0]}?{urlencode(changed(form_of(callback)))}")


def signature_value(callback: Callback, field: str) -> str:
    """The value of a header or field of the signature."""
    if field in callback.headers:
        return callback.headers[field]
    value: str = json.loads(callback.body)[field] if callback.body[:1] == b"{" else form_of(callback)[field]
    return value


@pytest.fixture
def signed(samples: CallbackSamples, adapter: Any, sign: Any) -> list[tuple[Callable[[Callback], list[Any]], Callback]]:
    """Each sample, signed, and what reads it; none if the provider does not sign."""
    return [(read, sign(callback)) for read, callback, _ in read_by(adapter, samples) if samples.signature_in]


def test_a_signature_that_is_missing_or_changed_is_refused(samples: CallbackSamples, signed: Any) -> None:
    for read, callback in signed:
        for field in samples.signature_in:
            for forged in forgeries(signature_value(callback, field), is_hexadecimal=samples.is_hexadecimal):
                with pytest.raises(CallbackRejectedError):
                    read(with_signature(callback, field, forged))


def forgeries(value: str, *, is_hexadecimal: bool) -> Iterator[str | None]:
    """Other values than that of a signature, its nonce or its time."""
    yield from (
        None,
        "",
        "0",
        "null",
        value[:-1],
        value[1:],
        value[: len(value) // 2],
        f"{value}0",
        f"0{value}",
        value[::-1],
    )
    for case in () if is_hexadecimal else (value.lower(), value.upper(), value.swapcase()):
        if case != value:
            yield case
    for at in range(0, len(value), max(1, len(value) // 16)):
        letters = string.digits + string.ascii_letters
        other = letters[(letters.find(value[at]) + 1) % len(letters)]
        yield f"{value[:at]}{other}{value[at + 1 :]}"


def test_a_callback_without_any_signature_is_refused(samples: CallbackSamples, adapter: Any) -> None:
    for read, callback, _ in read_by(adapter, samples) if samples.signature_in else ():
        with pytest.raises(CallbackRejectedError):
            read(callback)


def test_a_signature_with_another_secret_is_refused(name: str, samples: CallbackSamples, adapter: Any) -> None:
    account = callback_account(name)
    for wrong in (lambda old: f"{old}x", lambda old: old[:-1], lambda old: old.upper(), lambda old: "x"):
        other: Account = replace(account, credentials={key: wrong(old) for key, old in account.credentials.items()})
        for read, callback, _ in read_by(adapter, samples) if samples.signature_in else ():
            assert is_refused(read, samples.sign(callback, other))


def test_each_changed_character_of_signed_fields_is_refused(samples: CallbackSamples, signed: Any) -> None:
    for read, callback in first_of_each(signed):
        for field in samples.signs_only:
            value = signature_value(callback, field)
            for at in range(len(value)):
                changed = f"{value[:at]}{chr(ord(value[at]) + 1)}{value[at + 1 :]}"
                assert is_refused(read, with_signature(callback, field, changed)), changed
            for other in (value[:-1], f"{value}0", "", None):
                assert is_refused(read, with_signature(callback, field, other)), other


def test_each_changed_byte_is_refused(samples: CallbackSamples, signed: Any) -> None:
    if samples.signs_only:
        pytest.skip("the signature covers some fields only")
    for read, callback in first_of_each(signed):
        body = callback.body
        for at in range(len(body)):
            changed = body[:at] + bytes([(body[at] + 1) % 256]) + body[at + 1 :]
            assert is_refused(read, replace(callback, body=changed)), changed
        # A blank after JSON changes nothing where the fields are signed, and not the bytes.
        blank = [body + b" "] if samples.signature_in[0] in callback.headers else []
        for more in (b"", body[:-1], body + b"&x=1", body + body, *blank):
            assert more == body or is_refused(read, replace(callback, body=more)), more
        if not body:
            start, _, query = callback.url.partition("?")
            for at in range(len(query)):
                other = f"{start}?{query[:at]}{chr(ord(query[at]) + 1)}{query[at + 1 :]}"
                assert is_refused(read, replace(callback, url=other)), other


def test_a_signature_for_another_address_is_refused(samples: CallbackSamples, signed: Any) -> None:
    if samples.signs_url:
        for read, callback in first_of_each(signed):
            url = callback.url
            changed = [f"{url[:at]}{chr(ord(url[at]) + 1)}{url[at + 1 :]}" for at in range(len("https://"), len(url))]
            end = "&" if "?" in url else "?"
            for other in (
                *changed,
                url.replace("https:", "http:"),
                f"{url}{end}x=1",
                url[:-1],
                url.replace("/v1/", "/"),
            ):
                assert is_refused(read, replace(callback, url=other)), other


def test_an_old_signature_is_refused(samples: CallbackSamples, signed: Any) -> None:
    if samples.signs_time:
        for read, callback in signed:
            for late in (MAX_AGE + timedelta(minutes=1), timedelta(days=400), -MAX_AGE - timedelta(minutes=1)):
                with pytest.raises(CallbackRejectedError):
                    read(replace(callback, received_at=callback.received_at + late))
            assert read(replace(callback, received_at=callback.received_at + timedelta(seconds=20))) == read(callback)


def test_an_account_without_the_signing_secret_takes_unsigned_callbacks(
    name: str, samples: CallbackSamples, sign: Any
) -> None:
    account = callback_account(name)
    unsigned = without_secrets(name, account)
    if unsigned != account and samples.signature_in and samples.signature_optional:
        adapter = reading(name, unsigned)
        for read, callback, expected in read_by(adapter, samples):
            assert read(callback) == expected
            assert read(sign(callback)) == expected


def first_of_each(signed: Any) -> list[Any]:
    """One signed callback for each reader and method, since each byte of it is changed."""
    return [*{(read.__name__, callback.method): (read, callback) for read, callback in signed}.values()]


# Polling


def test_each_answer_to_a_poll_says_what_it_says(samples: CallbackSamples, adapter: Any) -> None:
    for answer, expected in samples.polls:
        found = adapter.read_poll(answer)
        assert found == expected
        for receipt in found:
            check_receipt(receipt)


def test_a_poll_is_fit_for_http_and_masks_its_secrets(name: str, samples: CallbackSamples, adapter: Any) -> None:
    if not adapter.capabilities.polls:
        return
    assert adapter.poll_limit >= 1
    assert adapter.prepare_poll([]) is None
    sent = samples.sent or SentMessage(MESSAGE_ID, PHONE_NUMBER, "0a-1b")
    submission = adapter.prepare_poll([sent])
    assert isinstance(submission, Submission)
    assert submission.path.startswith("/")
    assert submission.path.isascii()
    assert submission.path.isprintable()
    assert not {" ", "#"} & {*submission.path}
    assert submission.method != "GET" or submission.body == b""
    assert submission == reading(name).prepare_poll([sent])
    shown = f"{submission.path} {dict(submission.headers)} {submission.body!r}"
    for value in callback_account(name).credentials.values():
        assert value not in shown or value in submission.secrets
    for odd in ("../../Calls", "a b", "a?b#c", "имя", "a/b", "x\r\ny"):
        asked = adapter.prepare_poll([sent._replace(provider_message_id=odd)])
        path = asked.path if asked else "/"
        assert path.isascii()
        assert path.isprintable()
        assert not {" ", "#"} & {*path}
        assert ".." not in path
    if sent.provider_message_id and sent.provider_message_id in submission.path + submission.body.decode():
        assert adapter.prepare_poll([sent._replace(provider_message_id=None)]) is None


def test_an_answer_to_a_poll_that_no_contract_has_is_refused(samples: CallbackSamples, adapter: Any) -> None:
    if not adapter.capabilities.polls:
        return
    for status in (200, 301, 401, 404, 429, 500, 503):
        for body in GARBAGE.values():
            assert not read_poll_or_refuse(adapter, Answer(status, {}, body)), (status, body[:100])
    for answer, _ in samples.polls:
        assert read_poll_or_refuse(adapter, answer._replace(status=500)) is None
        payload = json.loads(answer.body) if answer.body[:1] in (b"{", b"[") else {}
        for path in leaves(payload):
            for wrong in WRONG:
                read_poll_or_refuse(
                    adapter, answer._replace(body=json.dumps(with_value(payload, path, wrong)).encode())
                )


def read_poll_or_refuse(adapter: Any, answer: Answer) -> list[Receipt] | None:
    try:
        found: list[Receipt] = adapter.read_poll(answer)
    except ValueError as error:
        check_sentence(str(error))
        return None
    for receipt in found:
        check_receipt(receipt)
    return found
