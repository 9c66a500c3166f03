"""The console by role: what a page offers, what it says to whom it is not for, and what the audit gets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.roles import Role
from tests.factories import add_clients, add_running_mailing, execute, mailing, rows, value
from tests.integration.api.calls import API_KEY, Answer, Caller, add_client, add_mailing, caller
from tests.integration.api.html_forms import fields_of

FORM = {"text": "Bye", "mark": "vip", "on_unknown": "hold", "start_datetime": "2032-06-02T21:00"}
CLIENT = {"phone_number": "79161234567", "operator_code": "916", "timezone": "UTC"}
LINK = re.compile(r'href="(/[^"#]*)"')
NOT_PAGES = re.compile(r"/(static|docs|v1|logout|preferences)/")


@pytest.fixture
def filled(api: Caller, connection: Connection) -> Connection:
    """A client, a mailing that waits, and one under way with messages that failed."""
    add_clients(connection, 2)
    add_mailing(api)
    add_running_mailing(connection, 3)
    api.post("/mailings/new/", data={"text": "Half a ", "then": "keep"})
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id = 1")
    execute(connection, "UPDATE mailing SET launched_at = now() WHERE launch_started_at IS NOT NULL")
    return connection


def as_role(app: Flask, api: Caller, role: str) -> Caller:
    return caller(app, api.post("/v1/key/create/", json={"name": "a test", "role": role}).json["key"])


def signed_in(app: Flask) -> tuple[Caller, str]:
    """A browser that somebody is signed in with, and its token."""
    browser = caller(app, None)
    browser.post("/login/", data={"csrf_token": token_of(browser.get("/login/")), "key": API_KEY})
    return browser, token_of(browser.get("/"))


def token_of(page: Answer) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def walk(viewer: Caller) -> Iterator[tuple[str, Answer]]:
    """Every page that links lead to, from the dashboard on."""
    ahead, seen = ["/"], {"/"}
    while ahead:
        path = ahead.pop()
        answer = viewer.get(path)
        yield path, answer
        for link in LINK.findall(answer.text):
            address = link.replace("&amp;", "&")
            if not NOT_PAGES.match(address) and address not in seen:
                seen.add(address)
                ahead.append(address)


def test_every_link_on_a_viewer_s_pages_leads_somewhere_and_no_form_writes(
    app: Flask, api: Caller, filled: Connection
) -> None:
    seen = []
    for path, answer in walk(as_role(app, api, "viewer")):
        assert answer.status_code == 200, path
        if answer.mimetype == "text/html":
            assert re.findall(r'<form method="post"[^>]*action="([^"]*)"', answer.text) == ["/logout/"], path
            assert answer.text.count('method="post"') == 1, path
        seen.append(path)
    assert {"/mailings/1/", "/mailings/2/", "/clients/1/", "/ledger/1/", "/mailings/2/ledger.csv"} <= set(seen)


def test_every_action_is_linked_for_an_operator(app: Flask, api: Caller, filled: Connection) -> None:
    seen = {path for path, answer in walk(as_role(app, api, "operator")) if answer.status_code == 200}
    assert {
        *("/clients/new/", "/clients/import/", "/clients/1/edit/", "/clients/1/remove/", "/mailings/new/"),
        *("/mailings/1/edit/", "/mailings/1/test/", "/mailings/new/?like=1"),
        *("/mailings/drafts/1/", "/mailings/drafts/1/edit/", "/mailings/drafts/1/remove/"),
        *(f"/mailings/2/{action}/" for action in ("pause", "cancel", "remove", "retry-failed")),
    } <= seen


def test_to_ask_for_the_head_of_a_page_does_nothing(api: Caller, filled: Connection) -> None:
    before = everything(filled)
    for path, answer in walk(api):
        assert api.head(path).status_code == answer.status_code, path
    assert everything(filled) == before


def everything(connection: Connection) -> list[list[tuple[object, ...]]]:
    tables = ("client", "mailing", "mailing_text", "message", "audit_entry")
    return [rows(connection, f"SELECT * FROM {table} ORDER BY 1") for table in tables]  # noqa: S608  names of ours


@pytest.mark.parametrize("path", ["/clients/new/", "/mailings/1/edit/", "/mailings/1/pause/"])
def test_a_viewer_who_posts_by_hand_gets_a_page_that_says_why_not(
    app: Flask, api: Caller, filled: Connection, path: str
) -> None:
    before = value(filled, "SELECT count(*) FROM client"), mailing(filled, 1)
    viewer = as_role(app, api, "viewer")
    for answer in (viewer.post(path, data=CLIENT), viewer.get(path)):
        assert (answer.status_code, answer.mimetype) == (403, "text/html")
        assert "Your role does not allow that" in answer.text
        assert "This needs the role operator, and yours is viewer." in answer.text
    assert (value(filled, "SELECT count(*) FROM client"), mailing(filled, 1)) == before


def test_nobody_sees_more_than_the_way_to_the_sign_in(app: Flask, api: Caller, filled: Connection) -> None:
    nobody = caller(app, None)
    assert nobody.get("/mailings/1/").headers["Location"] == "/login/?next=/mailings/1/"
    for answer in (nobody.post("/mailings/1/pause/"), nobody.get("/nowhere/", headers={"Accept": "text/html"})):
        assert answer.mimetype == "text/html"
        assert 'class="topnav"' not in answer.text
        assert "/logout/" not in answer.text
    refused = nobody.post("/mailings/77/pause/")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer realm=gonets"
    assert 'action="/login/"' in refused.text


def test_a_form_of_another_session_or_without_a_token_does_nothing(app: Flask, api: Caller) -> None:
    add_mailing(api)
    browser, token = signed_in(app)
    for stale, told in (
        ({"csrf_token": token[::-1]}, "Nothing was changed"),
        ({}, "the page has expired"),
    ):
        answer = browser.post("/mailings/1/pause/", data=stale)
        assert answer.status_code == 403
        assert told in answer.text
    assert api.get("/v1/mailing/1/").json["status"] == "scheduled"
    assert browser.post("/mailings/1/pause/", data={"csrf_token": token}).status_code == 302
    assert api.get("/v1/mailing/1/").json["status"] == "paused"


def test_a_page_names_who_is_signed_in_and_signs_them_out(app: Flask, api: Caller) -> None:
    browser, token = signed_in(app)
    assert '<span class="person" title="admin" dir="auto">API_KEY</span>' in browser.get("/clients/").text
    assert browser.post("/logout/", data={"csrf_token": token}).headers["Location"] == "/login/"
    assert browser.get("/clients/").status_code == 303


def test_the_sign_in_is_in_the_browser_s_language(app: Flask, api: Caller) -> None:
    nobody = caller(app, None)
    russian = {"Accept-Language": "ru"}
    page = nobody.get("/login/", headers=russian)
    assert '<html lang="ru"' in page.text
    data = {"csrf_token": token_of(page), "key": "wrong"}
    assert "Ключ API неизвестен" in nobody.post("/login/", data=data, headers=russian).text
    assert nobody.get("/preferences/?language=en&next=/login/").headers["Location"] == "/login/"
    assert '<html lang="en"' in nobody.get("/login/", headers=russian).text


class Audit:
    """What the audit got since the test began: it can't be emptied."""

    def __init__(self, api: Caller, connection: Connection) -> None:
        self._api, self._after = api, value(connection, "SELECT coalesce(max(id), 0) FROM audit_entry")

    def __call__(self) -> list[tuple[str, str, int, object]]:
        entries = self._api.get(f"/v1/audit/?after={self._after}").json
        return [(one["operation"], one["object"], one["object_id"], one["detail"]) for one in entries]


