"""Segments, templates and number lists in the console, without scripts: what a person does by forms alone."""

from __future__ import annotations

import re

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, add_segment, execute, value
from tests.integration.api.calls import Answer, Caller
from tests.integration.api.html_forms import fields_of


def conditions(*rows: dict[str, str], **others: str) -> dict[str, str]:
    """The fields of rows, each of a group of its own."""
    fields = {"conditions_as": "form", "joined": "all"}
    for number, row in enumerate(rows):
        named = {"group": str(number)} | row
        fields |= {f"row-{number}-{name}": text for name, text in named.items()}
    return fields | others


def followed(api: Caller, answer: Answer) -> Answer:
    assert answer.status_code == 302, answer.text
    return api.get(answer.headers["Location"])


def latest_draft(connection: Connection) -> int:
    return int(value(connection, "SELECT max(id) FROM mailing_draft"))


def test_a_segment_is_made_by_rows_and_is_the_same_as_a_text(api: Caller, connection: Connection) -> None:
    add_clients(connection, 3, tag="vip")
    add_clients(connection, 2, tag="new")
    form = fields_of(api.get("/segments/new/"))
    rows = conditions(
        {"field": "tag", "operator": "in", "value": "vip, new"}, {"field": "replied", "operator": "not happened"}
    )
    asked = api.post("/segments/count/", data=rows | {"csrf_token": form["csrf_token"]})
    assert "<b>5</b>" in asked.text
    text = api.post("/segments/new/", data=form | rows | {"name": "some", "change": "to-text"})
    assert fields_of(text)["conditions"] == 'tag in ("vip", "new") and not replied'
    assert fields_of(text)["name"] == "some"
    back = api.post("/segments/new/", data=fields_of(text) | {"change": "to-form"})
    assert fields_of(back)["row-1-operator"] == "not happened"
    page = followed(api, api.post("/segments/new/", data=fields_of(back)))
    assert "The segment is saved." in page.text
    assert "<b>5</b>" in page.text
    assert value(connection, "SELECT text FROM segment") == 'tag in ("vip", "new") and not replied'


def test_rows_are_added_and_removed_and_offer_the_operators_of_their_field(api: Caller) -> None:
    form = fields_of(api.get("/segments/new/")) | conditions({"field": "birthday"})
    page = api.post("/segments/new/", data=form | {"change": "update"})
    assert 'value="within last"' in page.text
    assert 'value="contains"' not in page.text
    assert re.search('name="row-0-value" type="date"', page.text)
    added = fields_of(api.post("/segments/new/", data=fields_of(page) | {"change": "add-0"}))
    assert (added["row-1-group"], added["row-1-field"]) == ("0", "")
    removed = fields_of(api.post("/segments/new/", data=added | {"change": "remove-0-0"}))
    assert "row-1-field" not in removed
    assert removed["row-0-field"] == ""


def test_what_is_wrong_is_said_at_its_row_and_at_its_column(api: Caller) -> None:
    form = fields_of(api.get("/segments/new/")) | {"name": "wrong"}
    rows = conditions(
        {"field": "tag", "operator": "=", "value": "vip"}, {"field": "birthday", "operator": "within", "value": "soon"}
    )
    page = api.post("/segments/new/", data=form | rows)
    assert page.status_code == 422
    assert 'id="row-1-error"' in page.text
    assert 'id="row-0-error"' not in page.text
    text = api.post("/segments/new/", data=form | {"conditions_as": "text", "conditions": "tag = vip"})
    assert text.status_code == 422
    assert "olumn 7" in text.text
    counted = api.post(
        "/segments/count/", data={"csrf_token": form["csrf_token"], "conditions_as": "text", "conditions": "tag ="}
    )
    assert counted.status_code == 200
    assert "olumn" in counted.text


def test_conditions_that_no_form_shows_are_edited_as_a_text(api: Caller, connection: Connection) -> None:
    text = 'not (tag = "a" or (tag = "b" and tag = "c"))'
    segment_id = add_segment(connection, text)
    form = fields_of(api.get(f"/segments/{segment_id}/edit/"))
    assert form["conditions"] == text
    page = api.post(f"/segments/{segment_id}/edit/", data=form | {"change": "to-form"})
    assert "shown as a form" in page.text
    changed = followed(api, api.post(f"/segments/{segment_id}/edit/", data=form | {"conditions": "name exists"}))
    assert "The change is saved." in changed.text


