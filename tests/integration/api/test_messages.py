"""The ledger, as it is read."""

from __future__ import annotations

from itertools import product

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.messages import by_status
from api.messages.keyset import KeysetPage
from api.messages.pages import message_page
from shared.domain.statuses import MessageStatus
from tests import factories
from tests.integration.api.calls import Caller
from tests.long_variations import few_of

slashes = pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with a slash"])


@pytest.fixture
def ledger(connection: Connection) -> None:
    """Four mailings to three clients: what is sent, failed, pending and sending; ids by mailing and client."""
    for status in ("sent", "failed", "pending", "pending"):
        mailing_id = factories.add_mailing(connection)
        factories.execute(
            connection,
            """
            INSERT INTO message (mailing_id, client_id, phone_number, status, sent_at, ended_at)
            SELECT %s, client_id, 79160000000 + client_id, status,
                CASE status WHEN 'sent' THEN now() END, CASE WHEN status NOT IN ('pending', 'sending') THEN now() END
            FROM generate_series(1, 3) AS client_id, (SELECT %s::message_status AS status) AS given
            ORDER BY client_id
            """,
            mailing_id,
            status,
        )
    factories.lease(connection, 10, 11, 12)


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ("?after=10", [11, 12]),
        ("?status=failed", [4, 5, 6]),
        ("?status=failed&after=5", [6]),
        ("?status=unknown", []),
        ("?status=pending&after=7", [8, 9]),
        ("?status=sending&after=10", [11, 12]),
        ("?status=sending&mailing_id=3", []),
        ("?mailing_id=4&status=sending", [10, 11, 12]),
        ("?mailing_id=4", [10, 11, 12]),
        ("?mailing_id=2", [4, 5, 6]),
        ("?mailing_id=2&after=4", [5, 6]),
        ("?mailing_id=2&status=failed", [4, 5, 6]),
        ("?mailing_id=2&status=sent", []),
        ("?mailing_id=9", []),
        ("?client_id=2", [2, 5, 8, 11]),
        ("?client_id=2&after=5", [8, 11]),
        ("?client_id=2&mailing_id=3", [8]),
        ("?client_id=2&status=sent", [2]),
        ("?phone_number=79160000003", [3, 6, 9, 12]),
        ("?phone_number=%2B79160000003", [3, 6, 9, 12]),
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
        "gateway": None,
        "status": "sent",
        "reason": None,
        "reason_code": None,
        "reason_params": None,
        "attempts_made": 0,
        "in_doubt": False,
        "text_revision": None,
        "delivery": "no_receipt",
        "delivery_at": None,
        "delivery_reason": None,
        "delivery_code": None,
        "delivery_conflicting": False,
        "parts": None,
        "parts_delivered": None,
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
            "segments": None,
            "price": None,
            "currency": None,
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
            "segments": None,
            "price": None,
            "currency": None,
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


QUEUED_IN_DISORDER = """
UPDATE message SET due_at = now() + interval '1 s' * (id %% 7) WHERE id %% 3 = 0;
UPDATE message SET due_at = now() + interval '1 h' * (id %% 50) WHERE id %% 5 = 0;
UPDATE message SET due_at = 'infinity' WHERE id %% 11 = 0;
UPDATE message SET status = 'sent', attempts = 1, sent_at = now(), ended_at = now() WHERE id BETWEEN 40 AND 300
"""
"""Batches that lie among others, name the same messages, and name messages that have ended."""


@pytest.mark.parametrize(
    ("limit", "latest_first"),
    few_of(product((1, 7, 100, 1000), (False, True)), (7, False), (7, True), (1000, False)),
)
def test_pages_of_pending_messages_are_full_and_in_order_however_they_are_queued(
    limit: int, latest_first: bool, app: Flask, connection: Connection
) -> None:
    for _ in range(2):
        factories.add_running_mailing(connection, 400)
    for statement in QUEUED_IN_DISORDER.split(";"):
        factories.execute(connection, statement)

    for wanted in ({}, {"mailing_id": 1}):
        check_pages(app, connection, KeysetPage(limit, latest_first=latest_first), MessageStatus.PENDING, wanted)


AFTER_MANY_FAILURES = """
UPDATE message SET status = 'failed', claim_id = NULL, ended_at = now() WHERE id <= 20 OR id > 55 OR id %% 3 = 0;
UPDATE message SET status = 'sent', claim_id = NULL, sent_at = now(), ended_at = now()
WHERE status = 'sending' AND id %% 3 = 1;
INSERT INTO attempt (message_id, number, started_at, gateway, result, worker)
SELECT id, number, now(), 'default', 'accepted', 'w' FROM message, generate_series(1, 2) AS number
WHERE status <> 'sending'
"""
"""Two mailings of 30 messages that a worker has claimed at once: those at both ends have failed."""


