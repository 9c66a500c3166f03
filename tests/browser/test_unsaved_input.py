"""What is typed is not lost: a session that ends, another language, other colours, a click elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.browser.conftest import PATIENCE, Open
from tests.browser.forms import add_draft, waiting
from tests.browser.service import Service
from tests.factories import add_clients, value

expect.set_options(timeout=PATIENCE)

TEXT = "Half a text, with “quotes” & <signs>\nand a second line"
BACK = "Your earlier input has been restored."


def write(page: Page) -> None:
    page.get_by_label("Text").fill(TEXT)
    page.get_by_label("Recipients").fill("somebody")
    page.get_by_label("do not send it again and let a user decide").check()
    page.get_by_label("End", exact=True).fill("2032-06-02T21:05:07")


def sees_what_was_written(page: Page) -> None:
    expect(page.locator("#text")).to_have_value(TEXT)
    expect(page.locator("#mark")).to_have_value("somebody")
    expect(page.locator("#on_unknown-hold")).to_be_checked()
    expect(page.locator("#end_datetime")).to_have_value("2032-06-02T21:05:07")


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in", exact=True).click()


def opened(browser: Browser, service: Service, *, scripts: bool) -> Iterator[Page]:
    context = browser.new_context(
        base_url=service.url, locale="en-GB", timezone_id="Europe/Moscow", java_script_enabled=scripts
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(service.link("/mailings/new/"))
    yield page
    context.close()


@pytest.fixture
def writer(browser: Browser, service: Service) -> Iterator[Page]:
    """A new mailing in a browser of its own."""
    yield from opened(browser, service, scripts=True)


@pytest.fixture
def plain(browser: Browser, service: Service) -> Iterator[Page]:
    """The same in a browser that runs no scripts."""
    yield from opened(browser, service, scripts=False)


def test_a_session_that_ends_while_somebody_writes_loses_nothing(
    writer: Page, operator: str, ledger: Connection
) -> None:
    add_clients(ledger, 3, tag="somebody")
    page = writer
    write(page)
    expect(page.locator("#estimate")).to_contain_text("3")
    page.context.clear_cookies()
    page.get_by_label("Recipients").fill("somebody else")
    expect(page.get_by_text("You are no longer signed in")).to_be_visible()
    page.get_by_label("Recipients").fill("somebody")
    page.get_by_role("button", name="Continue to review").click()
    expect(page.get_by_text("what you typed is kept")).to_be_visible()
    # Whoever goes back at once comes to the sign-in, and from there to the form.
    page.go_back()
    sign_in(page, operator)
    sees_what_was_written(page)
    expect(page.get_by_text(BACK)).to_be_visible()
    expect(page.locator("#estimate")).to_contain_text("3")
    page.context.clear_cookies()
    page.get_by_role("button", name="Continue to review").click()
    sign_in(page, operator)
    sees_what_was_written(page)
    page.get_by_role("button", name="Continue to review").click()
    expect(page.locator(".bubble")).to_contain_text("and a second line")
    assert value(ledger, "SELECT count(*) FROM mailing_draft") == 1
    page.goto("/mailings/new/")
    expect(page.locator("#text")).to_have_value("")


def test_a_session_that_ends_loses_nothing_without_scripts(plain: Page, operator: str, ledger: Connection) -> None:
    before = value(ledger, "SELECT count(*) FROM mailing_draft")
    write(plain)
    plain.context.clear_cookies()
    plain.get_by_role("button", name="Continue to review").click()
    sign_in(plain, operator)
    plain.get_by_role("button", name="Show the form again").click()
    sees_what_was_written(plain)
    plain.get_by_role("button", name="Русский").click()
    sees_what_was_written(plain)
    assert plain.locator("html").get_attribute("lang") == "ru"
    assert value(ledger, "SELECT count(*) FROM mailing_draft") == before


def test_a_question_whose_answer_comes_after_the_session_is_asked_again(
    at: Open, operator: str, ledger: Connection
) -> None:
    mailing_id = waiting(ledger)
    page = at(f"/mailings/{mailing_id}/pause/")
    page.context.clear_cookies()
    page.get_by_role("button", name="Pause").click()
    sign_in(page, operator)
    expect(page.get_by_role("heading", name=f"Pause mailing {mailing_id}?")).to_be_visible()
    assert value(ledger, "SELECT status::text FROM mailing WHERE id = %s", mailing_id) == "scheduled"
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("The mailing is paused.")).to_be_visible()


def test_another_language_and_other_colours_leave_what_is_typed(at: Open, ledger: Connection) -> None:
    page = at("/mailings/new/")
    write(page)
    page.evaluate("window.loaded = 'before'")
    page.get_by_role("link", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert page.evaluate("window.loaded") == "before"
    sees_what_was_written(page)
    page.get_by_role("link", name="Русский").click()
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    sees_what_was_written(page)
    expect(page.locator(".alert-danger")).to_have_count(0)
    page.get_by_role("link", name="English").click()
    sees_what_was_written(page)


@pytest.mark.long
def test_another_language_leaves_every_form_as_it_is(at: Open, ledger: Connection) -> None:
    page = at("/")
    for path in ("/clients/new/", f"/mailings/{waiting(ledger)}/test/", "/clients/", "/ledger/", "/mailings/"):
        page.goto(path)
        field = page.locator("main form input:not([type=hidden])").first
        name = field.get_attribute("id")
        field.fill("12")
        page.get_by_role("link", name="Русский").click()
        expect(page.locator("html")).to_have_attribute("lang", "ru")
        expect(page.locator(f"#{name}")).to_have_value("12")
        page.get_by_role("link", name="English").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_leaving_a_file_that_was_chosen_is_asked_about(at: Open, tmp_path: Path) -> None:
    file = tmp_path / "clients.csv"
    file.write_text("phone_number,operator_code,tag,timezone\n79161234567,916,vip,UTC\n")
    page = at("/clients/import/")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Encoding").focus()
    page.get_by_role("link", name="Русский").click()
    assert asked == ["beforeunload"]
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Added")).to_be_visible()
    page.get_by_role("link", name="Русский").click()
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    assert asked == ["beforeunload"]


def test_a_click_elsewhere_keeps_what_is_typed_and_signing_out_deletes_it(
    at: Open, operator: str, ledger: Connection
) -> None:
    path = f"/mailings/drafts/{add_draft(ledger)}/edit/"
    page = at(path)
    write(page)
    page.get_by_role("link", name="Clients").click()
    page.goto(path)
    sees_what_was_written(page)
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#text")).to_have_value("Hello")
    expect(page.get_by_text(BACK)).to_be_hidden()
    write(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, operator)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.goto(path)
    expect(page.locator("#text")).to_have_value("Hello")
