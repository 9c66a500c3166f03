"""Two editors of one thing, and the history of edits: nobody's text is hidden, with who wrote it and when."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.drafts.services import VERSIONS
from tests.factories import execute, rows, value
from tests.integration.api.calls import Caller, add_client, add_mailing, caller, mailing_body
from tests.integration.api.html_forms import fields_of

DRAFT = {"text": "First", "mark": "vip", "then": "keep"}


@pytest.fixture
def anna(app: Flask, api: Caller) -> Caller:
    return operator(app, api, "Anna")


@pytest.fixture
def boris(app: Flask, api: Caller) -> Caller:
    return operator(app, api, "Boris")


def operator(app: Flask, api: Caller, name: str) -> Caller:
    return caller(app, api.post("/v1/key/create/", json={"name": name, "role": "operator"}).json["key"])


def add_draft(api: Caller) -> str:
    return str(api.post("/mailings/new/", data=DRAFT).headers["Location"]).replace("/mailings/#draft-", "")


EDITED: dict[str, tuple[Callable[[Caller], str], str, str]] = {
    "client": (lambda api: f"/clients/{add_client(api)}/edit/", "tag", "SELECT tag FROM client"),
    "mailing": (
        lambda api: f"/mailings/{add_mailing(api)}/edit/",
        "text",
        "SELECT text FROM mailing_text ORDER BY revision DESC LIMIT 1",
    ),
    "draft": (
        lambda api: f"/mailings/drafts/{add_draft(api)}/edit/",
        "text",
        "SELECT fields ->> 'text' FROM mailing_draft",
    ),
}


@pytest.mark.parametrize("kind", EDITED)
def test_of_two_editors_the_second_sees_both_and_replaces_what_was_shown(
    api: Caller, anna: Caller, boris: Caller, connection: Connection, kind: str
) -> None:
    add, name, what = EDITED[kind]
    path = add(api)
    opened = fields_of(anna.get(path)) | {name: "of Anna", "then": "keep"}
    for of_boris in ("of Boris", "of Boris again"):
        change = fields_of(boris.get(path)) | {name: of_boris, "then": "keep"}
        assert boris.post(path, data=change).status_code == 302
        shown = anna.post(path, data=opened)
        assert shown.status_code in (409, 422)
        compared = re.findall(r'class="message-text" dir="auto">([^<]*)<', shown.text)
        assert compared == [of_boris, "of Anna"]
        assert '<strong dir="auto">Boris</strong>' in shown.text
        assert value(connection, what) == of_boris
        opened = fields_of(shown) | {"then": "keep"}
        assert opened[name] == "of Anna"
    assert anna.post(path, data=opened).status_code == 302
    assert value(connection, what) == "of Anna"


def test_a_conflict_shows_times_as_times(api: Caller, boris: Caller) -> None:
    path = f"/mailings/{add_mailing(api)}/edit/"
    opened = fields_of(api.get(path)) | {"end_datetime": "2032-07-01T10:00"}
    later = fields_of(boris.get(path)) | {"end_datetime": "2032-08-01T10:00", "on_unknown": "hold"}
    assert boris.post(path, data=later).status_code == 302
    shown = api.post(path, data=opened).text
    for moment in ("2032-08-01T10:00:00.000Z", "2032-07-01T10:00:00.000Z"):
        assert f'dir="auto"><time datetime="{moment}"' in shown
    assert 'dir="auto">do not send again<' in shown


def test_whoever_sends_a_draft_that_was_changed_is_told_by_whom(api: Caller, boris: Caller) -> None:
    draft = f"/mailings/drafts/{add_draft(api)}/"
    review = fields_of(api.get(draft))
    boris.post(f"{draft}edit/", data=fields_of(boris.get(f"{draft}edit/")) | {"text": "Other", "then": "keep"})
    assert '<strong dir="auto">Boris</strong>' in api.post(draft, data=review).text


def test_who_changed_a_client_by_an_import_is_not_made_up(api: Caller, boris: Caller) -> None:
    path = f"/clients/{add_client(api)}/edit/"
    opened = fields_of(api.get(path))
    assert boris.post(path, data=opened | {"tag": "other"}).status_code == 302
    file = "phone_number,operator_code,tag,timezone\n79161234567,916,imported,UTC\n"
    boris.post("/v1/client/import/", data=file, headers={"Content-Type": "text/csv"})
    shown = api.post(path, data=opened | {"tag": "mine"}).text
    assert ">imported<" in shown
    assert "<strong" not in shown[shown.index("Somebody else has changed this") :]


def test_the_history_of_a_mailing_has_edits_with_who_and_what(
    api: Caller, anna: Caller, boris: Caller, connection: Connection
) -> None:
    mailing_id = int(anna.post("/v1/mailing/create/", json=mailing_body(text="First")).json["id"])
    path = f"/mailings/{mailing_id}/edit/"
    boris.post(path, data=fields_of(boris.get(path)) | {"text": "Second", "mark": "others"})
    assert anna.put(f"/v1/mailing/{mailing_id}/", json=mailing_body(text="Third", mark="others")).status_code == 200
    anna.post(f"/v1/mailing/{mailing_id}/pause/")
    page = api.get(f"/mailings/{mailing_id}/").text
    history = re.sub(r"(<[^>]*>|\s)+", " ", page[page.index('id="history-title"') :])
    assert "changed · Boris Recipients: vip → others ; Text: revision 1 → revision 2" in history
    assert "paused by a user · Anna" in history
    assert f'href="/mailings/{mailing_id}/texts/#revision-2"' in page
    texts = api.get(f"/mailings/{mailing_id}/texts/").text
    assert re.findall(r'class="message-text" dir="auto">([^<]*)<', texts) == ["Third", "Second", "First"]
    assert re.findall(r'· <span dir="auto">([^<]*)<', texts) == ["Anna", "Boris", "Anna"]
    entry = api.get(f"/v1/mailing/{mailing_id}/journal/").json[0]
    assert (entry["action"], entry["actor_name"]) == ("edit", "Boris")
    assert entry["changes"] == {"text": [1, 2], "mark": ["vip", "others"]}


def test_an_edit_that_changes_nothing_is_not_in_the_history(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    path = f"/mailings/{mailing_id}/edit/"
    assert api.post(path, data=fields_of(api.get(path))).status_code == 302
    assert rows(connection, "SELECT action FROM mailing_event") == []
    assert "Earlier texts" not in api.get(f"/mailings/{mailing_id}/").text


def test_the_texts_of_a_mailing_come_page_by_page(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    execute(connection, "INSERT INTO mailing_text SELECT %s, n, n::text FROM generate_series(2, 60) n", mailing_id)
    execute(connection, "UPDATE mailing SET text_revision = 60")
    first = api.get(f"/mailings/{mailing_id}/texts/").text
    following = re.search(r'href="([^"]*)" rel="next"', first)
    assert following
    second = api.get(following[1].replace("&amp;", "&")).text
    numbers = [int(one) for page in (first, second) for one in re.findall(r'id="revision-(\d+)"', page)]
    assert numbers == list(range(60, 0, -1))


def test_the_versions_of_a_draft_are_kept_with_who_wrote_them(
    api: Caller, anna: Caller, boris: Caller, connection: Connection
) -> None:
    draft = f"/mailings/drafts/{add_draft(anna)}/"
    for writer, text in ((boris, "Second"), (anna, "Third")):
        change = fields_of(writer.get(f"{draft}edit/")) | {"text": text, "then": "keep"}
        assert writer.post(f"{draft}edit/", data=change).status_code == 302
    assert f'href="{draft}versions/"' in api.get(f"{draft}edit/").text
    versions = api.get(f"{draft}versions/").text
    assert re.findall(r'class="message-text" dir="auto">([^<]*)<', versions) == ["Third", "Second", "First"]
    assert re.findall(r'· <span dir="auto">([^<]*)<', versions) == ["Anna", "Boris", "Anna"]
    execute(
        connection,
        "INSERT INTO mailing_draft_version (draft_id, fields, written_at, written_by_name)"
        " SELECT 1, '{}', now(), 'Anna' FROM generate_series(1, %s)",
        VERSIONS,
    )
    anna.post(f"{draft}edit/", data=fields_of(anna.get(f"{draft}edit/")) | {"text": "Fourth", "then": "keep"})
    assert value(connection, "SELECT count(*) FROM mailing_draft_version") == VERSIONS
    assert value(connection, "SELECT fields ->> 'text' FROM mailing_draft_version ORDER BY id DESC LIMIT 1") == "Third"
    anna.post(f"{draft}remove/", data=fields_of(anna.get(f"{draft}remove/")))
    assert value(connection, "SELECT count(*) FROM mailing_draft_version") == 0


def test_the_page_of_a_client_has_who_changed_it(api: Caller, anna: Caller, boris: Caller) -> None:
    client_id = add_client(anna)
    path = f"/clients/{client_id}/edit/"
    boris.post(path, data=fields_of(boris.get(path)) | {"tag": "other", "phone_number": "79161234568"})
    page = api.get(f"/clients/{client_id}/").text
    history = re.sub(r"(<[^>]*>|\s)+", " ", page[page.index('id="history-title"') :])
    assert "added · Anna" in history
    assert re.search(r"changed · Boris .*Tag: vip → other", history)
    # The audit has no whole phone numbers.
    assert "Phone number: 7***4567 → 7***4568" in history


def test_what_was_typed_for_something_that_is_gone_is_shown(api: Caller, boris: Caller) -> None:
    draft = f"/mailings/drafts/{add_draft(api)}/"
    opened = fields_of(api.get(f"{draft}edit/")) | {"text": "Half a <text>", "then": "keep"}
    boris.post(f"{draft}remove/", data=fields_of(boris.get(f"{draft}remove/")))
    gone = api.post(f"{draft}edit/", data=opened)
    assert gone.status_code == 404
    assert "Half a &lt;text&gt;" in gone.text
