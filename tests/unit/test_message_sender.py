"""The sender, with a gateway that answers when a test lets it."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest

from shared.domain.results import Result
from shared.domain.statuses import OnUnknown
from tests.certificates import make_certificate
from tests.gateway_accounts import gonets_adapter
from tests.raw_server import Peer, RawServer, always, closing, response
from tests.submit_results import submitted
from tests.waiting import PATIENCE, eventually
from worker.app import raise_open_file_limit
from worker.claimed_message import AttemptResult, Claim, ClaimedMessage
from worker.http import connector
from worker.http.connection import HttpConnection
from worker.http.connector import Connecting, Connector, Wait
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

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self._server._open)

    @property
    def url(self) -> str:
        return self._server.url

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
    certificate, key = make_certificate(tmp_path)
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


def test_a_ticket_of_tls_on_an_idle_connection_does_not_cost_it(
    slow_to_connect: SlowToConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.http.connection.IDLE_LIMIT", PATIENCE)
    monkeypatch.setattr("worker.lanes.http_sender.IDLE_LIMIT", PATIENCE)
    sender, server = slow_to_connect.sender, slow_to_connect.server
    late = delivery(1)
    sender.submit([late])
    eventually(lambda: server.connections == 1)
    late.start_by = 0.0
    slow_to_connect.may_connect.set()
    collected(sender, unstarted=1)
    eventually(lambda: server._open)  # it has sent its tickets
    sender.submit([delivery(2)])

    [attempted], _ = collected(sender, attempted=1)

    assert attempted.submitted == OK
    assert server.connections == 1


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


def client_of(url: str, connect_timeout: float, timeout: float = PATIENCE) -> GatewayClient:
    return GatewayClient(
        url, gonets_adapter("token"), connect_timeout=connect_timeout, timeout=timeout, retry_after_cap=1
    )


@contextlib.contextmanager
def opened(client: GatewayClient, limit: int) -> Iterator[HttpSender]:
    sender = HttpSender(client, limit, Event())
    yield sender
    sender.stop()


def test_a_message_starts_in_place_of_one_that_was_not_answered_in_time() -> None:
    with RawServer(Peer.wait_for_client_to_leave) as server, opened(client_of(server.url, 0.2, 0.2), 1) as sender:
        sender.submit([delivery(1), delivery(2), delivery(3)])

        attempted, _ = collected(sender, attempted=3)

    assert {one.submitted.result for one in attempted} == {Result.AMBIGUOUS}


@dataclass
class Resolutions:
    """Resolutions of the gateway's name, which end once a test lets them."""

    begun: int
    may_end: threading.Event


@pytest.fixture
def resolutions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolutions]:
    those = Resolutions(0, Event())

    def resolve(connector: Connector) -> None:
        those.begun += 1
        those.may_end.wait(PATIENCE)
        connector._found_at = math.inf

    monkeypatch.setattr(Connector, "resolve", resolve)
    monkeypatch.setattr(Connector, "is_resolved", property(lambda connector: connector._found_at == math.inf))
    yield those
    those.may_end.set()


def test_a_message_starts_in_place_of_one_that_was_not_connected_in_time(resolutions: Resolutions) -> None:
    with RawServer(always(response())) as server, opened(client_of(server.url, 0.2), 1) as sender:
        sender.submit([delivery(1), delivery(2), delivery(3)])

        attempted, _ = collected(sender, attempted=3)

    assert [one.submitted for one in attempted] == [submitted(Result.UNREACHABLE, words="timed out")] * 3
    assert resolutions.begun == 1


def test_all_messages_wait_for_one_resolution_of_the_name(
    gateway: SlowGateway, open_sender: OpenSender, resolutions: Resolutions
) -> None:
    sender = open_sender(100)
    gateway.let_go()
    sender.submit(delivery(n) for n in range(100))
    eventually(lambda: sender.waiting == 0)

    resolutions.may_end.set()

    attempted, _ = collected(sender, attempted=100)
    assert [one.submitted for one in attempted] == [OK] * 100
    assert resolutions.begun == 1


