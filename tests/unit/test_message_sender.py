"""The sender, with a gateway that answers when a test lets it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from shared.domain.results import Result
from shared.domain.statuses import OnUnknown
from tests.gateway_accounts import gonets_adapter
from tests.raw_server import Peer, RawServer, always, response
from tests.submit_results import submitted
from tests.waiting import PATIENCE, eventually
from worker.claimed_message import AttemptResult, Claim, ClaimedMessage
from worker.lanes.gateway_client import GatewayClient
from worker.lanes.http_sender import HttpSender
from worker.lanes.message_sender import MessageSender
from worker.lanes.send_permits import Permit

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
OK = submitted(Result.ACCEPTED, 200)

OpenSender = Callable[[int], MessageSender]


class SlowGateway:
    """Answers nothing until `let_go`; it is a real one, with a server of its own."""

    def __init__(self, server: RawServer, answers: threading.Semaphore) -> None:
        self._answers = answers
        self._server = server
        self.client = GatewayClient(
            server.url, gonets_adapter("token"), connect_timeout=30, timeout=PATIENCE, retry_after_cap=1
        )

    @property
    def asked(self) -> list[int]:
        """The messages that it has been asked to send."""
        return [int(request.line.split()[1].rpartition("/")[2]) for request in self._server.requests]

    def let_go(self, answers: int = 1000) -> None:
        self._answers.release(answers)


def delivery(
    message_id: int, *, text: str = "Hello", start_in: float = 0.0, start_within: float = 60.0, claimed_ago: float = 0.0
) -> ClaimedMessage:
    now = monotonic()
    return ClaimedMessage(
        message_id=message_id,
        number=1,
        mailing_id=1,
        client_id=message_id,
        phone_number=79000000000 + message_id,
        text=text,
        uncounted=0,
        in_doubt=False,
        on_unknown=OnUnknown.RESEND,
        worker="somebody",
        claim=Claim(1, NOON, now - claimed_ago),
        start_from=now + start_in,
        start_by=now + start_within,
    )


@pytest.fixture
def gateway() -> Iterator[SlowGateway]:
    answers = threading.Semaphore(0)

    def serve(peer: Peer) -> None:
        while peer.read_request():
            answers.acquire(timeout=PATIENCE)
            peer.send(response())

    with RawServer(serve) as server:
        yield SlowGateway(server, answers)


@pytest.fixture
def results_ready() -> threading.Event:
    return threading.Event()


@pytest.fixture
def open_sender(gateway: SlowGateway, results_ready: threading.Event) -> Iterator[OpenSender]:
    opened: list[MessageSender] = []

    def make(limit: int) -> MessageSender:
        opened.append(HttpSender(gateway.client, limit, results_ready))
        return opened[-1]

    yield make
    gateway.let_go()
    for sender in opened:
        sender.stop()
        collected(sender, attempted=sender.in_flight)


def collected(
    sender: MessageSender, attempted: int = 0, unstarted: int = 0
) -> tuple[list[AttemptResult], list[ClaimedMessage]]:
    """Collects until there have been so many of each."""
    done: tuple[list[AttemptResult], list[ClaimedMessage]] = ([], [])

    def enough() -> bool:
        some, others = sender.collect()
        done[0].extend(some)
        done[1].extend(others)
        return len(done[0]) >= attempted and len(done[1]) >= unstarted

    eventually(enough)
    return done


def test_a_delivery_becomes_an_attempt(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(1)
    gateway.let_go()
    one = delivery(7)
    sender.submit([one])

    [attempted], _ = collected(sender, attempted=1)

    assert gateway.asked == [7]
    assert attempted.message is one
    assert attempted.submitted == OK
    assert attempted.duration is not None
    assert attempted.duration >= 0


def test_an_attempt_is_dated_by_the_database_clock(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(1)
    gateway.let_go()
    begun = monotonic()
    sender.submit([delivery(1, claimed_ago=100.0)])

    [attempted], _ = collected(sender, attempted=1)

    assert NOON + 100 <= attempted.started_at <= NOON + 100 + monotonic() - begun


def test_no_more_are_at_the_gateway_than_the_limit_allows(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(3)
    sender.submit(delivery(n) for n in range(10))
    eventually(lambda: len(gateway.asked) == 3)

    gateway.let_go(2)
    collected(sender, attempted=2)

    eventually(lambda: len(gateway.asked) == 5)
    assert sender.in_flight == 8


def test_the_limit_may_change(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(1)
    sender.submit(delivery(n) for n in range(10))
    eventually(lambda: len(gateway.asked) == 1)
    sender.limit = 4
    gateway.let_go(1)
    collected(sender, attempted=1)
    eventually(lambda: len(gateway.asked) == 5)

    sender.limit = 2
    gateway.let_go(3)
    collected(sender, attempted=3)

    eventually(lambda: len(gateway.asked) == 6)
    gateway.let_go(1)
    collected(sender, attempted=1)
    eventually(lambda: len(gateway.asked) == 7)


def test_a_delivery_whose_time_is_to_come_waits_for_it(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(4)
    gateway.let_go()
    one = delivery(1, start_in=0.2)
    sender.submit([delivery(0), one])

    attempted, _ = collected(sender, attempted=2)

    assert attempted[1].started is not None
    assert one.start_from <= attempted[1].started


def test_a_message_that_raises_an_exception_affects_no_other(
    gateway: SlowGateway, open_sender: OpenSender, caplog: pytest.LogCaptureFixture
) -> None:
    sender = open_sender(4)
    gateway.let_go()
    sender.submit([delivery(1), replace(delivery(2), phone_number=None), delivery(3)])  # type: ignore[arg-type]

    attempted, _ = collected(sender, attempted=3)

    outcomes = {one.message.message_id: one.submitted.result for one in attempted}
    assert outcomes == {1: Result.ACCEPTED, 2: Result.AMBIGUOUS, 3: Result.ACCEPTED}
    assert "attempt.internal_error" in caplog.messages


def test_a_message_is_in_flight_until_it_is_collected(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(2)
    assert sender.in_flight == 0
    sender.submit([delivery(1), delivery(2)])
    assert sender.in_flight == 2
    assert sender.collect() == ([], [])

    gateway.let_go()
    collected(sender, attempted=2)

    assert sender.in_flight == 0


def test_first_come_first_served(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(1)
    gateway.let_go()
    sender.submit([delivery(3), delivery(1)])
    sender.submit([delivery(2)])

    attempted, _ = collected(sender, attempted=3)

    assert [one.message.message_id for one in attempted] == [3, 1, 2]


def test_what_is_too_late_to_start_comes_back_unattempted(
    gateway: SlowGateway, open_sender: OpenSender, results_ready: threading.Event
) -> None:
    sender = open_sender(1)
    late = delivery(1, start_within=0.0)
    sender.submit([late])

    attempted, unstarted = collected(sender, unstarted=1)

    assert (attempted, unstarted) == ([], [late])
    assert gateway.asked == []
    assert sender.in_flight == 0
    assert results_ready.wait(10)


@dataclass
class SlowToConnect:
    """A gateway whose TLS handshake takes until a test lets it go on."""

    server: RawServer
    may_connect: threading.Event
    sender: MessageSender


@pytest.fixture
def slow_to_connect(tmp_path: Path) -> Iterator[SlowToConnect]:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    may_connect = threading.Event()

    def connect(sock: socket.socket) -> socket.socket:
        may_connect.wait(30)
        return context.wrap_socket(sock, server_side=True)

    with RawServer(always(response()), connect) as server:
        client = GatewayClient(
            server.url,
            gonets_adapter(),
            connect_timeout=30.0,
            timeout=30.0,
            retry_after_cap=1.0,
            ca_file=str(certificate),
        )
        sender = HttpSender(client, 2, Event())
        yield SlowToConnect(server, may_connect, sender)
        may_connect.set()
        sender.stop()


def test_what_is_too_late_when_its_connection_stands_does_not_leave(slow_to_connect: SlowToConnect) -> None:
    late = delivery(1)
    slow_to_connect.sender.submit([late])
    eventually(lambda: slow_to_connect.server.connections == 1)
    late.start_by = 0.0

    slow_to_connect.may_connect.set()

    assert collected(slow_to_connect.sender, unstarted=1) == ([], [late])
    assert slow_to_connect.server.requests == []


def test_what_is_forbidden_while_its_connection_is_made_does_not_leave(slow_to_connect: SlowToConnect) -> None:
    one = replace(delivery(1), permit=Permit(monotonic() + 60))
    slow_to_connect.sender.submit([one])
    eventually(lambda: slow_to_connect.server.connections == 1)
    one.permit.until = 0.0

    slow_to_connect.may_connect.set()

    assert collected(slow_to_connect.sender, unstarted=1) == ([], [one])
    assert slow_to_connect.server.requests == []


def test_an_attempt_is_dated_by_when_its_request_left(slow_to_connect: SlowToConnect) -> None:
    one = delivery(1)
    slow_to_connect.sender.submit([one])
    eventually(lambda: slow_to_connect.server.connections == 1)
    connected_at = monotonic()
    slow_to_connect.may_connect.set()

    [attempted], _ = collected(slow_to_connect.sender, attempted=1)

    assert attempted.submitted == OK
    assert attempted.started is not None
    assert attempted.started >= connected_at
    assert attempted.started_at == one.claim.database_time(attempted.started)


def test_a_slot_is_for_the_beginning_and_not_for_the_connection(slow_to_connect: SlowToConnect) -> None:
    one = replace(delivery(1), begin_by=monotonic() + 60)
    slow_to_connect.sender.submit([one, replace(delivery(2), begin_by=monotonic())])
    eventually(lambda: slow_to_connect.server.connections == 1)
    one.begin_by = 0.0
    slow_to_connect.may_connect.set()

    attempted, unstarted = collected(slow_to_connect.sender, attempted=1, unstarted=1)

    assert [each.message.message_id for each in attempted] == [1]
    assert [each.message_id for each in unstarted] == [2]


def test_what_is_forbidden_is_removed_and_the_rest_goes_in_order(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(1)
    forbidden = Permit(monotonic() + 60)
    sender.submit([delivery(0), *(replace(delivery(n), permit=forbidden) for n in (1, 3)), delivery(2), delivery(4)])
    eventually(lambda: gateway.asked == [0])
    assert sender.remove_forbidden() == []

    forbidden.until = 0.0

    assert [one.message_id for one in sender.remove_forbidden()] == [1, 3]
    assert sender.in_flight == 3
    gateway.let_go()
    collected(sender, attempted=3)
    assert gateway.asked == [0, 2, 4]


def test_an_answer_is_results_ready(
    gateway: SlowGateway, open_sender: OpenSender, results_ready: threading.Event
) -> None:
    sender = open_sender(1)
    sender.submit([delivery(1)])
    eventually(lambda: len(gateway.asked) == 1)
    assert not results_ready.is_set()

    gateway.let_go()

    assert results_ready.wait(10)


def test_what_has_not_begun_can_be_removed(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(2)
    sender.submit(delivery(n) for n in range(5))
    eventually(lambda: len(gateway.asked) == 2)

    removed = sender.remove_queued()

    assert [one.message_id for one in removed] == [2, 3, 4]
    assert sender.in_flight == 2
    gateway.let_go()
    collected(sender, attempted=2)
    assert len(gateway.asked) == 2


def test_only_what_came_last_may_be_removed(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(1)
    sender.submit(delivery(n) for n in range(5))
    eventually(lambda: gateway.asked == [0])

    assert {one.message_id for one in sender.remove_queued(2)} == {3, 4}
    assert sender.in_flight == 3
    gateway.let_go()
    collected(sender, attempted=3)
    assert gateway.asked == [0, 1, 2]


def test_a_stop_finishes_what_is_in_flight_and_releases_the_rest_at_once(
    gateway: SlowGateway, open_sender: OpenSender
) -> None:
    sender = open_sender(2)
    sender.submit(delivery(n) for n in range(5))
    eventually(lambda: len(gateway.asked) == 2)

    unstarted = sender.stop()

    assert [one.message_id for one in unstarted] == [2, 3, 4]
    assert sender.in_flight == 2
    gateway.let_go()
    attempted, _ = collected(sender, attempted=2)
    assert {one.message.message_id for one in attempted} == {0, 1}
    assert sender.in_flight == 0


def test_after_a_stop_nothing_is_begun_and_the_thread_ends(gateway: SlowGateway, open_sender: OpenSender) -> None:
    others = set(threading.enumerate())
    sender = open_sender(3)
    sender.stop()
    assert sender.remove_queued() == []
    sender.submit([delivery(1)])

    eventually(lambda: not set(threading.enumerate()) - others)
    assert gateway.asked == []
    sender.remove_queued()
