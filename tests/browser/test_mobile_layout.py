"""A phone of 360 by 740 pixels: the menu, and what a mailing comes to before the button that goes on."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PATIENCE, Open

expect.set_options(timeout=PATIENCE)

WORD = "Слово" * 60


def on_a_phone(page: Page) -> Page:
    page.set_viewport_size({"width": 360, "height": 740})
    return page


def top_of(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box
    return box["y"]


def test_places_and_preferences_are_behind_a_button(at: Open) -> None:
    page = on_a_phone(at("/"))
    places, button = page.get_by_role("navigation", name="Main"), page.get_by_role("button", name="Menu")
    expect(places).to_be_hidden()
    button.click()
    expect(places).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(places).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    places.get_by_role("link", name="Clients").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Clients")
    expect(places).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(places).to_be_visible()
    expect(button).to_be_hidden()


def test_the_estimate_of_a_mailing_is_above_its_button(at: Open) -> None:
    page = on_a_phone(at("/mailings/new/"))
    page.get_by_label("Text").fill(WORD)
    page.get_by_label("Recipients").fill("w" * 100)
    expect(page.locator("#estimate")).to_contain_text("300 characters")
    plan, button = page.locator("#estimate"), page.get_by_role("button", name="Continue to review")
    assert top_of(plan) < top_of(button)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.set_viewport_size({"width": 1280, "height": 900})
    # On a desk it stands beside the text.
    assert top_of(plan) < top_of(page.get_by_label("Recipients"))
