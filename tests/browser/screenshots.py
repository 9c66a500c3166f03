"""`make screenshots`: pictures of the main pages, of a service at work, in docs/img/."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
from playwright.sync_api import Browser

from sandbox.postgres import embedded_postgres
from tests.browser.chromium import chromium
from tests.browser.service import Service, start_service
from tests.database import ROOT, migrate
from tests.factories import add_clients, execute, value
from tests.required_tools import CHROMIUM
from tests.waiting import eventually

FOLDER = ROOT / "docs" / "img"
RATE = "60"
"""Messages a second: so few that a mailing is still under way when its picture is taken."""

PICTURES = (
    # file, page, language, colours, width, height
    ("dashboard", "/", "en-GB", "light", 1280, 860),
    ("mailing", "/mailings/2/", "en-GB", "light", 1280, 860),
    ("new-mailing", "/mailings/new/?like=2", "en-GB", "light", 1280, 720),
    ("clients", "/clients/", "en-GB", "light", 1280, 720),
    ("ledger", "/ledger/", "en-GB", "light", 1280, 720),
    ("message", "/ledger/{retried}/", "en-GB", "light", 1280, 640),
    ("dashboard-dark", "/", "ru-RU", "dark", 1280, 860),
    ("dashboard-phone", "/", "en-GB", "dark", 360, 740),
    ("mailing-phone", "/mailings/2/", "ru-RU", "light", 360, 740),
)


def main() -> None:
    if CHROMIUM.path is None:
        sys.exit(f"No pictures: {CHROMIUM.missing}.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with at_work() as service, chromium() as browser:
        retried = a_retried_message(service)
        for name, path, locale, colours, width, height in PICTURES:
            picture(
                browser, service, path.format(retried=retried), FOLDER / f"{name}.png", locale, colours, width, height
            )
            print(f"docs/img/{name}.png")


@contextmanager
def at_work() -> Iterator[Service]:
    """A service that has finished one mailing with some failures and is in the middle of another."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may have to run as another user
        with embedded_postgres(Path(folder) / "postgres" / "data", durable=False) as url:
            migrate(url)
            with start_service(Path(folder), url, GATEWAY_RATE=RATE, WORKER_NAME="worker", MAX_ATTEMPTS="2") as service:
                fill(service)
                yield service


def fill(service: Service) -> None:
    with closing(psycopg2.connect(service.database_url)) as connection:
        connection.autocommit = True
        add_clients(connection, 600, tag="customers")
        add_clients(connection, 4000, tag="subscribers", operator_code="79")
        execute(connection, "UPDATE client SET timezone = 'Asia/Yekaterinburg' WHERE id %% 3 = 0")
    service.gateway.faults(statuses={"422": 0.03}, bodies={"refused": 0.06}, seed=11)
    first = add(service, "customers", "Your order is ready: we are open until 21:00 today.")
    eventually(lambda: service.get(f"/v1/mailing/{first}/")["status"] == "finished")
    add(service, "subscribers", "Распродажа! В субботу и воскресенье скидка 20 % на всё.")
    add(service, "79", "Thank you for being with us this year.", starts_in=24)
    time.sleep(25)  # a plot wants something to show


def a_retried_message(service: Service) -> int:
    """One that was sent by its second attempt."""
    with closing(psycopg2.connect(service.database_url)) as connection:
        return int(value(connection, "SELECT min(id) FROM message WHERE status = 'sent' AND attempts = 2"))


def add(service: Service, mark: str, text: str, starts_in: int = 0) -> int:
    start = datetime.now(UTC) + timedelta(hours=starts_in)
    window = {"start_datetime": start.isoformat(), "end_datetime": (start + timedelta(hours=9)).isoformat()}
    return int(service.post("/v1/mailing/create/", mark=mark, text=text, **window)["id"])


def picture(
    browser: Browser, service: Service, path: str, file: Path, locale: str, colours: str, width: int, height: int
) -> None:
    context = browser.new_context(
        locale=locale,
        color_scheme=colours,  # type: ignore[arg-type]
        viewport={"width": width, "height": height},
        timezone_id="Europe/Moscow",
    )
    page = context.new_page()
    page.goto(service.url + service.link(path), wait_until="networkidle")
    page.screenshot(path=file)
    context.close()


if __name__ == "__main__":
    main()
