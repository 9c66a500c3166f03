"""The provider `http`: receipts, inbound messages, signatures and polls by a declared contract."""

from __future__ import annotations

import base64
import hmac
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.errors import ConfigurationError
from shared.gateways.base import Account, Callback, CallbackAnswer, CallbackRejectedError, SentMessage
from shared.gateways.declared.contract_file import read_contract
from shared.gateways.declared_provider import make_adapter
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE_ID, PHONE_NUMBER, submission_of
from tests.unit.gateways.callback_cases import (
    CALLBACK_TOKEN,
    INBOUND_URL,
    MESSAGE_URL,
    RECEIPT_URL,
    RECEIVED_AT,
    called,
    get,
    post_form,
    post_json,
)
from tests.unit.gateways.contracts import MINIMAL
from tests.unit.gateways.samples_http import ACCOUNT

BASE = MINIMAL.replace('text = "{text}"', 'text = "{text}"\nref = "{id}"\ndlr = "{receipt_url}"').replace(
    "[results]", "id = 'id=(\\w+)'\n\n[results]"
)
"""A contract that tells the provider our id and the address for receipts, and learns the provider's id."""

RECEIPTS = """
[receipts]
format = "form"
id = "msgid"
status = "status"
time = "date"

[receipts.statuses]
DELIVRD = "delivered"
UNDELIV = "undelivered"
EXPIRED = { state = "undelivered", reason = "expired" }
"""

INBOUND = """
[inbound]
format = "form"
sender = "from"
text = "text"
"""


def make(contract: str, receipt_url: str = RECEIPT_URL) -> Any:
    return make_adapter(
        Account(
            address="http://gateway.example",
            sender="Gonets",
            credentials={"credentials": "key = s3cret"},
            options={"contract": contract},
            receipt_url=receipt_url,
        )
    )


def changed(contract: str, old: str, new: str) -> str:
    assert old in contract
    return contract.replace(old, new)


# Asking for receipts


def test_the_address_for_receipts_is_sent_and_is_a_secret() -> None:
    submission = submission_of(make(BASE + RECEIPTS))

    assert dict(parse_qsl(submission.body.decode()))["dlr"] == RECEIPT_URL
    assert CALLBACK_TOKEN in submission.secrets


def test_fields_with_the_address_are_left_out_if_there_is_none() -> None:
    as_json = changed(BASE, '"form"', '"json"').replace(
        'dlr = "{receipt_url}"',
        'a = { url = "{receipt_url}", method = "POST" }\nb = { url = "{receipt_url}" }\n'
        'c = [["{receipt_url}"], []]\nd = {}',
    )

    def sent(receipt_url: str) -> dict[str, object]:
        payload = json.loads(submission_of(make(as_json + RECEIPTS, receipt_url)).body)
        return {name: value for name, value in payload.items() if name in "abcd"}

    assert "dlr" not in dict(parse_qsl(submission_of(make(BASE + RECEIPTS, "")).body.decode()))
    assert sent("") == {"a": {"method": "POST"}, "c": [[]], "d": {}}
    assert sent("https://x") == {
        "a": {"url": "https://x", "method": "POST"},
        "b": {"url": "https://x"},
        "c": [["https://x"], []],
        "d": {},
    }


IN_URL = changed(BASE, '"{receipt_url}"', '"{receipt_url}?message={id}"') + RECEIPTS.replace('id = "msgid"\n', "")


def test_our_id_is_read_from_the_address_where_the_contract_puts_it() -> None:
    adapter = make(IN_URL)
    [receipt] = adapter.read_receipts(post_form({"status": "DELIVRD"}, MESSAGE_URL))

    assert dict(parse_qsl(submission_of(adapter).body.decode()))["dlr"] == MESSAGE_URL
    assert (receipt.message_id, receipt.provider_message_id) == (MESSAGE_ID, None)
    with pytest.raises(ValueError, match="names no message"):
        adapter.read_receipts(post_form({"status": "DELIVRD"}))
    [receipt] = make(BASE + RECEIPTS).read_receipts(post_form({"status": "DELIVRD", "msgid": "77"}, MESSAGE_URL))
    assert (receipt.message_id, receipt.provider_message_id) == (None, "77")


# Formats


