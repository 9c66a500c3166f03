"""The ledger, as it is read."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import Caller

slashes = pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with a slash"])


@pytest.fixture
def ledger(connection: Connection) -> None:
    """Three mailings to three clients: what is sent, failed, and pending, by mailing; ids by mailing and client."""
    for status in ("sent", "failed", "pending"):
        mailing_id = factories.add_mailing(connection)
        factories.execute(
            connection,
            """
            INSERT INTO message (mailing_id, client_id, phone_number, status, sent_at, ended_at)
            SELECT %s, client_id, 79160000000 + client_id, status, CASE status WHEN 'sent' THEN now() END,
                CASE WHEN status <> 'pending' THEN now() END
            FROM generate_series(1, 3) AS client_id, (SELECT %s::message_status AS status) AS given
            ORDER BY client_id
            """,
            mailing_id,
            status,
        )


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("?after=7", [8, 9]),
        ("?status=failed", [4, 5, 6]),
        ("?status=failed&after=5", [6]),
        ("?status=unknown", []),
        ("?mailing_id=2", [4, 5, 6]),
        ("?mailing_id=2&after=4", [5, 6]),
        ("?mailing_id=2&status=failed", [4, 5, 6]),
        ("?mailing_id=2&status=sent", []),
        ("?mailing_id=9", []),
        ("?client_id=2", [2, 5, 8]),
        ("?client_id=2&after=2", [5, 8]),
        ("?client_id=2&mailing_id=3", [8]),
        ("?client_id=2&status=sent", [2]),
        ("?phone_number=79160000003", [3, 6, 9]),
        ("?phone_number=%2B79160000003", [3, 6, 9]),
        ("?phone_number=79160000003&client_id=3&mailing_id=1&status=sent", [3]),
        ("?phone_number=79160000003&client_id=1", []),
    ],
)
def test_messages_are_found_by_what_they_are(api: Caller, query: str, ids: list[int]) -> None:
    assert [message["id"] for message in api.get(f"/v1/message/{query}").json] == ids


@slashes
@pytest.mark.usefixtures("ledger")
def test_messages_are_listed(api: Caller, slash: str) -> None:
    listed = api.get(f"/v1/message{slash}?limit=1")
    assert listed.status_code == 200
    (message,) = listed.json
    assert message == {
        "id": 1,
        "mailing_id": 1,
        "client_id": 1,
        "phone_number": 79160000001,
        "status": "sent",
        "reason": None,
        "reason_code": None,
        "reason_params": None,
        "attempts_made": 0,
        "in_doubt": False,
        "text_revision": None,
        **{moment: message[moment] for moment in ("due_at", "sent_at", "ended_at", "created_at")},
    }


@pytest.mark.usefixtures("ledger")
def test_a_message_that_is_to_be_sent_alone_is_due_at_no_time(api: Caller, connection: Connection) -> None:
    factories.execute(connection, "UPDATE message SET due_at = 'infinity' WHERE id = 1")

    assert api.get("/v1/message/1/").json["due_at"] is None


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(("query", "ids"), [("", [4, 5, 6]), ("?status=failed&limit=2", [4, 5]), ("?after=5", [6])])
def test_the_messages_of_one_mailing_are_listed(api: Caller, query: str, ids: list[int]) -> None:
    assert [message["id"] for message in api.get(f"/v1/mailing/2/message/{query}").json] == ids


@slashes
@pytest.mark.usefixtures("ledger")
def test_a_message_is_read_with_its_attempts(api: Caller, connection: Connection, slash: str) -> None:
    factories.execute(
        connection,
        """
        INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, provider_code, reason_code,
            reason_params, provider_message_id, worker)
        VALUES
            (5, 2, '2026-01-15 12:00:02Z', 0.25, 'default', 'refused', '422', 'provider_said',
                '{"words": "no such phone"}', 'm-1', 'w2'),
            (5, 1, '2026-01-15 12:00:00Z', NULL, 'default', 'ambiguous', NULL, NULL, NULL, NULL, 'w1'),
            (6, 1, '2026-01-15 12:00:00Z', 0.1, 'default', 'accepted', '200', NULL, NULL, NULL, 'w1')
        """,
    )
    response = api.get(f"/v1/message/5{slash}")
    assert response.status_code == 200
    assert response.json["id"] == 5
    assert response.json["attempts"] == [
        {
            "number": 1,
            "started_at": "2026-01-15T12:00:00.000Z",
            "duration": None,
            "gateway": "default",
            "result": "ambiguous",
            "provider_code": None,
            "provider_message_id": None,
            "reason": None,
            "reason_code": None,
            "reason_params": None,
            "worker": "w1",
        },
        {
            "number": 2,
            "started_at": "2026-01-15T12:00:02.000Z",
            "duration": 0.25,
            "gateway": "default",
            "result": "refused",
            "provider_code": "422",
            "provider_message_id": "m-1",
            "reason": "The gateway said: no such phone",
            "reason_code": "provider_said",
            "reason_params": {"words": "no such phone"},
            "worker": "w2",
        },
    ]


def test_a_message_that_there_is_not_is_not_found(api: Caller) -> None:
    response = api.get("/v1/message/1/")
    assert response.status_code == 404
    assert response.json["message"] == "There is no message 1."


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
@pytest.mark.parametrize("path", ["/v1/message/", "/v1/message/1/", "/v1/mailing/1/message/"])
def test_nobody_writes_the_ledger(api: Caller, method: str, path: str) -> None:
    response = getattr(api, method)(path, json={})
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
