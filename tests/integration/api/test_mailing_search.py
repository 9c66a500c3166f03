"""Mailings are searched for among all of them, and a search that stops early says where."""

from __future__ import annotations

import re

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.mailings import search
from tests.factories import add_mailing as add_by_hand
from tests.factories import change_mailing, execute, revise_text
from tests.integration.api.calls import Caller, add_mailing

ROW = re.compile(r'<th scope="row"><a href="/mailings/(\d+)/">')
GO_ON = re.compile(r'<a href="([^"]*)">Continue the search</a>')
NEXT = re.compile(r'href="([^"]*)" rel="next"')


def found(api: Caller, words: str, **query: str) -> list[int]:
    page = api.get("/mailings/", query_string={"words": words, **query})
    assert page.status_code == 200
    return [int(number) for number in ROW.findall(page.text)]


def add_many(connection: Connection, count: int) -> None:
    execute(
        connection,
        """
        WITH added AS (
            INSERT INTO mailing (mark, start_datetime, end_datetime)
            SELECT 'many', now(), now() + interval '1 h' FROM generate_series(1, %s) RETURNING id
        )
        INSERT INTO mailing_text (mailing_id, revision, text) SELECT id, 1, 'Hello' FROM added
        """,
        count,
    )


def test_a_mailing_is_found_by_its_words(api: Caller) -> None:
    ids = [add_mailing(api, text="Big sale 100%"), add_mailing(api, text="Other", mark="saleslike")]
    assert found(api, "SALE") == [ids[1], ids[0]]
    assert found(api, "100%") == found(api, "%") == found(api, str(ids[0])) == [ids[0]]
    assert found(api, "_") == []
    assert found(api, str(ids[1])) == found(api, f"#{ids[1]}") == [ids[1]]
    assert found(api, "") == [ids[1], ids[0]]
    assert found(api, "sale", status="cancelled") == found(api, str(ids[0]), status="cancelled") == []


def test_only_the_text_that_a_mailing_has_now_counts(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api, text="Winter")
    revise_text(connection, mailing_id, "Summer")
    removed = add_mailing(api, text="Summer")
    change_mailing(connection, removed, "deleted_at = now()")
    assert (found(api, "winter"), found(api, "summer"), found(api, str(removed))) == ([], [mailing_id], [])


def test_a_mailing_is_found_by_the_day_of_its_start(api: Caller) -> None:
    late = add_mailing(api, text="Late", start_datetime="2031-11-30T22:30:00Z")
    early = add_mailing(api, text="Early", start_datetime="2031-11-30T00:30:00Z")
    named = add_mailing(api, text="Until 30.11.2031")
    assert found(api, "30.11.2031") == [named, early, late]
    assert found(api, "2031-11-30") == [early, late]
    assert found(api, "2031-11-30 ear") == [early]
    # In Moscow it is three hours later.
    assert found(api, "2031-12-01", zone="Europe/Moscow") == [late]


def test_the_oldest_of_more_than_ten_thousand_mailings_is_found(api: Caller, connection: Connection) -> None:
    oldest = add_by_hand(connection, text="Распродажа", mark="everybody")
    add_many(connection, 12_000)
    assert found(api, "распродажа") == found(api, "everybody") == found(api, str(oldest)) == [oldest]
    assert "No mailing matches." in api.get("/mailings/?words=nowhere").text


def test_what_fills_more_than_a_page_goes_on(api: Caller, connection: Connection) -> None:
    add_many(connection, 120)
    seen, address = list[int](), "/mailings/?words=hello"
    while address:
        page = api.get(address).text
        seen += map(int, ROW.findall(page))
        following = NEXT.search(page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert seen == list(range(120, 0, -1))


def test_a_search_that_takes_too_long_says_where_it_has_stopped_and_goes_on_from_there(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest = add_by_hand(connection, text="Sale")
    add_many(connection, 30)
    monkeypatch.setattr(search, "BUDGET", -1.0)
    monkeypatch.setattr(search, "FIRST_CHUNK", 10)
    seen, address, looks = list[int](), "/mailings/?words=sale", 0
    while address:
        page, looks = api.get(address).text, looks + 1
        seen += map(int, ROW.findall(page))
        more = GO_ON.search(page)
        assert ("have not been searched yet" in page) is bool(more)
        assert not (more and "No mailing matches." in page)
        address = more[1].replace("&amp;", "&") if more else ""
    assert (seen, looks) == ([oldest], 4)


def test_an_invalid_phone_number_is_an_error_and_does_not_list_all_clients(api: Caller) -> None:
    page = api.get("/clients/?phone=абв").text
    assert "A phone number, or its beginning, must contain digits." in page
    assert "No clients yet" not in page
    assert "Phone number, message and mailing must be numbers" in api.get("/ledger/?phone=абв").text
