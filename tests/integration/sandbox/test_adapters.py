"""Our adapters talk to the simulated gateway, which was written without them: what it means, they understand."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPConnection
from typing import NamedTuple

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from shared.domain.results import Result
from shared.gateways.base import Account, Adapter, LookUp, Submission, SubmitResult
from shared.gateways.infobip import InfobipAdapter
from shared.gateways.registry import PROVIDERS
from shared.gateways.smsc import SmscAdapter
from tests.integration.sandbox.requests_by_hand import ACCOUNT, PHONE, TEXT, TOKEN
from tests.submit_results import Answer
from tests.unit.test_attempt_decision import delivery
from tests.waiting import PATIENCE

MESSAGE_ID = 77


class Fields(NamedTuple):
    """The fields of an account at the simulated gateway."""

    credentials: Mapping[str, str]
    options: Mapping[str, str] = {}


ACCOUNTS = {
    "twilio": Fields({"auth_token": TOKEN}, {"account_sid": ACCOUNT}),
    "infobip": Fields({"api_key": TOKEN}),
    "smsc": Fields({"password": TOKEN}, {"login": "sandbox"}),
    "kannel": Fields({"password": TOKEN}, {"username": "sandbox"}),
}
SENDERS = {"twilio": "+15005550006"}

R = Result
RESULTS = {
    "twilio": (R.REFUSED, R.THROTTLED, R.THROTTLED, R.MISCONFIGURED, R.MISCONFIGURED, R.MISCONFIGURED, R.OPTED_OUT),
    "infobip": (R.REFUSED, R.RETRIABLE, R.THROTTLED, R.NO_CREDIT, R.MISCONFIGURED, R.MISCONFIGURED, R.OPTED_OUT),
    # SMSC.ru has no code for a message to try again, nor for a recipient who has opted out; Kannel has few codes.
    "smsc": (R.REFUSED, R.MISCONFIGURED, R.THROTTLED, R.NO_CREDIT, R.MISCONFIGURED, R.MISCONFIGURED, R.REFUSED),
    "kannel": (R.REFUSED, R.RETRIABLE, R.RETRIABLE, R.REFUSED, R.MISCONFIGURED, R.MISCONFIGURED, R.REFUSED),
}
ANSWERS = ("refused", "retriable", "throttled", "no_credit", "wrong_credentials", "wrong_sender", "opted_out")


def adapter_of(provider: str) -> Adapter:
    fields = ACCOUNTS[provider]
    defaults = {field.name: field.default for field in PROVIDERS[provider].fields if not field.secret}
    account = Account(
        address="http://127.0.0.1",
        sender=SENDERS.get(provider, "Gonets"),
        credentials=fields.credentials,
        options={**defaults, **fields.options},
    )
    return PROVIDERS[provider].make(account)


def exchange(gateway: SandboxGateway, submission: Submission | SubmitResult | None) -> Answer:
    assert isinstance(submission, Submission)
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    try:
        connection.request(submission.method, submission.path, submission.body, dict(submission.headers))
        response = connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read())
    finally:
        connection.close()


def submit(gateway: SandboxGateway, adapter: Adapter) -> SubmitResult:
    message = delivery(message_id=MESSAGE_ID, phone_number=int(PHONE), text=TEXT)
    return adapter.read(exchange(gateway, adapter.prepare(message)), message)


@pytest.mark.parametrize("provider", ACCOUNTS)
def test_a_message_is_accepted_as_it_was_meant(gateway: SandboxGateway, provider: str) -> None:
    accepted = submit(gateway, adapter_of(provider))
    assert accepted.result is Result.ACCEPTED
    [kept] = gateway.messages(provider)
    assert (kept.to.removeprefix("+"), kept.text) == (PHONE, TEXT)
    assert kept.sender == SENDERS.get(provider, "Gonets")
    assert accepted.provider_message_id in (kept.id, None)


@pytest.mark.parametrize("provider", RESULTS)
def test_an_answer_has_its_result(gateway: SandboxGateway, provider: str) -> None:
    adapter = adapter_of(provider)
    results = []
    for answer in ANSWERS:
        gateway.faults(answers={answer: 1})
        results.append(submit(gateway, adapter).result)
    assert tuple(results) == RESULTS[provider]


@pytest.mark.parametrize("provider", ACCOUNTS)
@pytest.mark.parametrize("fault", [{"bodies": {"garbage": 1}}, {"bodies": {"empty": 1}}, {"statuses": {"502": 1}}])
def test_what_says_nothing_is_ambiguous(gateway: SandboxGateway, provider: str, fault: dict[str, object]) -> None:
    gateway.faults(**fault)
    assert submit(gateway, adapter_of(provider)).result is Result.AMBIGUOUS


@pytest.mark.parametrize(
    ("provider", "result"),
    [
        ("twilio", Result.ACCEPTED),
        ("infobip", Result.REFUSED),
        ("smsc", Result.THROTTLED),
        ("kannel", Result.ACCEPTED),
    ],
)
def test_a_repeat_after_a_lost_answer(gateway: SandboxGateway, provider: str, result: Result) -> None:
    adapter = adapter_of(provider)
    gateway.faults(reset_after_accept=1, first=1)
    with pytest.raises(ConnectionError):
        submit(gateway, adapter)
    repeated = submit(gateway, adapter)
    # The worker takes the refusal for a duplicate, since the message is in doubt.
    assert (repeated.result, repeated.perhaps_duplicate) == (result, provider == "infobip")


@pytest.mark.parametrize("provider", ["infobip", "smsc"])
def test_a_look_up_tells_whether_it_was_taken(gateway: SandboxGateway, provider: str) -> None:
    adapter = adapter_of(provider)
    assert isinstance(adapter, InfobipAdapter | SmscAdapter)
    gateway.faults(reset_after_accept=1)
    with pytest.raises(ConnectionError):
        submit(gateway, adapter)
    outcomes = []
    for message_id in (MESSAGE_ID, MESSAGE_ID + 1):
        message = delivery(message_id=message_id, phone_number=int(PHONE), text=TEXT)
        asked = adapter.prepare_look_up(message)
        outcomes.append(adapter.read_look_up(exchange(gateway, asked), message).outcome)
    assert outcomes == [LookUp.FOUND, LookUp.NOT_FOUND]
