"""The plan of a mailing in the console: while it is typed, in the review, and beside what was sent."""

from __future__ import annotations

import re

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.console import planned
from tests.factories import add_clients, begin_launch, execute
from tests.integration.api.calls import Caller, add_mailing
from tests.integration.api.html_forms import fields_of
from tests.integration.api.test_mailing_plans import GREETING, launch
from tests.integration.api.test_mailing_review import draft_of, typed

LONG_NAMES = "UPDATE client SET attributes = jsonb_build_object('first_name', repeat('x', (id * 50)::int)) WHERE id < 5"
"""Of 50, 100, 150 and 200 letters."""

RUSSIAN = {"Accept-Language": "ru"}


def words(page: str) -> str:
    """What is on a page, without tags and with single blanks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_the_form_and_the_review_show_how_texts_differ_and_who_gets_none(api: Caller, connection: Connection) -> None:
    add_clients(connection, 6, tag="vip")
    execute(connection, LONG_NAMES)
    shown = api.post("/mailings/estimate/", data=typed(text=GREETING)).text
    assert "1 segment 3 75.0% 2 segments 1 25.0%" in words(shown)
    assert f"Hello, {'x' * 200}" in shown
    assert '<a href="/clients/5/">client 5</a>, <a href="/clients/6/">client 6</a>' in shown
    review = draft_of(api, typed(text=GREETING))
    page = api.get(review)
    assert "1 segment 3 75.0%" in words(page.text)
    assert f'<p class="bubble" dir="auto">Hello, {"x" * 200}</p>' in page.text
    assert 'id="confirm-missing_values"' in page.text
    assert "Нет значения поля" in api.get(review, headers=RUSSIAN).text
    assert api.post(review, data=fields_of(page) | {"confirm": "missing_values"}).status_code == 302


def test_what_is_no_template_is_said_while_it_is_typed(api: Caller) -> None:
    shown = api.post("/mailings/estimate/", data=typed(text="Hello {{ nobody }}"))
    assert shown.status_code == 200
    assert "there is no field nobody" in shown.text


def test_look_alikes_are_listed_and_replaced_by_a_button(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1, tag="vip")
    text = "Sаle – {{ first_name | default: 'you' }}"
    shown = api.post("/mailings/estimate/", data=typed(text=text)).text
    assert "character 2: CYRILLIC SMALL LETTER A" in shown
    assert 'data-replace="Sale - {{ first_name | default: &#39;you&#39; }}"' in shown
    # Without scripts, the form is sent for it, and nothing is saved.
    again = api.post("/mailings/new/", data=typed(text=text, replace="1"))
    assert (again.status_code, fields_of(again)["text"]) == (200, "Sale - {{ first_name | default: 'you' }}")
    review = draft_of(api, typed(text=text))
    page = api.get(review)
    assert "takes more segments than the GSM alphabet" in page.text
    # It is advice, which needs no confirmation.
    assert "confirm-forced_ucs2" not in page.text
    edited = api.post(f"{review}edit/", data=fields_of(api.get(f"{review}edit/")) | {"replace": "1"})
    assert fields_of(edited)["text"] == "Sale - {{ first_name | default: 'you' }}"
    assert api.post(review, data=fields_of(page)).status_code == 302


def test_the_page_of_a_mailing_shows_planned_and_actual(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(connection, "UPDATE gateway SET segment_price = 0.05, currency = 'EUR' WHERE id = 1")
    add_clients(connection, 4, tag="vip")
    execute(connection, LONG_NAMES)
    mailing_id = add_mailing(api, mark="vip", text=GREETING)
    launch(connection, mailing_id, 3, 1, "0.05")
    page = api.get(f"/mailings/{mailing_id}/").text
    assert "default 4 3 5 3 0.25 EUR 0.15 EUR" in words(page)
    assert "Planned and actual" not in api.get(f"/mailings/{mailing_id}/?part=live").text
    whole = api.get(f"/mailings/{mailing_id}/plan/", headers=RUSSIAN).text
    assert "План и факт" in whole
    assert "1 часть 3 75,0%" in words(whole)
    csv = api.get(f"/mailings/{mailing_id}/plan.csv")
    assert csv.text.splitlines() == [
        "gateway,planned_messages,actual_messages,planned_segments,actual_segments,planned_cost,actual_cost,currency",
        "default,4,3,5,3,0.250000,0.150000,EUR",
    ]
    assert api.get(f"/mailings/{mailing_id}/plan.csv?delimiter=;").status_code == 400
    # Attempts of a large mailing are counted on the plan's own page alone.
    monkeypatch.setattr(planned, "QUICK", -1)
    page = api.get(f"/mailings/{mailing_id}/").text
    assert (f'href="/mailings/{mailing_id}/plan/"' in page, "0.25 EUR" in page) == (True, False)


def test_several_gateways_have_a_total_and_a_mailing_without_a_plan_has_a_page(
    api: Caller, connection: Connection
) -> None:
    add_clients(connection, 2, tag="vip")
    mailing_id = add_mailing(api, mark="vip", text="x" * 161)
    launch(connection, mailing_id)
    execute(connection, "INSERT INTO gateway (name, provider, address) VALUES ('second', 'gonets', '')")
    execute(connection, "UPDATE attempt SET gateway = 'second' WHERE message_id = 2")
    page = words(api.get(f"/mailings/{mailing_id}/plan/").text)
    assert "default 2 1 4 2 – – second 0 1 0 2" in page
    assert "all gateways 2 2 4 4" in page
    execute(connection, "DELETE FROM mailing_plan")
    assert api.get(f"/mailings/{mailing_id}/plan/").status_code == 200
    assert "Planned and actual" not in api.get(f"/mailings/{mailing_id}/").text
    other = add_mailing(api)
    begin_launch(connection, other)
    execute(connection, "UPDATE mailing SET purge_started_at = now() WHERE id = %s", other)
    assert "What was sent is not known" in api.get(f"/mailings/{other}/plan/").text
