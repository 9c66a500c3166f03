"""Forms on a slow line: two clicks, Enter twice, going back. Each does its work once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.browser.conftest import PATIENCE
from tests.browser.forms import FORMS, Filled, a_client
from tests.browser.latency_proxy import latency_proxy
from tests.browser.service import Service
from tests.factories import add_clients, execute, rows, value
from tests.long_variations import few_of

expect.set_options(timeout=PATIENCE)

DELAY = 0.35
"""Seconds that each direction takes: 0.7 there and back."""

WRITTEN = "SELECT count(*) FROM audit_entry WHERE operation NOT IN ('signIn', 'signOut')"
RESTING = """() => document.querySelector("main form").addEventListener("submit", () => setTimeout(() => {
    sessionStorage.resting = document.querySelector("main form button[type=submit]").disabled;
}, 100))"""
"""Notes whether a form's button rests, a moment after it was sent and before the answer comes."""


@pytest.fixture(scope="module")
def line(service: Service) -> Iterator[str]:
    """The service's address at the end of a slow line."""
    with latency_proxy(urlsplit(service.url).port or 0, DELAY) as port:
        yield f"http://127.0.0.1:{port}"


def opened(browser: Browser, service: Service, line: str, *, scripts: bool) -> Iterator[BrowserContext]:
    context = browser.new_context(
        base_url=line, locale="en-GB", timezone_id="Europe/Moscow", java_script_enabled=scripts
    )
    context.set_default_timeout(PATIENCE)
    context.new_page().goto(service.link("/mailings/"))
    yield context
    context.close()


@pytest.fixture(scope="module")
def context(browser: Browser, service: Service, line: str) -> Iterator[BrowserContext]:
    yield from opened(browser, service, line, scripts=True)


@pytest.fixture(scope="module")
def plain(browser: Browser, service: Service, line: str) -> Iterator[BrowserContext]:
    """A browser that runs no scripts: what the server does alone."""
    yield from opened(browser, service, line, scripts=False)