@pytest.mark.parametrize(
    ("form", "callback"),
    [
        ("form", post_form({"msgid": "7.7", "status": "EXPIRED", "date": "2026-11-29T15:00:07+03:00"})),
        ("query", get({"msgid": "7.7", "status": "EXPIRED", "date": "2026-11-29 12:00:07"})),
        ("json", post_json({"msgid": "7.7", "status": "EXPIRED", "date": "20261129T120007Z"})),
    ],
)
def test_a_receipt_is_read_from_each_format(form: str, callback: Callback) -> None:
    [receipt] = make(BASE + changed(RECEIPTS, '"form"', f'"{form}"')).read_receipts(callback)

    assert (receipt.provider_message_id, receipt.code) == ("7.7", "EXPIRED")
    assert (receipt.state, receipt.reason) == (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED)
    assert receipt.at == datetime(2026, 11, 29, 12, 0, 7, tzinfo=UTC)


def test_names_of_form_fields_may_have_dots() -> None:
    adapter = make(BASE + changed(RECEIPTS, '"msgid"', '"message.id"'))

    assert adapter.read_receipts(post_form({"message.id": "1", "status": "x"}))[0].provider_message_id == "1"


TIMES = [
    ('"iso"', "2026-11-29T12:00:07.250Z", 7.25),
    ('"iso"\ntime_offset = "+03:00"', "2026-11-29 15:00:07", 7),
    ('"iso"\ntime_offset = "+03:00"', "2026-11-29T12:00:07+00:00", 7),
    ('"iso"\ntime_offset = "-04:30"', "2026-11-29 07:30:07", 7),
    ('"unix"', "1795953607", 7),
    ('"unix_ms"', "1795953607250", 7.25),
    ('"%d.%m.%y %H:%M"\ntime_offset = "+03:00"', "29.11.26 15:01", 60),
    ('"%Y%m%d%I%M%S%p %z"', "20261129010007PM +0100", 7),
    ('"iso"', "29.11.2026", None),
    ('"unix"', "soon", None),
    ('"unix"', "nan", None),
    ('"unix_ms"', "9" * 40, None),
    ('"unix_ms"', "inf", None),
    ('"%d.%m.%y %H:%M"', "29.11.26", None),
    ('"iso"\ntime_offset = "+14:00"', "0001-01-01", None),
]


@pytest.mark.parametrize(("form", "text", "seconds"), TIMES)
def test_a_time_is_read_by_its_format(form: str, text: str, seconds: float | None) -> None:
    adapter = make(BASE + changed(RECEIPTS, '"date"', f'"date"\ntime_format = {form}'))
    [receipt] = adapter.read_receipts(post_form({"msgid": "1", "status": "DELIVRD", "date": text}))
    noon = datetime(2026, 11, 29, 12, tzinfo=UTC)

    assert receipt.at == (None if seconds is None else noon + timedelta(seconds=seconds))


def test_a_status_that_is_not_declared_is_on_its_way_unless_the_contract_says_so() -> None:
    def state(contract: str) -> object:
        [receipt] = make(contract).read_receipts(post_form({"msgid": "1", "status": "NEW"}))
        assert receipt.code == "NEW"
        return receipt.state

    assert state(BASE + RECEIPTS) is ReceiptState.ACCEPTED
    assert state(f'{BASE}{RECEIPTS}"*" = "unknown"\n') is ReceiptState.UNKNOWN


def test_a_code_gives_a_better_reason_to_what_was_not_delivered_only() -> None:
    contract = changed(BASE + RECEIPTS, 'time = "date"', 'code = "err"') + '\n[receipts.reasons]\n9 = "blocked"\n'

    def reason(status: str, code: str) -> object:
        [receipt] = make(contract).read_receipts(post_form({"msgid": "1", "status": status, "err": code}))
        assert receipt.code == (code or status)
        return receipt.reason

    assert reason("UNDELIV", "9") is reason("EXPIRED", "9") is UndeliveredReason.BLOCKED
    assert reason("UNDELIV", "8") is reason("UNDELIV", "") is UndeliveredReason.OTHER
    assert reason("EXPIRED", "8") is UndeliveredReason.EXPIRED
    assert reason("DELIVRD", "9") is None


@pytest.mark.parametrize("body", [b"", b"status=DELIVRD", b"msgid=1", b"msgid=1&status=", b"\xff"])
def test_a_callback_without_a_status_or_an_id_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        make(BASE + RECEIPTS).read_receipts(called("POST", RECEIPT_URL, body))


