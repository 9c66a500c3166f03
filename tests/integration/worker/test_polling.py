"""Asking a provider for deliveries: over real HTTP, on a schedule, and with care for a provider in trouble."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.gateways import registry
from shared.gateways.allowed_addresses import allowed_networks
from tests import polling_adapter
from tests.factories import add_gateway, add_running_mailing, execute, rows, value
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import OpenDatabase, OpenQueue
from tests.raw_server import Peer, RawServer, response
from tests.receipts import deliveries, report_deliveries
from worker.claimed_message import MessageGateway
from worker.lanes.gateway_clients import GatewayClients
from worker.maintenance.receipt_applier import ReceiptApplier
from worker.polling.receipt_poller import ReceiptPoller
from worker.settings import WorkerSettings

Answer = Callable[[list[str]], bytes]
OpenPoller = Callable[..., ReceiptPoller]


class Asked(RawServer):
    """A provider that is asked, and answers as a test says."""

    def __init__(self) -> None:
        super().__init__(self._answer_all)
        self.answer: Answer = lambda ids: delivered(*ids)

    @property
    def ids(self) -> list[str]:
        """What it was asked for, one item a request."""
        return [request.line.split("ids=")[1].split(" ")[0] for request in self.requests]

    def _answer_all(self, peer: Peer) -> None:
        while request := peer.read_request():
            peer.send(self.answer(request.line.split("ids=")[1].split(" ")[0].split(",")))


def delivered(*ids: str) -> bytes:
    return response(body=json.dumps([{"id": one, "state": "delivered"} for one in ids]).encode())


@pytest.fixture
def provider() -> Iterator[Asked]:
    with Asked() as served:
        yield served


@pytest.fixture
def open_poller(
    open_database: OpenDatabase, clean_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenPoller]:
    """Opens the poller of a worker that may connect to this machine, unless said otherwise."""
    monkeypatch.setenv("GATEWAY_URL", "none")
    monkeypatch.setenv("DATABASE_URL", clean_database)
    settings = WorkerSettings.from_environment()
    opened: list[ReceiptPoller] = []
    provided = {**registry.PROVIDERS, "polling": polling_adapter.PROVIDER}
    monkeypatch.setattr(registry, "PROVIDERS", provided)

    def open_one(networks: str = "127.0.0.0/8", stop: threading.Event | None = None) -> ReceiptPoller:
        clients = GatewayClients(replace(settings, gateway_networks=allowed_networks(networks)))
        opened.append(ReceiptPoller(open_database(), clients, stop or threading.Event()))
        return opened[-1]

    yield open_one
    for poller in opened:
        poller.close()


@pytest.fixture
def poller(open_poller: OpenPoller) -> ReceiptPoller:
    return open_poller()


@pytest.fixture
def gateway(connection: Connection, provider: Asked) -> int:
    gateway_id = add_gateway(connection, "asked", provider="polling", address=provider.url)
    report_deliveries(connection, gateway_id, poll_receipts=True)
    return gateway_id


@pytest.fixture
def sent(open_queue: OpenQueue, connection: Connection, gateway: int) -> list[int]:
    """Three messages that await their receipts, with ids of the provider's, and the provider is to be asked."""
    add_running_mailing(connection, 3)
    execute(connection, "UPDATE message SET path_id = (SELECT max(id) FROM path)")
    execute(connection, "UPDATE queue_batch SET path_id = (SELECT max(id) FROM path)")
    queue = open_queue(gateway=MessageGateway("asked", receipts=True), gateway_id=gateway)
    queue.paths = [value(connection, "SELECT max(id) FROM path")]
    claimed = queue.claim(10)
    queue.record([answer(one, "accepted", provider_message_id=f"id-{one.message_id}") for one in claimed])
    make_due(connection)
    return [one.message_id for one in claimed]


def make_due(connection: Connection) -> None:
    execute(connection, "UPDATE receipt_wait SET poll_at = now() WHERE poll_at IS NOT NULL")


def schedule(connection: Connection) -> list[tuple[int, int | None]]:
    """How often each batch was asked for, and in how many minutes it is again."""
    return rows(connection, "SELECT polls, round(extract(epoch FROM poll_at - now()) / 60)::int FROM receipt_wait")


def test_what_the_provider_says_is_applied(
    sent: list[int], poller: ReceiptPoller, provider: Asked, open_database: OpenDatabase, connection: Connection
) -> None:
    provider.answer = lambda ids: delivered(*(one for one in ids if one != "id-2"))
    assert poller.run()
    ReceiptApplier(open_database()).run()

    assert provider.ids == ["id-1,id-2", "id-3"]
    assert deliveries(connection) == [("sent", "delivered"), ("sent", "awaiting"), ("sent", "delivered")]
    assert schedule(connection) == [(1, 2)]
    assert not poller.run()

    make_due(connection)
    poller.run()
    assert provider.ids[2:] == ["id-2"]  # only what is still awaited
    assert schedule(connection) == [(2, 4)]


def test_the_intervals_grow_to_an_hour_and_end_at_the_deadline(
    sent: list[int], poller: ReceiptPoller, provider: Asked, connection: Connection
) -> None:
    provider.answer = lambda _: response(body=b"[]")
    intervals = []
    for _ in range(8):
        poller.run()
        intervals.append(schedule(connection)[0][1])
        make_due(connection)
    assert intervals == [2, 4, 8, 16, 32, 60, 60, 60]

    execute(connection, "UPDATE receipt_wait SET since = now() - interval '71 hours 30 minutes'")
    poller.run()

    assert schedule(connection) == [(9, None)]