def test_without_a_thread_to_resolve_the_name_a_message_is_unreachable_and_the_sender_continues(
    gateway: SlowGateway, open_sender: OpenSender, resolutions: Resolutions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = open_sender(2)
    gateway.let_go()
    resolutions.may_end.set()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        sender.submit([delivery(1), delivery(2)])
        attempted, _ = collected(sender, attempted=2)
    sender.submit([delivery(3)])
    [attempted_then], _ = collected(sender, attempted=1)

    assert [one.submitted for one in attempted] == [submitted(Result.UNREACHABLE, words="can't start new thread")] * 2
    assert attempted_then.submitted == OK
    assert gateway.asked == [3]


def test_a_sender_that_is_stopped_while_it_connects_ends_when_that_does(resolutions: Resolutions) -> None:
    others = set(threading.enumerate())
    with RawServer(always(response())) as server, opened(client_of(server.url, 0.5), 2) as sender:
        sender.submit([delivery(1), delivery(2), delivery(3)])
        eventually(lambda: resolutions.begun == 1 and sender.waiting == 1)

        assert [one.message_id for one in sender.stop()] == [3]

        attempted, _ = collected(sender, attempted=2)
        eventually(lambda: {thread.name for thread in set(threading.enumerate()) - others}.isdisjoint({"sender"}))
    assert {one.submitted.result for one in attempted} == {Result.UNREACHABLE}


@pytest.mark.parametrize("refused", [select.POLLOUT, select.POLLIN], ids=["being made", "made"])
def test_a_connection_that_cannot_be_waited_for_is_unreachable_and_the_sender_continues(
    refused: int, gateway: SlowGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(found: Any, until: float) -> Connecting:
        """Not at once, as over a network."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as writable:
            yield Wait(writable.fileno(), select.POLLOUT, until)
        return (yield from connect_to(found, until))

    connect_to = connector._connect_to
    monkeypatch.setattr(connector, "_connect_to", connect)
    gateway.let_go()
    with opened(gateway.client, 2) as sender:
        register = sender._poller.register

        def register_others(fd: int, events: int) -> None:
            if events == refused:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            register(fd, events)

        sender._poller.register = register_others
        sender.submit([delivery(1)])
        [attempted], _ = collected(sender, attempted=1)
        sender._poller.register = register
        sender.submit([delivery(2)])
        [attempted_then], _ = collected(sender, attempted=1)

    assert attempted.submitted.result is Result.UNREACHABLE
    assert attempted_then.submitted == OK
    assert gateway.asked == [2]


@pytest.mark.parametrize("step", ["resolve", "connect"])
def test_an_error_of_our_own_while_connecting_leaves_no_doubt(
    step: str,
    gateway: SlowGateway,
    open_sender: OpenSender,
    resolutions: Resolutions,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: Connector) -> None:
        raise UnicodeError

    resolutions.may_end.set()
    sender = open_sender(1)
    with monkeypatch.context() as patch:
        patch.setattr(Connector, step, fail)
        sender.submit([delivery(1)])
        [attempted], _ = collected(sender, attempted=1)
    gateway.let_go()
    sender.submit([delivery(2)])
    [attempted_then], _ = collected(sender, attempted=1)

    assert attempted.submitted.result is Result.UNREACHABLE
    assert "attempt.internal_error" in caplog.messages
    assert attempted_then.submitted == OK


def test_an_idle_connection_is_closed_in_time(gateway: SlowGateway, open_sender: OpenSender) -> None:
    sender = open_sender(2)
    gateway.let_go()
    sender.submit([delivery(1), delivery(2)])
    collected(sender, attempted=2)

    eventually(lambda: gateway.open_connections == 0)

    sender.submit([delivery(3)])
    collected(sender, attempted=1)
    assert gateway.asked[-1] == 3


def test_an_idle_connection_that_the_gateway_has_closed_is_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.lanes.http_sender.IDLE_LIMIT", 10 * PATIENCE)
    may_close = Event()

    def serve(peer: Peer) -> None:
        peer.read_request()
        peer.send(response())
        may_close.wait(PATIENCE)

    with RawServer(serve) as server, opened(client_of(server.url, PATIENCE), 1) as sender:
        sender.submit([delivery(1)])
        collected(sender, attempted=1)
        assert len(sender._open) == 1

        may_close.set()

        eventually(lambda: not sender._open)


def test_a_connection_that_was_closed_right_after_a_response_costs_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Semaphore(0)

    def finish_late(self: HttpSender, connection: HttpConnection) -> None:
        finish(self, connection)
        assert closed.acquire(timeout=PATIENCE)

    finish = HttpSender._finish
    monkeypatch.setattr(HttpSender, "_finish", finish_late)
    with RawServer(closing(response(), closed)) as server, opened(client_of(server.url, PATIENCE), 1) as sender:
        sender.submit([delivery(message_id) for message_id in range(1, 21)])
        attempted, _ = collected(sender, attempted=20)

    assert {one.submitted.result for one in attempted} == {Result.ACCEPTED}


def test_any_number_of_connections_that_were_closed_is_noticed_at_once() -> None:
    raise_open_file_limit(1200)
    with RawServer(always(response())) as server, opened(client_of(server.url, PATIENCE), 1) as sender:
        sender.stop()
        eventually(lambda: sender._woken.fileno() < 0)
        sender._woken_fd = -1
        with contextlib.ExitStack() as stack:
            for _ in range(1100):
                own, other = socket.socketpair()
                other.close()
                own.setblocking(False)
                connection = HttpConnection(stack.enter_context(own))
                sender._poller.register(connection.fd, select.POLLIN)
                sender._open[connection.fd] = connection
                sender._used.append(connection)
            sender._wait(monotonic())

            assert not sender._open
            assert not sender._idle


def test_no_connection_is_made_beside_one_that_has_just_been_used() -> None:
    with RawServer(always(response())) as server, opened(client_of(server.url, PATIENCE), 4) as sender:
        sender.submit([delivery(message_id) for message_id in range(1, 301)])
        collected(sender, attempted=300)

    assert server.connections <= 4


def test_a_connection_is_waited_for_to_be_writable_only_until_its_request_has_left(gateway: SlowGateway) -> None:
    waited_for: list[int] = []
    with opened(gateway.client, 1) as sender:
        modify = sender._poller.modify

        def record_and_modify(fd: int, events: int) -> None:
            waited_for.append(events)
            modify(fd, events)

        sender._poller.modify = record_and_modify
        sender.submit([replace(delivery(1), text="x" * 30_000_000)])  # more than the system buffers
        eventually(lambda: len(gateway.asked) == 1)

        eventually(lambda: waited_for == [select.POLLIN | select.POLLOUT, select.POLLIN])

        gateway.let_go()
        collected(sender, attempted=1)
