"""Writing a mailing, in a browser: the review, undoing, pasted texts, and hours that come twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.browser.conftest import PATIENCE, Open
from tests.browser.service import Service
from tests.factories import add_clients, value
from tests.integration.api.test_console_datetimes import WINDOWS
from tests.integration.api.test_mailing_review import PASTED
from tests.long_variations import few_of

expect.set_options(timeout=PATIENCE)


@pytest.fixture
def in_berlin(browser: Browser, service: Service) -> Iterator[Page]:
    context = browser.new_context(base_url=service.url, locale="en-GB", timezone_id="Europe/Berlin")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(service.link("/"))
    yield page
    context.close()


def add(service: Service, start: str, end: str) -> int:
    window = {"start_datetime": start, "end_datetime": end}
    return int(service.post("/v1/mailing/create/", mark="berlin", text="Hello", **window)["id"])


@pytest.mark.parametrize(("start", "end"), few_of(WINDOWS, WINDOWS[0]))
def test_saving_an_edit_of_the_text_leaves_the_window_as_it_was(
    in_berlin: Page, service: Service, ledger: Connection, start: str, end: str
) -> None:
    mailing_id = add(service, start, end)
    in_berlin.goto(f"/mailings/{mailing_id}/edit/")
    in_berlin.get_by_label("Text").fill("Other")
    in_berlin.get_by_role("button", name="Save").click()
    expect(in_berlin.get_by_text("The change is saved.")).to_be_visible()
    window = "SELECT ARRAY[start_datetime, end_datetime] FROM mailing WHERE id = %s"
    assert value(ledger, window, mailing_id) == [datetime.fromisoformat(start), datetime.fromisoformat(end)]


def test_a_time_that_clocks_skip_is_refused_and_of_one_that_comes_twice_one_is_chosen(
    in_berlin: Page, service: Service, ledger: Connection
) -> None:
    mailing_id = add(service, "2027-03-20T10:00:00Z", "2027-11-20T10:00:00Z")
    in_berlin.goto(f"/mailings/{mailing_id}/edit/")
    in_berlin.get_by_label("Start", exact=True).fill("2027-03-28T02:30:00")
    in_berlin.get_by_role("button", name="Save").click()
    expect(in_berlin.get_by_text("There is no 02:30 on that day").first).to_be_visible()
    in_berlin.get_by_label("Start", exact=True).fill("2027-10-31T02:30:00")
    in_berlin.get_by_role("button", name="Save").click()
    in_berlin.get_by_label("The second, after clocks went back (UTC+01:00)").check()
    in_berlin.get_by_role("button", name="Save").click()
    expect(in_berlin.get_by_text("The change is saved.")).to_be_visible()
    start = value(ledger, "SELECT start_datetime FROM mailing WHERE id = %s", mailing_id)
    assert start == datetime.fromisoformat("2027-10-31T01:30:00Z")


def test_a_pasted_text_that_is_too_long_is_kept_whole_and_counted(at: Open, ledger: Connection) -> None:
    page = at("/mailings/new/")
    page.get_by_label("Recipients").fill("pasted")
    page.get_by_label("Text").fill("я" * 20_000)
    expect(page.locator("#estimate")).to_contain_text("18,400 characters too many: a text may have 1,600.")
    page.get_by_label("Text").select_text()
    page.keyboard.insert_text(PASTED)
    expect(page.get_by_label("Text")).to_have_value(PASTED)
    expect(page.locator("#estimate")).to_contain_text("77 characters too many: a text may have 1,600.")
    page.get_by_role("button", name="Continue to review").click()
    expect(page.get_by_text("77 more than the 1600 allowed").first).to_be_visible()
    expect(page.get_by_label("Text")).to_have_value(PASTED)
    page.get_by_role("button", name="Save as a draft").click()
    page.get_by_role("link", name="Draft", exact=False).first.click()
    expect(page.get_by_label("Text")).to_have_value(PASTED)


def test_a_mailing_is_reviewed_scheduled_and_undone(at: Open, ledger: Connection) -> None:
    add_clients(ledger, 3, tag="later")
    page = at("/mailings/new/")
    page.get_by_label("Text").fill("See https://example.org/sale")
    page.get_by_label("Recipients").fill("later")
    page.get_by_label("Start", exact=True).fill("2032-11-30T09:00")
    page.get_by_label("End", exact=True).fill("2032-11-30T12:00")
    page.get_by_role("button", name="Continue to review").click()
    expect(page.locator(".bubble").get_by_role("link")).to_have_attribute("href", "https://example.org/sale")
    page.get_by_role("button", name=re.compile(r"Schedule for 30 Nov 2032, 09:00: 3 clients")).click()
    page.get_by_role("button", name="Undo: back to a draft").click()
    expect(page.get_by_label("Text")).to_have_value("See https://example.org/sale")
    expect(page.get_by_label("Start", exact=True)).to_have_value("2032-11-30T09:00")
    assert value(ledger, "SELECT count(*) FROM mailing WHERE mark = 'later'") == 0


def test_the_seconds_until_the_start_are_counted(at: Open, service: Service) -> None:
    now = datetime.now().astimezone()
    start = (now.replace(microsecond=0)).timestamp() + 300
    begin = datetime.fromtimestamp(start).astimezone()
    mailing_id = add(service, begin.isoformat(), (begin + timedelta(days=365)).isoformat())
    page = at(f"/mailings/{mailing_id}/")
    shown = page.locator("[data-seconds-left]")
    first = int(shown.inner_text())
    assert 200 < first <= 300
    expect(shown).not_to_have_text(str(first))
    assert int(shown.inner_text()) < first


def test_a_warning_is_confirmed_before_the_button_works(at: Open, ledger: Connection) -> None:
    page = at("/mailings/new/")
    page.get_by_label("Text").fill("Hello")
    page.get_by_label("Recipients").fill("nobody here")
    page.get_by_role("button", name="Continue to review").click()
    page.get_by_role("button", name="Send to 0 clients now").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Review of draft")
    assert value(ledger, "SELECT count(*) FROM mailing WHERE mark = 'nobody here'") == 0
    page.get_by_label("No client has its mark").check()
    page.get_by_role("button", name="Send to 0 clients now").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Mailing")


def test_characters_that_look_alike_are_replaced_by_a_button(in_berlin: Page) -> None:
    in_berlin.goto("/mailings/new/")
    text = in_berlin.get_by_label("Text", exact=True)
    text.fill("Sаle – “50 %”\nHello {{ first_name | default: 'you' }}")
    in_berlin.get_by_role("button", name="Replace them").click()
    expect(text).to_have_value("Sale - \"50 %\"\nHello {{ first_name | default: 'you' }}")
    expect(in_berlin.get_by_role("button", name="Replace them")).to_have_count(0)
