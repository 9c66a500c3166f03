"""/docs/ in a browser: readable in dark, within the page's policy, and somebody who is signed in can write from it."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.service import Service

CREATE = "#operations-Clients-createClient"


def unreadable(page: Page) -> list[str]:
    """What has too little contrast."""
    found: dict[str, Any] = Axe().run(page, options={"runOnly": ["color-contrast"]}).response
    return [f"{node['any'][0]['message']} {node['html']}" for one in found["violations"] for node in one["nodes"]]


def try_out(page: Page) -> str:
    """The status that a client, as the document's example has it, is answered with."""
    page.locator(f"{CREATE} .opblock-summary-control").click()
    page.locator(f"{CREATE} .try-out__btn").click()
    page.locator(f"{CREATE} .execute").click()
    return page.locator(f"{CREATE} .live-responses-table tbody .response-col_status").inner_text()


def test_a_signed_in_browser_tries_a_post_out_in_dark(at: Open, service: Service) -> None:
    page = at("/docs/")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_class("dark-mode")
    assert try_out(page).split()[0] == "201"
    assert service.get("/v1/client/1/")["tag"] == "vip"
    shown = page.locator(CREATE).inner_text()
    assert "X-CSRF-Token" not in shown
    assert unreadable(page) == []
    page.locator(".auth-wrapper .authorize").click()
    expect(page.locator(".dialog-ux")).to_be_visible()
    assert unreadable(page) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_choice_of_colours_goes_before_the_systems(at: Open, service: Service, theme: str) -> None:
    page = at("/login/", key=None)
    page.context.add_cookies([{"name": "theme", "value": theme, "url": service.url}])
    page.emulate_media(color_scheme="light" if theme == "dark" else "dark")
    page.goto("/docs/")
    expect(page.locator(".opblock").first).to_be_visible()
    assert page.locator("html.dark-mode").count() == (theme == "dark")
