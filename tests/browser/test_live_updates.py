"""Parts of pages that are kept up to date: only what changed is touched, and what is old says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.browser.conftest import PATIENCE
from tests.browser.forms import waiting
from tests.browser.service import Service
from tests.factories import execute

expect.set_options(timeout=PATIENCE)

COUNT_CLICKS = """() => {
    window.clicks = 0;
    document.addEventListener("click", (event) => {
        if (event.target.closest("a")?.textContent.trim() === "Pause") window.clicks += 1;
        event.preventDefault();
    });
}"""
SELECT = """() => {
    const range = document.createRange();
    range.selectNodeContents(document.querySelector("[data-live] .message-text"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
}"""
SELECTED = "() => getSelection().toString()"
LIVE = "**/*part=live*"
CLICKS = 24


@pytest.fixture(scope="module")
def window(browser: Browser, service: Service) -> Iterator[Page]:
    """A browser of this file's own, whose clock the tests move."""
    context = browser.new_context(base_url=service.url, locale="en-GB", timezone_id="Europe/Moscow")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.clock.install()
    page.goto(service.link())
    yield page
    context.close()


@pytest.fixture
def watcher(window: Page) -> Iterator[Page]:
    """That browser, on a desk, with nothing open; on its line things happen."""
    window.set_viewport_size({"width": 1280, "height": 720})
    yield window
    window.context.set_offline(False)
    window.unroute_all(behavior="ignoreErrors")
    window.goto("about:blank")


def change(ledger: Connection, mailing_id: int, number: int) -> None:
    """Something on the mailing's page is another one from now on, before and after its buttons."""
    execute(ledger, "UPDATE mailing SET mark = %s WHERE id = %s", f"mark {number}", mailing_id)
    execute(ledger, "INSERT INTO mailing_event (mailing_id, action) VALUES (%s, 'retry')", mailing_id)


def test_a_selection_outlives_updates(watcher: Page, ledger: Connection) -> None:
    mailing_id = waiting(ledger)
    watcher.goto(f"/mailings/{mailing_id}/")
    text = watcher.locator("[data-live] .message-text").inner_text()
    watcher.evaluate(SELECT)
    for number in range(2):
        change(ledger, mailing_id, number)
        watcher.clock.fast_forward(2000)
        expect(watcher.locator(".subtitle strong")).to_have_text(f"mark {number}")
    assert watcher.evaluate(SELECTED) == text
    # What is selected itself is not changed under the cursor, and is when it is selected no more.
    execute(ledger, "UPDATE mailing_text SET text = 'Other' WHERE mailing_id = %s", mailing_id)
    change(ledger, mailing_id, 7)
    watcher.clock.fast_forward(2000)
    expect(watcher.locator(".subtitle strong")).to_have_text("mark 7")
    assert watcher.evaluate(SELECTED) == text
    watcher.evaluate("getSelection().removeAllRanges()")
    watcher.clock.fast_forward(2000)
    expect(watcher.locator("[data-live] .message-text")).to_have_text("Other")


def test_every_click_on_a_button_arrives(watcher: Page, ledger: Connection) -> None:
    mailing_id = waiting(ledger)
    watcher.goto(f"/mailings/{mailing_id}/")
    watcher.evaluate(COUNT_CLICKS)
    button = watcher.get_by_role("link", name="Pause", exact=True)
    for number in range(CLICKS):
        button.hover()
        watcher.mouse.down()
        if number % 8 == 0:
            # This press lasts until there is something new to show.
            change(ledger, mailing_id, number)
            with watcher.expect_response(LIVE):
                watcher.clock.fast_forward(2000)
        watcher.mouse.up()
    assert watcher.evaluate("window.clicks") == CLICKS
    expect(watcher.locator(".subtitle strong")).to_have_text("mark 16")


def test_the_focus_and_a_scrolled_table_stay(watcher: Page, ledger: Connection) -> None:
    first = waiting(ledger)
    watcher.set_viewport_size({"width": 360, "height": 740})
    watcher.goto("/mailings/")
    watcher.locator(f"a[href='/mailings/{first}/']").focus()
    watcher.locator("[data-live] .table-responsive").evaluate("table => { table.scrollLeft = 40; }")
    second = waiting(ledger)
    watcher.clock.fast_forward(5000)
    expect(watcher.locator(f"a[href='/mailings/{second}/']")).to_be_attached()
    assert watcher.evaluate("document.activeElement.getAttribute('href')") == f"/mailings/{first}/"
    assert watcher.locator("[data-live] .table-responsive").evaluate("table => table.scrollLeft") == 40


def hang(page: Page, *, begin: bool) -> None:
    """A server that takes requests and answers none."""
    page.route(LIVE, lambda _: None) if begin else page.unroute(LIVE)


def cut(page: Page, *, begin: bool) -> None:
    """No connection at all."""
    page.context.set_offline(begin)


@pytest.mark.parametrize("fault", [cut, hang])
def test_what_is_old_says_since_when_and_goes_on(watcher: Page, ledger: Connection, fault: Callable[..., None]) -> None:
    mailing_id = waiting(ledger)
    watcher.goto(f"/mailings/{mailing_id}/")
    notice = watcher.locator("[data-stale]")
    expect(notice).to_be_hidden()
    fault(watcher, begin=True)
    change(ledger, mailing_id, 1)
    for _ in range(5):
        watcher.clock.fast_forward(2000)
    expect(notice).to_be_visible()
    expect(notice).to_contain_text("Not updated since")
    assert notice.locator("time").inner_text().count(":") == 2
    fault(watcher, begin=False)
    watcher.clock.fast_forward(10_000)
    expect(notice).to_be_hidden()
    expect(watcher.locator(".subtitle strong")).to_have_text("mark 1")
