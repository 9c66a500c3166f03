"""What became of messages after their gateway had accepted them, as the API shows it."""

from __future__ import annotations

import csv
import re

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.mailings import progress
from api.messages import by_status
from api.messages.keyset import KeysetPage
from api.messages.pages import message_page
from shared.domain.delivery import Delivery
from tests import factories
from tests.integration.api.calls import Caller

# Two mailings of ten messages each: by id modulo 10, one awaits its receipt, two are delivered, two are not, one has no
# receipt, two were sent before there were receipts, one has failed, and one waits.
FILL = """
UPDATE message SET status = 'failed', attempts = 1, ended_at = now() WHERE id %% 10 = 9;
UPDATE message
SET status = 'sent', attempts = 1, sent_at = now(), ended_at = now(), gateway_id = 1,
    delivery = (ARRAY['awaiting', 'delivered', 'delivered', 'undelivered', 'undelivered', 'no_receipt'])[id %% 10]
        ::delivery,
    delivery_reason = CASE WHEN id %% 10 IN (4, 5) THEN 'unknown_subscriber'::undelivered_reason END,
    delivery_code = CASE WHEN id %% 10 IN (2, 3, 4, 5) THEN 'code ' || id %% 10 END,
    delivery_at = CASE WHEN id %% 10 IN (2, 3, 4, 5) THEN '2026-06-02 12:00Z'::timestamptz END
WHERE id %% 10 BETWEEN 1 AND 8;
INSERT INTO attempt (message_id, number, started_at, gateway, result, worker)
SELECT id, 1, now(), 'default', CASE status WHEN 'sent' THEN 'accepted' ELSE 'refused' END::attempt_result, 'w'
FROM message WHERE attempts = 1
"""

COUNTS = {"awaiting": 1, "delivered": 2, "undelivered": 2, "no_receipt": 3}


@pytest.fixture
def ledger(connection: Connection) -> None:
    for _ in range(2):
        factories.add_running_mailing(connection, 10)
    for statement in FILL.split(";\n"):
        factories.execute(connection, statement)


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("?delivery=awaiting", [1, 11]),
        ("?delivery=delivered", [2, 3, 12, 13]),
        ("?delivery=undelivered", [4, 5, 14, 15]),
        ("?delivery=undelivered&after=4&limit=2", [5, 14]),
        ("?delivery=no_receipt", [6, 7, 8, 16, 17, 18]),
        ("?delivery=undelivered&mailing_id=2", [14, 15]),
        ("?delivery=no_receipt&mailing_id=2&status=sent", [16, 17, 18]),
        ("?delivery=undelivered&status=failed", []),
        ("?delivery=undelivered&client_id=5", [5]),
        ("?delivery=no_receipt&client_id=7", [7]),
        ("?delivery=delivered&client_id=5", []),
        ("?delivery=delivered&mailing_id=9", []),
    ],
)
def test_messages_are_found_by_their_delivery(api: Caller, query: str, ids: list[int]) -> None:
    assert [message["id"] for message in api.get(f"/v1/message/{query}").json] == ids


@pytest.mark.usefixtures("ledger")
def test_only_a_sent_message_has_a_delivery(api: Caller) -> None:
    found = {one["id"]: one for one in api.get("/v1/mailing/1/message/").json}
    assert {id_: one["delivery"] for id_, one in found.items()} == {
        1: "awaiting",
        **dict.fromkeys((2, 3), "delivered"),
        **dict.fromkeys((4, 5), "undelivered"),
        **dict.fromkeys((6, 7, 8), "no_receipt"),
        **dict.fromkeys((9, 10), None),
    }
    known = {name: value for name, value in found[4].items() if name.startswith("delivery_")}
    assert known == {
        "delivery_at": "2026-06-02T12:00:00.000Z",
        "delivery_reason": "unknown_subscriber",
        "delivery_code": "code 4",
        "delivery_conflicting": False,
    }