@pytest.mark.parametrize("change", ["poll_receipts = false", "receipts = false", "removed_at = now()"])
def test_a_gateway_that_is_no_longer_asked_is_forgotten(
    sent: list[int], poller: ReceiptPoller, provider: Asked, connection: Connection, change: str
) -> None:
    execute(connection, f"UPDATE gateway SET {change} WHERE name = 'asked'")  # noqa: S608

    assert poller.run()

    assert provider.ids == []
    assert schedule(connection) == [(1, None)]


def test_a_batch_without_awaited_messages_is_asked_for_no_more(
    sent: list[int], poller: ReceiptPoller, provider: Asked, connection: Connection
) -> None:
    execute(connection, "UPDATE message SET delivery = 'delivered'")

    assert poller.run()

    assert provider.ids == []
    assert schedule(connection) == [(1, None)]


@pytest.mark.parametrize(
    ("answer_with", "error", "code"),
    [
        (response("503 Busy", b"", "Retry-After: 120"), "refused", 503),
        (response("429 Slow down", b""), "refused", 429),
        (response("401 Who are you", b"the right one"), "refused", 401),
        (response("302 Found", b"", "Location: http://127.0.0.1:1/"), "refused", 302),
        (response(body=b"<html>the right one</html>"), "not_understood", 200),
        (response(body=b'[{"id": "id-1"}]'), "KeyError", None),
        (response(body=b'[{"state": "delivered", "id": ' + b" " * 1_100_000), "answer too large", 200),
        (b"", "the connection was closed without an answer", None),
    ],
    ids=["unavailable", "throttled", "unauthorized", "redirect", "not JSON", "bug", "too large", "no answer"],
)
def test_a_provider_in_trouble_is_left_alone_for_a_while(
    sent: list[int],
    poller: ReceiptPoller,
    provider: Asked,
    connection: Connection,
    caplog: pytest.LogCaptureFixture,
    answer_with: bytes,
    error: str,
    code: int | None,
) -> None:
    provider.answer = lambda _: answer_with
    if not answer_with:
        provider._serve = lambda peer: (peer.read_request(), None)[1]

    assert poller.run()

    make_due(connection)
    failed = [vars(record) for record in caplog.records if record.message == "receipts.poll_failed"]
    assert [(one["gateway"], one["error"], one["provider_code"]) for one in failed] == [("asked", error, code)]
    assert failed[0]["seconds"] == (120 if code == 503 else 60)
    assert not poller.run()
    assert len(provider.requests) == 1
    assert "the right one" not in caplog.text
    assert value(connection, "SELECT count(*) FROM receipt_queue") == 0


def test_a_message_that_the_provider_does_not_know_stops_nothing(
    sent: list[int], poller: ReceiptPoller, provider: Asked, connection: Connection
) -> None:
    provider.answer = lambda ids: response("404 Not Found", b"") if "id-1" in ids else delivered(*ids)

    assert poller.run()

    assert rows(connection, "SELECT provider_message_id FROM receipt_queue") == [("id-3",)]


def test_one_gateway_in_trouble_does_not_delay_another(
    sent: list[int], poller: ReceiptPoller, provider: Asked, connection: Connection
) -> None:
    execute(
        connection,
        "INSERT INTO gateway (name, provider, address, receipts, poll_receipts) "
        "VALUES ('down', 'polling', 'http://127.0.0.1:1', true, true)",
    )
    execute(
        connection,
        "WITH moved AS (UPDATE message SET gateway_id = (SELECT id FROM gateway WHERE name = 'down') WHERE id = %s) "
        "INSERT INTO receipt_wait (gateway_id, message_ids, poll_at) "
        "SELECT id, ARRAY[%s], now() - interval '1 hour' FROM gateway WHERE name = 'down'",
        sent[2],
        sent[2],
    )
    execute(
        connection,
        "INSERT INTO attempt (message_id, number, started_at, gateway, result, worker, provider_message_id) "
        "VALUES (%s, 2, now(), 'down', 'accepted', 'w', 'abc')",
        sent[2],
    )

    assert poller.run()
    assert provider.ids == []
    assert poller.run()

    assert provider.ids == ["id-1,id-2"]


def test_a_forbidden_address_is_not_asked(
    sent: list[int],
    open_poller: OpenPoller,
    provider: Asked,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert open_poller(networks="").run()

    assert provider.requests == []
    assert "address_forbidden" in [vars(record).get("error") for record in caplog.records]


def test_polls_take_slots_of_the_rate_limit(
    sent: list[int], poller: ReceiptPoller, provider: Asked, connection: Connection
) -> None:
    execute(connection, "UPDATE gateway SET rate = 1000, revision = revision + 1 WHERE name = 'asked'")
    before = value(connection, "SELECT now()")

    assert poller.run()

    assert len(provider.requests) == 2
    assert value(connection, "SELECT next_slot_at > %s FROM rate_limit WHERE gateway = 'asked'", before)


def test_nothing_is_asked_while_the_worker_stops(
    sent: list[int], open_poller: OpenPoller, provider: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    stop.set()

    open_poller(stop=stop).run()

    assert provider.requests == []
    assert not caplog.records


def test_a_provider_without_polls_is_not_asked(
    sent: list[int], poller: ReceiptPoller, provider: Asked, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    execute(connection, "UPDATE gateway SET provider = 'gonets' WHERE name = 'asked'")

    assert poller.run()

    assert provider.requests == []
    assert "ConfigurationError" in [vars(record).get("error") for record in caplog.records]
