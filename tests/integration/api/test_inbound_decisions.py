"""What people decide about inbound messages, and how keywords are shown."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.gateways.base import InboundPart
from tests.factories import add_clients, add_running_mailing, execute, rows, value
from tests.inbound import WRITER, forward
from tests.integration.api.calls import Caller, wrong_fields
from tests.integration.api.html_forms import fields_of
from worker.maintenance.duties import Maintenance

INBOUND = "/v1/inbound-message/"
DECIDED = ("keyword", "keyword_action", "keyword_is_exact", "decision", "decided_by")


def write(connection: Connection, maintenance: Maintenance, *texts: str) -> None:
    for text in texts:
        forward(connection, InboundPart(sender=str(WRITER), recipient="1001", text=text))
    maintenance.run()


def decide(api: Caller, message_id: int, decision: str) -> Any:
    return api.post(f"{INBOUND}{message_id}/decide/", json={"decision": decision})


def in_force(connection: Connection) -> list[tuple[Any, ...]]:
    return rows(connection, "SELECT scope, reason, source, recorded_by FROM suppression WHERE lifted_at IS NULL")


REFUSAL = ("everything", "opted_out", "keyword", "API_KEY")


def test_a_near_miss_waits_for_a_person_who_decides(
    api: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    add_running_mailing(connection, 1)
    write(connection, maintenance, "Stop. Thank you", "STOP it?", "Can you help?", "Yes")
    assert [found["id"] for found in api.get(f"{INBOUND}?undecided=true").json] == [2, 1], "help needs no decision"
    assert [found["id"] for found in api.get(f"{INBOUND}?undecided=false").json] == [4, 3]

    decided = decide(api, 1, "stop").json

    assert [decided[name] for name in DECIDED] == ["stop", "stop", False, "stop", "API_KEY"]
    assert decided["decided_at"]
    assert in_force(connection) == [REFUSAL]
    assert value(connection, "SELECT evidence->>'text' FROM suppression") == "Stop. Thank you"
    assert rows(connection, "SELECT status, reason_code FROM message") == [("cancelled", "suppressed")]
    assert decide(api, 1, "stop").json == decided, "the same decision again changes nothing"
    assert [found["id"] for found in api.get(f"{INBOUND}?undecided=true").json] == [2]

    assert decide(api, 2, "nothing").json["decision"] == "nothing"
    assert api.get(f"{INBOUND}?undecided=true").json == []
    assert in_force(connection) == [REFUSAL]
    entry = rows(connection, "SELECT operation, object, object_id, detail FROM audit_entry ORDER BY id")
    assert entry[-2:] == [
        ("decideInboundMessage", "inbound_message", 1, {"decision": [None, "stop"], "suppressions": [1]}),
        ("decideInboundMessage", "inbound_message", 2, {"decision": [None, "nothing"], "suppressions": []}),
    ]


def test_a_decision_undoes_what_was_done_before(api: Caller, connection: Connection, maintenance: Maintenance) -> None:
    write(connection, maintenance, "STOP")
    assert decide(api, 1, "nothing").json["decided_by"] == "API_KEY"
    assert in_force(connection) == []
    assert value(connection, "SELECT lift_evidence->>'decision' FROM suppression") == "nothing"

    assert decide(api, 1, "stop").status_code == 200
    assert in_force(connection) == [REFUSAL]
    write(connection, maintenance, "START")
    assert in_force(connection) == []
    assert decide(api, 2, "nothing").status_code == 200
    assert in_force(connection) == [REFUSAL], "what the START lifted is in force again"
    restored = (
        "SELECT evidence->>'restores_suppression_id', evidence->>'text' FROM suppression ORDER BY id DESC LIMIT 1"
    )
    assert rows(connection, restored) == [("2", "STOP")]


def test_a_start_that_leaves_a_suppression_in_force_is_refused(
    api: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    write(connection, maintenance, "Please start again", "STOP")

    refused = decide(api, 1, "start")
    assert (refused.status_code, refused.json["reason_code"]) == (409, "suppression_stays"), "the STOP is later"
    assert "Suppression 1 stays in force" in refused.text
    execute(connection, "UPDATE suppression SET reason = 'complaint', source = 'api'")
    assert decide(api, 2, "start").status_code == 409
    assert value(connection, "SELECT count(*) FROM suppression WHERE lifted_at IS NULL") == 1
    execute(connection, "UPDATE suppression SET reason = 'opted_out', source = 'keyword'")
    write(connection, maintenance, "you may start again, please")
    assert decide(api, 3, "start").json["decision"] == "start"
    assert in_force(connection) == []


def test_wrong_decisions_are_refused(api: Caller, connection: Connection, maintenance: Maintenance) -> None:
    forward(connection, InboundPart(sender="InfoSMS", recipient="1001", text="Stop"))
    maintenance.run()

    assert decide(api, 1, "stop").json["reason_code"] == "sender_has_no_phone_number"
    for decision in ("help", "", None):
        refused = api.post(f"{INBOUND}1/decide/", json={"decision": decision})
        assert (refused.status_code, wrong_fields(refused)) == (422, {"decision"})
        assert decision is None or refused.json["errors"]["json"]["decision"] == ["Must be stop, start or nothing."]
    assert decide(api, 7, "stop").status_code == 404


@pytest.mark.parametrize(
    ("scope", "gateway_id", "status"), [("everything", None, 409), ("gateway", 1, 409), ("marketing", None, 201)]
)
def test_nobody_answers_a_number_that_must_not_be_written_to(
    api: Caller, connection: Connection, maintenance: Maintenance, scope: str, gateway_id: int | None, status: int
) -> None:
    add_clients(connection, 1)
    write(connection, maintenance, "Yes")
    add = (
        "INSERT INTO suppression (phone_number, scope, gateway_id, reason, source) VALUES (%s, %s, %s, 'other', 'api')"
    )
    execute(connection, add, WRITER, scope, gateway_id)

    response = api.post(f"{INBOUND}1/answer/", json={"text": "At six."})

    assert response.status_code == status
    if status == 409:
        assert response.json["reason_code"] == "number_is_suppressed"
        assert "It cannot be answered." in api.get("/inbox/1/").text
        execute(connection, "UPDATE suppression SET lifted_at = now(), lift_evidence = '{}'")
        assert api.post(f"{INBOUND}1/answer/", json={"text": "At six."}).status_code == 201
    assert rows(connection, "SELECT kind FROM mailing") == [("reply",)]


def test_the_console_shows_keywords_and_takes_decisions(
    api: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    add_clients(connection, 1)
    write(connection, maintenance, "Stop. Thank you", "HELP")

    listed = api.get("/inbox/?show=undecided").text
    assert "Stop. Thank you" in listed
    assert "Please decide." in listed
    assert 'Keyword <strong dir="auto">help' not in listed
    assert 'Keyword <strong dir="auto">help</strong>: asks for help.' in api.get("/inbox/").text
    page = api.get("/inbox/1/")
    assert "What does this message ask for?" in page.text

    done = api.post("/inbox/1/decide/", data=fields_of(page) | {"decision": "stop"})

    assert done.headers["Location"] == "/inbox/1/"
    assert in_force(connection) == [REFUSAL]
    shown = api.get("/inbox/1/", headers={"Accept-Language": "ru"}).text
    assert "номер внесён в стоп-лист" in shown
    assert "Stop. Thank you" not in api.get("/inbox/?show=undecided").text


def test_replies_are_found_by_a_search_and_not_in_the_list_of_mailings(
    api: Caller, connection: Connection, maintenance: Maintenance
) -> None:
    add_clients(connection, 1)
    write(connection, maintenance, "HELP")

    assert "replies to HELP" not in api.get("/mailings/").text
    assert "replies to HELP" in api.get("/mailings/?words=replies").text
    assert "replies to HELP" in api.get("/mailings/?words=1").text
    [mailing] = api.get("/v1/mailing/").json
    assert (mailing["mark"], mailing["kind"], mailing["gateway"]) == ("replies to HELP", "reply", "default")
    assert api.get("/v1/mailing/1/").json["warnings"] == []
