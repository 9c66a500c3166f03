"""Every way in which the simulated gateway can misbehave, as its client sees it on a real socket."""

import time
from collections.abc import Iterator

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from tests.integration.gateway_requests import (
    TOKEN,
    ask,
    body_for,
    connect,
    everything_from,
    post,
    raw,
    refused,
)
from tests.ports import free_port
from tests.waiting import eventually


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxGateway]:
    with SandboxGateway.start(token=TOKEN) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: SandboxGateway) -> SandboxGateway:
    running.clear()
    return running


@pytest.mark.parametrize("status", [302, 304, 400, 401, 403, 404, 405, 418, 422, 429, 500, 503, 599])
def test_a_status_is_answered_and_nothing_is_accepted(gateway: SandboxGateway, status: int) -> None:
    gateway.faults(statuses={str(status): 1})
    assert post(gateway, 1) == status
    assert gateway.ledger() == []
    [entry] = gateway.ledger(everything=True)
    assert (entry.outcome, entry.status, entry.accepted_at) == ("status", status, None)
    assert gateway.summary().by_status == {str(status): 1}


@pytest.mark.parametrize("value", ["7", "Wed, 21 Oct 2026 07:28:00 GMT", "soon"])
@pytest.mark.parametrize(("status", "given"), [(429, True), (503, True), (500, False)])
def test_retry_after_goes_verbatim_with_429_and_503(
    gateway: SandboxGateway, value: str, status: int, given: bool
) -> None:
    gateway.faults(statuses={str(status): 1}, retry_after=value)
    response, _ = ask(gateway, "POST", "/send/1", body_for(1))
    assert response.headers["Retry-After"] == (value if given else None)


@pytest.mark.parametrize(
    ("kind", "status", "body", "outcome", "accepted"),
    [
        ("garbage", 200, b"<html>It works!", "garbage", 1),
        ("refused", 200, b'{"code": 7, "message": "blocked"}', "refused", 0),
        ("empty", 200, b"", "empty", 1),
        ("text_code", 200, b'{"code":"0","message":"OK"}', "garbage", 1),
        ("queued", 200, b'{"status":"queued","id":1}', "garbage", 1),
        ("created", 201, b"", "empty", 1),
        ("text", 200, b"ERROR:14", "garbage", 1),
    ],
)
def test_a_body_other_than_success_comes_with_a_success_status(
    gateway: SandboxGateway, kind: str, status: int, body: bytes, outcome: str, accepted: int
) -> None:
    gateway.faults(bodies={kind: 1})
    response, said = ask(gateway, "POST", "/send/1", body_for(1))
    assert (response.status, said) == (status, body)
    assert [entry.outcome for entry in gateway.ledger(everything=True)] == [outcome]
    assert gateway.summary().accepted == accepted


def test_latency_keeps_the_answer_back_and_not_the_acceptance(gateway: SandboxGateway) -> None:
    gateway.faults(latency=2.0)
    with connect(gateway) as client:
        client.sendall(raw(1))
        eventually(lambda: gateway.summary().accepted == 1)
        [entry] = gateway.ledger()
        assert (entry.status, entry.answered_at) == (None, None)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    [entry] = gateway.ledger()
    assert entry.answered_at is not None
    assert entry.answered_at - entry.started_at >= 1.99


def test_a_client_that_leaves_during_the_latency_gets_no_answer(gateway: SandboxGateway) -> None:
    gateway.faults(latency=30)
    with connect(gateway) as client:
        client.sendall(raw(1))
        eventually(lambda: gateway.summary().in_flight == 1)
    eventually(lambda: gateway.summary().in_flight == 0)
    assert gateway.summary().by_status == {"none": 1}
    assert gateway.ledger()[0].answered_at is None


@pytest.mark.parametrize(("mechanism", "accepted"), [("reset_before_accept", 0), ("reset_after_accept", 1)])
@pytest.mark.parametrize("latency", [0, 0.1])
def test_a_reset_is_a_reset_and_no_orderly_end(
    gateway: SandboxGateway, mechanism: str, accepted: int, latency: float
) -> None:
    gateway.faults(**{mechanism: 1, "latency": latency})
    with connect(gateway) as client:
        client.sendall(raw(1))
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert gateway.summary().accepted == accepted
    assert [entry.outcome for entry in gateway.ledger(everything=True)] == [mechanism]
    eventually(lambda: gateway.summary().by_status == {"none": 1})