@pytest.mark.parametrize("latest_first", [False, True])
@pytest.mark.parametrize("many", [2000, -1000], ids=["all are read", "by their attempts"])
@pytest.mark.usefixtures("ledger")
def test_pages_of_a_delivery_are_full_and_in_order(
    many: int, latest_first: bool, app: Flask, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_status, "MANY", many)
    ids = "SELECT id FROM message WHERE status = 'sent' AND coalesce(delivery, 'no_receipt') = %s ORDER BY id"
    for delivery in Delivery:
        page, found = KeysetPage(3, latest_first=latest_first), list[int]()
        expected = [id_ for (id_,) in factories.rows(connection, ids, delivery)]
        with app.app_context():
            while listed := [one.id for one in message_page(page, {"delivery": delivery})]:
                found += listed
                assert len(listed) == page.limit or len(found) == len(expected)
                page = page.from_id(listed[-1], page.limit)
        assert found == (expected[::-1] if latest_first else expected)


@pytest.mark.usefixtures("ledger")
def test_sent_messages_are_the_sum_of_their_deliveries_in_every_answer(api: Caller, connection: Connection) -> None:
    def check(expected: dict[str, int]) -> None:
        mailings = [api.get("/v1/mailing/1/").json, *api.get("/v1/mailing/").json]
        statistics = api.get("/v1/statistics/").json
        for answer in (*mailings, statistics):
            assert sum(answer["delivery"].values()) == answer["messages"]["sent"]
        assert mailings[0]["delivery"] == expected
        of_both = [one["delivery"] for one in mailings[1:]]
        assert statistics["delivery"] == {name: sum(one[name] for one in of_both) for name in expected}

    check(COUNTS)
    factories.change_message(connection, 1, "delivery = 'delivered'")
    factories.change_message(connection, 4, "delivery = 'delivered', delivery_reason = NULL")
    check(COUNTS | {"awaiting": 0, "delivered": 4, "undelivered": 1})
    assert [one["id"] for one in api.get("/v1/message/?delivery=undelivered&mailing_id=1").json] == [5]
    factories.execute(connection, "UPDATE message_count_delta SET delivery = NULL WHERE status = 'sent'")
    check(dict.fromkeys(COUNTS, 0) | {"no_receipt": 8})


def test_a_message_is_read_with_its_receipts_in_the_order_in_which_they_came(
    api: Caller, connection: Connection
) -> None:
    factories.add_running_mailing(connection, 2)
    factories.change_message(connection, 1, "status = 'sent', sent_at = now(), ended_at = now()")
    factories.execute(
        connection,
        """
        INSERT INTO receipt (message_id, fingerprint, gateway_id, received_at, part, parts, state, reason, code, words,
            event_at, repeats)
        VALUES (1, gen_random_uuid(), 1, '2026-06-02 12:00:05Z', '2', 2, 'undelivered', 'blocked', '7', 'no', NULL, 0),
            (1, gen_random_uuid(), 1, '2026-06-02 12:00:01Z', '1', 2, 'delivered', NULL, NULL, NULL,
                '2026-06-02 11:59:59Z', 3),
            (2, gen_random_uuid(), 1, now(), NULL, NULL, 'accepted', NULL, NULL, NULL, NULL, 0)
        """,
    )
    nothing = {"provider_message_id": None, "gateway": "default", "reason": None, "code": None, "words": None}
    assert api.get("/v1/message/1/").json["receipts"] == [
        nothing
        | {"received_at": "2026-06-02T12:00:01.000Z", "state": "delivered", "event_at": "2026-06-02T11:59:59.000Z"}
        | {"part": "1", "repeats": 3},
        nothing
        | {"received_at": "2026-06-02T12:00:05.000Z", "state": "undelivered", "event_at": None, "part": "2"}
        | {"reason": "blocked", "code": "7", "words": "no", "repeats": 0},
    ]
    page = api.get("/ledger/1/").text
    assert page.index("receipt for part 1: delivered") < page.index("receipt for part 2: not delivered")
    assert "came 3 more times" in page
    assert "The operator, a filter or the phone blocks it" in page