def test_a_form_stands_in_the_body_and_a_query_in_the_address() -> None:
    form, query = (make(BASE + changed(RECEIPTS, '"form"', f'"{kind}"')) for kind in ("form", "query"))

    with pytest.raises(ValueError, match=r"The body is empty\."):
        form.read_receipts(get({"msgid": "1", "status": "DELIVRD"}))
    with pytest.raises(ValueError, match="no status"):
        query.read_receipts(post_form({"msgid": "1", "status": "DELIVRD"}))


def test_the_answers_are_those_of_the_contract() -> None:
    answers = (
        changed(RECEIPTS, '"form"', '"form"\nanswer = "OK"'),
        changed(INBOUND, '"form"', '"form"\nanswer = "<Response/>"\nanswer_type = "text/xml"'),
    )
    adapter = make(BASE + "".join(answers))

    assert adapter.receipt_answer == CallbackAnswer(b"OK")
    assert adapter.inbound_answer == CallbackAnswer(b"<Response/>", "text/xml; charset=utf-8")
    assert make(BASE + RECEIPTS).receipt_answer == CallbackAnswer()


def test_an_inbound_message_may_be_empty_and_in_parts() -> None:
    parts = INBOUND + 'recipient = "to"\nid = "id"\nreference = "ref"\npart = "n"\nparts = "of"\n'
    fields = {"from": "+79161234567", "to": "4242", "text": "", "id": "9", "ref": "5", "n": "2", "of": "3"}
    adapter = make(changed(BASE, '\ndlr = "{receipt_url}"', "") + parts)
    [part] = adapter.read_inbound(post_form(fields, INBOUND_URL))

    assert (part.sender, part.recipient, part.text, part.provider_message_id) == ("+79161234567", "4242", "", "9")
    assert (part.reference, part.part, part.parts) == ("5", 2, 3)
    for missing in ("from", "text"):
        with pytest.raises(ValueError, match=r"names no sender|no text"):
            adapter.read_inbound(post_form({name: fields[name] for name in fields if name != missing}, INBOUND_URL))


# Signatures

DELIVERED = post_form({"msgid": "1", "status": "DELIVRD"})


def signed_by(contract: str, callback: Callback = DELIVERED) -> bool:
    try:
        make(f"{BASE}{RECEIPTS}\n[signature]\n{contract}").read_receipts(callback)
    except CallbackRejectedError:
        return False
    return True


def with_headers(**headers: str) -> Callback:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(DELIVERED, headers={**DELIVERED.headers, **named})


def test_a_header_must_have_the_secret_value() -> None:
    contract = 'header = "Authorization"\nvalue = "Bearer {key}"\n'

    assert signed_by(contract, with_headers(authorization="Bearer s3cret"))
    for wrong in ("Bearer s3cre", "Bearer s3crets", "bearer s3cret", "s3cret", "", "Bearer \udcff", "Bearer {key}"):
        assert not signed_by(contract, with_headers(authorization=wrong))
    assert not signed_by(contract)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "v1="])
def test_an_hmac_covers_the_body(algorithm: str, encoding: str, prefix: str) -> None:
    more = f'prefix = "{prefix}"\n' if prefix else ""
    contract = f'header = "X-Sig"\nhmac = "{algorithm}"\nkey = "{{key}}"\nencoding = "{encoding}"\n{more}'

    def signature(body: bytes, key: bytes = b"s3cret") -> str:
        digest = hmac.digest(key, body, algorithm)
        return prefix + (digest.hex() if encoding == "hex" else base64.b64encode(digest).decode())

    right = signature(DELIVERED.body)
    assert signed_by(contract, with_headers(x_sig=right))
    for wrong in (right[len(prefix) + 1 :], right[:-1], f"{right}=", right.swapcase(), f"{right},{right}", ""):
        assert not signed_by(contract, with_headers(x_sig=wrong))
    for forged in (signature(DELIVERED.body, b"other"), signature(DELIVERED.body, b""), signature(b"")):
        assert not signed_by(contract, with_headers(x_sig=forged))
    assert not signed_by(contract, replace(with_headers(x_sig=right), body=DELIVERED.body + b"&"))
    empty = replace(with_headers(x_sig=signature(b"")), body=b"", url=f"{RECEIPT_URL}?msgid=1&status=DELIVRD")
    assert not signed_by(contract, empty)


