"""Consents: recorded, listed, withdrawn and imported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.conftest import Connect
from tests.factories import FIRST_PHONE, add_running_mailing, execute, row, rows, value
from tests.integration.api.calls import Answer, Caller, wrong_fields
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter

PATH = "/v1/consent/"
PHONE = 79161234567
WORDING = "I agree to receive offers by text message."
BODY = {"phone_number": PHONE, "given_at": "2022-06-01T09:00:00Z", "method": "web form", "wording": WORDING}
EVIDENCE = {"evidence": {"letter": "1"}}


def consent(api: Caller, **changes: Any) -> Answer:
    return api.post(f"{PATH}create/", json=BODY | changes)


def withdraw(api: Caller, consent_id: int, **more: Any) -> Answer:
    return api.post(f"{PATH}{consent_id}/withdraw/", json=EVIDENCE | more)


def import_file(api: Caller, content: str, content_type: str = "text/csv", **arguments: str) -> Answer:
    return api.post(f"{PATH}import/", query_string=arguments, data=content.encode(), content_type=content_type)


def test_a_consent_is_recorded_with_its_wording_and_evidence(api: Caller) -> None:
    answer = consent(api, evidence={"address": "192.0.2.7"}, note="at the fair")

    assert answer.status_code == 201, answer.text
    body = answer.json
    recorded_at = body.pop("recorded_at")
    assert body == {
        "id": 1,
        "phone_number": PHONE,
        "purpose": "marketing",
        "given_at": "2022-06-01T09:00:00.000Z",
        "method": "web form",
        "wording": WORDING,
        "evidence": {"address": "192.0.2.7", "note": "at the fair"},
        "source": "api",
        "recorded_by": "API_KEY",
        **dict.fromkeys(("withdrawn_at", "withdrawal_recorded_at", "withdrawal_recorded_by", "withdrawal_evidence")),
    }
    assert api.get(answer.headers["Location"]).json == body | {"recorded_at": recorded_at}


def test_an_equal_consent_is_recorded_once(api: Caller, connection: Connection) -> None:
    first = consent(api)

    again = consent(api, note="again")

    assert (again.status_code, again.json) == (200, first.json)
    spaced = consent(api, wording=f" {first.json['wording']}\n", purpose=" marketing ")
    assert (spaced.status_code, spaced.json) == (200, first.json)
    assert consent(api, wording="I agree.").status_code == 201
    assert consent(api, given_at="2022-06-01T09:00:01Z").status_code == 201
    assert value(connection, "SELECT count(*) FROM consent") == 3


def test_what_is_wrong_is_named(api: Caller) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert wrong_fields(consent(api, given_at=later)) == {"given_at"}
    assert wrong_fields(consent(api, wording=" ", method="", purpose="\0")) == {"wording", "method", "purpose"}
    assert wrong_fields(consent(api, evidence={"a": None})) == {"evidence"}
    consent(api)
    assert wrong_fields(withdraw(api, 1, withdrawn_at=later)) == {"withdrawn_at"}
    assert wrong_fields(withdraw(api, 1, withdrawn_at="2022-05-31T00:00:00Z")) == {"withdrawn_at"}
    assert wrong_fields(withdraw(api, 1, evidence={})) == {"evidence"}
    assert withdraw(api, 77).status_code == 404


def test_a_time_may_be_a_little_ahead_of_the_database_s_clock(api: Caller) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=50)).isoformat()

    assert consent(api, given_at=soon).status_code == 201
    # A withdrawal may also have the time of the consent.
    assert withdraw(api, 1, withdrawn_at=soon).status_code == 200


def test_a_withdrawal_is_kept_with_its_evidence(api: Caller) -> None:
    consent(api)

    withdrawn = withdraw(api, 1, withdrawn_at="2022-06-02T09:00:00Z")
    again = withdraw(api, 1, evidence={"letter": "2"})

    assert withdrawn.status_code == 200
    assert withdrawn.json["withdrawn_at"] == "2022-06-02T09:00:00.000Z"
    assert withdrawn.json["withdrawal_evidence"] == {"letter": "1"}
    assert withdrawn.json["withdrawal_recorded_by"] == "API_KEY"
    assert again.json == withdrawn.json
    # The same consent is not given again by recording it again.
    assert consent(api).json["withdrawn_at"] == "2022-06-02T09:00:00.000Z"
    assert consent(api, given_at="2022-06-03T09:00:00Z").status_code == 201


def test_the_list_is_filtered_and_paged(api: Caller) -> None:
    consent(api)
    consent(api, purpose="partners")
    consent(api, phone_number=PHONE + 1)
    withdraw(api, 1)

    def ids(**arguments: str) -> list[int]:
        return [one["id"] for one in api.get(PATH, query_string=arguments).json]

    assert ids() == [1, 2, 3]
    assert ids(phone_number=str(PHONE)) == [1, 2]
    assert ids(purpose="marketing") == [1, 3]
    assert ids(in_force="true", limit="1") == [2]


def test_a_file_is_imported_and_adds_nothing_a_second_time(api: Caller, connection: Connection) -> None:
    content = (
        "phone_number,date,method,note\r\n"
        f"{PHONE},2022-06-01,web form,first\r\n"
        f"{PHONE},01.06.2022,web form,the same\r\n"
        f"{PHONE + 1},2022-06-01T12:00:00+03:00,,\r\n"
        f"{PHONE + 2},,paper,\r\n"
        f"{PHONE + 3},2999-01-01,paper,\r\n"
    )

    report = import_file(api, content, wording=WORDING, method="letter").json

    assert [report[name] for name in ("rows", "added", "unchanged", "rejected")] == [5, 2, 1, 2]
    assert [(one["line"], one["field"], one["reason_code"]) for one in report["errors"]] == [
        (5, "given_at", "blank"),
        (6, "given_at", "in_the_future"),
    ]
    found = rows(
        connection, "SELECT phone_number, given_at, method, wording, source::text, evidence FROM consent ORDER BY id"
    )
    assert found == [
        (PHONE, datetime(2022, 6, 1, tzinfo=UTC), "web form", WORDING, "import", {"note": "first"}),
        (PHONE + 1, datetime(2022, 6, 1, 9, tzinfo=UTC), "letter", WORDING, "import", {}),
    ]
    withdraw(api, 1)
    assert import_file(api, content, wording=WORDING, method="letter").json["added"] == 0
    line = f'{{"phone_number": {PHONE}, "given_at": "2022-06-01", "method": "letter", "wording": "Yes"}}\n'
    assert import_file(api, line, "application/x-ndjson").json["added"] == 1


def test_a_file_without_a_wording_is_refused(api: Caller) -> None:
    answer = import_file(api, "phone_number,given_at,method\r\n")

    assert answer.status_code == 422
    assert answer.json["errors"]["csv"] == {"wording": ["The first line must name this column."]}


def test_withdrawing_the_last_consent_ends_the_messages_that_need_one(api: Caller, connection: Connection) -> None:
    number = FIRST_PHONE + 1
    add_running_mailing(connection, 1, requires_consent=True)
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET phone_number = %s WHERE mailing_id = 2", number)
    first, second = (
        consent(api, phone_number=number, given_at=f"2022-06-0{day}T09:00:00Z").json["id"] for day in (1, 2)
    )
    other = consent(api, phone_number=number, purpose="partners").json["id"]

    def statuses() -> list[tuple[Any, ...]]:
        return rows(connection, "SELECT status::text, reason_code FROM message ORDER BY id")

    withdraw(api, other)
    withdraw(api, first)
    assert statuses() == [("pending", None)] * 2
    withdraw(api, second)
    assert statuses() == [("cancelled", "no_consent"), ("pending", None)]


def test_a_consent_does_not_lift_a_suppression(api: Caller, connection: Connection) -> None:
    api.post("/v1/suppression/create/", json={"phone_number": PHONE, "scope": "marketing", "reason": "opted_out"})

    assert consent(api).status_code == 201

    assert row(connection, "SELECT lifted_at FROM suppression") == {"lifted_at": None}


@pytest.mark.parametrize("path", ["create/", "import/"])
def test_equal_consents_that_come_at_once_are_recorded_once(
    path: str, api: Caller, connection: Connection, connect: Connect
) -> None:
    editor = connect()
    editor.autocommit = False
    execute(editor, "SELECT pg_advisory_xact_lock(2, 4)")
    execute(
        editor,
        "INSERT INTO consent (phone_number, given_at, method, wording, source) VALUES (%s, %s, 'web form', %s, 'api')",
        *(PHONE, BODY["given_at"], WORDING),
    )

    if path == "create/":
        answering = in_background(lambda: consent(api))
    else:
        content = f"phone_number,given_at,method,wording\r\n{PHONE},{BODY['given_at']},web form,{WORDING}\r\n"
        answering = in_background(lambda: import_file(api, content))
    wait_for_lock_waiter(connection)
    editor.commit()

    assert answering.result(PATIENCE).status_code == 200
    assert value(connection, "SELECT count(*) FROM consent") == 1
