"""Inbound messages in the console: the list, conversations, and answers."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, add_running_mailing, execute, rows, value
from tests.inbound import WRITER, add_inbound_message, let_come_earlier
from tests.integration.api.calls import Caller
from tests.integration.api.html_forms import fields_of, names_by_action, posting_forms
from tests.integration.api.test_console_access import as_role

TEXT = re.compile(r'<p class="message-text" dir="auto">([^<]*)</p>')
COUNT = re.compile(r'<span class="count">([0-9+]+)<span class="visually-hidden"> ([^<]*)<')


def listed(api: Caller, query: str = "") -> list[str]:
    """The texts of the list, from its top on."""
    return re.findall(r'/inbox/\d+/"><bdi dir="auto">([^<]*)</bdi>', api.get(f"/inbox/{query}").text)


def test_the_list_shows_what_was_written_and_what_is_unread(api: Caller, connection: Connection) -> None:
    assert "No inbound messages yet." in api.get("/inbox/").text
    add_clients(connection, 1)
    add_inbound_message(connection, "first")
    add_inbound_message(connection, "second <b>", phone_number=None, sender="InfoSMS")
    execute(connection, "UPDATE inbound_message SET read_at = now(), read_by = 'anna', parts = 3 WHERE id = 1")

    page = api.get("/inbox/").text

    assert listed(api) == ["second &lt;b&gt;", "first"]
    assert f"+{WRITER}" in page
    assert "InfoSMS" in page
    assert "1 of 3 parts received" in page
    assert listed(api, "?show=unread") == ["second &lt;b&gt;"]
    assert listed(api, "?phone=%2B7+900+000-00-01") == ["first"]
    assert listed(api, "?phone=79000000009") == []
    assert "The phone number has no digits." in api.get("/inbox/?phone=x").text
    live = api.get("/inbox/?part=live&show=unread").text
    assert "second" in live
    assert "<html" not in live


def test_the_list_has_pages(api: Caller, connection: Connection) -> None:
    for number in range(51):
        add_inbound_message(connection, f"text {number}")

    page = api.get("/inbox/?show=unread")
    [following] = re.findall(r'href="([^"]*)" rel="next"', page.text)

    assert listed(api) == [f"text {number}" for number in range(50, 0, -1)]
    assert listed(api, following.replace("&amp;", "&").removeprefix("/inbox/")) == ["text 0"]


def test_the_navigation_counts_what_is_unread(api: Caller, connection: Connection) -> None:
    assert not COUNT.search(api.get("/clients/").text)
    for _ in range(2):
        add_inbound_message(connection)

    for path in ("/clients/", "/inbox/", "/inbox/1/"):
        assert COUNT.findall(api.get(path).text) == [("2", "unread messages")]
    add_inbound_message(connection)
    russian = api.get("/clients/", headers={"Accept-Language": "ru"}).text
    assert COUNT.findall(russian) == [("3", "непрочитанных сообщения")]
    for _ in range(97):
        add_inbound_message(connection)
    assert COUNT.findall(api.get("/clients/").text) == [("99+", "unread messages")]


def test_a_conversation_has_both_sides_in_the_order_of_time(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1, text="Shall we meet?")
    execute(connection, "UPDATE message SET status = 'sent', sent_at = now() - interval '3 hours', ended_at = now()")
    add_inbound_message(connection, "Yes", message_id=1)
    let_come_earlier(connection, "2 hours")
    execute(connection, "UPDATE inbound_message SET client_id = NULL")  # it came before the client was added
    add_inbound_message(connection, "At six?")
    add_inbound_message(connection, "of somebody else", phone_number=WRITER + 1)

    for path in ("/clients/1/conversation/", "/inbox/2/", "/inbox/2/?part=live"):
        assert TEXT.findall(api.get(path).text) == ["Shall we meet?", "Yes", "At six?"], path
    assert TEXT.findall(api.get("/inbox/3/").text) == ["of somebody else"]
    assert 'href="/clients/1/conversation/"' in api.get("/clients/1/").text
    ours = api.get("/ledger/1/").text
    assert "The recipient answered" in ours
    assert 'href="/inbox/1/"' in ours
    assert api.get("/inbox/77/").status_code == 404


def test_a_long_conversation_shows_its_latest_messages(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    for number in range(51):
        add_inbound_message(connection, f"text {number}")

    page = api.get("/clients/1/conversation/").text

    assert TEXT.findall(page) == [f"text {number}" for number in range(1, 51)]
    assert "The latest 50 messages." in page


def test_a_client_who_has_not_written_has_a_conversation_without_an_answer(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)

    page = api.get("/clients/1/conversation/")

    assert "No messages yet." in page.text
    assert len(posting_forms(page)) == 1, "only the one to sign out"


def test_a_message_is_marked_as_read_and_as_unread(api: Caller, connection: Connection) -> None:
    add_inbound_message(connection)

    for path, reader in (("/inbox/1/read/", "API_KEY"), ("/inbox/1/unread/", None)):
        page = api.get("/inbox/1/")
        assert path in [action for action, _ in names_by_action(page)]
        assert api.post(path, data=fields_of(page)).headers["Location"] == "/inbox/1/"
        assert value(connection, "SELECT read_by FROM inbound_message") == reader


def test_an_answer_is_sent_and_linked(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    add_inbound_message(connection)
    page = api.get("/inbox/1/")

    done = api.post("/inbox/1/answer/", data=fields_of(page) | {"text": "At six.\r\nBye"})

    assert done.headers["Location"] == "/inbox/1/"
    shown = api.get("/inbox/1/").text
    assert TEXT.findall(shown) == ["When does it begin?", "At six.\nBye"]
    assert '<a href="/ledger/1/">answered</a>' in shown
    assert "This is an answer to:" in api.get("/ledger/1/").text
    assert rows(connection, "SELECT read_by, answer_message_id FROM inbound_message") == [("API_KEY", 1)]


def test_an_answer_that_cannot_be_sent_keeps_what_was_typed(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    add_inbound_message(connection)
    form = fields_of(api.get("/inbox/1/"))

    empty = api.post("/inbox/1/answer/", data=form | {"text": ""})
    assert empty.status_code == 422
    assert 'id="text-error"' in empty.text
    assert 'data-live="/inbox/1/?part=live"' in empty.text
    long = api.post("/inbox/1/answer/", data=form | {"text": "б" * 10_001})
    assert long.status_code == 422
    assert fields_of(long)["text"] == "б" * 10_001

    execute(connection, "UPDATE gateway SET paused_at = now()")
    refused = api.post("/inbox/1/answer/", data=form | {"text": "At six."})
    assert refused.status_code == 422
    assert "Gateway default is paused" in refused.text
    assert value(connection, "SELECT count(*) FROM message") == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE gateway SET paused_at = now()", "Gateway default is paused"),
        ("DELETE FROM client", "No client has this number"),
    ],
)
def test_a_message_that_cannot_be_answered_says_why(
    api: Caller, connection: Connection, change: str, said: str
) -> None:
    add_clients(connection, 1)
    add_inbound_message(connection)
    execute(connection, change)

    page = api.get("/inbox/1/")

    assert "It cannot be answered." in page.text
    assert said in page.text
    assert "/inbox/1/answer/" not in [action for action, _ in names_by_action(page)]


def test_a_viewer_reads_and_writes_nothing(app: Flask, api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    add_inbound_message(connection)
    viewer = as_role(app, api, "viewer")

    for path in ("/inbox/", "/inbox/1/", "/clients/1/conversation/"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert len(posting_forms(page)) == 1, "only the one to sign out"


def test_the_segments_of_an_answer_are_counted(api: Caller) -> None:
    counted = api.post("/mailings/estimate/?only=segments", data={"text": "П" * 71})

    assert "<b>2</b>" in counted.text
    assert "71 characters" in counted.text
    assert "Total segments" not in counted.text
