"""A gateway that answers otherwise than the contract says, to all messages or to single ones, and real workers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.acceptance.worker_process import attempts_by_result, disagreements
from tests.factories import FIRST_PHONE, add_running_mailing, counted, mailing, message_counts, rows, value
from tests.long_variations import few_of
from tests.raw_server import Peer, RawServer, response
from tests.waiting import PATIENCE, eventually
from worker.lanes.account_refusals import WINDOW_SECONDS

SECONDS_OF_FAULT = 8.0
"""Long enough for ten attempts at each message, by the settings of these tests."""

ALONE = {"WORKER_CONCURRENCY": "256"}


def settled(connection: Connection, mailing_id: int) -> bool:
    return mailing(connection, mailing_id)["settled_at"] is not None


def sent(connection: Connection) -> int:
    return int(value(connection, "SELECT count(*) FROM message WHERE status = 'sent'"))


def sent_since(connection: Connection, before: int) -> bool:
    """Whether 300 more have been sent."""
    return sent(connection) >= before + 300


STRIKES = [
    (status, health, workers)
    for status, health in (("402", "no_credit"), ("403", "misconfigured"), ("404", "misconfigured"))
    for workers in (1, 2)
]


def report(connection: Connection) -> list[tuple[str, str, str]]:
    """The state of the gateway, its code and the reason, by the workers' last reports."""
    question = """
        SELECT DISTINCT ON (worker) gateway_state, provider_code, reason_code
        FROM worker_report ORDER BY worker, at DESC
        """
    return [(state, code, reason) for state, code, reason in rows(connection, question)]


def wait_for(connection: Connection, seconds: float) -> None:
    """Waits on the server."""
    value(connection, "SELECT pg_sleep(%s)::text", seconds)


@pytest.mark.parametrize("kind", few_of(["text_code", "queued", "created", "text", "garbage", "empty"], "text_code"))
def test_successes_that_are_not_understood_stop_the_gateway_after_a_few(
    kind: str, connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(bodies={kind: 1.0})
    mailing_id = add_running_mailing(connection, 100)
    worker = fleet.start(**ALONE)
    worker.wait_until_it_says("gateway.not_understood")
    wait_for(connection, SECONDS_OF_FAULT)

    tried = gateway.summary()
    # The first one, and one after each pause of 1, 2, 4 and 8 seconds, or half as long.
    assert tried.requests <= 6
    assert tried.max_in_flight == 1
    assert counted(connection, mailing_id)["pending"] >= 99
    code = "201" if kind == "created" else "200"
    eventually(lambda: report(connection) == [("not_understood", code, "unexpected_body")])

    gateway.faults()
    eventually(lambda: settled(connection, mailing_id))
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 100}
    asked = attempts_by_result(connection)
    assert asked["accepted"] == 100
    assert value(connection, "SELECT sum(attempts - uncounted_attempts) FROM message") == 100 + asked["ambiguous"]
    assert disagreements(connection, gateway) == []


def test_successes_that_are_not_understood_in_the_middle_of_a_mailing_stop_it_with_what_is_in_flight(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.2)  # 80 a second: it is far from over when the fault comes
    mailing_id = add_running_mailing(connection, 2000)
    worker = fleet.start(WORKER_CONCURRENCY=16)
    eventually(lambda: sent(connection) >= 100)
    # The same latency: else answers from before the fault come between those after it, which are not in a row then.
    gateway.faults(bodies={"text": 1.0}, latency=0.2)
    worker.wait_until_it_says("gateway.not_understood")
    wait_for(connection, 2.0)

    # What was on its way, two that were sent before the third answer came, and the probes since.
    assert value(connection, "SELECT count(*) FROM attempt WHERE result = 'ambiguous'") <= 16 + 2 + 4

    gateway.faults()
    eventually(lambda: settled(connection, mailing_id))
    assert counted(connection, mailing_id) == {"sent": 2000}


