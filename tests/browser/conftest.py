"""An operator at a browser, whose console must stay free of errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, ViewportSize
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.simulated_gateway.client import SandboxGateway
from tests.browser.chromium import chromium
from tests.browser.service import Service, start_api, start_worker
from tests.database import DatabaseCleaner
from tests.required_tools import CHROMIUM, need

Open = Callable[..., Page]
Windows = Callable[[str], Page]

PATIENCE = 60_000.0
"""Milliseconds that anything on a page may take."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    need(CHROMIUM)
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def gateway() -> Iterator[SandboxGateway]:
    """The simulated gateway of all files."""
    with SandboxGateway.start() as started:
        yield started


@pytest.fixture(scope="session")
def api_url(browser: Browser, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the API of all files is: a new one costs as much as the tests of a file, and more in its first pages."""
    with start_api(tmp_path_factory.mktemp("api"), database_url) as url:
        yield url


@pytest.fixture(scope="module")
def service(
    api_url: str,
    gateway: SandboxGateway,
    database_url: str,
    database_cleaner: DatabaseCleaner,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """The whole service on an empty database for the tests of one file, with a worker that has met no trouble yet."""
    database_cleaner.empty()
    gateway.clear()
    with start_worker(tmp_path_factory.mktemp("worker"), api_url, database_url, gateway) as running:
        yield running


@pytest.fixture
def ledger(service: Service) -> Iterator[Connection]:
    """A connection to the service's database, in autocommit."""
    connection = psycopg2.connect(service.database_url)
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def operator(service: Service) -> str:
    """The key of an operator."""
    return service.key("operator")


@pytest.fixture(scope="module")
def windows(browser: Browser, service: Service) -> Iterator[Windows]:
    """A window for each language, which all tests of a file look through: a new one costs as much as five pages."""
    opened: dict[str, Page] = {}

    def window(locale: str) -> Page:
        if locale not in opened:
            viewport: ViewportSize = {"width": 1280, "height": 900}
            context = browser.new_context(
                base_url=service.url, locale=locale, viewport=viewport, timezone_id="Europe/Moscow"
            )
            opened[locale] = context.new_page()
            opened[locale].set_default_timeout(PATIENCE)
        return opened[locale]

    yield window
    for page in opened.values():
        page.context.close()


@pytest.fixture
def at(service: Service, operator: str, windows: Windows) -> Iterator[Open]:
    """Opens a page as an operator in Moscow sees it, in a browser of their language that knows nothing yet.

    Unless a `key` tells who is signed in, it is an operator; without a key it is nobody.
    """
    said: list[str] = []
    opened: list[Page] = []

    def note(message: ConsoleMessage) -> None:
        # Chromium takes a page that comes with a form's errors (422) for a resource that could not be loaded.
        of_page = message.page is not None and message.location["url"] == message.page.url
        if message.type in ("error", "warning") and not (of_page and "status of 4" in message.text):
            said.append(f"{message.type}: {message.text}")

    def complain(error: Error) -> None:
        said.append(str(error))

    def open_one(path: str = "/", locale: str = "en-GB", key: str | None = operator) -> Page:
        page = windows(locale)
        page.context.clear_cookies()
        page.emulate_media(color_scheme="null")
        page.on("console", note)
        page.on("pageerror", complain)
        opened.append(page)
        page.goto(service.link(path, key=key) if key else path)
        return page

    yield open_one
    for page in opened:
        page.remove_listener("console", note)
        page.remove_listener("pageerror", complain)
        page.evaluate("sessionStorage.clear()")
        page.goto("about:blank")
    assert said == []
