"""Suppressions and consents while workers launch and claim: none of what was refused before is taken later."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import FIRST_PHONE, add_clients, add_mailing, add_running_mailing, execute, message, rows, value
from tests.integration.api.calls import Caller
from tests.integration.worker.conftest import OpenQueue
from tests.waiting import PATIENCE, eventually, in_background, wait_for_lock_waiter
from worker.maintenance.duties import Maintenance
from worker.queue import Queue

PHONE = FIRST_PHONE + 1

ADD_CONSENT = """
INSERT INTO consent (phone_number, given_at, method, wording, source)
SELECT phone_number, now(), 'web form', 'Yes', 'api' FROM client
"""


def suppress(api: Caller) -> None:
    body = {"phone_number": PHONE, "scope": "marketing", "reason": "opted_out"}
    assert api.post("/v1/suppression/create/", json=body).status_code == 201


def withdraw(api: Caller) -> None:
    body = {"evidence": {"letter": "1"}}
    assert api.post("/v1/consent/1/withdraw/", json=body).status_code == 200


REFUSALS = pytest.mark.parametrize(
    ("refuse", "reason"), [(suppress, "suppressed"), (withdraw, "no_consent")], ids=["suppression", "withdrawal"]
)


def outcomes(connection: Connection) -> list[tuple[str, str | None]]:
    found = rows(connection, "SELECT status::text, reason_code FROM message ORDER BY client_id")
    return [(status, reason) for status, reason in found]


@REFUSALS
def test_a_launch_leaves_out_who_has_refused(
    refuse: Callable[[Caller], None], reason: str, api: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    add_clients(connection, 2)
    execute(connection, ADD_CONSENT)
    refuse(api)
    add_mailing(connection, requires_consent=True)

    maintenance.run()

    assert outcomes(connection) == [("cancelled", reason), ("pending", None)]
    assert value(connection, "SELECT audience FROM mailing") == 2


@REFUSALS
def test_a_refusal_during_a_launch_is_seen_by_the_claim(
    refuse: Callable[[Caller], None],
    reason: str,
    api: Caller,
    connection: Connection,
    connect: Connect,
    maintenance: Maintenance,
    queue: Queue,
) -> None:
    add_clients(connection, 2)
    execute(connection, ADD_CONSENT)
    add_mailing(connection, requires_consent=True)
    # The launch has read suppressions and consents, and waits for a client.
    editor = connect()
    editor.autocommit = False
    execute(editor, "SELECT FROM client WHERE id = 2 FOR UPDATE")
    launching = in_background(maintenance.run)
    wait_for_lock_waiter(connection)
    refuse(api)
    editor.rollback()
    launching.result(PATIENCE)

    assert [one.client_id for one in queue.claim(10)] == [2]
    assert outcomes(connection) == [("cancelled", reason), ("sending", None)]


@REFUSALS
def test_a_refusal_waits_for_a_claim_that_came_before_it(
    refuse: Callable[[Caller], None], reason: str, api: Caller, connection: Connection, connect: Connect, queue: Queue
) -> None:
    add_running_mailing(connection, 1, requires_consent=True)
    execute(connection, ADD_CONSENT)
    claimer = connect()
    claimer.autocommit = False
    execute(claimer, "SELECT FROM message WHERE id = 1 FOR UPDATE")

    refusing = in_background(lambda: refuse(api))
    wait_for_lock_waiter(connection)
    assert not refusing.done()
    claimer.rollback()
    refusing.result(PATIENCE)

    assert outcomes(connection) == [("cancelled", reason)]
    assert queue.claim(10) == []


@REFUSALS
def test_refusals_during_claims_leave_no_message_claimed_after_them(
    refuse: Callable[[Caller], None], reason: str, api: Caller, connection: Connection, open_queue: OpenQueue
) -> None:
    add_running_mailing(connection, 400, requires_consent=True)
    execute(connection, ADD_CONSENT)
    # All messages are to one number, so that the refusal comes in the middle of claims.
    execute(connection, "UPDATE message SET phone_number = %s", PHONE)
    queues = [open_queue(name) for name in ("one", "two")]
    refused = threading.Event()

    def claim(queue: Queue) -> int:
        """Claims until nothing is left; returns what was claimed by claims that began after the refusal."""
        late = 0
        while True:
            was_refused = refused.is_set()
            claimed = queue.claim(5)
            if was_refused:
                late += len(claimed)
            if not claimed and not queue.may_have_more:
                return late

    claiming = [in_background(lambda queue=queue: claim(queue)) for queue in queues]  # type: ignore[misc]
    eventually(lambda: value(connection, "SELECT count(*) FROM message WHERE status = 'sending'"))
    # Three of four refusals of this test come in the middle.
    refuse(api)
    refused.set()

    assert [one.result(PATIENCE) for one in claiming] == [0, 0]
    assert set(outcomes(connection)) <= {("sending", None), ("cancelled", reason)}
    assert value(connection, "SELECT count(*) FROM message WHERE status = 'pending'") == 0


def test_a_retried_message_of_a_suppressed_number_is_not_claimed(
    api: Caller, connection: Connection, queue: Queue
) -> None:
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now()")
    suppress(api)

    retried = api.post("/v1/mailing/1/retry/", json={"status": "failed"})

    assert retried.json["retried"] == 1, retried.text
    assert queue.claim(10) == []
    assert message(connection, 1)["reason_code"] == "suppressed"
