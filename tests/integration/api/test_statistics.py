"""Figures about everything."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.delivery import Delivery
from shared.domain.statuses import MailingStatus, MessageStatus
from shared.sql.counts import COMPACT_COUNTS
from tests import factories
from tests.integration.api.calls import Caller
from tests.integration.api.worker_steps import launch


@pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with a slash"])
def test_every_status_is_there_when_there_is_nothing(api: Caller, slash: str) -> None:
    response = api.get(f"/v1/statistics{slash}")
    assert response.status_code == 200
    assert response.json == {
        "mailings": {status.value: 0 for status in MailingStatus},
        "messages": {status.value: 0 for status in MessageStatus},
        "delivery": {delivery.value: 0 for delivery in Delivery},
        "gateways": [
            {
                "gateway": "default",
                "state": "unasked",
                "paused": False,
                "available": True,
                "accepted_a_second": 0.0,
                "answered_at": None,
            }
        ],
    }


def test_the_state_of_each_gateway_is_told(api: Caller, connection: Connection) -> None:
    factories.add_gateway(connection, "second")
    factories.execute(connection, "UPDATE gateway_availability SET available = false WHERE gateway_id = 2")
    factories.add_report(connection, accepted=50)
    factories.add_report(connection, "worker-2", state="no_credit")
    factories.execute(connection, "UPDATE worker_report SET gateway = 'second' WHERE worker = 'worker-2'")
    factories.add_contact(connection, asked=1, answered=1)
    first, second = api.get("/v1/statistics/").json["gateways"]
    assert (first["state"], first["accepted_a_second"], first["answered_at"] is not None) == ("ok", 10.0, True)
    assert (second["gateway"], second["state"], second["available"]) == ("second", "no_credit", False)


def test_mailings_and_messages_are_counted_by_status(api: Caller, connection: Connection) -> None:
    for _ in range(3):
        factories.add_mailing(connection)
    factories.execute(connection, "UPDATE mailing SET status = 'running' WHERE id = 1")
    factories.execute(
        connection,
        "INSERT INTO message (mailing_id, client_id, phone_number) SELECT 1, n, n FROM generate_series(1, 4) n",
    )
    factories.execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE client_id = 1")
    counted = api.get("/v1/statistics/").json
    assert counted["mailings"] == {"scheduled": 2, "running": 1, "paused": 0, "finished": 0, "cancelled": 0}
    assert {status: count for status, count in counted["messages"].items() if count} == {"pending": 3, "failed": 1}


def test_messages_of_a_mailing_that_has_ended_are_counted_once(api: Caller, connection: Connection) -> None:
    mailing_id = factories.add_running_mailing(connection, 3)
    factories.change_message(connection, 1, "status = 'failed', ended_at = now()")
    factories.change_message(connection, 2, "status = 'sent', sent_at = now(), ended_at = now()")
    factories.change_message(connection, 3, "status = 'sent', sent_at = now(), ended_at = now()")
    factories.change_mailing(connection, mailing_id, "status = 'finished', ended_at = now(), settled_at = now()")
    before = api.get("/v1/statistics/").json
    assert (before["messages"]["sent"], before["messages"]["failed"]) == (2, 1)
    with connection.cursor() as cursor:
        cursor.execute(COMPACT_COUNTS, {"rows": 0})
    assert factories.value(connection, "SELECT count(*) FROM message_count_delta WHERE compacted") == 2
    assert api.get("/v1/statistics/").json == before


@pytest.mark.parametrize("status", MessageStatus)
def test_messages_are_counted_in_whichever_status_they_are(
    api: Caller, connection: Connection, status: MessageStatus
) -> None:
    factories.add_mailing(connection)
    launch(connection, 1, status)
    counted = api.get("/v1/statistics/").json["messages"]
    assert {status: count for status, count in counted.items() if count} == {status.value: 1}


@pytest.mark.parametrize("status", MailingStatus)
def test_mailings_are_counted_in_whichever_status_they_are(
    api: Caller, connection: Connection, status: MailingStatus
) -> None:
    mailing_id = factories.add_mailing(connection)
    ended_at = "now()" if status in (MailingStatus.FINISHED, MailingStatus.CANCELLED) else "NULL"
    factories.change_mailing(connection, mailing_id, f"status = '{status}', ended_at = {ended_at}")
    counted = api.get("/v1/statistics/").json["mailings"]
    assert {status: count for status, count in counted.items() if count} == {status.value: 1}


def test_a_removed_mailing_is_not_counted_and_its_messages_are(api: Caller, connection: Connection) -> None:
    factories.add_mailing(connection)
    factories.execute(connection, "UPDATE mailing SET deleted_at = now()")
    factories.execute(
        connection, "INSERT INTO message (mailing_id, client_id, phone_number) VALUES (1, 1, 79160000000)"
    )
    counted = api.get("/v1/statistics/").json
    assert sum(counted["mailings"].values()) == 0
    assert counted["messages"]["pending"] == 1