def test_an_error_after_accept_answers_500_to_an_accepted_message(gateway: SandboxGateway) -> None:
    gateway.faults(error_after_accept=1)
    assert post(gateway, 1) == 500
    [entry] = gateway.ledger()
    assert (entry.outcome, entry.status) == ("error_after_accept", 500)


def test_a_trickle_is_a_byte_a_second(gateway: SandboxGateway) -> None:
    gateway.faults(trickle=1)
    with connect(gateway) as client:
        start = time.monotonic()
        client.sendall(raw(1))
        assert [client.recv(1) for _ in range(3)] == [b"H", b"T", b"T"]
        assert time.monotonic() - start >= 1.9
    eventually(lambda: gateway.summary().by_status == {"none": 1})
    assert gateway.summary().accepted == 1


def test_a_hang_lasts_until_the_client_leaves(gateway: SandboxGateway) -> None:
    gateway.faults(hang=1)
    with connect(gateway) as client:
        client.sendall(raw(1) + raw(2) + b"x" * 300_000)
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.recv(1)
        eventually(lambda: gateway.summary().in_flight == 1)
    eventually(lambda: gateway.summary().in_flight == 0)
    assert [(entry.outcome, entry.answered_at) for entry in gateway.ledger()] == [("hang", None)]


def test_an_oversize_answer_says_no_length_and_is_16_mib(gateway: SandboxGateway) -> None:
    gateway.faults(oversize=1)
    with connect(gateway) as client:
        client.sendall(raw(1))
        answer = everything_from(client)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"Content-Length" not in head
    assert len(body) == 16 * 2**20
    assert gateway.summary().by_status == {"200": 1}


def test_an_oversize_answer_waits_for_its_reader(gateway: SandboxGateway) -> None:
    gateway.faults(oversize=1)
    with connect(gateway) as client:
        client.sendall(raw(1))
        client.recv(1)
        assert gateway.summary().in_flight == 1
    eventually(lambda: gateway.summary().by_status == {"none": 1})


def test_an_outage_refuses_everybody_and_ends_by_itself(gateway: SandboxGateway) -> None:
    gateway.faults(hang=1)
    with connect(gateway) as waiting, connect(gateway) as idle:
        waiting.sendall(raw(1))
        eventually(lambda: gateway.summary().in_flight == 1)
        gateway.faults(down_for=3)
        assert refused(gateway.port)
        assert [waiting.recv(1), idle.recv(1)] == [b"", b""]
    gateway.wait_until_up()
    assert post(gateway, 2) == 200
    assert [(entry.id, entry.answered_at is None) for entry in gateway.ledger()] == [(1, True), (2, False)]


def test_another_token_is_the_right_one_until_the_faults_are_lifted(gateway: SandboxGateway) -> None:
    gateway.faults(token="rotated")
    assert post(gateway, 1) == 401
    assert ask(gateway, "POST", "/send/1", body_for(1), "Bearer rotated")[0].status == 200
    gateway.faults()
    assert post(gateway, 1) == 200


def test_only_the_named_phones_and_ids_get_faults(gateway: SandboxGateway) -> None:
    gateway.faults(statuses={"500": 1}, only_ids=[1], only_phones=[79990000000])
    assert [post(gateway, 1), post(gateway, 2), post(gateway, 3, phone=79990000000)] == [500, 200, 500]


def test_only_the_first_requests_get_faults(gateway: SandboxGateway) -> None:
    gateway.faults(statuses={"503": 1}, first=2)
    assert [post(gateway, 1) for _ in range(4)] == [503, 503, 200, 200]


def test_a_killed_gateway_is_gone() -> None:
    gateway = SandboxGateway.start(port=free_port())
    assert gateway.kill() == -9
    assert refused(gateway.port)