@pytest.mark.usefixtures("ledger")
def test_the_file_of_a_mailing_s_ledger_has_the_delivery(api: Caller) -> None:
    lines = list(csv.DictReader(api.get("/mailings/1/ledger.csv").text.splitlines()))
    assert [line["delivery"] for line in lines] == [
        *("awaiting", "delivered", "delivered", "undelivered", "undelivered"),
        *("no_receipt", "no_receipt", "no_receipt", "", ""),
    ]
    assert (lines[3]["delivery_reason"], lines[3]["delivery_code"]) == ("unknown_subscriber", "code 4")


@pytest.mark.usefixtures("ledger")
def test_the_ledger_s_page_is_searched_by_delivery(api: Caller) -> None:
    page = api.get("/ledger/?delivery=undelivered&mailing=1").text
    assert [f'href="/ledger/{id_}/"' in page for id_ in (3, 4, 5, 14)] == [False, True, True, False]
    assert "status-delivery-undelivered" in page


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("message_id", "why"),
    [
        (1, "Accepted by the gateway; its receipt is awaited."),
        (2, "Delivered, as the gateway reports."),
        (4, "Not delivered, as the gateway reports. Reason: The number is not in service, or cannot receive text"),
        (6, "Accepted by the gateway; this does not confirm delivery to the phone."),
    ],
)
def test_the_page_of_a_message_says_what_became_of_it(api: Caller, message_id: int, why: str) -> None:
    assert why in api.get(f"/ledger/{message_id}/").text


def test_a_delivery_in_parts_says_how_many(api: Caller, connection: Connection) -> None:
    factories.add_running_mailing(connection, 1)
    factories.change_message(
        connection,
        1,
        "status = 'sent', sent_at = now(), ended_at = now(), delivery = 'awaiting', gateway_id = 1, parts = 3,"
        " parts_delivered = 2, delivery_conflicting = true",
    )
    (message,) = api.get("/v1/message/?status=sent").json
    assert (message["parts"], message["parts_delivered"], message["delivery_conflicting"]) == (3, 2, True)
    page = api.get("/ledger/1/").text
    assert "2 of 3 parts delivered." in page
    assert "Its receipts contradict each other." in page


@pytest.mark.usefixtures("ledger")
def test_the_page_of_a_mailing_shows_its_funnel(api: Caller) -> None:
    page = api.get("/mailings/1/?part=live").text
    funnel = page[page.index('id="delivery-title"') : page.index('id="text-title"')]
    figures = re.findall(r"<td>(?:<a [^>]*>)?([\d.,]+%?)", re.sub(r"\s+", " ", funnel))
    assert figures == ["10", "8", "80.0%", "2", "20.0%", "1", "10.0%", "2", "20.0%", "2", "3", "30.0%"]
    assert "The number is not in service, or cannot receive text messages" in funnel
    assert "The counts add up" in page
    assert "25.0% of them delivered" in api.get("/mailings/?part=live").text
    assert "receipt awaited" in api.get("/?part=live").text


def test_a_mailing_whose_gateway_reports_nothing_claims_no_share(api: Caller, connection: Connection) -> None:
    factories.add_running_mailing(connection, 1)
    factories.change_message(connection, 1, "status = 'sent', sent_at = now(), ended_at = now()")
    assert "of them delivered" not in api.get("/mailings/?part=live").text
    assert "no receipt" not in api.get("/?part=live").text


def test_of_many_undelivered_messages_the_reasons_of_the_first_ones_are_counted(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "MAX_SCANNED", 3)
    factories.add_running_mailing(connection, 5)
    factories.execute(
        connection,
        "UPDATE message SET status = 'sent', sent_at = now(), ended_at = now(), gateway_id = 1,"
        " delivery = 'undelivered', delivery_reason = 'expired'",
    )
    assert "at least 3" in api.get("/mailings/1/").text
