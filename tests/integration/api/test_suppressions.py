"""Suppressions: recorded, listed, lifted, imported and exported."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.record_files import importing
from api.suppressions import services
from api.suppressions.queries import suppression_in_force
from tests.conftest import Connect
from tests.factories import (
    FIRST_PHONE,
    add_gateway,
    add_mailing,
    add_running_mailing,
    begin_launch,
    execute,
    message,
    row,
    rows,
    value,
)
from tests.integration.api.calls import Answer, Caller, add_client, wrong_fields
from tests.waiting import PATIENCE, in_background, wait_for_lock_waiter
from worker.maintenance.duties import Maintenance

PATH = "/v1/suppression/"
PHONE = 79161234567
BODY = {"phone_number": PHONE, "scope": "everything", "reason": "opted_out"}


def suppress(api: Caller, **changes: Any) -> Answer:
    return api.post(f"{PATH}create/", json=BODY | changes)


def import_file(api: Caller, content: str | bytes, content_type: str = "text/csv", **arguments: str) -> Answer:
    return api.post(f"{PATH}import/", query_string=arguments, data=content, content_type=content_type)


def test_a_suppression_is_recorded_with_its_evidence_and_says_what_it_covers(api: Caller) -> None:
    answer = suppress(api, evidence={"letter": "2032-118"}, note="by post")

    assert answer.status_code == 201, answer.text
    body = answer.json
    assert {name: body[name] for name in ("id", "phone_number", "scope", "gateway", "reason", "source")} == {
        "id": 1,
        **{"phone_number": PHONE, "scope": "everything", "gateway": None},
        **{"reason": "opted_out", "source": "api"},
    }
    assert body["evidence"] == {"letter": "2032-118", "note": "by post"}
    assert body["recorded_by"] == "API_KEY"
    assert (body["lifted_at"], body["lifted_by"], body["lift_evidence"]) == (None, None, None)
    assert body["covers"] == ["marketing", "service"]
    assert body["covers_text"] == "No marketing or service message is sent to the number."
    assert suppress(api, scope="marketing").json["covers"] == ["marketing"]
    assert api.get(answer.headers["Location"]).json == body


def test_one_that_is_in_force_is_returned_and_nothing_is_written(api: Caller, connection: Connection) -> None:
    first = suppress(api, note="first")

    again = suppress(api, reason="complaint", note="second")

    assert (again.status_code, again.json) == (200, first.json)
    assert value(connection, "SELECT count(*) FROM suppression") == 1


def test_a_gateway_is_named_for_its_own_scope_only(api: Caller, connection: Connection) -> None:
    add_gateway(connection, "second")

    answer = suppress(api, scope="gateway", gateway="second")
    other = suppress(api, scope="gateway", gateway="default")

    assert (answer.status_code, answer.json["gateway"]) == (201, "second")
    assert (other.status_code, other.json["gateway"]) == (201, "default")
    assert suppress(api, scope="gateway", gateway="second").status_code == 200
    assert wrong_fields(suppress(api, scope="gateway")) == {"gateway"}
    assert wrong_fields(suppress(api, gateway="second")) == {"gateway"}
    assert suppress(api, scope="gateway", gateway="third").status_code == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"phone_number": "nobody"},
        {"scope": "all"},
        {"reason": "because"},
        {"evidence": {"a": 1}},
        {"evidence": {"a": "x" * 2001}},
        {"evidence": {str(number): "" for number in range(21)}},
        {"note": "x" * 2001},
        {"expires": "tomorrow"},
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], api: Caller) -> None:
    answer = suppress(api, **wrong)

    assert answer.status_code == 422
    assert wrong_fields(answer) == set(wrong)


def test_recording_one_ends_the_pending_messages_that_it_covers(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 2)
    begin_launch(connection, add_mailing(connection, mark="none", kind="service"))
    execute(
        connection,
        "INSERT INTO message (mailing_id, client_id, phone_number, due_at, path_id) "
        "SELECT 2, client_id, phone_number, now(), path_id FROM message WHERE id = 1",
    )

    suppress(api, phone_number=FIRST_PHONE + 1, scope="marketing")

    found = rows(connection, "SELECT mailing_id, client_id, status::text, reason_code FROM message ORDER BY 1, 2")
    assert found == [(1, 1, "cancelled", "suppressed"), (1, 2, "pending", None), (2, 1, "pending", None)]


def test_a_lift_needs_evidence_and_is_kept_with_it(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    suppression_id = suppress(api, phone_number=FIRST_PHONE + 1).json["id"]

    assert api.post(f"{PATH}{suppression_id}/lift/", json={}).status_code == 422
    assert api.post(f"{PATH}{suppression_id}/lift/", json={"evidence": {}}).status_code == 422
    lifted = api.post(f"{PATH}{suppression_id}/lift/", json={"evidence": {"form": "signed"}})
    again = api.post(f"{PATH}{suppression_id}/lift/", json={"evidence": {"form": "another"}})

    assert lifted.status_code == 200
    assert (lifted.json["lifted_by"], lifted.json["lift_evidence"]) == ("API_KEY", {"form": "signed"})
    assert again.json == lifted.json
    assert message(connection, 1)["status"] == "cancelled"
    assert api.post(f"{PATH}77/lift/", json={"evidence": {"form": "signed"}}).status_code == 404
    # A later refusal is another suppression.
    assert suppress(api, phone_number=FIRST_PHONE + 1).status_code == 201
    assert value(connection, "SELECT count(*) FROM suppression") == 2


def test_the_list_is_filtered_and_paged(api: Caller) -> None:
    for phone_number in (PHONE, PHONE + 1, PHONE + 2):
        suppress(api, phone_number=phone_number)
    suppress(api, scope="marketing")
    api.post(f"{PATH}1/lift/", json={"evidence": {"form": "signed"}})

    def ids(**arguments: str) -> list[int]:
        return [one["id"] for one in api.get(PATH, query_string=arguments).json]

    assert ids() == [1, 2, 3, 4]
    assert ids(phone_number="+7 916 123-45-67") == [1, 4]
    assert ids(phone_number=str(PHONE), in_force="true") == [4]
    assert ids(scope="marketing") == [4]
    assert ids(in_force="true", limit="2") == [2, 3]
    first = api.get(PATH, query_string={"limit": "2", "in_force": "true"})
    assert [one["id"] for one in api.get(first.headers["Link"].split(">")[0][1:]).json] == [4]


def test_a_file_is_imported_and_says_what_was_rejected(api: Caller, connection: Connection) -> None:
    content = (
        "Телефон;Запрет;Причина;Комментарий;Дата;city\r\n"
        "+7 (916) 123-45-67;;;из письма;31.12.2021;Казань\r\n"
        "79161234568;marketing;complaint;;;\r\n"
        "79161234568;marketing;other;;;\r\n"
        "nobody;;;;;\r\n"
        "79161234569;all;;;;\r\n"
        "79161234570;gateway;;;;\r\n"
        "79161234571;;;;2999-01-01;\r\n"
    )

    report = import_file(api, content.encode("windows-1251"), reason="law", note="the list of 2021").json

    assert [report[name] for name in ("rows", "added", "unchanged", "rejected")] == [7, 2, 1, 4]
    assert report["ignored_columns"] == ["city"]
    assert (report["encoding"], report["delimiter"]) == ("windows-1251", ";")
    assert [(one["line"], one["field"], one["reason_code"]) for one in report["errors"]] == [
        (5, "phone_number", "phone_number_unreadable"),
        (6, "scope", "not_a_suppression_scope"),
        (7, "gateway", "scope_needs_a_gateway"),
        (8, "recorded_at", "in_the_future"),
    ]
    found = rows(
        connection,
        "SELECT phone_number, scope::text, reason::text, source::text, evidence, recorded_by FROM suppression "
        "ORDER BY phone_number",
    )
    assert found == [
        (
            PHONE,
            *("everything", "law", "import"),
            {"note": "из письма", "recorded_at": "2021-12-31T00:00:00.000Z"},
            "API_KEY",
        ),
        (PHONE + 1, "marketing", "complaint", "import", {"note": "the list of 2021"}, "API_KEY"),
    ]
    assert import_file(api, content.encode("windows-1251"), reason="law").json["added"] == 0


def test_lines_of_json_are_imported(api: Caller, connection: Connection) -> None:
    add_gateway(connection, "second")
    lines = [
        {"phone_number": PHONE, "evidence": {"letter": "1"}},
        {"phone_number": "+7 916 123-45-68", "scope": "gateway"},
        {"phone_number": PHONE + 2, "scopes": "gateway"},
        [1],
    ]
    content = gzip.compress("\n".join(map(json.dumps, lines)).encode())

    answer = api.post(
        f"{PATH}import/",
        query_string={"gateway": "second"},
        data=content,
        headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"},
    )

    assert [answer.json[name] for name in ("added", "rejected")] == [2, 2], answer.text
    assert [(one["line"], one["field"]) for one in answer.json["errors"]] == [(3, "scopes"), (4, None)]
    assert rows(connection, "SELECT phone_number, scope::text, gateway_id, evidence FROM suppression ORDER BY id") == [
        (PHONE, "everything", None, {"letter": "1"}),
        (PHONE + 1, "gateway", 2, {}),
    ]


def test_a_file_without_phone_numbers_is_refused(api: Caller) -> None:
    answer = import_file(api, "scope,reason\r\neverything,law\r\n")

    assert answer.status_code == 422
    assert answer.json["errors"]["csv"] == {"phone_number": ["The first line must name this column."]}
    refused = import_file(api, "a", "text/plain")
    assert (refused.status_code, refused.json["message"][:13]) == (415, "Send the file")
    assert import_file(api, "phone_number\r\n", gateway="third").status_code == 409


def test_an_import_ends_pending_messages_in_each_of_its_chunks(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    add_running_mailing(connection, 5)
    content = "phone_number\r\n" + "".join(f"{FIRST_PHONE + number}\r\n" for number in (1, 2, 3, 4))

    report = import_file(api, content).json

    assert (report["added"], report["ended_messages"]) == (4, 4)
    assert rows(connection, "SELECT status::text, count(*) FROM message GROUP BY 1 ORDER BY 1") == [
        ("cancelled", 4),
        ("pending", 1),
    ]
    audited = rows(connection, "SELECT detail FROM audit_entry WHERE operation = 'importSuppressions' ORDER BY id")
    assert audited[-2:] == [({"added": 2, "ended_messages": 2},)] * 2


def test_an_export_can_be_imported(api: Caller, connection: Connection) -> None:
    add_gateway(connection, "second")
    suppress(api, note="=1+1", evidence={"letter": "a,b"})
    suppress(api, scope="gateway", gateway="second", phone_number=PHONE + 1)
    import_file(api, f"phone_number,recorded_at,source\r\n{PHONE + 2},2021-12-31,old system\r\n")
    suppress(api, phone_number=PHONE + 3)
    api.post(f"{PATH}4/lift/", json={"evidence": {"form": "signed"}})
    recorded = {one["id"]: one["recorded_at"] for one in api.get(PATH).json}

    exported = api.get(f"{PATH}export/")

    assert exported.mimetype == "text/csv"
    assert exported.text.splitlines() == [
        "phone_number,scope,gateway,reason,note,recorded_at,source,evidence",
        f'{PHONE},everything,,opted_out,\'=1+1,{recorded[1]},api,"{{""letter"": ""a,b""}}"',
        f"{PHONE + 1},gateway,second,opted_out,,{recorded[2]},api,",
        f"{PHONE + 2},everything,,other,,2021-12-31T00:00:00.000Z,old system,",
    ]
    assert import_file(api, exported.data).json["added"] == 0
    execute(connection, "TRUNCATE suppression")
    assert import_file(api, exported.data).json["added"] == 3
    assert row(connection, "SELECT reason::text, evidence FROM suppression WHERE phone_number = %s", PHONE) == {
        "reason": "opted_out",
        "evidence": {"note": "=1+1", "letter": "a,b", "recorded_at": recorded[1], "source": "api"},
    }
    assert api.get(f"{PATH}export/").text == exported.text


def test_an_old_list_does_not_undo_a_lift(api: Caller, connection: Connection) -> None:
    content = f"phone_number,recorded_at\r\n{PHONE},2021-12-31\r\n"
    import_file(api, content)
    api.post(f"{PATH}1/lift/", json={"evidence": {"form": "signed"}})

    again = import_file(api, content).json

    assert (again["added"], again["unchanged"]) == (0, 1)
    # A list that does not say when is of now.
    assert import_file(api, f"phone_number\r\n{PHONE}\r\n").json["added"] == 1


def test_a_refusal_after_a_lift_counts_although_the_file_has_an_older_one_before_it(
    api: Caller, connection: Connection
) -> None:
    import_file(api, f"phone_number,recorded_at\r\n{PHONE},2020-12-31\r\n")
    api.post(f"{PATH}1/lift/", json={"evidence": {"form": "signed"}})
    execute(connection, "UPDATE suppression SET recorded_at = '2021-01-01', lifted_at = '2023-01-01'")

    rest = "".join(
        f"{PHONE},{day},{note}\r\n" for day, note in (("2020-12-31", 1), ("2024-12-31", 2), ("2025-12-31", 3))
    )
    report = import_file(api, f"phone_number,recorded_at,note\r\n{rest}").json

    assert (report["added"], report["unchanged"]) == (1, 2)
    found = "SELECT evidence ->> 'note' FROM suppression WHERE lifted_at IS NULL"
    assert value(connection, found) == "2", "the first one after the lift"


def test_a_suppression_outlives_its_client(api: Caller, connection: Connection, maintenance: Maintenance) -> None:
    client_id = add_client(api)
    suppress(api)
    assert api.delete(f"/v1/client/{client_id}/").status_code == 204
    add_client(api)
    content = f"phone_number,operator_code,tag,timezone\r\n{PHONE},916,other,UTC\r\n"
    assert api.post("/v1/client/import/", data=content, content_type="text/csv").json["changed"] == 1

    add_mailing(connection, mark="other")
    maintenance.run()

    found = rows(connection, "SELECT client_id, status::text, reason_code FROM message")
    assert found == [(value(connection, "SELECT id FROM client"), "cancelled", "suppressed")]
    assert value(connection, "SELECT lifted_at IS NULL FROM suppression")


def test_one_that_is_being_lifted_is_recorded_again(api: Caller, connection: Connection, connect: Connect) -> None:
    suppress(api)
    editor = connect()
    editor.autocommit = False
    execute(editor, "UPDATE suppression SET lifted_at = now(), lift_evidence = '{}'")

    answering = in_background(lambda: suppress(api))
    wait_for_lock_waiter(connection)
    editor.commit()

    assert answering.result(PATIENCE).status_code == 201
    assert value(connection, "SELECT count(*) FROM suppression WHERE lifted_at IS NULL") == 1


def test_one_that_is_lifted_after_it_was_found_in_force_is_recorded_again(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    suppress(api)

    def find_after_a_lift(*given: Any) -> Any:
        execute(connection, "UPDATE suppression SET lifted_at = now(), lift_evidence = '{}'")
        return suppression_in_force(*given)

    monkeypatch.setattr(services, "suppression_in_force", find_after_a_lift)

    assert suppress(api).status_code == 201
    assert value(connection, "SELECT count(*) FROM suppression WHERE lifted_at IS NULL") == 1


def test_a_cut_off_upload_keeps_what_came_before(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2000)
    numbers = "".join(f"{PHONE + number}\r\n" for number in range(20_000))
    compressed = gzip.compress(f"phone_number\r\n{numbers}".encode())
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}

    answer = api.post(f"{PATH}import/", data=compressed[: len(compressed) * 3 // 4], headers=headers)

    assert answer.status_code == 400
    recorded = value(connection, "SELECT count(*) FROM suppression")
    assert 0 < recorded < 20_000
    assert api.post(f"{PATH}import/", data=compressed, headers=headers).json["added"] == 20_000 - recorded