def test_single_successes_that_are_not_understood_are_repeated_until_their_attempts_are_spent(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(bodies={"queued": 1.0}, only_phones=[FIRST_PHONE + n for n in range(10, 200, 40)])
    mailing_id = add_running_mailing(connection, 200)
    keep_busy = add_running_mailing(connection, 1)
    fleet.start(MAX_ATTEMPTS=2)

    eventually(lambda: settled(connection, mailing_id) and settled(connection, keep_busy))

    assert counted(connection, mailing_id) == {"sent": 195, "unknown": 5}


@pytest.mark.parametrize(("status", "health", "workers"), few_of(STRIKES, ("402", "no_credit", 1)))
def test_a_failure_of_all_messages_ends_none(
    status: str, health: str, workers: int, connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(statuses={status: 1.0})
    mailing_id = add_running_mailing(connection, 100)
    for _ in range(workers):
        fleet.start(**ALONE)
    wait_for(connection, SECONDS_OF_FAULT)

    assert gateway.summary().requests <= 6 * workers
    assert counted(connection, mailing_id).keys() <= {"pending", "sending"}
    eventually(lambda: counted(connection, mailing_id) == {"pending": 100})  # no probe is on its way
    reason = {"402": "no_credit", "403": "not_allowed", "404": "address_not_found"}[status]
    eventually(lambda: report(connection) == [(health, status, reason)] * workers)

    gateway.faults()
    eventually(lambda: settled(connection, mailing_id))
    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 100}
    assert value(connection, "SELECT count(*) FROM message WHERE in_doubt OR attempts - uncounted_attempts <> 1") == 0


PHONES = {
    "scattered": [FIRST_PHONE + n for n in range(20, 2001, 20)],
    "side by side": [FIRST_PHONE + n for n in range(1, 101)],
}
SINGLES = list(product(("402", "403", "404"), PHONES))


@pytest.mark.parametrize(("status", "where"), few_of(SINGLES, ("403", "scattered"), ("404", "side by side")))
def test_failures_of_single_messages_end_them_and_delay_no_other(
    status: str, where: str, connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    phones = PHONES[where]
    gateway.faults(statuses={status: 1.0}, only_phones=phones)
    mailing_id = add_running_mailing(connection, 2000)
    for _ in range(2):
        fleet.start(**ALONE)

    eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == {"sent": 1900, "failed": 100}
    assert {
        int(number) for (number,) in rows(connection, "SELECT phone_number FROM message WHERE status = 'failed'")
    } == {*phones}
    reasons = rows(
        connection, "SELECT DISTINCT reason_code, reason_params->>'words' FROM message WHERE status = 'failed'"
    )
    assert reasons == [("only_this_message_refused", f"code {status}: simulated")]
    assert value(connection, "SELECT avg(attempts) FROM message WHERE status = 'failed'") <= 3


@pytest.mark.parametrize("status", few_of(["401", "403"]))
def test_an_account_that_is_refused_in_the_middle_of_a_mailing_ends_no_message(
    status: str, connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(latency=0.2)  # 320 a second: it is far from over when the second fault comes
    mailing_id = add_running_mailing(connection, 3000)
    for _ in range(2):
        fleet.start(WORKER_CONCURRENCY=32)
    eventually(lambda: sent(connection) >= 300)
    for _ in range(2):
        gateway.faults(statuses={status: 1.0}, latency=(0.0, 0.4))
        for worker in fleet.workers:
            worker.wait_until_it_says("gateway.misconfigured")
        wait_for(connection, WINDOW_SECONDS + 2.0)
        assert counted(connection, mailing_id).keys() <= {"sent", "pending", "sending"}
        before = sent(connection)
        gateway.faults(latency=0.2)
        eventually(partial(sent_since, connection, before))
    gateway.faults()

    eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 3000}
    assert value(connection, "SELECT count(*) FROM message WHERE in_doubt OR attempts - uncounted_attempts <> 1") == 0


@pytest.mark.parametrize("which", ["first", "last"])
def test_one_message_that_is_refused_ends_although_nothing_is_sent_after_it(
    which: str, connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    # Probes are random: out of so many, two of them are hardly ever this one. With one request at a time, no acceptance
    # of an earlier request is recorded between two refusals.
    gateway.faults(statuses={"404": 1.0}, only_phones=[FIRST_PHONE + (1 if which == "first" else 200)])
    mailing_id = add_running_mailing(connection, 200)
    fleet.start(WORKER_CONCURRENCY=1)

    eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == {"sent": 199, "failed": 1}
    assert value(connection, "SELECT max(attempts) FROM message") <= 3


def test_a_message_that_is_refused_alone_stops_the_gateway_until_another_is_accepted(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(statuses={"404": 1.0}, only_phones=[FIRST_PHONE + 1])
    alone = add_running_mailing(connection, 1)
    worker = fleet.start(**ALONE)
    worker.wait_until_it_says("gateway.misconfigured")
    eventually(lambda: report(connection) == [("misconfigured", "404", "address_not_found")])
    assert counted(connection, alone).keys() <= {"pending", "sending"}

    others = add_running_mailing(connection, 50)

    eventually(lambda: settled(connection, alone) and settled(connection, others))
    assert (counted(connection, alone), counted(connection, others)) == ({"failed": 1}, {"sent": 50})


class Remembers:
    """A gateway that takes the first request of each id without an answer, and knows the id from then on."""

    def __init__(self, conflict: Callable[[], bytes]) -> None:
        self.asked: Counter[int] = Counter()
        self._conflict = conflict
        self._lock = threading.Lock()

    def serve(self, peer: Peer) -> None:
        while request := peer.read_request():
            with self._lock:
                self.asked[number := json.loads(request.body)["id"]] += 1
                first = self.asked[number] == 1
            if first:
                peer.reset()
                return
            peer.send(self._conflict())


def same_id() -> bytes:
    return response("409 Conflict", b'{"code":409,"message":"Message with the same ID already exists"}')


def test_the_same_id_is_an_acceptance_of_a_message_that_was_in_doubt(connection: Connection, fleet: Fleet) -> None:
    mailing_id = add_running_mailing(connection, 20)
    gateway = Remembers(same_id)
    with RawServer(gateway.serve) as server:
        fleet.start(GATEWAY_URL=server.url, **ALONE)
        # Each first request gets no answer, so the circuit breaker opens several times, for up to 30 seconds each.
        eventually(lambda: settled(connection, mailing_id), within=4 * PATIENCE)

    assert counted(connection, mailing_id) == {"sent": 20}
    assert set(gateway.asked.values()) == {2}
    assert attempts_by_result(connection) == {"ambiguous": 20, "duplicate": 20}
    said = "SELECT DISTINCT provider_code, reason_code, reason_params FROM attempt WHERE result = 'duplicate'"
    words = "code 409: Message with the same ID already exists"
    assert rows(connection, said) == [("409", "already_accepted", {"words": words})]


def test_the_same_id_is_a_refusal_of_a_message_that_was_not_in_doubt(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    gateway.faults(statuses={"409": 1.0}, only_phones=[FIRST_PHONE + 2])
    mailing_id = add_running_mailing(connection, 3)
    fleet.start()

    eventually(lambda: settled(connection, mailing_id))

    assert counted(connection, mailing_id) == {"sent": 2, "failed": 1}
