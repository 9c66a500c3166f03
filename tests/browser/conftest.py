"""An operator at a browser, whose console must stay free of errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.browser.chromium import EXECUTABLE, MISSING, chromium
from tests.browser.stage import Stage, stage
from tests.database import empty

Open = Callable[..., Page]

PATIENCE = 20_000.0
"""Milliseconds that anything on a page may take."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if EXECUTABLE is None:
        pytest.skip(MISSING)
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def service(browser: Browser, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The whole service, on an empty database, for the tests of one file."""
    empty(database_url)
    with stage(tmp_path_factory.mktemp("stage"), database_url) as running:
        yield running


@pytest.fixture
def ledger(service: Stage) -> Iterator[Connection]:
    """A connection to the service's database, in autocommit."""
    connection = psycopg2.connect(service.database_url)
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture
def at(service: Stage, browser: Browser) -> Iterator[Open]:
    """Opens a page as an operator in Moscow sees it, in a browser of their language that somebody is signed in with.

    Unless a `key` tells who that is, it is an operator; without a key it is nobody.
    """
    operator = service.key("operator")
    said: list[str] = []
    opened: list[Page] = []

    def note(message: ConsoleMessage) -> None:
        # Chromium takes a page that comes with a form's errors (422) for a resource that could not be loaded.
        of_page = message.page is not None and message.location["url"] == message.page.url
        if message.type in ("error", "warning") and not (of_page and "status of 4" in message.text):
            said.append(f"{message.type}: {message.text}")

    def open_one(path: str = "/", locale: str = "en-GB", width: int = 1280, key: str | None = operator) -> Page:
        viewport = {"width": width, "height": 900}
        context = browser.new_context(
            base_url=service.url,
            locale=locale,
            viewport=viewport,  # type: ignore[arg-type]
            timezone_id="Europe/Moscow",
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", note)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(service.link(path, key=key) if key else path)
        opened.append(page)
        return page

    yield open_one
    for page in opened:
        page.context.close()
    assert said == []