@pytest.mark.parametrize("latest_first", [False, True])
def test_pages_are_full_and_in_order_behind_many_messages_in_another_status(
    latest_first: bool, app: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_status, "MANY", -1000)  # so that what is sent is found by its attempts
    for _ in range(2):
        factories.add_running_mailing(connection, 30)
    factories.lease(connection, *range(1, 61))
    for statement in AFTER_MANY_FAILURES.split(";"):
        factories.execute(connection, statement)

    page = KeysetPage(3, latest_first=latest_first)
    for status in (MessageStatus.SENT, MessageStatus.SENDING, MessageStatus.FAILED):
        for wanted in ({}, {"mailing_id": 1}, {"mailing_id": 2}):
            check_pages(app, connection, page, status, wanted)


@pytest.mark.parametrize("latest_first", [False, True])
def test_the_pages_of_a_mailing_lead_from_one_partition_into_the_next(
    latest_first: bool, app: Flask, connection: Connection
) -> None:
    end = factories.value(connection, "SELECT end_message_id FROM ledger_partition ORDER BY number LIMIT 1")
    for _ in range(2):
        factories.add_mailing(connection)
    factories.execute(
        connection,
        """
        INSERT INTO message (id, mailing_id, client_id, phone_number) OVERRIDING SYSTEM VALUE
        SELECT %s + place, 1 + abs(place) %% 2, 7 + place, 79160000000 FROM generate_series(-6, 6) AS place
        """,
        end,
    )
    for mailing_id, places in ((1, [-6, -4, -2, 0, 2, 4, 6]), (2, [-5, -3, -1, 1, 3, 5])):
        page, found = KeysetPage(2, latest_first=latest_first), []
        with app.app_context():
            while ids := [message.id - end for message in message_page(page, {"mailing_id": mailing_id})]:
                found.append(ids)
                page = page.from_id(ids[-1] + end, 2)
        ordered = places[::-1] if latest_first else places
        assert found == [ordered[first : first + 2] for first in range(0, len(ordered), 2)]


def check_pages(
    app: Flask, connection: Connection, page: KeysetPage, status: MessageStatus, wanted: dict[str, int]
) -> None:
    """Follows the pages to the end: each is full, and together they have all messages in that status, in order."""
    in_status = "SELECT id, mailing_id FROM message WHERE status = %s ORDER BY id"
    expected = [
        id_
        for id_, mailing_id in factories.rows(connection, in_status, status)
        if wanted.get("mailing_id", mailing_id) == mailing_id
    ]
    found: list[int] = []
    with app.app_context():
        while ids := [message.id for message in message_page(page, {"status": status} | wanted)]:
            found += ids
            assert len(ids) == page.limit or len(found) == len(expected)
            page = page.from_id(ids[-1], page.limit)
    assert found == (expected[::-1] if page.latest_first else expected)


def test_a_message_and_its_attempts_name_their_gateway_and_price(api: Caller, connection: Connection) -> None:
    factories.add_running_mailing(connection, 2)
    factories.execute(connection, "UPDATE gateway SET segment_price = 0.05, currency = 'EUR'")
    factories.execute(
        connection, "UPDATE message SET gateway_id = 1, status = 'sent', sent_at = now(), ended_at = now() WHERE id = 1"
    )
    factories.execute(
        connection,
        """
        INSERT INTO attempt
            (message_id, number, started_at, gateway, result, worker, provider_message_id, segments, price)
        VALUES (1, 1, now(), 'default', 'accepted', 'w', 'SM1', 2, 0.1)
        """,
    )
    sent, waiting = api.get("/v1/message/").json
    assert (sent["gateway"], waiting["gateway"]) == ("default", None)
    (attempt,) = api.get("/v1/message/1/").json["attempts"]
    assert {name: attempt[name] for name in ("provider_message_id", "segments", "price", "currency")} == {
        "provider_message_id": "SM1",
        "segments": 2,
        "price": "0.1",
        "currency": "EUR",
    }
    header, first, second, *_ = api.get("/mailings/1/ledger.csv").text.splitlines()
    assert "gateway,last_provider_message_id,last_segments,last_price,currency," in header
    assert ",default,SM1,2,0.100000,EUR," in first
    assert ",,,,,," in second
