"""The provider `http`: what a declared contract sends, and what it makes of answers."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.authentication import basic
from shared.gateways.base import Account, Adapter, LookUp, SubmitResult
from shared.gateways.declared.answers import TEXT_LIMIT
from shared.gateways.declared_provider import DeclaredAdapterWithLookUp, make_adapter
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE, Message, answer_to, submission_of
from tests.unit.gateways.adapter_cases import read as read_answer
from tests.unit.gateways.contracts import MINIMAL, declared, quickly
from tests.unit.gateways.samples_http import ACCOUNT, EXAMPLES, about_message, error


def make(contract: str, credentials: str = "key = s3cret", sender: str = "Gonets") -> Adapter:
    return make_adapter(
        Account(
            address="http://gateway.example",
            sender=sender,
            credentials={"credentials": credentials},
            options={"contract": contract},
        )
    )


def read(adapter: Adapter, status: int, body: str = "", **headers: str) -> SubmitResult:
    return read_answer(adapter, Answer(status, headers, body.encode()))


# What is sent


def test_a_form_has_the_fields_as_they_are_declared() -> None:
    adapter = make((EXAMPLES / "form-text.toml").read_text(), "login = me\npassword = a=b&c")
    submission = submission_of(adapter)

    assert (submission.method, submission.path) == ("POST", "/sms/send")
    assert submission.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert dict(parse_qsl(submission.body.decode(), strict_parsing=True)) == {
        "user": "me",
        "pass": "a=b&c",
        "from": "Gonets",
        "to": "79161234567",
        "text": MESSAGE.text,
        "charset": "utf-8",
    }


def test_json_has_the_types_that_are_declared() -> None:
    submission = submission_of(make_adapter(ACCOUNT), MESSAGE)

    assert submission.headers == {
        "Content-Type": "application/json",
        "Authorization": "Bearer s3cret-key",
        "Accept": "application/json",
    }
    assert json.loads(submission.body) == {
        "sender": "Gonets",
        "messages": [{"reference": "481516234", "to": 79161234567, "text": MESSAGE.text}],
    }


def test_a_query_is_appended_to_the_path() -> None:
    contract = declared('"POST"', '"GET"').replace('"form"', '"query"').replace('"/send"', '"/{key}/send?v=2&m={id}"')
    submission = submission_of(make(contract, "key = a/b?c"), MESSAGE)

    assert urlsplit(submission.path).path == "/a%2Fb%3Fc/send"
    assert parse_qs(urlsplit(submission.path).query) == {
        "v": ["2"],
        "m": ["481516234"],
        "key": ["a/b?c"],
        "to": ["79161234567"],
        "text": [MESSAGE.text],
    }
    assert submission.body == b""


def test_basic_authentication_and_braces() -> None:
    contract = declared("[request]", '[basic]\nuser = "{{me}}"\npassword = "{key}"\n\n[request]')
    submission = submission_of(make(contract), MESSAGE)

    assert submission.headers["Authorization"] == basic("{me}", "s3cret")
    assert submission.headers["Authorization"].split()[1] in submission.secrets


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@quickly
@given(text=anything, message_id=st.integers(1, 2**63 - 1), phone=st.integers(1_000_000, 10**15 - 1))
def test_no_value_changes_the_structure_of_a_request(text: str, message_id: int, phone: int) -> None:
    message = Message(message_id, phone, text)
    for adapter, path in ((JSON, "/v1/messages"), (FORM, "/send"), (QUERY, "/send")):
        submission = submission_of(adapter, message)
        assert submission == submission_of(adapter, message)
        assert submission.headers is submission_of(adapter).headers
        assert submission.path.partition("?")[0] == path
        assert re.fullmatch(r"[!-~]+", submission.path)
        if adapter is JSON:
            own = {"reference": str(message_id), "to": phone, "text": text}
            assert json.loads(submission.body) == {"sender": "Gonets", "messages": [own]}
        else:
            form = submission.body.decode() if adapter is FORM else submission.path.partition("?")[2]
            fields = [("key", "s3cret"), ("to", str(phone)), ("text", text)]
            assert parse_qsl(form, keep_blank_values=True, strict_parsing=True) == fields


JSON = make_adapter(ACCOUNT)
FORM = make(MINIMAL)
QUERY = make(MINIMAL.replace('"form"', '"query"'))


@quickly
@given(sender=anything, key=anything)
def test_a_sender_or_a_credential_that_a_header_cannot_have_is_named_and_not_shown(sender: str, key: str) -> None:
    contract = declared("[request]", '[headers]\nX-Key = "{key}"\nX-From = "{sender}"\n\n[request]')
    mistake = mistake_in(contract, f"key = {key}", sender)
    if mistake is None:
        headers = submission_of(make(contract, f"key = {key}", sender), MESSAGE).headers
        assert (headers["X-Key"], headers["X-From"]) == (key.strip(), sender)
        assert all(re.fullmatch(r"[ -~]+", value) for value in headers.values())
    else:
        assert re.match(r"(sender|credentials)(, line \d+)?: ", mistake)
        assert len(key) < 8 or key not in mistake


def mistake_in(contract: str, credentials: str, sender: str) -> str | None:
    try:
        make(contract, credentials, sender)
    except ConfigurationError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("credentials", "mistake"),
    [
        ("", "credentials: key missing"),
        ("secretvalue", "credentials, line 1: must be name = value"),
        ("\nkey =", "credentials, line 2: must be name = value"),
        ("key = a\nkey = b", "credentials, line 2: a name is there twice"),
        ("key = secretvalue\nother = b", "credentials: has names that the contract does not name"),
        ("key = secret\x00value", "credentials, line 1: a value must consist of printable characters"),
    ],
)
def test_credentials_are_lines_of_names_and_values(credentials: str, mistake: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(mistake)) as error:
        make(MINIMAL, credentials)
    assert "value\n" not in f"{error.value}\n".replace("name = value\n", "")
    assert "secret" not in str(error.value)


def test_credentials_may_have_blank_lines_and_equals_signs() -> None:
    submission = submission_of(make(MINIMAL, "\r\n  key=a = b==  \r\n\r\n"), MESSAGE)

    assert dict(parse_qsl(submission.body.decode()))["key"] == "a = b=="


def test_a_sender_has_no_control_characters() -> None:
    with pytest.raises(ConfigurationError, match="sender: must consist of printable characters"):
        make(MINIMAL, sender="a\nb")


def test_a_user_of_basic_authentication_has_no_colon() -> None:
    with pytest.raises(ConfigurationError, match="credentials: a user of Basic authentication must have no colon"):
        make(declared("[request]", '[basic]\nuser = "{key}"\npassword = "x"\n\n[request]'), "key = a:b")


def test_a_sender_is_needed_where_the_contract_has_it() -> None:
    with pytest.raises(ConfigurationError, match="sender: must be entered"):
        make(declared('to = "{phone}"', 'to = "{phone}"\nfrom = "{sender}"'), sender="")
    make(MINIMAL, sender="")


# What answers mean

FORM_ANSWERS = [
    (200, "OK 4815-a", Result.ACCEPTED, None),
    (200, "OK", Result.ACCEPTED, None),
    (200, "ERROR 1 login", Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED),
    (200, "ERROR 2 sender", Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED),
    (200, "ERROR 3 money", Result.NO_CREDIT, ReasonCode.NO_CREDIT),
    (200, "ERROR 4 slow down", Result.THROTTLED, ReasonCode.PROVIDER_SAID),
    (200, "ERROR 5 later", Result.RETRIABLE, ReasonCode.PROVIDER_SAID),
    (400, "ERROR 12 number", Result.REFUSED, ReasonCode.PROVIDER_SAID),
    (200, "ERROR 13 STOP", Result.OPTED_OUT, ReasonCode.OPTED_OUT),
    (200, "ERROR 14 new", Result.AMBIGUOUS, ReasonCode.UNEXPECTED_BODY),
    (200, "<p>OK</p>", Result.AMBIGUOUS, ReasonCode.UNEXPECTED_BODY),
    (500, "OK 4815-a", Result.AMBIGUOUS, ReasonCode.PROVIDER_SAID),
    (422, "ERROR 14 new", Result.REFUSED, ReasonCode.PROVIDER_SAID),
    (401, "", Result.MISCONFIGURED, ReasonCode.TOKEN_REJECTED),
]


@pytest.mark.parametrize(("status", "body", "result", "reason"), FORM_ANSWERS)
def test_a_text_answer_means_what_the_table_says(
    status: int, body: str, result: Result, reason: ReasonCode | None
) -> None:
    adapter = make((EXAMPLES / "form-text.toml").read_text(), "login = me\npassword = secret")
    submitted = read(adapter, status, body)

    assert submitted.result is result
    assert (submitted.reason and submitted.reason.code) == reason
    assert submitted.provider_message_id == ("4815-a" if body == "OK 4815-a" and status == 200 else None)


def test_the_facts_of_a_json_answer_are_kept() -> None:
    answer = answer_to(MESSAGE, about_message(0, id="a1b2", parts=3, price="2.40"))
    submitted = JSON.read(answer, MESSAGE, submission_of(JSON).secrets)

    assert (submitted.result, submitted.code, submitted.provider_message_id) == (Result.ACCEPTED, "0", "a1b2")
    assert (submitted.segments, str(submitted.price)) == (3, "2.40")


def test_the_code_and_the_message_are_the_words() -> None:
    answer = answer_to(MESSAGE, error(403, "ELSE", f"no {MESSAGE.phone_number}"))
    submitted = JSON.read(answer, MESSAGE, submission_of(JSON).secrets)

    assert (submitted.code, submitted.words) == ("403", "code ELSE: no ***")
    assert submitted.perhaps_recipient


def test_a_code_may_mean_something_with_one_status() -> None:
    adapter = make(MINIMAL + '\n[statuses.403]\nOK = "opted_out"\nNO = "refused"\n"*" = "no_credit"\n')

    assert read(adapter, 200, "OK").result is Result.ACCEPTED
    assert read(adapter, 403, "OK").result is Result.OPTED_OUT
    assert read(adapter, 403, "NO").result is Result.REFUSED
    assert read(adapter, 403, "WHAT").result is Result.NO_CREDIT
    assert read(adapter, 403).code == "403"
    assert read(adapter, 200, "NO").not_understood


def test_a_time_to_wait_is_that_of_the_header_or_else_of_the_body() -> None:
    body = json.dumps({"error": {"code": "BUSY", "wait": 3.5}})

    assert read(JSON, 200, body).retry_after == 3.5
    assert read(JSON, 200, body, **{"Retry-After": "7"}).retry_after == 7.0
    assert read(JSON, 200, body.replace("3.5", '"soon"')).retry_after is None


STATUS_ALONE = declared("code = '^(\\w+)'", "id = 'id=(\\d+)'").replace(
    '[results]\nOK = "accepted"', '[statuses]\n200 = "accepted"\n409 = "duplicate"'
)


def test_a_status_alone_accepts_only_with_the_id_that_belongs_to_it() -> None:
    adapter = make(STATUS_ALONE)

    assert read(adapter, 200, "id=77").provider_message_id == "77"
    assert read(adapter, 200, "Please log in").not_understood
    assert read(adapter, 409).result is Result.DUPLICATE


def test_a_status_alone_does_not_accept_what_has_a_code_that_is_not_declared() -> None:
    contract = STATUS_ALONE.replace("id = 'id=(\\d+)'", "id = 'id=(\\d+)'\ncode = 'code=(\\d+)'")
    adapter = make(contract + '\n[results]\n9 = "retriable"\n')

    assert read(adapter, 200, "id=77").result is Result.ACCEPTED
    assert read(adapter, 200, "id=77 code=9").result is Result.RETRIABLE
    assert read(adapter, 200, "id=77 code=8").not_understood


def test_a_contract_may_have_nothing_in_its_answers() -> None:
    contract = MINIMAL[: MINIMAL.index("[answer]")] + '[statuses]\n202 = "accepted"\n'

    assert read(make(contract), 202).result is Result.ACCEPTED
    assert read(make(contract), 200).not_understood


def test_a_pattern_reads_a_long_answer_to_a_limit() -> None:
    # With backtracking, the first would take minutes.
    adapter = make(declared("^(\\w+)", "a*a*a*a*b*(OK)"))

    assert read(adapter, 200, "a" * 64 * 1024).not_understood
    assert read(adapter, 200, "é" * (TEXT_LIMIT - 2) + "OK").result is Result.ACCEPTED
    assert read(adapter, 200, "é" * (TEXT_LIMIT - 1) + "OK").not_understood
    assert adapter.read(Answer(200, {}, b"\xff OK"), MESSAGE).result is Result.ACCEPTED


def test_several_codes_that_differ_are_none() -> None:
    def entry(status: int) -> dict[str, object]:
        return {"to": MESSAGE.phone_number, "status": status}

    assert read(JSON, 200, json.dumps({"messages": [entry(0), entry(0)]})).result is Result.ACCEPTED
    assert read(JSON, 200, json.dumps({"messages": [entry(0), entry(10)]})).not_understood


def test_an_id_that_shows_a_secret_is_not_kept() -> None:
    for shown in ("s3cret-key", str(MESSAGE.phone_number), f"x-{MESSAGE.phone_number}", "\ud800", "a\x00b", "x" * 201):
        answer = answer_to(MESSAGE, about_message(0, id=shown))
        submitted = JSON.read(answer, MESSAGE, submission_of(JSON).secrets)
        assert (submitted.result, submitted.provider_message_id) == (Result.ACCEPTED, None)


LOOK_UPS = [
    (200, {"message": {"status": "sent", "id": "a1"}}, LookUp.FOUND),
    (200, {"message": {"status": "rejected"}}, LookUp.REFUSED),
    (404, {"error": {"code": "NOT_FOUND"}}, LookUp.NOT_FOUND),
    (404, {"error": {"code": "NO_ROUTE"}}, LookUp.UNCLEAR),
    (404, {}, LookUp.UNCLEAR),
    (500, {"message": {"status": "sent"}}, LookUp.UNCLEAR),
    (200, {"message": {"status": "sent", "reference": "1"}}, LookUp.UNCLEAR),
    (200, {"message": {"status": "sent", "reference": str(MESSAGE.message_id)}}, LookUp.FOUND),
]


@pytest.mark.parametrize(("status", "payload", "outcome"), LOOK_UPS)
def test_a_look_up_means_what_its_table_says(status: int, payload: object, outcome: LookUp) -> None:
    assert isinstance(JSON, DeclaredAdapterWithLookUp)
    submission = JSON.prepare_look_up(MESSAGE)
    result = JSON.read_look_up(Answer(status, {}, json.dumps(payload).encode()), MESSAGE, submission.secrets)

    assert (submission.method, submission.path, submission.body) == ("GET", "/v1/messages/481516234", b"")
    assert submission.headers["Authorization"] == "Bearer s3cret-key"
    assert result.outcome is outcome
    assert (JSON.look_up_after, JSON.look_up_within) == (60, 86_400)


def test_a_look_up_by_status_needs_an_answer_of_the_contract() -> None:
    look_up = """
[look_up]
after = 5
method = "GET"
path = "/find?id={id}"

[look_up.answer]
format = "json"
code = "error"
id = "messages.0.id"

[look_up.statuses]
200 = "not_found"
302 = "found"
500 = "not_found"

[look_up.statuses.404]
"*" = "not_found"
"""
    adapter = make(declared("/send", "/send/{id}") + look_up)
    assert isinstance(adapter, DeclaredAdapterWithLookUp)

    for status, body, outcome in (
        (200, b'{"messages": []}', LookUp.NOT_FOUND),
        (200, b'{"error": "busy"}', LookUp.UNCLEAR),
        (404, b'{"error": "no such path"}', LookUp.UNCLEAR),
        (200, b"<html>", LookUp.UNCLEAR),
        (404, b"", LookUp.NOT_FOUND),
        (403, b"", LookUp.UNCLEAR),
        (500, b"", LookUp.UNCLEAR),
        (302, b"", LookUp.UNCLEAR),
    ):
        assert adapter.read_look_up(Answer(status, {}, body), MESSAGE).outcome is outcome
