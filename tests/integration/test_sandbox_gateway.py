"""The simulated gateway as a process: the contract, the ledger, the control interface, starting and leaving."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from tests.integration.gateway_requests import (
    PHONE,
    TOKEN,
    ask,
    body_for,
    connect,
    everything_from,
    post,
    raw,
    refused,
)
from tests.waiting import PATIENCE, eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxGateway]:
    with SandboxGateway.start(token=TOKEN) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: SandboxGateway) -> SandboxGateway:
    running.clear()
    return running


@pytest.mark.parametrize("msg_id", [1, 2**63 - 1, -(2**63)])
def test_a_message_is_accepted(gateway: SandboxGateway, msg_id: int) -> None:
    response, said = ask(gateway, "POST", f"/send/{msg_id}", body_for(msg_id))
    assert (response.status, json.loads(said)) == (200, {"code": 0, "message": "OK"})
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic " + TOKEN, TOKEN])
def test_a_wrong_token_is_unauthorized(gateway: SandboxGateway, token: str) -> None:
    response, _ = ask(gateway, "POST", "/send/1", body_for(1), token)
    assert response.status == 401
    [entry] = gateway.ledger(everything=True)
    assert (entry.outcome, entry.token_ok, entry.accepted_at) == ("unauthorized", False, None)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"[1]", "not an object"),
        (body_for(1, id="1"), "id must"),
        (body_for(1, id=True), "id must"),
        (body_for(1, id=2**63), "id must"),
        (body_for(2), "id is 2 in the body and 1 in the path"),
        (body_for(1, phone="79001234567"), "phone must"),
        (body_for(1, text=None), "text must"),
    ],
)
def test_a_malformed_body_is_refused_with_the_reason(gateway: SandboxGateway, body: bytes, why: str) -> None:
    response, said = ask(gateway, "POST", "/send/1", body)
    assert (response.status, json.loads(said)["code"]) == (400, 1)
    assert why in json.loads(said)["message"]
    assert gateway.ledger() == []


@pytest.mark.parametrize(
    "path", ["/", "/send", "/send/", "/send/x", "/send/1/", f"/send/{2**63}", "/send/" + "1" * 5000]
)
def test_other_paths_are_not_found(gateway: SandboxGateway, path: str) -> None:
    assert ask(gateway, "POST", path, body_for(1))[0].status == 404


def test_other_methods_are_told_the_right_one(gateway: SandboxGateway) -> None:
    response, _ = ask(gateway, "GET", "/send/1")
    assert (response.status, response.headers["Allow"]) == (405, "POST")


def test_pipelined_requests_are_answered_in_order(gateway: SandboxGateway) -> None:
    gateway.faults(bodies={"refused": 1}, only_ids=[2], latency=0.2)
    with connect(gateway) as client:
        client.sendall(raw(1) + raw(2) + raw(3) + raw(4)[:-5])
        client.sendall(raw(4)[-5:])
        answers = b""
        while answers.count(b'"code"') < 4:
            answers += client.recv(65536)
    assert [int(part[2:3]) for part in answers.split(b'"code"')[1:]] == [0, 7, 0, 0]
    assert [entry.id for entry in gateway.ledger(everything=True)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /send/1 HTTP/1.1\r\nContent-Length: 70000\r\n\r\n", b"413"),
        (b"POST /send/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST /send/1 HTTP/1.1\r\nX: ", b"431"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_what_cannot_be_read_is_answered_before_the_connection_closes(
    gateway: SandboxGateway, head: bytes, status: bytes
) -> None:
    with connect(gateway) as client:
        client.sendall(head + b"x" * 70_000)
        answer = everything_from(client)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer


def test_a_connection_closes_when_the_client_says_so(gateway: SandboxGateway) -> None:
    with connect(gateway) as client:
        client.sendall(raw(1).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        assert b"Connection: close" in everything_from(client)


def test_the_ledger_tells_every_accept_with_its_body_and_times(gateway: SandboxGateway) -> None:
    before = time.time()
    assert [post(gateway, msg_id) for msg_id in (5, 6, 5)] == [200, 200, 200]
    entries = gateway.ledger()
    assert [entry.id for entry in entries] == [5, 6, 5]
    assert [entry.body_hash for entry in entries] == [hashlib.sha256(body_for(i)).hexdigest() for i in (5, 6, 5)]
    first, *_, last = entries
    assert (first.phone, first.token_ok, first.outcome, first.status) == (PHONE, True, "accepted", 200)
    assert first.accepted_at is not None
    assert first.answered_at is not None
    assert before <= first.started_at <= first.accepted_at <= first.answered_at <= last.started_at
    assert gateway.ledger_of(5) == [first, last]
    assert gateway.ledger_of(404) == []


def test_the_ledger_is_read_page_by_page(gateway: SandboxGateway) -> None:
    for msg_id in range(1, 6):
        post(gateway, msg_id)
    first = gateway.ledger()[0].sequence
    assert [entry.id for entry in gateway.ledger(after=first + 1)] == [3, 4, 5]
    with closing(HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)) as connection:
        connection.request("GET", f"/_/ledger?after={first}&limit=2")
        assert [json.loads(line)["id"] for line in connection.getresponse()] == [2, 3]


def test_a_long_ledger_is_streamed_while_others_are_served(gateway: SandboxGateway) -> None:
    with connect(gateway) as client:
        for start in range(0, 20_000, 100):
            client.sendall(b"".join(raw(msg_id) for msg_id in range(start, start + 100)))
            answers = b""
            while answers.count(b"OK") < 200:
                answers += client.recv(65536)
    with closing(HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/_/ledger")
        response = connection.getresponse()
        assert post(gateway, 20_000) == 200
        assert [json.loads(line)["id"] for line in response] == list(range(20_000))


def test_the_summary_counts_repeats_answers_and_requests_in_flight(gateway: SandboxGateway) -> None:
    gateway.faults(latency=2.0)
    threads = [threading.Thread(target=post, args=(gateway, msg_id)) for msg_id in (1, 2, 2)]
    for thread in threads:
        thread.start()
    eventually(lambda: gateway.summary().in_flight == 3)
    for thread in threads:
        thread.join()
    ask(gateway, "POST", "/elsewhere")
    summary = gateway.summary()
    assert (summary.accepted, summary.distinct, summary.repeats) == (3, 2, 1)
    assert (summary.requests, summary.by_status) == (4, {"200": 3, "404": 1})
    assert (summary.in_flight, summary.max_in_flight) == (0, 3)
    assert sum(gateway.rate().values()) == 4
    assert max(gateway.rate().values()) == summary.max_per_second


def test_a_cleared_ledger_starts_over_and_its_sequence_goes_on(gateway: SandboxGateway) -> None:
    post(gateway, 1)
    [before] = gateway.ledger()
    gateway.forget()
    assert gateway.ledger(everything=True) == []
    assert gateway.summary().requests == 0
    post(gateway, 1)
    assert gateway.ledger()[0].sequence == before.sequence + 1


def test_a_request_that_was_in_flight_when_the_ledger_was_forgotten_is_still_counted_out(
    gateway: SandboxGateway,
) -> None:
    gateway.faults(latency=2.0)
    thread = threading.Thread(target=post, args=(gateway, 1))
    thread.start()
    eventually(lambda: gateway.summary().in_flight == 1)
    gateway.forget()
    thread.join()
    summary = gateway.summary()
    assert (summary.accepted, summary.requests, summary.in_flight, summary.by_status) == (0, 1, 0, {"200": 1})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("PUT", "/_/faults", b"{", 400, "faults: the body is not JSON"),
        ("PUT", "/_/faults", b'{"hang": 2}', 400, "hang: must be a probability from 0 to 1, not 2"),
        ("GET", "/_/ledger?after=x", b"", 400, "after: must be a whole number, not 'x'"),
        ("GET", "/_/ledger?limit=-1", b"", 400, "limit: must be a whole number, not '-1'"),
        ("GET", "/_/ledger/x", b"", 400, "id: must be a whole number, not 'x'"),
        ("POST", "/_/faults", b"{}", 405, "only GET, PUT is possible here"),
        ("DELETE", "/_/ledger/1", b"", 405, "only GET is possible here"),
        ("GET", "/_/else", b"", 404, "the paths are"),
    ],
)
def test_an_invalid_fault_request_is_refused_with_a_message_and_changes_nothing(
    gateway: SandboxGateway, method: str, path: str, body: bytes, status: int, words: str
) -> None:
    gateway.faults(latency=0.01, seed=3)
    response, said = ask(gateway, method, path, body)
    assert response.status == status
    assert json.loads(said)["message"].startswith(words)
    assert json.loads(ask(gateway, "GET", "/_/faults")[1]) == {"latency": 0.01, "seed": 3}


def test_the_client_passes_on_what_the_gateway_says_about_an_invalid_fault_request(gateway: SandboxGateway) -> None:
    with pytest.raises(ValueError, match=r"^hang: must be a probability from 0 to 1"):
        gateway.faults(hang=7)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_whoever_is_waiting(number: signal.Signals) -> None:
    process = _start("--port", "0")
    port = int(process.stdout.readline().rpartition(":")[2]) if process.stdout else 0
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(b"PUT /_/faults HTTP/1.1\r\nContent-Length: 11\r\n\r\n" + b'{"hang": 1}' + raw(1))
        assert client.recv(12) == b"HTTP/1.1 200"
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_taken_port_is_one_sentence_and_exit_2(gateway: SandboxGateway) -> None:
    process = _start("--port", str(gateway.port))
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert err == f"The gateway cannot listen on 127.0.0.1:{gateway.port}: Address already in use.\n"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"GATEWAY_TOKEN": ""}, "set the token with --token or GATEWAY_TOKEN"),
        ({"SANDBOX_GATEWAY_PORT": "70000"}, "must be a port from 0 to 65535, not '70000'"),
    ],
)
def test_a_bad_setting_is_said_and_exit_2(settings: dict[str, str], words: str) -> None:
    process = _start(**settings)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert words in err


def test_it_needs_only_the_standard_library_and_its_own_files(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sandbox" / "simulated_gateway", tmp_path / "sandbox" / "simulated_gateway")
    shutil.copy(ROOT / "sandbox" / "__init__.py", tmp_path / "sandbox")
    command = [sys.executable, "-S", "-m", "sandbox.simulated_gateway", "--help"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=30).returncode == 0


def test_a_gateway_ends_with_the_process_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        port = int(parent.stdout.readline())
        parent.kill()
    eventually(lambda: refused(port))


_PARENT = """
import time
from sandbox.simulated_gateway.client import SandboxGateway
print(SandboxGateway.start().port, flush=True)
time.sleep(60)
"""


def _start(*arguments: str, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.simulated_gateway", *arguments],
        cwd=ROOT,
        env={**os.environ, "GATEWAY_TOKEN": TOKEN, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