def test_the_audit_has_what_is_done_to_clients_by_the_api_s_names(api: Caller, connection: Connection) -> None:
    audit = Audit(api, connection)
    api.post("/clients/new/", data=CLIENT | {"tag": "vip"})
    client_id = value(connection, "SELECT id FROM client")
    seen = value(connection, "SELECT updated_at FROM client").astimezone(UTC).isoformat()
    changed = CLIENT | {"phone_number": "79160000001", "tag": "vip", "updated_at": seen}
    assert api.post(f"/clients/{client_id}/edit/", data=changed).status_code == 302
    api.post(f"/clients/{client_id}/remove/")
    assert audit() == [
        ("createClient", "client", client_id, None),
        ("updateClient", "client", client_id, {"phone_number": ["7***4567", "7***0001"]}),
        ("deleteClient", "client", client_id, None),
    ]


def test_the_audit_has_what_is_done_to_mailings_by_the_api_s_names(api: Caller, filled: Connection) -> None:
    add_client(api)
    audit = Audit(api, filled)
    draft = api.post("/mailings/new/", data=FORM | {"end_datetime": "2032-06-03T21:00"}).headers["Location"]
    api.post(draft, data=fields_of(api.get(draft)))
    new_id = value(filled, "SELECT max(id) FROM mailing")
    seen = mailing(filled, new_id)["updated_at"].astimezone(UTC).isoformat()
    changed = FORM | {"end_datetime": "2032-06-03T21:00", "mark": "others", "updated_at": seen}
    assert api.post(f"/mailings/{new_id}/edit/", data=changed).status_code == 302
    api.post(f"/mailings/{new_id}/test/", data={"phone_number": "79161234567"})
    for action in ("pause", "resume"):
        api.post(f"/mailings/{new_id}/{action}/")
    for action in ("retry-failed", "cancel", "remove"):
        api.post(f"/mailings/2/{action}/")
    assert audit() == [
        ("createDraft", "draft", 2, None),
        ("sendDraft", "mailing", new_id, None),
        ("updateMailing", "mailing", new_id, {"mark": ["vip", "others"]}),
        ("testMailing", "mailing", new_id + 1, None),
        ("pauseMailing", "mailing", new_id, None),
        ("resumeMailing", "mailing", new_id, None),
        ("retryMailing", "mailing", 2, None),
        ("cancelMailing", "mailing", 2, None),
        ("deleteMailing", "mailing", 2, None),
    ]


def test_what_a_form_gets_refused_is_not_in_the_audit(api: Caller, connection: Connection) -> None:
    audit = Audit(api, connection)
    api.post("/clients/new/", data=CLIENT | {"operator_code": "111"})
    api.post("/clients/new/", data={})
    assert audit() == []


def test_each_role_has_a_word(app: Flask, api: Caller) -> None:
    for role in Role:
        page = as_role(app, api, role.value).get("/", headers={"Accept-Language": "ru"}).text
        assert re.search(r'class="person" title="[а-я]+"', page)
