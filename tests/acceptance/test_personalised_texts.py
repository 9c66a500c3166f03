"""Texts with fields of clients, sent by real processes."""

from __future__ import annotations

from hashlib import sha256

from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from shared.domain.reasons import ReasonCode
from tests.acceptance.worker_fleet import Fleet
from tests.chaos.facts import GatewayFact
from tests.chaos.gateways import body_of
from tests.factories import (
    FIRST_PHONE,
    add_running_mailing,
    execute,
    expire_leases,
    mailing,
    message_counts,
    rows,
)
from tests.waiting import eventually


def settled(connection: Connection, mailing_id: int) -> bool:
    return mailing(connection, mailing_id)["settled_at"] is not None


def test_two_workers_that_are_killed_send_each_personalised_text_as_it_was_fixed(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    mailing_id = add_running_mailing(
        connection, 80, text='Привет, {{ name | default: "друг" }}!', fields={"name": "text"}
    )
    rename(connection, "Анна")
    gateway.faults(latency=0.1, reset_after_accept=0.1, seed=1)
    workers = [fleet.start(WORKER_CONCURRENCY="8") for _ in range(2)]
    for number, worker in enumerate(workers):
        sent = (number + 1) * 15
        eventually(lambda sent=sent: gateway.summary().accepted >= sent)  # type: ignore[misc]
        worker.kill()
        rename(connection, f"{number} Zoë")
        expire_leases(connection)
        worker.start()

    eventually(lambda: settled(connection, mailing_id))

    fixed = dict(rows(connection, "SELECT id, text_values[1] FROM message"))
    requests = gateway.ledger()
    assert {request.id for request in requests} == fixed.keys()
    assert len(requests) > len(fixed)
    assert len({str(name).partition(" ")[0] for name in fixed.values()}) > 1
    for request in requests:
        text = f"Привет, {fixed[request.id] or 'друг'}!"
        body = body_of(GatewayFact(1, "default", "gonets"), request.id, FIRST_PHONE + request.id, text)
        assert request.body_hash == sha256(body.encode()).hexdigest()


def rename(connection: Connection, name: str) -> None:
    """Gives every client a name of its own, but for some."""
    execute(
        connection,
        "UPDATE client SET attributes = CASE WHEN id %% 9 = 0 THEN '{}' ELSE jsonb_build_object('name', %s || id) END",
        name,
    )


def test_messages_without_a_text_hold_up_no_others(
    connection: Connection, gateway: SandboxGateway, fleet: Fleet
) -> None:
    mailing_id = add_running_mailing(connection, 60, text="{{ name }}", fields={"name": "text"})
    execute(connection, """UPDATE client SET attributes = '{"name": "Anna"}' WHERE id > 40""")

    # After a claim that finds nothing, the worker waits for a minute.
    fleet.start(WORKER_CONCURRENCY="4", WORKER_POLL_SECONDS="60")

    eventually(lambda: message_counts(connection, mailing_id) == {"failed": 40, "sent": 20})
    assert rows(connection, "SELECT DISTINCT reason_code FROM message WHERE status = 'failed'") == [
        (ReasonCode.MISSING_VALUE,)
    ]
    assert (gateway.summary().requests, gateway.summary().accepted) == (20, 20)
