"""The same faults under every contract, each in the words of that contract."""

import re

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from tests.integration.sandbox.requests_by_hand import SEND, Answered

CONTRACTS = tuple(SEND)
SUCCESS = 0  # whichever status the contract has for it

# What each answer says: the status, and the code or the words of the contract.
ANSWERS = {
    ("twilio", "refused"): (400, 21211),
    ("twilio", "retriable"): (429, 21611),
    ("twilio", "throttled"): (429, 20429),
    ("twilio", "no_credit"): (401, 20005),
    ("twilio", "wrong_credentials"): (401, 20003),
    ("twilio", "wrong_sender"): (400, 21606),
    ("twilio", "opted_out"): (400, 21610),
    ("infobip", "refused"): (200, 6),
    ("infobip", "retriable"): (200, 21),
    ("infobip", "throttled"): (429, "E429"),
    ("infobip", "no_credit"): (200, 12),
    ("infobip", "wrong_credentials"): (401, "E401"),
    ("infobip", "wrong_sender"): (200, 11),
    ("infobip", "opted_out"): (200, 10),
    ("smsc", "refused"): (200, 8),
    ("smsc", "retriable"): (200, 4),
    ("smsc", "throttled"): (200, 9),
    ("smsc", "no_credit"): (200, 3),
    ("smsc", "wrong_credentials"): (200, 2),
    ("smsc", "wrong_sender"): (200, 6),
    ("smsc", "opted_out"): (200, 8),
    ("kannel", "refused"): (403, "Not routable. Do not try again."),
    ("kannel", "retriable"): (503, "Temporal failure, try again later."),
    ("kannel", "throttled"): (503, "Temporal failure, try again later."),
    ("kannel", "no_credit"): (403, "Not routable. Do not try again."),
    ("kannel", "wrong_credentials"): (403, "Authorization failed for sendsms"),
    ("kannel", "wrong_sender"): (400, "Sender missing and no global set, rejected"),
    ("kannel", "opted_out"): (400, "Number(s) has/have been denied by white- and/or black-lists."),
}


def code_of(contract: str, answer: Answered) -> object:
    """Where a contract has its code."""
    if contract == "kannel":
        return answer.body
    if contract == "infobip" and answer.status == 200:
        [message] = answer.json["messages"]
        assert message["status"]["groupName"] == "REJECTED"
        return message["status"]["id"]
    return answer.json[{"twilio": "code", "infobip": "errorCode", "smsc": "error_code"}[contract]]


@pytest.mark.parametrize(("contract", "fault"), ANSWERS)
def test_an_answer_is_given_in_the_words_of_the_contract(gateway: SandboxGateway, contract: str, fault: str) -> None:
    gateway.faults(answers={fault: 1}, retry_after="7")
    answer = SEND[contract](gateway)
    assert (answer.status, code_of(contract, answer)) == ANSWERS[contract, fault]
    assert answer.headers.get("Retry-After") == ("7" if fault == "throttled" and answer.status > 400 else None)
    assert gateway.messages(contract) == []
    [entry] = gateway.ledger(everything=True)
    assert (entry.outcome, entry.status, entry.accepted_at) == ("answer", answer.status, None)


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize(
    ("fault", "status", "kept"),
    [
        ({"statuses": {"503": 1}}, 503, 0),
        ({"statuses": {"429": 1}}, 429, 0),
        ({"error_after_accept": 1}, 500, 1),
        ({"bodies": {"garbage": 1}}, 200, 1),
        ({"bodies": {"empty": 1}}, 200, 1),
        ({"reset_before_accept": 1}, None, 0),
        ({"reset_after_accept": 1}, None, 1),
        ({"latency": 0.05}, SUCCESS, 1),
    ],
)
def test_a_fault_is_the_same_under_every_contract(
    gateway: SandboxGateway, contract: str, fault: dict[str, object], status: int | None, kept: int
) -> None:
    gateway.faults(**fault)
    if status is None:
        with pytest.raises(ConnectionError):
            SEND[contract](gateway)
    else:
        answered = SEND[contract](gateway).status
        assert answered == status or (status == SUCCESS and answered < 300)
    assert len(gateway.messages(contract)) == kept
    [entry] = gateway.ledger(everything=True)
    assert (entry.accepted_at is not None) == bool(kept)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_another_token_makes_the_credentials_wrong(gateway: SandboxGateway, contract: str) -> None:
    gateway.faults(token="another")
    wrong = SEND[contract](gateway)
    assert (wrong.status, code_of(contract, wrong)) == ANSWERS[contract, "wrong_credentials"]
    gateway.faults()
    assert SEND[contract](gateway).status < 300


def test_messages_are_read_by_contract_and_forgotten(gateway: SandboxGateway) -> None:
    for contract in CONTRACTS:
        SEND[contract](gateway)
    assert [len(gateway.messages(contract)) for contract in CONTRACTS] == [1, 1, 1, 1]
    assert gateway.summary().accepted == 4
    gateway.forget()
    assert [len(gateway.messages(contract)) for contract in CONTRACTS] == [0, 0, 0, 0]


def test_an_unknown_answer_is_refused_by_its_name(gateway: SandboxGateway) -> None:
    with pytest.raises(ValueError, match=re.escape("answers: 'broke' is not one of refused, retriable, throttled")):
        gateway.faults(answers={"broke": 1})
