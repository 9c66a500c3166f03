"""A gateway that misbehaves, and a real worker that goes through it."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from email.utils import formatdate
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.acceptance.worker_process import attempts_by_result, disagreements
from tests.factories import (
    FIRST_PHONE,
    add_running_mailing,
    attempts_of,
    counted,
    mailing,
    message,
    message_counts,
    rows,
    value,
)
from tests.gateway_times import gateway_stalls
from tests.raw_server import Peer, RawServer, response
from tests.waiting import eventually
from worker.lanes.circuit_breaker import ACCOUNT_REFUSAL_THRESHOLD, PREFETCH_SECONDS
from worker.lanes.concurrency_limit import FAST_ROUND_SECONDS


def settled(connection: Connection, mailing_id: int) -> bool:
    return mailing(connection, mailing_id)["settled_at"] is not None


def sent(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM message WHERE status = 'sent'"))


def test_after_accept_and_reset_the_repeat_has_the_same_id_and_the_same_body(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(reset_after_accept=1.0, first=1)
    mailing_id = add_running_mailing(connection, text="Привет")
    fleet.start()

    eventually(lambda: settled(connection, mailing_id))

    assert message(connection, 1)["status"] == "sent"
    assert [one["result"] for one in attempts_of(connection, 1)] == ["ambiguous", "accepted"]
    first, second = gateway.ledger_of(1)
    assert first.body_hash == second.body_hash


def test_after_accept_and_reset_a_mailing_that_holds_repeats_nothing(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(reset_after_accept=1.0, first=1)
    mailing_id = add_running_mailing(connection, 3, on_unknown="hold")
    fleet.start()

    eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == {"sent": 2, "unknown": 1}
    assert (gateway.summary().accepted, gateway.summary().repeats) == (3, 0)


def test_a_token_that_is_refused_in_the_middle_costs_nothing_but_time_until_there_is_a_new_one(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(gateway.token)
    gateway.faults(latency=0.2)  # 40 a second: it is far from over when the token changes
    mailing_id = add_running_mailing(connection, 600)
    for _ in range(2):
        fleet.start(GATEWAY_TOKEN="", GATEWAY_TOKEN_FILE=str(file))
    eventually(lambda: sent(connection) >= 20)

    gateway.faults(token="a-new-one")
    for worker in fleet.workers:
        worker.wait_until_it_says("gateway.misconfigured")
    eventually(lambda: value(connection, "SELECT count(*) FROM message WHERE status = 'sending'") == 0)
    before = sent(connection)
    refused = gateway.summary().by_status["401"]
    # What each had claimed when the first refusal was read: its 4 requests in flight, as many more as it submits in
    # PREFETCH_SECONDS at the highest rate that it can measure, and one for each refusal but the last that it takes to
    # stop. Since then one message at a time, to find out: six in half a minute.
    claimed = 4 + int(4 / FAST_ROUND_SECONDS * PREFETCH_SECONDS) + ACCOUNT_REFUSAL_THRESHOLD - 1
    assert refused <= 2 * (claimed + 6)
    time.sleep(1.0)
    assert sent(connection) == before < 600

    file.write_text("a-new-one")
    eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 600}
    assert value(connection, "SELECT count(*) FROM message WHERE in_doubt OR attempts - uncounted_attempts <> 1") == 0
    assert gateway.summary().by_status["401"] == attempts_by_result(connection)["misconfigured"] <= refused + 20
    assert gateway.summary().repeats == 0


def test_after_an_outage_each_worker_begins_with_one_message_and_never_exceeds_its_limit(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(statuses={"503": 1.0}, latency=0.02)
    mailing_id = add_running_mailing(connection, 400)
    for _ in range(3):
        fleet.start(MAX_ATTEMPTS=20)
    for worker in fleet.workers:
        worker.wait_until_it_says("circuit_breaker.opened")
    eventually(lambda: gateway.summary().in_flight == 0)
    gateway.forget()
    time.sleep(2.0)
    # 24 would be in flight, again and again, if nobody held back.
    during = gateway.summary()
    assert during.max_in_flight <= 3
    assert during.requests <= 12

    gateway.faults(latency=0.02)
    gateway.forget()
    eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 400}
    assert gateway.summary().max_in_flight <= 3 * 4
    assert disagreements(connection, gateway) == []


RETRY_AFTERS = {
    "seconds": ("429 Too Many Requests", "1", "throttled", 1.0),
    "seconds, of a 503": ("503 Service Unavailable", "1", "throttled", 1.0),
    "a date": ("429 Too Many Requests", formatdate(time.time() + 3600, usegmt=True), "throttled", 1.5),
    "a date that has passed": ("503 Service Unavailable", formatdate(0, usegmt=True), "throttled", 0.0),
    "in the year 2099": ("503 Service Unavailable", "Thu, 01 Jan 2099 00:00:00 GMT", "throttled", 1.5),
    "in a million years": ("429 Too Many Requests", "31556952000000", "throttled", 1.5),
    "garbage": ("429 Too Many Requests", "soon", "throttled", 0.0),
    "garbage, of a 503": ("503 Service Unavailable", "-1", "ambiguous", 0.0),
}
"""What the gateway says first, what the attempt is, and for how many seconds no other follows. 1.5 is the cap."""


class EachOnItsOwn:
    """A gateway that says `slower` to each phone number once, each time in other words; and when it was asked."""

    def __init__(self) -> None:
        self.asked: dict[int, list[float]] = defaultdict(list)
        self._lock = threading.Lock()

    def serve(self, peer: Peer) -> None:
        while request := peer.read_request():
            number = json.loads(request.body)["phone"] - FIRST_PHONE - 1
            with self._lock:
                self.asked[number].append(time.monotonic())
                first = len(self.asked[number]) == 1
            status, after, _, _ = list(RETRY_AFTERS.values())[number]
            peer.send(response(status, b"", f"Retry-After: {after}") if first else response())


def test_the_gateway_is_asked_again_when_it_said_and_not_in_the_year_2099(connection: Connection, fleet: Fleet) -> None:
    mailing_id = add_running_mailing(connection, len(RETRY_AFTERS))
    gateway = EachOnItsOwn()
    with RawServer(gateway.serve) as server:
        fleet.start(GATEWAY_URL=server.url, RETRY_AFTER_MAX_SECONDS=1.5)
        eventually(lambda: settled(connection, mailing_id))

    results = dict(rows(connection, "SELECT message_id, result FROM attempt WHERE number = 1"))
    for number, (words, (_, _, result, seconds)) in enumerate(RETRY_AFTERS.items()):
        first, second = gateway.asked[number]
        assert (words, results[number + 1]) == (words, result)
        assert second - first >= seconds, words
    assert counted(connection, mailing_id) == {"sent": len(RETRY_AFTERS)}


@pytest.mark.parametrize(
    ("faults", "end"),
    [
        ({"statuses": {"429": 1.0}, "retry_after": "60"}, "expired"),
        ({"bodies": {"refused": 1.0}}, "expired"),
        ({"statuses": {"500": 1.0}}, "unknown"),
        ({"reset_after_accept": 1.0}, "unknown"),
    ],
    ids=["slower", "refused", "error", "reset"],
)
def test_a_retry_that_would_pass_the_end_is_not_made(
    faults: dict[str, object], end: str, connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(**faults)
    fleet.start(RETRY_BASE_SECONDS=3600, RETRY_MAX_SECONDS=3600)
    fleet.workers[0].wait_until_it_says('"worker.started"')
    with gateway_stalls(gateway) as stalls:
        mailing_id = add_running_mailing(connection, 3, ends_in=5.0)
        eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {end: 3}
    seen = gateway.ledger(everything=True)
    assert value(connection, "SELECT count(*) FROM attempt") == len(seen) >= 3
    closed = value(connection, "SELECT extract(epoch FROM end_datetime)::float8 FROM mailing")
    # Both clocks are this machine's; what lies between them is one connection on the loopback, and the gateway's turn.
    assert max(entry.started_at for entry in seen) < closed + 0.1 + max(stalls)
    assert value(connection, "SELECT extract(epoch FROM min(ended_at))::float8 FROM message") >= closed
