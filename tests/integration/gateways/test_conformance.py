"""What every provider's adapter has in common over real sockets, through the worker's own client and sender.

What needs no network is in tests/unit/gateways/test_conformance.py.
"""

from __future__ import annotations

import contextlib
import logging
import queue
from collections.abc import Callable, Iterator

import pytest

from shared.domain.reasons import ReasonCode
from shared.domain.results import OF_THE_ACCOUNT, TAKEN, Result
from shared.gateways.base import SubmitResult
from shared.gateways.registry import PROVIDERS
from tests.integration.test_gateway_client import ENOUGH, SingleSender
from tests.ports import free_port
from tests.raw_server import Peer, RawServer, Request
from tests.submit_results import Answer
from tests.unit.gateways.adapter_cases import MESSAGE, TEXT, Message, answer_to, read, submission_of
from tests.unit.gateways.conformance import adapter_of, all_samples, has_result, samples_of
from worker.http.connection import BODY_LIMIT
from worker.lanes.gateway_client import GatewayClient

Act = Callable[[Peer], None]
"""What the server does once it has read a request."""


def http(answer: Answer) -> bytes:
    """An answer on the wire."""
    fields = {**answer.headers, "Content-Length": str(len(answer.body))}
    head = [f"HTTP/1.1 {answer.status} Whatever", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(head).encode("latin-1") + answer.body


def answering(answer: Answer) -> Act:
    return lambda peer: peer.send(http(answer))


class Exchange:
    """One provider's adapter in a real sender, and a server that does what a test says."""

    def __init__(self, provider: str, server: RawServer, acts: queue.SimpleQueue[Act], stack: contextlib.ExitStack):
        self.provider = provider
        self.server = server
        self._acts = acts
        self._stack = stack
        self._sender = self.sender(server.url)

    def sender(self, url: str, timeout: float = 10.0) -> SingleSender:
        """A sender to an address; `timeout` in seconds."""
        client = GatewayClient(
            url, adapter_of(self.provider), connect_timeout=10.0, timeout=timeout, retry_after_cap=900.0
        )
        sender = SingleSender(client, 1)
        self._stack.callback(sender.close)
        return sender

    def send(self, act: Act | None, message: Message = MESSAGE, sender: SingleSender | None = None) -> SubmitResult:
        """The result of a message to which the server does this; None if no request is to reach it."""
        if act:
            self._acts.put(act)
        sender = sender or self._sender
        sender.allow_probe()  # answers that are not understood would hold the next message back
        return sender.send(message.message_id, message.phone_number, message.text)

    def answer(self, sample: Answer, message: Message = MESSAGE) -> SubmitResult:
        """The result of a message that is answered like this."""
        return self.send(answering(answer_to(message, sample)), message)

    @property
    def last_request(self) -> Request:
        """The request that came last."""
        return self.server.requests[-1]

    @property
    def accepted(self) -> Answer:
        """An answer that accepts the message."""
        return samples_of(self.provider)["accepted"][0]


@pytest.fixture(scope="module", params=PROVIDERS)
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    acts: queue.SimpleQueue[Act] = queue.SimpleQueue()

    def serve(peer: Peer) -> None:
        while peer.read_request():
            acts.get_nowait()(peer)

    with RawServer(serve) as server, contextlib.ExitStack() as stack:
        yield Exchange(request.param, server, acts, stack)


def test_an_acceptance_arrives_with_the_provider_s_id(exchange: Exchange) -> None:
    for sample in samples_of(exchange.provider)["accepted"]:
        expected = read(adapter_of(exchange.provider), sample)

        assert exchange.answer(sample) == expected
        assert expected.result is Result.ACCEPTED


def test_every_answer_arrives_as_its_result(exchange: Exchange) -> None:
    for kind, sample in all_samples(exchange.provider):
        assert has_result(exchange.answer(sample), kind), (kind, sample)


def test_an_error_whose_body_is_lost_has_its_status(exchange: Exchange) -> None:
    for status, result in ((401, Result.MISCONFIGURED), (429, Result.THROTTLED), (500, Result.AMBIGUOUS)):
        cut = http(Answer(status, {}, b"x" * 100))[:-50]

        def cut_short(peer: Peer, cut: bytes = cut) -> None:
            peer.send(cut)
            peer.sock.close()

        assert exchange.send(cut_short).result is result


def test_the_request_arrives_as_the_adapter_made_it(exchange: Exchange) -> None:
    submission = submission_of(adapter_of(exchange.provider), MESSAGE)
    exchange.answer(exchange.accepted)
    request = exchange.last_request

    assert request.line == f"{submission.method} {submission.path} HTTP/1.1"
    assert request.body == submission.body
    for name, value in submission.headers.items():
        assert request.headers[name.lower()] == value
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"] == "gonets"
    assert "cookie" not in request.headers


def test_the_same_message_twice_is_the_same_request(exchange: Exchange) -> None:
    exchange.answer(exchange.accepted)
    first = exchange.last_request
    exchange.answer(exchange.accepted, Message(5, 79990001122, "Hello"))
    between = exchange.last_request
    exchange.answer(exchange.accepted)

    assert exchange.last_request == first != between


def test_the_largest_id_and_number_are_accepted(exchange: Exchange) -> None:
    message = Message(2**63 - 1, 999_999_999_999_999)

    assert exchange.answer(exchange.accepted, message).result is Result.ACCEPTED


@pytest.mark.parametrize(
    "text",
    ["a\x00\x01\x7fb", "a\r\nHost: elsewhere\r\n\r\nGET / HTTP/1.1\r\n\r\n", "п" * 71],
    ids=["control characters", "a request", "two segments"],
)
def test_a_text_is_one_request_whatever_is_in_it(exchange: Exchange, text: str) -> None:
    message = MESSAGE._replace(text=text)
    before = len(exchange.server.requests)

    assert exchange.answer(exchange.accepted, message).result is Result.ACCEPTED
    assert len(exchange.server.requests) == before + 1


def test_what_cannot_be_submitted_is_not_sent(exchange: Exchange) -> None:
    before = len(exchange.server.requests)
    limit = adapter_of(exchange.provider).capabilities.max_text
    for text in ("half a smile: \ud83d", *(["a" * (limit + 1)] if limit else [])):
        refused = exchange.send(None, MESSAGE._replace(text=text))
        assert refused.result is Result.REFUSED
        assert not refused.answered

    assert len(exchange.server.requests) == before


def test_a_redirect_is_not_followed(exchange: Exchange) -> None:
    before = len(exchange.server.requests)
    for status in (301, 302, 307, 308):
        result = exchange.send(answering(Answer(status, {"Location": f"{exchange.server.url}/elsewhere"})))
        assert result.result is Result.MISCONFIGURED

    assert len(exchange.server.requests) == before + 4


def test_a_time_to_wait_is_bounded(exchange: Exchange) -> None:
    assert exchange.send(answering(Answer(429, {"Retry-After": "37"}))).retry_after == 37.0
    assert exchange.send(answering(Answer(429, {"Retry-After": "9" * 30}))).retry_after == 900.0


def test_a_closed_port_is_unreachable(exchange: Exchange) -> None:
    result = exchange.send(None, sender=exchange.sender(f"http://127.0.0.1:{free_port()}"))

    assert (result.result, result.answered) == (Result.UNREACHABLE, False)


def test_a_reset_before_the_request_left_is_unreachable(exchange: Exchange) -> None:
    def reset(peer: Peer) -> None:
        peer.sock.recv(1)  # of the TLS handshake
        peer.reset()

    with RawServer(reset) as server:
        result = exchange.send(None, sender=exchange.sender(server.url.replace("http:", "https:")))

    assert (result.result, result.answered) == (Result.UNREACHABLE, False)


def test_a_reset_after_the_request_left_leaves_it_open(exchange: Exchange) -> None:
    result = exchange.send(lambda peer: peer.reset())

    assert (result.result, result.answered) == (Result.AMBIGUOUS, False)
    assert result.reason
    assert result.reason.code is ReasonCode.CONNECTION_FAILED


def test_a_connection_that_is_closed_without_an_answer_leaves_it_open(exchange: Exchange) -> None:
    result = exchange.send(lambda peer: peer.sock.close())

    assert (result.result, result.answered) == (Result.AMBIGUOUS, False)


def test_half_an_acceptance_leaves_it_open(exchange: Exchange) -> None:
    whole = http(answer_to(MESSAGE, exchange.accepted))
    head = whole.index(b"\r\n\r\n") + 4
    for length in {5, head - 4, head, len(whole) - 1} - {len(whole)}:

        def cut_short(peer: Peer, part: bytes = whole[:length]) -> None:
            peer.send(part)
            peer.sock.close()

        assert exchange.send(cut_short).result is Result.AMBIGUOUS, length


def test_no_answer_in_time_leaves_it_open(exchange: Exchange) -> None:
    result = exchange.send(
        lambda peer: peer.wait_for_client_to_leave(), sender=exchange.sender(exchange.server.url, timeout=ENOUGH)
    )

    assert (result.result, result.answered) == (Result.AMBIGUOUS, False)


def test_an_answer_that_is_too_large_leaves_it_open(exchange: Exchange) -> None:
    too_large = exchange.accepted._replace(body=b" " * (BODY_LIMIT + 1))

    assert exchange.answer(too_large).result is Result.AMBIGUOUS


def test_what_is_no_http_leaves_it_open(exchange: Exchange) -> None:
    def speak_otherwise(peer: Peer) -> None:
        peer.send(b"220 mail.example ESMTP\r\n")
        peer.sock.close()

    assert exchange.send(speak_otherwise).result is Result.AMBIGUOUS


def test_nothing_of_a_request_that_an_answer_quotes_is_logged(
    exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = submission_of(adapter_of(exchange.provider), MESSAGE).secrets

    def quote(peer: Peer) -> None:
        request = exchange.last_request
        body = b"\n".join(
            (request.line.encode(), *(f"{name}: {value}".encode() for name, value in request.headers.items()))
        )
        peer.send(http(Answer(400, {}, body + b"\n" + request.body + TEXT.encode())))

    result = exchange.send(quote)

    shown = f"{result!r} {result.log_fields()} {caplog.text}"
    assert result.result not in TAKEN
    assert [secret for secret in secrets if secret in shown] == []


def test_the_next_message_is_accepted_after_all_of_it(exchange: Exchange) -> None:
    assert exchange.answer(exchange.accepted).result is Result.ACCEPTED
    assert exchange.send(answering(Answer(401))).result in OF_THE_ACCOUNT
    assert exchange.answer(exchange.accepted).result is Result.ACCEPTED