def test_an_hmac_with_a_time_has_an_age() -> None:
    contract = 'header = "X-Sig"\nhmac = "sha256"\nkey = "{key}"\nencoding = "hex"\n'
    contract += 'timestamp = "X-Time"\nover = "{body}|{timestamp}"\nmax_age = 60\n'

    def signed(stamp: str) -> Callback:
        body = DELIVERED.body + b"|" + stamp.encode()
        return with_headers(x_sig=hmac.digest(b"s3cret", body, "sha256").hex(), x_time=stamp)

    now = int(RECEIVED_AT.timestamp())
    for right in (now, now - 59, now + 59, now * 1000, RECEIVED_AT.isoformat(), f"{RECEIVED_AT:%Y-%m-%dT%H:%M:%S}"):
        assert signed_by(contract, signed(str(right))), right
    for wrong in (now - 61, now + 61, (now - 61) * 1000, "", "now", "9" * 30, "-1", "٣", f"{now}.0"):
        assert not signed_by(contract, signed(str(wrong))), wrong
    stripped = {name: value for name, value in signed(str(now)).headers.items() if name != "x-time"}
    assert not signed_by(contract, replace(DELIVERED, headers=stripped))
    assert not signed_by(contract, with_headers(**{**signed(str(now)).headers, "x-time": str(now + 1)}))


def test_inbound_messages_are_signed_too() -> None:
    adapter = make(f'{BASE}{RECEIPTS}{INBOUND}\n[signature]\nheader = "X-Key"\nvalue = "{{key}}"\n')
    callback = post_form({"from": "7", "text": "STOP"}, INBOUND_URL)

    assert adapter.capabilities.signs
    assert adapter.read_inbound(replace(callback, headers={"x-key": "s3cret"}))
    with pytest.raises(CallbackRejectedError):
        adapter.read_inbound(callback)


# Polls

POLL = """
[poll]
method = "GET"
path = "/status?id={provider_id}&key={key}"

[poll.receipts]
format = "text"
id = 'id=(\\w+)'
status = 'status=(\\w+)'
"""

SENT = SentMessage(MESSAGE_ID, PHONE_NUMBER, "a&1")


def test_a_poll_asks_by_the_id_of_the_provider() -> None:
    adapter = make(BASE + RECEIPTS + POLL)
    submission = adapter.prepare_poll([SENT])

    assert (submission.method, submission.path) == ("GET", "/status?id=a%261&key=s3cret")
    assert {"s3cret", str(PHONE_NUMBER)} <= {*submission.secrets}
    assert adapter.poll_limit == 1
    assert adapter.prepare_poll([]) is adapter.prepare_poll([SENT._replace(provider_message_id=None)]) is None
    [receipt] = adapter.read_poll(Answer(200, {}, b"id=a1 status=EXPIRED"))
    assert (receipt.provider_message_id, receipt.reason) == ("a1", UndeliveredReason.EXPIRED)
    for status, body in ((404, b"id=a1 status=EXPIRED"), (200, b"id=a1"), (200, b"<html>status=x"), (None, b"")):
        with pytest.raises(ValueError, match=r"\.$"):
            adapter.read_poll(Answer(status, {}, body))  # type: ignore[arg-type]


def test_an_id_that_would_lead_to_another_path_is_not_asked_for() -> None:
    adapter = make(BASE + RECEIPTS + changed(POLL, "status?id={provider_id}&", "status/{provider_id}?"))

    assert adapter.prepare_poll([SENT]).path == "/status/a%261?key=s3cret"
    for odd in (".", "..", "../balance", "a/../.."):
        assert adapter.prepare_poll([SENT._replace(provider_message_id=odd)]) is None


def test_a_poll_may_have_statuses_of_its_own() -> None:
    adapter = make(f'{BASE}{POLL}[poll.receipts.statuses]\n2 = "delivered"\n'.replace('dlr = "{receipt_url}"\n', ""))

    assert adapter.read_poll(Answer(200, {}, b"id=a1 status=2"))[0].state is ReceiptState.DELIVERED
    assert adapter.capabilities.polls
    assert not adapter.capabilities.receipts
    assert not hasattr(adapter, "read_receipts")


