"""/docs/ in a browser: readable in dark, within the page's policy, and somebody who is signed in can write from it."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open
from tests.browser.service import Service

CREATE = "#operations-Clients-createClient"


NO_OPERATIONS = {"openapi": "3.0.3", "info": {"title": "Nothing", "version": "1"}, "paths": {}}


ONE_OF_EACH_METHOD = ("/v1/client/create/", "/v1/client/{client_id}/")


def one_of_each_method(route: Route) -> None:
    """The document with one operation of each method: of the whole, each colour is looked at a hundred times."""
    response = route.fetch()
    document = response.json()
    document["paths"] = {path: document["paths"][path] for path in ONE_OF_EACH_METHOD}
    route.fulfill(response=response, json=document)


def unreadable(page: Page, part: str = "body") -> list[str]:
    """What has too little contrast in a part of the page."""
    found: dict[str, Any] = Axe().run(page, context=part, options={"runOnly": ["color-contrast"]}).response
    return [f"{node['any'][0]['message']} {node['html']}" for one in found["violations"] for node in one["nodes"]]


def try_out(page: Page) -> str:
    """The status that a client, as the document's example has it, is answered with."""
    page.locator(f"{CREATE} .opblock-summary-control").click()
    page.locator(f"{CREATE} .try-out__btn").click()
    page.locator(f"{CREATE} .execute").click()
    return page.locator(f"{CREATE} .live-responses-table tbody .response-col_status").inner_text()


def test_a_signed_in_browser_tries_a_post_out_in_dark(at: Open, service: Service, operator: str) -> None:
    page = at("/", key=None)
    page.route("**/openapi.json", one_of_each_method)
    page.goto(service.link("/docs/", key=operator))
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_class("dark-mode")
    assert try_out(page).split()[0] == "201"
    assert service.get("/v1/client/1/")["tag"] == "vip"
    shown = page.locator(CREATE).inner_text()
    assert "X-CSRF-Token" not in shown
    assert unreadable(page) == []
    page.locator(".auth-wrapper .authorize").click()
    expect(page.locator(".dialog-ux")).to_be_visible()
    assert unreadable(page, ".dialog-ux") == []
    page.unroute("**/openapi.json")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_choice_of_colours_goes_before_the_systems(at: Open, service: Service, theme: str) -> None:
    page = at("/login/", key=None)
    page.context.add_cookies([{"name": "theme", "value": theme, "url": service.url}])
    page.emulate_media(color_scheme="light" if theme == "dark" else "dark")
    page.route("**/openapi.json", lambda route: route.fulfill(json=NO_OPERATIONS))  # the whole takes seconds to draw
    page.goto("/docs/")
    expect(page.get_by_text("Nothing").first).to_be_visible()
    page.unroute("**/openapi.json")
    assert page.locator("html.dark-mode").count() == (theme == "dark")
