"""Lists that are longer than a page: the latest is there, the rest can be reached, and what is left out is said."""

from __future__ import annotations

import re

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, add_running_mailing, execute
from tests.integration.api.calls import Caller, add_mailing

ENTRY = re.compile(r"entry-(\d+)-end")
EARLIER = re.compile(r'<a href="([^"]*)#history-title">Earlier entries</a>')


def fill_journal(connection: Connection, entries: int) -> None:
    execute(
        connection,
        "INSERT INTO mailing_event (mailing_id, action, detail)"
        " SELECT 1, 'retry', format('entry-%%s-end', n) FROM generate_series(1, %s) n",
        entries,
    )


def test_a_history_of_more_than_1000_entries_shows_the_latest_and_leads_to_all(
    api: Caller, connection: Connection
) -> None:
    add_mailing(api)
    fill_journal(connection, 1120)
    address = "/mailings/1/"
    seen: list[int] = []
    while address:
        page = api.get(address).text
        numbers = [int(number) for number in ENTRY.findall(page)]
        assert numbers == sorted(numbers)
        assert ("Latest entries" in page) is bool(seen)
        seen = numbers + seen
        earlier = EARLIER.search(page)
        address = earlier[1].replace("&amp;", "&") if earlier else ""
    assert seen == list(range(1, 1121))
    assert "entry-1120-end" in api.get("/mailings/1/?part=live").text


def test_a_live_part_of_a_history_leads_to_whole_pages(api: Caller, connection: Connection) -> None:
    add_mailing(api)
    fill_journal(connection, 60)
    found = EARLIER.search(api.get("/mailings/1/?part=live").text)
    assert found
    assert "part" not in found[1]
    page = api.get(found[1].replace("&amp;", "&")).text
    live = re.search(r'data-live="([^"]*)"', page)
    assert live
    assert ENTRY.findall(api.get(live[1].replace("&amp;", "&")).text) == ENTRY.findall(page)


def test_a_history_of_one_page_says_nothing_of_others(api: Caller, connection: Connection) -> None:
    add_mailing(api)
    fill_journal(connection, 50)
    page = api.get("/mailings/1/").text
    assert len(ENTRY.findall(page)) == 50
    assert "Earlier entries" not in page


def test_removing_a_client_names_all_messages_that_wait(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    for _ in range(120):
        add_running_mailing(connection)
    execute(connection, "UPDATE message SET client_id = 1 WHERE id > 10")
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id = 20")
    assert "109 pending messages" in api.get("/clients/1/remove/").text


def test_the_dashboard_says_when_it_does_not_show_all_mailings(api: Caller, connection: Connection) -> None:
    for _ in range(20):
        add_running_mailing(connection)
    said = "Only the latest mailings under way"
    assert said not in api.get("/").text
    add_running_mailing(connection)
    page = api.get("/").text
    assert said in page
    assert len(re.findall(r'<th scope="row"><a href="/mailings/\d+/">', page)) == 20
