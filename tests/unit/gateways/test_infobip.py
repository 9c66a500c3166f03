"""Infobip: its request, what its statuses mean, and what its logs say of a message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import Account, LookUp, LookUpResult
from shared.gateways.infobip import InfobipAdapter
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import (
    MESSAGE,
    MESSAGE_ID,
    PHONE_NUMBER,
    TEXT,
    Expected,
    Message,
    answer,
    meaning,
    read,
    submission_of,
)
from tests.unit.gateways.samples_infobip import failed, sent

KEY = "b5a0-c0ffee"
PROVIDER_SAID = ReasonCode.PROVIDER_SAID


def adapter(key: str = KEY, sender: str = "Shop 7%d", **options: str) -> InfobipAdapter:
    return InfobipAdapter(
        Account(address="https://x.api.infobip.com", sender=sender, credentials={"api_key": key}, options=options)
    )


def test_a_message_is_submitted_as_documented() -> None:
    sent = submission_of(adapter())

    assert (sent.method, sent.path) == ("POST", "/sms/3/messages")
    assert sent.headers["Authorization"] == f"App {KEY}"
    assert json.loads(sent.body) == {
        "messages": [
            {
                "sender": "Shop 7%d",
                "destinations": [{"to": str(PHONE_NUMBER), "messageId": str(MESSAGE_ID)}],
                "content": {"text": TEXT},
            }
        ]
    }
    assert set(sent.secrets) == {KEY, TEXT, str(PHONE_NUMBER)}


def test_installations_that_share_an_account_have_different_ids() -> None:
    body = json.loads(submission_of(adapter(prefix="north-")).body)

    assert body["messages"][0]["destinations"][0]["messageId"] == f"north-{MESSAGE_ID}"
    assert adapter(prefix="north-").prepare_look_up(Message(7)).path == "/sms/3/logs?messageId=north-7"


@pytest.mark.parametrize(
    ("group", "code", "expected", "perhaps_recipient"),
    [
        (1, 3, (Result.ACCEPTED, None), False),
        (1, 7, (Result.ACCEPTED, None), False),
        (1, 26, (Result.ACCEPTED, None), False),
        (3, 2, (Result.ACCEPTED, None), False),
        (3, 5, (Result.ACCEPTED, None), False),
        (2, 4, (Result.REFUSED, PROVIDER_SAID), False),
        (2, 9, (Result.REFUSED, PROVIDER_SAID), False),
        (2, 31, (Result.REFUSED, PROVIDER_SAID), False),
        (4, 15, (Result.REFUSED, PROVIDER_SAID), False),
        (4, 29, (Result.ACCEPTED, None), False),
        (5, 12, (Result.NO_CREDIT, ReasonCode.NO_CREDIT), False),
        (5, 17, (Result.NO_CREDIT, ReasonCode.NO_CREDIT), False),
        (5, 23, (Result.REFUSED, ReasonCode.ALREADY_ACCEPTED), False),
        (5, 10, (Result.OPTED_OUT, ReasonCode.OPTED_OUT), False),
        (5, 14, (Result.OPTED_OUT, ReasonCode.OPTED_OUT), False),
        (5, 11, (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED), True),
        (5, 13, (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED), False),
        (5, 18, (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED), True),
        (5, 19, (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED), True),
        (5, 20, (Result.THROTTLED, PROVIDER_SAID), False),
        (5, 21, (Result.RETRIABLE, PROVIDER_SAID), False),
        (5, 6, (Result.REFUSED, ReasonCode.NO_ROUTE), False),
        (5, 8, (Result.REFUSED, PROVIDER_SAID), False),
        (5, 24, (Result.REFUSED, PROVIDER_SAID), False),
        (5, 25, (Result.REFUSED, ReasonCode.TEXT_TOO_LONG), False),
        (5, 51, (Result.REFUSED, PROVIDER_SAID), False),
        (5, 52, (Result.REFUSED, PROVIDER_SAID), False),
        (5, 87, (Result.REFUSED, PROVIDER_SAID), False),
        (5, 100, (Result.RETRIABLE, PROVIDER_SAID), False),
        (5, 9999, (Result.REFUSED, PROVIDER_SAID), False),
        (0, 9999, (Result.ACCEPTED, None), False),
        (1, 9999, (Result.ACCEPTED, None), False),
        (9, 9999, (Result.AMBIGUOUS, ReasonCode.UNEXPECTED_BODY), False),
    ],
)
def test_each_documented_status_has_a_result(
    group: int, code: int, expected: Expected, perhaps_recipient: bool
) -> None:
    result = read(adapter(), sent(group, code, "NAME"))

    assert (meaning(result), result.perhaps_recipient) == (expected, perhaps_recipient)
    assert result.perhaps_duplicate is (code == 23)
    assert result.code == (str(code) if expected[0] is not Result.AMBIGUOUS else "200")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, (Result.REFUSED, PROVIDER_SAID)),
        (401, (Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED)),
        (403, (Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED)),
        (404, (Result.MISCONFIGURED, ReasonCode.ADDRESS_NOT_FOUND)),
        (429, (Result.THROTTLED, PROVIDER_SAID)),
        (500, (Result.AMBIGUOUS, PROVIDER_SAID)),
        (503, (Result.AMBIGUOUS, PROVIDER_SAID)),
    ],
)
def test_each_documented_http_status_has_a_result(status: int, expected: Expected) -> None:
    result = read(adapter(), failed(status, f"E{status}", "What it says"))

    assert meaning(result) == expected
    assert result.words == f"E{status}: What it says"
    assert not result.perhaps_recipient


def test_a_time_to_wait_is_kept() -> None:
    assert read(adapter(), failed(429, "E429", "Slower", Retry_After="7")).retry_after == 7.0


def test_the_id_and_the_segments_of_an_acceptance_are_kept() -> None:
    result = read(adapter(), sent(1, 26, "PENDING_ACCEPTED"))

    assert (result.provider_message_id, result.segments) == (str(MESSAGE_ID), 1)


def test_a_sender_that_the_request_may_not_have_is_of_the_account() -> None:
    violation = {"property": "messages[0].sender", "violation": "must not be blank"}
    result = read(adapter(), answer(400, {"errorCode": "E400", "description": "No", "violations": [violation]}))

    assert meaning(result) == (Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED)
    assert result.words == "E400: No; messages[0].sender: must not be blank"


def test_the_words_of_older_errors_are_read_and_secrets_in_them_masked() -> None:
    text = f"{KEY} may not say {TEXT} to {PHONE_NUMBER}"
    error = {"requestError": {"serviceException": {"messageId": "UNAUTHORIZED", "text": text}}}

    assert read(adapter(), answer(401, error)).words == "UNAUTHORIZED: *** may not say *** to ***"


@pytest.mark.parametrize(
    ("key", "sender", "options", "field"),
    [
        ("", "Shop", {}, "api_key"),
        ("key\r\nX: 1", "Shop", {}, "api_key"),
        ("ключ", "Shop", {}, "api_key"),
        (KEY, "", {}, "sender"),
        (KEY, "x" * 41, {}, "sender"),
        (KEY, "Shop", {"prefix": "a/b"}, "prefix"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not(
    key: str, sender: str, options: dict[str, str], field: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: ") as caught:
        adapter(key, sender, **options)
    assert not key or key not in str(caught.value)


def log(group: int, code: int, phone: int = PHONE_NUMBER) -> dict[str, Any]:
    status = {"groupId": group, "id": code, "name": "NAME", "description": "About it"}
    return {"messageId": str(MESSAGE_ID), "destination": str(phone), "status": status, "messageCount": 1}


def looked_up(response: Answer) -> LookUpResult:
    asked = adapter().prepare_look_up(MESSAGE)
    return adapter().read_look_up(response, MESSAGE, asked.secrets)


def test_a_message_is_looked_up_in_the_logs_by_our_id() -> None:
    asked = adapter().prepare_look_up(MESSAGE)

    assert (asked.method, asked.path, asked.body) == ("GET", f"/sms/3/logs?messageId={MESSAGE_ID}", b"")
    assert asked.headers["Authorization"] == f"App {KEY}"


@pytest.mark.parametrize(
    ("logs", "outcome"),
    [
        ([], LookUp.NOT_FOUND),
        ([log(1, 26)], LookUp.FOUND),
        ([log(3, 5)], LookUp.FOUND),
        ([log(4, 29)], LookUp.FOUND),
        ([log(5, 52)], LookUp.REFUSED),
        ([log(5, 10)], LookUp.REFUSED),
        # It was taken; that it was not delivered is for the receipt to say.
        ([log(2, 9)], LookUp.FOUND),
        ([log(4, 15)], LookUp.FOUND),
        ([log(2, 31)], LookUp.REFUSED),
        # It was rejected for now: nothing was sent, and it may be sent again.
        ([log(5, 12)], LookUp.NOT_FOUND),
        ([log(5, 21)], LookUp.NOT_FOUND),
        # A repeat was rejected as a duplicate of the one that was taken.
        ([log(5, 23), log(3, 5)], LookUp.FOUND),
        ([log(5, 23)], LookUp.FOUND),
        # The first was rejected for now, and its id is used: nothing was sent.
        ([log(5, 21), log(5, 23)], LookUp.NOT_FOUND),
        ([log(5, 52), log(5, 23)], LookUp.REFUSED),
        ([{**log(1, 26), "messageId": "7"}], LookUp.UNCLEAR),
        ([log(9, 999)], LookUp.UNCLEAR),
        ([log(1, 26, 41793026727)], LookUp.UNCLEAR),
        ([log(1, 26), log(1, 26, 41793026727)], LookUp.UNCLEAR),
        ([{}], LookUp.UNCLEAR),
        (["log"], LookUp.UNCLEAR),
        (None, LookUp.UNCLEAR),
    ],
)
def test_the_logs_say_what_became_of_a_message(logs: Any, outcome: LookUp) -> None:
    assert looked_up(answer(200, {"results": logs})).outcome is outcome


def test_a_message_that_is_found_has_its_id_and_a_refusal_its_words() -> None:
    found, refused = (
        looked_up(answer(200, {"results": [log(1, 26)]})),
        looked_up(answer(200, {"results": [log(5, 52)]})),
    )

    assert (found.code, found.provider_message_id) == ("26", str(MESSAGE_ID))
    assert [each.reason and each.reason.code for each in (found, refused)] == ["look_up_found", "look_up_refused"]
    assert refused.reason is not None
    assert refused.reason.parameters == {"words": "NAME: About it"}


@pytest.mark.parametrize("status", [200, 204, 302, 401, 404, 429, 500])
def test_an_answer_that_is_no_log_is_unclear(status: int) -> None:
    assert looked_up(failed(status, "E", "No")).outcome is LookUp.UNCLEAR