def test_a_segment_that_a_mailing_waits_for_is_not_removed(api: Caller, connection: Connection) -> None:
    segment_id = add_segment(connection, "name exists", "named")
    assert f'data-count="/segments/{segment_id}/count/"' in api.get("/segments/").text
    form = fields_of(api.get(f"/mailings/new/?segment={segment_id}"))
    assert (form["audience"], form["segment_id"]) == ("saved", str(segment_id))
    review = followed(
        api, api.post("/mailings/new/", data=form | {"text": "Hello", "then": "review", "excluded": str(segment_id)})
    )
    assert "named" in review.text
    sent = fields_of(review) | {"confirm": "nobody_matches"}
    mailing = followed(api, api.post(f"/mailings/drafts/{latest_draft(connection)}/", data=sent))
    assert "Excluded segments" in mailing.text
    refused = api.post(f"/segments/{segment_id}/remove/", data=fields_of(api.get(f"/segments/{segment_id}/remove/")))
    assert refused.status_code == 409
    execute(connection, "UPDATE mailing SET status = 'cancelled', ended_at = now()")
    removed = api.post(f"/segments/{segment_id}/remove/", data=fields_of(api.get(f"/segments/{segment_id}/remove/")))
    assert "The segment is removed." in followed(api, removed).text


def test_a_mailing_is_made_by_conditions_and_a_saved_template(api: Caller, connection: Connection) -> None:
    add_clients(connection, 2, tag="vip")
    execute(connection, """UPDATE client SET attributes = '{"name": "Анна"}' WHERE id = (SELECT min(id) FROM client)""")
    form = fields_of(api.get("/templates/new/"))
    wrong = api.post("/templates/new/", data=form | {"name": "greeting", "text": "{{ nobody }}"})
    assert wrong.status_code == 422
    made = followed(api, api.post("/templates/new/", data=fields_of(wrong) | {"text": "Hi, {{ name }}!"}))
    assert "Hi, Анна!" in made.text
    template_id = value(connection, "SELECT id FROM template")
    new = fields_of(api.get("/mailings/new/"))
    rows = conditions({"field": "tag", "operator": "=", "value": "vip"}, audience="conditions")
    filled = fields_of(
        api.post("/mailings/new/", data=new | rows | {"template": str(template_id), "change": "template"})
    )
    assert filled["text"] == "Hi, {{ name }}!"
    assert (filled["audience"], filled["row-0-value"]) == ("conditions", "vip")
    part = api.post("/mailings/estimate/", data=filled)
    assert "Hi, Анна!" in part.text
    assert "No value of" in part.text
    review = followed(api, api.post("/mailings/new/", data=filled | {"then": "review"}))
    assert "Hi, Анна!" in review.text
    address = f"/mailings/drafts/{latest_draft(connection)}/"
    draft = fields_of(api.get(f"{address}edit/"))
    assert (draft["audience"], draft["row-0-field"]) == ("conditions", "tag")
    mailing = followed(api, api.post(address, data=fields_of(review) | {"confirm": "missing_values"}))
    assert "tag = &#34;vip&#34;" in mailing.text
    assert "Hi, Анна!" in mailing.text


def test_a_list_of_numbers_is_uploaded_used_and_removed(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    phone = value(connection, "SELECT phone_number FROM client")
    headers = {"Content-Type": "text/plain"}
    part = api.post("/number-lists/file/?name=fair", data=f"+{phone}\r\nnobody\r\n".encode(), headers=headers)
    assert "The number list is uploaded." in part.text
    assert "line 2" in part.text
    again = api.post("/number-lists/file/?name=fair", data=f"+{phone}\r\n".encode(), headers=headers)
    assert "There is another number list with this name." in again.text
    list_id = value(connection, "SELECT id FROM number_list")
    mailing = fields_of(api.get(f"/mailings/new/?list={list_id}"))
    assert (mailing["audience"], mailing["row-0-operator"], mailing["row-0-value"]) == (
        "conditions",
        "in list",
        str(list_id),
    )
    assert "<b>1</b>" in api.post("/mailings/estimate/", data=mailing).text
    removed = api.post(f"/number-lists/{list_id}/remove/", data=fields_of(api.get(f"/number-lists/{list_id}/remove/")))
    assert "The number list is removed." in followed(api, removed).text
