"""Templates by the API: what is refused, saved templates, previews, and the bodies that are shown."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.templates import StoredText
from shared.domain.text_segments import Encoding
from tests.database import connected
from tests.factories import (
    add_clients,
    add_running_mailing,
    change_message,
    execute,
    message,
    revise_text,
    row,
    rows,
    value,
)
from tests.integration.api.calls import Caller, add_mailing, mailing_body, once_blocked, wrong_fields

PATH = "/v1/template/"
TEXT = 'Hello, {{ name | default: "friend" }}!'


@pytest.fixture(autouse=True)
def anna(connection: Connection) -> None:
    """A client with a name, and one without."""
    add_clients(connection, 2)
    execute(connection, "UPDATE client SET attributes = %s WHERE id = 1", json.dumps({"name": "Анна"}))


def add(api: Caller, **changes: Any) -> dict[str, Any]:
    answer = api.post(f"{PATH}create/", json={"name": "greeting", "text": TEXT, **changes})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def text_row(connection: Connection, mailing_id: int, revision: int = 1) -> dict[str, Any]:
    statement = "SELECT *, field_types::text[] AS types FROM mailing_text WHERE mailing_id = %s AND revision = %s"
    return row(connection, statement, mailing_id, revision)


def test_a_mailing_of_a_template_has_its_fields(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api, text='{{ name }} {{ birthday | date: "%d.%m" }}')

    written = text_row(connection, mailing_id)
    assert (written["fields"], written["types"]) == (["name", "birthday"], ["text", "date"])
    assert value(connection, "SELECT personalised FROM mailing WHERE id = %s", mailing_id) is True


def test_a_plain_text_has_none(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api, text="100 % } plain {")

    assert text_row(connection, mailing_id)["fields"] is None
    assert value(connection, "SELECT personalised FROM mailing WHERE id = %s", mailing_id) is False


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Hello,\n{{ nme }}", "Line 2, column 4: there is no field nme."),
        ("{{ name", "Line 1, column 1: these braces are not closed."),
        ("{{ ''.__class__ }}", "Line 1, column 6"),
        ("{{ '{{' }}", "Line 1, column 1: the text has braces"),
    ],
)
def test_a_text_that_is_no_template_is_refused_at_its_place(api: Caller, text: str, place: str) -> None:
    mailing_id = add_mailing(api)
    draft = api.post("/v1/draft/create/", json=mailing_body(text=text)).json
    refusals = {
        api.post("/v1/mailing/create/", json=mailing_body(text=text)): 422,
        api.put(f"/v1/mailing/{mailing_id}/", json=mailing_body(text=text)): 422,
        api.post(f"/v1/draft/{draft['id']}/send/", json={"confirm": ["nobody_matches"]}): 409,
        api.post("/v1/gateway/1/test/", json={"phone_number": 79000000001, "text": text}): 422,
        api.post(f"{PATH}create/", json={"name": "x", "text": text}): 422,
        api.post(f"{PATH}preview/", json={"text": text}): 422,
    }
    for answer, status in refusals.items():
        assert (answer.status_code, wrong_fields(answer)) == (status, {"text"}), answer.text
        assert place in answer.text


def test_an_old_text_with_braces_is_kept_and_tested_as_it_is(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    execute(connection, "UPDATE mailing_text SET text = %s", "{{ name }} {% x")

    changed = api.put(f"/v1/mailing/{mailing_id}/", json=mailing_body(text="{{ name }} {% x", mark="other"))
    test = api.post(f"/v1/mailing/{mailing_id}/test/", json={"phone_number": 79000000001})

    assert (changed.status_code, test.status_code) == (200, 201)
    assert text_row(connection, test.json["id"])["fields"] is None
    assert message_of(api, test.json["id"])["text"] == "{{ name }} {% x"


def message_of(api: Caller, mailing_id: int) -> dict[str, Any]:
    """The first message of a mailing, whole."""
    listed = api.get(f"/v1/mailing/{mailing_id}/message/").json
    return dict(api.get(f"/v1/message/{listed[0]['id']}/").json)


def test_a_changed_text_has_fields_of_its_own(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api, text="Hello")

    api.put(f"/v1/mailing/{mailing_id}/", json=mailing_body(text="{{ name }}"))

    assert text_row(connection, mailing_id, 2)["fields"] == ["name"]
    assert value(connection, "SELECT personalised FROM mailing WHERE id = %s", mailing_id) is True


def test_a_mailing_takes_the_present_text_of_a_template(api: Caller, connection: Connection) -> None:
    template = add(api)
    body = {**mailing_body(), "template_id": template["id"]}
    del body["text"]
    created = api.post("/v1/mailing/create/", json=body)
    api.put(f"{PATH}{template['id']}/", json={"text": "Bye, {{ name }}"})
    changed = api.put(f"/v1/mailing/{created.json['id']}/", json=body)

    assert created.status_code == 201, created.text
    named = ("text", "from_template_id", "from_template_revision", "text_revision")
    assert [created.json[name] for name in named] == [TEXT, 1, 1, 1]
    assert [changed.json[name] for name in named] == ["Bye, {{ name }}", 1, 2, 2]
    assert api.put("/v1/mailing/1/", json=body, headers={"If-Match": changed.headers["ETag"]}).status_code == 200
    assert api.delete(f"{PATH}1/").status_code == 204
    kept = api.get("/v1/mailing/1/").json
    assert [kept[name] for name in named] == ["Bye, {{ name }}", None, 2, 2]


def test_a_mailing_needs_a_text_or_a_template_that_there_is(api: Caller) -> None:
    body = mailing_body()
    both = api.post("/v1/mailing/create/", json={**body, "template_id": 1})
    none = api.post("/v1/mailing/create/", json={name: body[name] for name in body if name != "text"})
    unknown = api.post(
        "/v1/mailing/create/", json={**{name: body[name] for name in body if name != "text"}, "template_id": 9}
    )

    assert (both.status_code, wrong_fields(both)) == (422, {"template_id"})
    assert (none.status_code, wrong_fields(none)) == (422, {"text"})
    assert (unknown.status_code, wrong_fields(unknown)) == (409, {"template_id"})


def test_a_plan_of_a_template_has_its_text(api: Caller) -> None:
    add(api, text="x" * 161)
    assert api.post("/v1/mailing/plan/", json={"template_id": 9}).status_code == 409
    planned = api.post("/v1/mailing/plan/", json={"template_id": 1})
    assert planned.json["segments"]["count"] == 2


def test_saved_templates_have_a_history(api: Caller, connection: Connection) -> None:
    created = add(api)
    path = f"{PATH}{created['id']}/"
    renamed = api.put(path, json={"name": "hello"})
    rewritten = api.put(path, json={"text": "Bye"}, headers={"If-Match": renamed.headers["ETag"]})
    stale = api.put(path, json={"text": "Late"}, headers={"If-Match": renamed.headers["ETag"]})

    assert (renamed.json["name"], renamed.json["revision"]) == ("hello", 1)
    assert (rewritten.json["text"], rewritten.json["revision"]) == ("Bye", 2)
    assert stale.status_code == 412
    assert api.get(path).json == rewritten.json
    assert api.get(PATH).json == [rewritten.json]
    versions = api.get(f"{path}version/?limit=1")
    assert [(one["id"], one["text"]) for one in versions.json] == [(1, TEXT)]
    assert versions.json[0]["written_by_name"] == rewritten.json["written_by_name"] is not None
    assert "after=1" in versions.headers["Link"]
    assert [one["id"] for one in api.get(f"{path}version/?after=1").json] == [2]
    audit = rows(connection, "SELECT operation, object_id FROM audit_entry WHERE object = 'template' ORDER BY id")
    assert audit[-3:] == [("createTemplate", 1), ("updateTemplate", 1), ("updateTemplate", 1)]
    assert api.put(path, json={"text": "Bye"}).json == rewritten.json
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == api.get(f"{path}version/").status_code == 404


def test_a_name_is_of_one_template(api: Caller) -> None:
    add(api)
    again = api.post(f"{PATH}create/", json={"name": "greeting", "text": "x"})
    assert (again.status_code, wrong_fields(again)) == (409, {"name"})


def test_a_preview_is_for_one_client(api: Caller, connection: Connection) -> None:
    text = TEXT + "{% if birthday %}{% endif %}"
    first = api.post(f"{PATH}preview/", json={"text": text}).json
    second = api.post(f"{PATH}preview/", json={"text": text, "client_id": 2}).json
    without = api.post(f"{PATH}preview/", json={"text": "{{ birthday | date: '%d' }}{{ name }}", "client_id": 2}).json
    plain = api.post(f"{PATH}preview/", json={"text": "Hi"}).json
    nobody = api.post(f"{PATH}preview/", json={"text": "Hi", "client_id": 9})

    assert (first["client_id"], first["text"], first["missing"]) == (1, "Hello, Анна!", ["birthday"])
    assert first["fields"] == [{"name": "name", "type": "text"}, {"name": "birthday", "type": "date"}]
    assert (first["encoding"], first["segments"], first["reason"]) == (Encoding.UCS_2, 1, None)
    assert (second["text"], second["encoding"], second["missing"]) == ("Hello, friend!", "gsm7", ["name", "birthday"])
    assert (without["text"], without["segments"], without["missing"]) == (None, None, ["birthday", "name"])
    assert without["reason_code"] == "missing_value"
    assert "birthday" in without["reason"]
    assert (plain["text"], plain["fields"], plain["missing"]) == ("Hi", [], [])
    assert (nobody.status_code, wrong_fields(nobody)) == (409, {"client_id"})
    execute(connection, """UPDATE client SET attributes = '{"name": " "}'""")
    assert api.post(f"{PATH}preview/", json={"text": TEXT}).json["missing"] == ["name"]


@pytest.mark.parametrize("path", ["/v1/mailing/create/", f"{PATH}create/"])
def test_a_text_waits_for_the_removal_of_its_field(
    api: Caller, connection: Connection, database_url: str, path: str
) -> None:
    body = mailing_body(text=TEXT) if path != f"{PATH}create/" else {"name": "greeting", "text": TEXT}
    with connected(database_url) as remover:
        execute(remover, "BEGIN")
        execute(remover, "DELETE FROM client_field WHERE name = 'name'")
        (answer,) = once_blocked(connection, lambda: execute(remover, "COMMIT"), lambda: api.post(path, json=body))
    assert (answer.status_code, wrong_fields(answer)) == (422, {"text"})


def test_only_the_texts_of_the_messages_are_compiled(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []

    def compile_text(text: str, *given: Any) -> StoredText:
        compiled.append(text)
        return StoredText(text, *given)

    monkeypatch.setattr("api.messages.texts.StoredText", compile_text)
    mailing_id = add_running_mailing(connection, 1, text="first")
    revise_text(connection, mailing_id, "second")
    revise_text(connection, mailing_id, "third")
    assert api.get("/v1/message/1/").json["text"] == "third"
    change_message(connection, 1, "attempts = 1, text_revision = 2")
    assert api.get("/v1/message/1/").json["text"] == "second"
    assert "first" not in compiled


def test_a_message_is_shown_as_it_was_sent(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 3, text="Hello, {{ name }}!", fields={"name": "text"})
    for number, values in ((1, "'{Anna}'"), (2, "'{NULL}'")):
        change_message(connection, number, f"attempts = 1, text_revision = 1, text_values = {values}")
    execute(connection, "UPDATE client SET attributes = '{}'")

    shown = [api.get(f"/v1/message/{number}/").json["text"] for number in (1, 2, 3)]
    lines = list(csv.DictReader(io.StringIO(api.get(f"/mailings/{mailing_id}/ledger.csv").text)))

    assert shown == ["Hello, Anna!", None, None]
    assert [line["text"] for line in lines] == ["Hello, Anna!", "", ""]
    assert message(connection, 1)["text_values"] == ["Anna"]