def is_done(page: Page, form: Filled) -> None:
    """The form is gone or says that it is done, and what came is neither an error nor a form that was refused."""
    if form.says is None:
        page.locator("main").get_by_role("button", name=form.button).wait_for(state="detached")
    else:
        expect(page.get_by_text(form.says)).to_be_visible()
    expect(page.locator(".alert-danger")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Page not found")


def two_clicks_do_it_once(browser: BrowserContext, ledger: Connection, name: str) -> None:
    """Fills a form in, and clicks its button twice. Raises AssertionError unless it has been done once."""
    form, page = FORMS[name](ledger), browser.pages[0]
    page.goto(form.path)
    form.fill(page)
    before = value(ledger, WRITTEN)
    page.locator("main").get_by_role("button", name=form.button).dblclick(delay=10)
    is_done(page, form)
    assert value(ledger, WRITTEN) == before + 1


@pytest.mark.parametrize("name", few_of(FORMS, "new client"))
def test_two_clicks_do_it_once(context: BrowserContext, ledger: Connection, name: str) -> None:
    two_clicks_do_it_once(context, ledger, name)


@pytest.mark.parametrize("name", few_of(FORMS, "review"))
def test_two_clicks_do_it_once_without_scripts(plain: BrowserContext, ledger: Connection, name: str) -> None:
    two_clicks_do_it_once(plain, ledger, name)


@pytest.mark.parametrize(
    "name",
    few_of(
        ["new client", "edit client", "new mailing", "edit draft", "edit mailing", "test send"],
        "new mailing",
    ),
)
def test_enter_twice_does_it_once(context: BrowserContext, ledger: Connection, name: str) -> None:
    form, page = FORMS[name](ledger), context.pages[0]
    page.goto(form.path)
    form.fill(page)
    before, mailings = value(ledger, WRITTEN), value(ledger, "SELECT count(*) FROM mailing")
    page.get_by_label(form.field or "", exact=True).press("Enter")
    page.keyboard.press("Enter")
    is_done(page, form)
    assert value(ledger, WRITTEN) == before + 1
    # Enter sends no mailing: at most it goes on to the review.
    assert value(ledger, "SELECT count(*) FROM mailing") == mailings + (name == "test send")


def test_a_button_is_disabled_after_the_first_click(context: BrowserContext, ledger: Connection) -> None:
    form, page = a_client(ledger), context.pages[0]
    page.goto(form.path)
    form.fill(page)
    page.evaluate(RESTING)
    page.get_by_role("button", name=form.button).click()
    is_done(page, form)
    assert page.evaluate("sessionStorage.resting") == "true"


def test_going_back_and_sending_again_does_nothing_and_with_a_change_says_so(
    context: BrowserContext, ledger: Connection
) -> None:
    form, page = a_client(ledger), context.pages[0]
    page.goto(form.path)
    form.fill(page)
    page.get_by_role("button", name=form.button).click()
    expect(page.get_by_text("The client is added.")).to_be_visible()
    made, before = page.url, value(ledger, WRITTEN)
    page.go_back()
    form.fill(page)
    page.get_by_role("button", name=form.button).click()
    page.wait_for_url(made)
    assert value(ledger, WRITTEN) == before
    page.go_back()
    form.fill(page)
    page.get_by_label("Tag", exact=True).fill("another")
    page.get_by_role("button", name=form.button).click()
    expect(page.get_by_text("This form has already been submitted with other content.")).to_be_visible()
    expect(page.get_by_label("Tag", exact=True)).to_have_value("another")
    expect(page.get_by_role("link", name="See the result")).to_be_visible()
    assert value(ledger, WRITTEN) == before


def test_a_question_that_one_goes_back_to_is_a_new_one(context: BrowserContext, ledger: Connection) -> None:
    form, page = FORMS["pause"](ledger), context.pages[0]
    status = "SELECT status::text FROM mailing ORDER BY id DESC LIMIT 1"
    page.goto(form.path)
    page.get_by_role("button", name=form.button).click()
    is_done(page, form)
    assert value(ledger, status) == "paused"
    execute(ledger, "UPDATE mailing SET status = 'scheduled' WHERE status = 'paused' AND launch_started_at IS NULL")
    page.go_back()
    page.get_by_role("button", name=form.button).click()
    is_done(page, form)
    assert value(ledger, status) == "paused"


@pytest.mark.long
def test_every_form_of_every_page_carries_a_token(context: BrowserContext, ledger: Connection) -> None:
    page = context.pages[0]
    for prepare in FORMS.values():
        page.goto(prepare(ledger).path)
        tokens = page.locator('form[method="post"]').evaluate_all(
            "forms => forms.map(form => form.elements.form_token?.value ?? '')"
        )
        assert tokens
        assert all(tokens)
        assert len(set(tokens)) == len(tokens)


def test_a_mailing_on_a_slow_network_is_sent_to_each_client_once(
    context: BrowserContext, service: Service, ledger: Connection
) -> None:
    add_clients(ledger, 20, tag="once")
    page = context.pages[0]
    page.goto("/mailings/new/")
    page.get_by_label("Text").fill("Once")
    page.get_by_label("Recipients").fill("once")
    page.get_by_role("button", name="Continue to review").dblclick()
    page.get_by_role("button", name="Send to 20 clients now").dblclick()
    expect(page.get_by_text("20 of 20 sent").filter(visible=True).first).to_be_visible()
    phones = {row[0] for row in rows(ledger, "SELECT phone_number FROM client WHERE tag = 'once'")}
    reached = [entry.phone for entry in service.gateway.ledger() if entry.phone in phones]
    assert Counter(reached) == Counter(phones)
    assert value(ledger, "SELECT count(*) FROM mailing WHERE mark = 'once'") == 1
