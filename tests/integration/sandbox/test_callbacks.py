"""The callbacks of the simulated providers: when they come, how often, and that our adapters read what they mean."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.simulated_gateway.callbacks import CallbackEntry
from sandbox.simulated_gateway.client import SandboxGateway
from sandbox.simulated_gateway.contracts.declared import TOML
from sandbox.simulated_gateway.receipt_plan import REASONS, ReceiptPlan, ReceiptPlanner
from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.base import Account, Submission
from shared.gateways.registry import PROVIDERS
from tests.gateways.callback_server import CallbackServer
from tests.integration.sandbox.requests_by_hand import ACCOUNT, PHONE, TEXT, TOKEN
from tests.unit.test_attempt_decision import delivery
from tests.waiting import PATIENCE, eventually

ACCOUNTS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "twilio": ("twilio", {"auth_token": TOKEN}, {"account_sid": ACCOUNT}),
    "infobip": ("infobip", {"api_key": TOKEN}, {}),
    "smsc": ("smsc", {"password": TOKEN}, {"login": "sandbox"}),
    "kannel": ("kannel", {"password": TOKEN}, {"username": "sandbox", "max_messages": "9"}),
    "declared": ("http", {"credentials": f"key = {TOKEN}"}, {"contract": TOML}),
}
"""Provider, credentials and options by the name of the simulated contract."""

READ = list(ACCOUNTS)
LONG = "я" * 150
"""In three parts."""

AT_ONCE: dict[str, Any] = {"delay": 0.0, "intermediate": 0.0, "repeat_after": 0.05}


class Client:
    """An account at a simulated provider, and the server that it calls."""

    def __init__(self, contract: str, gateway: SandboxGateway, server: CallbackServer) -> None:
        provider, credentials, options = ACCOUNTS[contract]
        defaults = {field.name: field.default for field in PROVIDERS[provider].fields if not field.secret}
        account = Account(
            address=gateway.url,
            sender="+15005550006",
            credentials=credentials,
            options={**defaults, **options},
            receipt_url=server.receipt_url,
        )
        self.adapter: Any = PROVIDERS[provider].make(account)
        self.contract, self.gateway, self.server = contract, gateway, server
        server.adapter = self.adapter
        self._addresses = {"addresses": {"smsc": server.receipt_url}}

    def plan(self, **plan: Any) -> None:
        self.gateway.receipts(**{**AT_ONCE, **self._addresses, **plan})

    def submit(self, message_id: int, text: str = TEXT) -> int:
        """Submits a message; returns how many callbacks had come when it was answered."""
        prepared = self.adapter.prepare(delivery(message_id=message_id, phone_number=int(PHONE), text=text))
        assert isinstance(prepared, Submission)
        connection = HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)
        connection.request(prepared.method, prepared.path, prepared.body, dict(prepared.headers))
        assert connection.getresponse().status < 300
        connection.close()
        return len(self.server.callbacks)

    def settled(self, count: int) -> list[CallbackEntry]:
        """Waits until so many callbacks have been taken, and no more are to come."""
        eventually(lambda: len(self.gateway.callbacks()) >= count and not self.gateway.callback_summary().waiting)
        return self.gateway.callbacks()


@pytest.fixture
def server() -> Iterator[CallbackServer]:
    with CallbackServer(None) as server:
        yield server


@pytest.fixture(params=READ)
def client(request: pytest.FixtureRequest, gateway: SandboxGateway, server: CallbackServer) -> Client:
    return Client(request.param, gateway, server)


@pytest.fixture
def twilio(gateway: SandboxGateway, server: CallbackServer) -> Client:
    return Client("twilio", gateway, server)


def test_our_adapter_reads_what_the_provider_means(client: Client) -> None:
    client.plan(intermediate=1.0, delay=0.1)
    client.submit(77)
    for place, reason in enumerate(REASONS):
        client.plan(undelivered={reason: 1.0})
        client.submit(80 + place)
    client.settled(2 + len(REASONS))
    said = [(one.message_id, one.state, one.reason) for one in client.server.receipts]
    expected = [(77, ReceiptState.ACCEPTED, None), (77, ReceiptState.DELIVERED, None)]
    undelivered = [
        (80 + place, ReceiptState.UNDELIVERED, UndeliveredReason(reason)) for place, reason in enumerate(REASONS)
    ]
    if client.contract == "kannel":  # an SMSC's error numbers are its own
        said = [(*one[:2], None) for one in said]
        undelivered = [(*one[:2], None) for one in undelivered]  # type: ignore[misc]
    if client.contract == "smsc":  # it has no code for somebody who has opted out
        undelivered = [
            (*one[:2], UndeliveredReason.BLOCKED if one[2] is UndeliveredReason.OPTED_OUT else one[2])
            for one in undelivered
        ]
    assert sorted(said, key=str) == sorted([*expected, *undelivered], key=str)
    assert not client.server.errors
    codes = {one.request.code for one in (entry.callback for entry in client.gateway.callbacks()) if one.request.code}
    assert codes <= {receipt.code for receipt in client.server.receipts}
    times = {one.callback.request.at for one in client.gateway.callbacks()}
    assert times == {receipt.at and receipt.at.timestamp() for receipt in client.server.receipts}


def test_a_forged_callback_is_refused(client: Client) -> None:
    client.plan(forged=1.0)
    client.submit(1)
    entries = client.settled(2)
    # Without a signature it is the token in the address that is wrong; the server here knows but one address.
    taken = {entry.callback.about: entry.acknowledged_at is not None for entry in entries}
    assert taken == {"own": True, "forged": False}
    assert client.gateway.callback_summary().forged_accepted == 0


def test_a_message_of_a_recipient_is_read(client: Client) -> None:
    if not client.adapter.capabilities.inbound:
        pytest.skip("this provider forwards none")
    text = "Да, " * 60
    parts = 3 if client.contract in ("kannel", "declared") else 1
    client.gateway.forward(
        contract=client.contract, sender=PHONE, to="79990000000", text=text, parts=parts, url=client.server.inbound_url
    )
    client.settled(parts)
    inbound = sorted(client.server.inbound, key=lambda one: one.part)
    assert "".join(one.text for one in inbound) == text
    assert [(one.part, one.parts) for one in inbound] == [(number, parts) for number in range(1, parts + 1)]
    assert len({one.reference for one in inbound}) == 1
    assert not client.server.errors


def test_receipts_come_before_the_answer_to_the_submission(twilio: Client) -> None:
    twilio.gateway.faults(latency=2.0)  # the answer comes as late; the receipt does not wait for it
    twilio.plan(early=1.0)
    assert twilio.submit(1) == 1


def test_receipts_come_late_twice_out_of_order_or_never(twilio: Client) -> None:
    twilio.plan(late=1.0, late_by=0.4, twice=1.0)
    submitted_at = time.time()
    twilio.submit(1)
    first, second = twilio.settled(2)
    assert first.acknowledged_at is not None
    assert first.acknowledged_at >= submitted_at + 0.4
    assert first.callback.request == second.callback.request
    twilio.plan(intermediate=1.0, out_of_order=1.0)
    twilio.submit(2)
    twilio.settled(4)
    assert {one.state for one in twilio.server.receipts_of(2)} == {ReceiptState.DELIVERED, ReceiptState.ACCEPTED}
    twilio.plan(lost=1.0)
    twilio.submit(3)
    assert len(twilio.settled(4)) == 4


def test_the_final_state_is_planned_before_the_others_if_they_are_out_of_order() -> None:
    # By their times: callbacks that follow each other closely may overtake each other on the way.
    planner = ReceiptPlanner(ReceiptPlan(intermediate=1.0, out_of_order=1.0, seed=1))
    final, other = sorted(planner.plan_of(0.0, 1).reports, key=lambda planned: planned.after)
    assert (final.report.state, other.report.state) == (ReceiptState.DELIVERED, ReceiptState.ACCEPTED)


def test_two_final_states_contradict_each_other(twilio: Client) -> None:
    twilio.plan(contradicted=1.0)
    twilio.submit(1)
    twilio.settled(2)
    assert {one.state for one in twilio.server.receipts} == {ReceiptState.DELIVERED, ReceiptState.UNDELIVERED}


def test_a_callback_is_repeated_until_it_is_taken(twilio: Client) -> None:
    refused = iter(range(3))

    def take(callback: Any) -> Any:
        twilio.server.callbacks.append(callback)
        return twilio.adapter.receipt_answer._replace(status=503 if next(refused, None) is not None else 204)

    twilio.server.take = take  # type: ignore[method-assign]
    twilio.plan()
    twilio.submit(1)
    [entry] = twilio.settled(1)
    assert (entry.calls, entry.status) == (4, 204)
    assert len({(one.url, one.body) for one in twilio.server.callbacks}) == 1
    assert twilio.gateway.callback_summary().by_status == {"204": 1, "503": 3}


def test_a_receipt_is_of_no_message_or_of_one_without_our_id(twilio: Client) -> None:
    twilio.plan(foreign=1.0)
    twilio.submit(1)
    twilio.plan(without_query=1.0)
    twilio.submit(2)
    entries = twilio.settled(3)
    assert Counter(entry.callback.about for entry in entries) == {"own": 2, "foreign": 1}
    kept = {message.id for message in twilio.gateway.messages("twilio")}
    ours = {one.message_id: one.provider_message_id in kept for one in twilio.server.receipts}
    assert ours.pop(1)
    assert ours.pop(None)
    [is_kept] = ours.values()
    assert not is_kept


def test_each_part_of_a_long_text_is_reported(gateway: SandboxGateway, server: CallbackServer) -> None:
    client = Client("declared", gateway, server)
    client.plan(split=1.0, undelivered={"expired": 1.0})
    client.submit(5, LONG)
    client.submit(6)
    client.settled(4)
    parts = sorted((one.part, one.parts) for one in server.receipts_of(5))
    assert parts == [("1", 3), ("2", 3), ("3", 3)]
    assert Counter(one.state for one in server.receipts_of(5)) == {
        ReceiptState.DELIVERED: 2,
        ReceiptState.UNDELIVERED: 1,
    }
    assert [one.part for one in server.receipts_of(6)] == [None]


def test_a_receipt_of_anything_can_be_asked_for(gateway: SandboxGateway, server: CallbackServer) -> None:
    client = Client("kannel", gateway, server)
    url = f"{server.receipt_url.replace('%', '%%')}?message=9&type=%d&smsc-id=%F&text=%A&time=%T&to=%P"
    gateway.report(contract="kannel", to=PHONE, url=url, state="undelivered", reason="other")
    client.settled(1)
    [receipt] = server.receipts
    assert (receipt.message_id, receipt.state) == (9, ReceiptState.UNDELIVERED)


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("PUT /_/receipts", '{"lost": 2}', "lost: must be a probability"),
        ("PUT /_/receipts", '{"undelivered": {"shy": 1}}', "undelivered: 'shy' is not one of expired"),
        ("PUT /_/receipts", '{"addresses": {"smsc": 1}}', "addresses: must be an object of addresses"),
        ("PUT /_/receipts", '{"when": 1}', "when: unknown field"),
        ("PUT /_/receipts", "[]", "receipts: must be a JSON object"),
        ("POST /_/callbacks", '{"contract": "gonets", "to": "1", "url": "http://x"}', "contract: must be one of"),
        ("POST /_/callbacks", '{"contract": "smsc", "to": "1"}', "url: must be one of"),
        ("POST /_/callbacks", '{"contract": "smsc", "to": "1", "url": "x", "reason": "other"}', "state: must be"),
        ("POST /_/inbound", '{"parts": 0}', "parts: must be a whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(gateway: SandboxGateway, path: str, given: str, words: str) -> None:
    method, _, target = path.partition(" ")
    with pytest.raises(ValueError, match=f"^{words}"):
        gateway._json(method, quote(target), given)
