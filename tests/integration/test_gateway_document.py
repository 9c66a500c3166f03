"""docs/gateway.md says what workers send, what the simulated gateway answers, and what workers make of answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from email import message_from_string
from http.client import HTTPConnection

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from shared.domain.results import Result
from tests.database import ROOT
from tests.gateway_accounts import gonets_adapter
from tests.integration.test_gateway_client import SingleSender
from tests.raw_server import OK, Peer, RawServer, Request, response
from tests.submit_results import Answer
from tests.unit.test_attempt_decision import delivery
from worker.lanes.gateway_client import GatewayClient
from worker.settings import WorkerSettings

DOCUMENT = (ROOT / "docs" / "gateway.md").read_text()
REQUEST, ANSWER = re.findall(r"```http\n(.*?)```", DOCUMENT, re.DOTALL)
ROWS = re.findall(r"^\| ([^|]+) \| `(\w+)` \| [^|]+ \|$", DOCUMENT, re.MULTILINE)
TOKEN = "the-token-of-the-page"


def parsed(message: str) -> tuple[str, dict[str, str], bytes]:
    """First line, headers and body of a message in the document."""
    head, _, body = message.partition("\n\n")
    first, _, fields = head.partition("\n")
    headers = {name.lower(): value for name, value in message_from_string(fields).items()}
    return first, headers, body.strip().encode()


def open_gateway(url: str) -> SingleSender:
    client = GatewayClient(url, gonets_adapter(TOKEN), connect_timeout=5, timeout=5, retry_after_cap=900)
    return SingleSender(client, 1)


def read(status: int, headers: dict[str, str], body: bytes) -> Result:
    return gonets_adapter().read(Answer(status, headers, body), delivery()).result


def test_the_request_is_the_one_that_a_worker_makes() -> None:
    first, headers, body = parsed(REQUEST.replace("<token>", TOKEN))
    seen: list[Request] = []

    def answer(peer: Peer) -> None:
        while request := peer.read_request():
            seen.append(request)
            peer.send(response("200 OK", OK))

    with RawServer(answer) as server, closing(open_gateway(server.url)) as gateway:
        gateway.send(1234, 79161234567, "Заказ готов")

    (request,) = seen
    assert first == request.line
    assert body == request.body
    assert {name: value for name, value in request.headers.items() if name not in ("host", "content-length")} == headers


@pytest.fixture(scope="module")
def simulated() -> Iterator[SandboxGateway]:
    with SandboxGateway.start(token=TOKEN) as gateway:
        yield gateway


def test_the_simulated_gateway_takes_that_request_and_gives_that_answer(simulated: SandboxGateway) -> None:
    first, headers, body = parsed(REQUEST.replace("<token>", TOKEN))
    status_line, answered, said = parsed(ANSWER)
    with closing(HTTPConnection("127.0.0.1", simulated.port, timeout=10)) as connection:
        method, path, _ = first.split()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()

        assert f"HTTP/1.1 {answer.status} {answer.reason}" == status_line
        assert answer.headers["Content-Type"] == answered["content-type"]
        assert json.loads(answer.read()) == json.loads(said)


def test_a_worker_takes_that_answer_for_an_acceptance() -> None:
    _, headers, body = parsed(ANSWER)

    assert read(200, headers, body) is Result.ACCEPTED


def test_a_repeat_is_accepted_again_with_the_same_body(simulated: SandboxGateway) -> None:
    simulated.clear()
    with closing(open_gateway(simulated.url)) as gateway:
        results = [gateway.send(7, 79161234567, "Again").result for _ in range(2)]

    assert results == [Result.ACCEPTED] * 2
    assert simulated.summary().repeats == 1


def statuses() -> list[tuple[int, str, dict[str, str]]]:
    """Each status that the table names alone, with the result and the headers that the row is about."""
    found = []
    for answers, result in ROWS:
        if "in doubt" in answers:
            continue
        for part in re.split("[;,]", answers):
            headers = {"Retry-After": "5"} if "Retry-After" in part else {}
            found += [(int(status), result, headers) for status in re.findall(r"\b([345][0-9]{2})\b", part)]
    return found


@pytest.mark.parametrize(("status", "result", "headers"), statuses())
def test_a_status_means_what_the_table_says(status: int, result: str, headers: dict[str, str]) -> None:
    assert read(status, headers, b"") == result


@pytest.mark.parametrize(
    ("row", "body"),
    [
        ("2xx and `code` 0", b'{"code": 0}'),
        ("2xx and another integer as `code`", b'{"code": 5, "message": "no"}'),
        ("2xx with any other body", b"<html>"),
    ],
)
def test_a_success_means_what_the_table_says(row: str, body: bytes) -> None:
    assert read(200, {}, body) == dict(ROWS)[row]


def test_every_result_that_this_contract_has_is_in_the_table() -> None:
    assert {result for _, result in ROWS if result.islower()} == set(Result) - {Result.OPTED_OUT}


def test_the_timeouts_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEWAY_CONNECT_TIMEOUT", "GATEWAY_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GATEWAY_URL", "http://127.0.0.1:1")
    settings = WorkerSettings.from_environment()
    told = dict(re.findall(r"\| `(GATEWAY_\w+)` \| ([0-9]+) s \|", DOCUMENT))

    assert {name: float(seconds) for name, seconds in told.items()} == {
        "GATEWAY_CONNECT_TIMEOUT": settings.gateway_connect_timeout,
        "GATEWAY_TIMEOUT": settings.gateway_timeout,
    }
