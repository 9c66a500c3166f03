"""What a form has done is told on the page that follows: by the server, once, to whoever has done it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.console import flash_messages
from tests.factories import add_running_mailing, change_mailing, execute
from tests.integration.api.calls import API_KEY, Caller, add_client, add_mailing
from tests.integration.api.html_forms import fields_of

CLIENT = {"phone_number": "79161234567", "operator_code": "916", "tag": "vip", "timezone": "UTC"}
SUCCESS = "alert-success"
PAUSED = "The mailing is paused."


@pytest.fixture
def mailing_id(api: Caller) -> int:
    return add_mailing(api)


def address_after(api: Caller, path: str, **data: str) -> str:
    answer = api.post(path, data=data)
    assert answer.status_code == 302, answer.text
    address = answer.headers["Location"]
    assert "?" not in address
    return address


def actions(api: Caller, connection: Connection) -> Iterator[tuple[str, str]]:
    """The address after each form that tells something, and what is told there."""
    yield address_after(api, "/clients/new/", **CLIENT), "The client is added."
    edited = fields_of(api.get("/clients/1/edit/"))
    yield address_after(api, "/clients/1/edit/", **edited | {"tag": "other"}), "The change is saved."
    yield address_after(api, "/clients/1/remove/"), "The client is removed."
    add_client(api, phone_number=79000000002, operator_code="900")
    mailing_id = add_mailing(api)
    edited = fields_of(api.get(f"/mailings/{mailing_id}/edit/"))
    yield address_after(api, f"/mailings/{mailing_id}/edit/", **edited | {"text": "New"}), "The change is saved."
    yield address_after(api, f"/mailings/{mailing_id}/test/", phone_number="79000000002"), "The test message is queued."
    yield address_after(api, f"/mailings/{mailing_id}/pause/"), PAUSED
    yield address_after(api, f"/mailings/{mailing_id}/resume/"), "The mailing is resumed."
    yield address_after(api, f"/mailings/{mailing_id}/cancel/"), "The mailing is cancelled."
    yield address_after(api, f"/mailings/{mailing_id}/remove/"), "The mailing is removed."
    running = add_running_mailing(connection, 1200)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE mailing_id = %s", running)
    yield address_after(api, f"/mailings/{running}/retry-failed/"), "1,200 messages will be sent again."


def test_each_action_is_reported_once_and_not_by_its_address(api: Caller, connection: Connection) -> None:
    for address, told in actions(api, connection):
        assert told not in api.get(address, query_string={"part": "live"}).text
        assert api.head(address).status_code == 200
        page = api.get(address).text
        assert told in page
        assert page.count(SUCCESS) == 1
        assert SUCCESS not in api.get(address).text


def test_a_parameter_can_not_put_text_into_a_page(api: Caller, mailing_id: int) -> None:
    add_client(api)
    for path in ("/mailings/", f"/mailings/{mailing_id}/", "/clients/", "/clients/1/"):
        for said in ("pause", "cancel", "changed", "test", "retry-failed", "added", "removed", "remove"):
            page = api.get(path, query_string={"said": said, "count": "999999"}).text
            assert SUCCESS not in page
            assert "999,999" not in page


def test_two_tabs_are_told_each_its_own(api: Caller, mailing_id: int) -> None:
    other = add_mailing(api)
    one, two = address_after(api, f"/mailings/{mailing_id}/pause/"), address_after(api, f"/mailings/{other}/cancel/")
    assert SUCCESS not in api.get("/mailings/").text
    assert "The mailing is cancelled." in api.get(two).text
    assert PAUSED in api.get(one).text


def test_an_undo_by_another_user_is_not_reported_as_ours(api: Caller, connection: Connection, mailing_id: int) -> None:
    address = address_after(api, f"/mailings/{mailing_id}/pause/")
    change_mailing(connection, mailing_id, "status = 'scheduled'")
    assert SUCCESS not in api.get(address).text


def test_a_form_that_is_sent_twice_is_told_of_once(api: Caller, mailing_id: int) -> None:
    path = f"/mailings/{mailing_id}/pause/"
    data = fields_of(api.get(path))
    first, second = api.post(path, data=data), api.post(path, data=data)
    assert first.headers["Set-Cookie"] == second.headers["Set-Cookie"]
    address = second.headers["Location"]
    assert PAUSED in api.get(address).text
    assert SUCCESS not in api.get(address).text


def test_what_is_old_is_not_told(api: Caller, mailing_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    address = address_after(api, f"/mailings/{mailing_id}/pause/")
    monkeypatch.setattr(flash_messages, "MAX_AGE_SECONDS", -1)
    assert SUCCESS not in api.get(address).text


def test_a_flash_message_is_for_one_user_and_one_page_and_can_not_be_forged(
    app: Flask, api: Caller, mailing_id: int
) -> None:
    other_key = api.post("/v1/key/create/", json={"name": "another", "role": "operator"}).json["key"]
    other = add_mailing(api)
    answer = api.post(f"/mailings/{mailing_id}/pause/")
    cookie, address = answer.headers["Set-Cookie"].partition(";")[0], answer.headers["Location"]

    def shown(cookie: str, path: str = address, key: str = API_KEY) -> bool:
        browser = app.test_client(use_cookies=False)
        page = browser.get(path, headers={"Cookie": cookie, "Authorization": f"Bearer {key}"})
        assert page.status_code == 200
        return SUCCESS in page.text

    assert shown(cookie)
    assert not shown(cookie, key=other_key)
    assert not shown(cookie, f"/mailings/{other}/")
    # Not the last character, some bits of which nobody reads, and certainly another one.
    assert not shown(f"{cookie[:-9]}{'y' if cookie[-9] == 'x' else 'x'}{cookie[-8:]}")
    assert not shown(f"{flash_messages.COOKIE}=pause")


def test_a_retry_says_when_there_are_more(api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.mailings.services.RETRY_LIMIT", 2)
    mailing_id = add_running_mailing(connection, 3)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now()")
    page = api.get(address_after(api, f"/mailings/{mailing_id}/retry-failed/")).text
    assert "2 messages will be sent again. There are more: repeat the action for the rest." in page
