"""Figures about everything."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.statuses import MailingStatus, MessageStatus
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
    }


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