def test_a_poll_has_the_request_of_the_look_up_if_it_has_none() -> None:
    adapter: Any = make_adapter(ACCOUNT)

    assert adapter.prepare_poll([SENT]).path == f"/v1/messages/{MESSAGE_ID}"
    assert adapter.prepare_poll([SENT._replace(provider_message_id=None)]) is not None


# Mistakes

HMAC = '[signature]\nheader = "X"\nhmac = "sha1"\nkey = "{key}"\nencoding = "hex"\n'

MISTAKES = [
    (
        "[receipts]\nformat",
        '[receipts]\nkind = "x"\nformat',
        "receipts.kind is not known; known here: answer, answer_type",
    ),
    ('"form"\nid', '"xml"\nid', "receipts.format must be one of form, json, query"),
    ('"form"\nid', '"form"\neach = "a.*"\nid', "receipts.each may stand only with the format json"),
    ('"form"\nid', '"json"\neach = "a..b"\nid', "receipts.each must be a path of at most 20 steps"),
    ('status = "status"\n', "", "receipts.status is missing"),
    ('id = "msgid"\n', "", "receipts.id or reference is missing, or {receipt_url}?message={id} in the request"),
    ('id = "msgid"', "id = []", "receipts.id must be a name, or a list of at most 5 of them"),
    ('"date"', '"date"\ntime_format = "%d.%m."', "receipts.time_format must tell year, month, day, hour and minute"),
    ('"date"', '"date"\ntime_format = "%d%m%Y %I:%M"', "receipts.time_format must tell year, month, day, hour and"),
    ('"date"', '"date"\ntime_format = "%Y %Y"', "receipts.time_format is no format of a time"),
    ('"date"', '"date"\ntime_format = "%c"', "receipts.time_format must be iso, unix, unix_ms, or at most 40 "),
    ('"date"', '"date"\ntime_offset = "MSK"', "receipts.time_offset must be an offset from UTC such as +03:00"),
    ('"date"', '"date"\nanswer_type = "text/xml"', "receipts.answer_type needs answer"),
    ('"date"', '"date"\nanswer = "OK"\nanswer_type = "text/html"', "receipts.answer_type must be one of text/plain"),
    ('"date"', '"date"\npart = "part"', "receipts.part needs parts, or answer.segments, which says how many"),
    ('"delivered"', '"arrived"', "receipts.statuses.DELIVRD must be one of accepted, unknown, undelivered, delivered"),
    ('"delivered"', '"accepted"', "receipts.statuses must say what is delivered"),
    ('reason = "expired"', 'reason = "late"', "receipts.statuses.EXPIRED.reason must be one of expired, blocked"),
    (
        '{ state = "undelivered"',
        '{ state = "accepted"',
        "receipts.statuses.EXPIRED.reason is not known; known here: state",
    ),
    ("EXPIRED =", f"{'E' * 101} =", f"receipts.statuses.{'E' * 60}"),
    ('"date"', '"date"\n[receipts.reasons]\n1 = "blocked"', "receipts.reasons needs code, which says where the code"),
    ('"date"', '"date"\n[receipts.reasons]\n1 = "late"', "receipts.reasons.1 must be one of expired"),
    ("id = 'id=(\\w+)'\n\n[results]", "[results]", "receipts.id needs answer.id, which tells it when"),
    ('ref = "{id}"\n', "", "receipts.reference needs {id} in the request"),
    (RECEIPTS, "", "request has {receipt_url}, and the contract has no receipts"),
    ("/send", "/send?{receipt_url}", "request.path has {receipt_url}, which cannot stand here"),
    ("/send", "/send?{provider_id}", "request.path has {provider_id}, which cannot stand here"),
    ('["key"]', '["key", "receipt_url"]', "credentials must not be receipt_url: that is a placeholder of its own"),
    (RECEIPTS, f"{RECEIPTS}[inbound]\n", "inbound.format is missing: one of form, json, query"),
    (RECEIPTS, f"{RECEIPTS}[inbound]\n", "inbound.sender is missing"),
    (RECEIPTS, f"{RECEIPTS}[inbound]\n", "inbound.text is missing"),
    (RECEIPTS, f'{RECEIPTS}{INBOUND}part = "p"\n', "inbound.part needs reference, part and parts"),
    (RECEIPTS, f"{RECEIPTS}[signature]\n", "signature.header is missing"),
    (RECEIPTS, f"{RECEIPTS}[signature]\n", "signature.value is missing"),
    (RECEIPTS, f'{RECEIPTS}[signature]\nvalue = "x"\n', "signature.value must have a credential"),
    (RECEIPTS, f'{RECEIPTS}[signature]\nvalue = "{{id}}"\n', "signature.value has {id}, which cannot stand here"),
    (RECEIPTS, f'{RECEIPTS}[signature]\nheader = "a b"\n', "signature.header must be the name of a header"),
    (RECEIPTS, RECEIPTS + changed(HMAC, "sha1", "md5"), "signature.hmac must be one of sha1, sha256, sha512"),
    (RECEIPTS, RECEIPTS + changed(HMAC, 'encoding = "hex"', ""), "signature.encoding is missing: one of hex, base64"),
    (RECEIPTS, RECEIPTS + changed(HMAC, 'key = "{key}"', ""), "signature.key is missing"),
    (RECEIPTS, f'{RECEIPTS}{HMAC}value = "{{key}}"\n', "signature.value is not known; known here: encoding, header"),
    (RECEIPTS, f'{RECEIPTS}{HMAC}over = "{{timestamp}}"\n', "signature.over must have {body}"),
    (RECEIPTS, f'{RECEIPTS}{HMAC}over = "{{timestamp}}{{body}}"\n', "signature.over and timestamp need each other"),
    (RECEIPTS, f'{RECEIPTS}{HMAC}timestamp = "T"\n', "signature.timestamp and timestamp need each other"),
    (RECEIPTS, f"{RECEIPTS}{HMAC}max_age = 5\n", "signature.max_age needs timestamp"),
    (RECEIPTS, f"{RECEIPTS}{HMAC}prefix = 'a b'\n", "signature.prefix must have at most 40 printable ASCII"),
    (RECEIPTS, HMAC, "signature needs receipts or inbound: only callbacks are signed"),
    (RECEIPTS, changed(RECEIPTS, '"form"', '"query"') + HMAC, "receipts.format must be form or json: an HMAC covers"),
    (RECEIPTS, RECEIPTS + changed(INBOUND, '"form"', '"query"') + HMAC, "inbound.format must be form or json: an HMAC"),
    (RECEIPTS, f"{RECEIPTS}[poll]\n", "poll.method is missing"),
    (RECEIPTS, f"{RECEIPTS}[poll]\n", "poll.receipts.format is missing: one of json, text"),
    (RECEIPTS, f"{RECEIPTS}[poll]\n", "poll.receipts.id or reference is missing, which says whose delivery it is"),
    (RECEIPTS, RECEIPTS + changed(POLL, "{provider_id}", "1"), "poll asks neither by {id} nor by {provider_id}"),
    (RECEIPTS, RECEIPTS + changed(POLL, "{provider_id}", "{text}"), "poll.path has {text}, which cannot stand here"),
    (RECEIPTS, f"{RECEIPTS}{POLL}answer = 'OK'\n", "poll.receipts.answer is not known"),
    (RECEIPTS, POLL, "poll.receipts.statuses must say what is delivered"),
    (
        "id = 'id=(\\w+)'\n\n[results]",
        "[results]",
        "poll has {provider_id}, which needs answer.id",
    ),
]


@pytest.mark.parametrize(("old", "new", "mistake"), MISTAKES, ids=[mistake[:60] for *_, mistake in MISTAKES])
def test_a_mistake_is_named(old: str, new: str, mistake: str) -> None:
    contract = BASE + RECEIPTS
    if mistake.startswith("poll has"):
        contract += POLL
    if mistake.startswith("receipts.reference"):
        contract = changed(contract, 'id = "msgid"', 'reference = "ref"')
    with pytest.raises(ConfigurationError) as error:
        read_contract(changed(contract, old, new))

    named = str(error.value).splitlines()
    assert [one for one in named if re.match(rf"contract, line \d+: {re.escape(mistake)}", one)], named


def test_an_hmac_needs_an_id_in_the_body() -> None:
    with pytest.raises(ConfigurationError, match=r"line \d+: receipts.id or reference is missing$"):
        read_contract(f"{IN_URL}\n{HMAC}")


def test_the_base_of_the_mistakes_has_none() -> None:
    for contract in (BASE + RECEIPTS + INBOUND + HMAC + POLL, IN_URL):
        read_contract(contract)
