"""The rules of sending, in a browser: set for all, chosen for a mailing, and a number that must not be written to."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.browser.conftest import PATIENCE, Open
from tests.browser.service import API_KEY
from tests.factories import add_clients, execute, value

expect.set_options(timeout=PATIENCE)


def test_rules_are_set_used_by_a_mailing_and_hold_for_a_suppressed_client(
    at: Open, ledger: Connection, tmp_path: Path
) -> None:
    add_clients(ledger, 3, tag="ruled")
    execute(ledger, "UPDATE client SET timezone = 'Asia/Tokyo' WHERE id = (SELECT min(id) FROM client)")
    page = at("/mailings/", key=API_KEY)
    page.get_by_role("link", name="Sending rules").click()
    page.get_by_label("Preset", exact=True).select_option("ru")
    page.get_by_role("button", name="Fill in").click()
    expect(page.get_by_label("at these times")).to_be_checked()
    page.get_by_label("Messages, at most").first.fill("2")
    page.get_by_label("in any so many hours").first.fill("24")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("The change is saved.")).to_be_visible()

    page.goto("/mailings/new/?mark=ruled")
    expect(page.get_by_label("as in the sending rules 09:00–21:00, every day")).to_be_checked()
    page.get_by_label("Text").fill("Hello")
    page.get_by_label("of its own").check()
    page.get_by_text("Window of its own").click()
    page.get_by_label("Local time, from").fill("10:00")
    page.get_by_label("Sun", exact=True).uncheck()
    page.get_by_label("Start", exact=True).fill("2032-11-29T00:00")
    page.get_by_label("End", exact=True).fill("2032-11-30T12:00")
    plan = page.locator("#estimate")
    expect(plan).to_contain_text("opens last at 29 Nov 2032, 10:00")
    page.get_by_role("button", name="Continue to review").last.click()
    expect(page.locator("main")).to_contain_text("10:00–21:00, Mon–Sat")
    page.get_by_role("button", name="Schedule for").click()
    expect(page.locator("main")).to_contain_text("10:00–21:00, Mon–Sat")

    phone = value(ledger, "SELECT max(phone_number) FROM client")
    page.goto(f"/clients/?phone={phone}")
    page.get_by_role("table").get_by_role("link").click()
    page.get_by_role("link", name="Suppress", exact=True).click()
    page.get_by_label("Evidence").fill("asked by telephone")
    page.get_by_role("button", name="Suppress").click()
    expect(page.get_by_text("The number is suppressed.")).to_be_visible()

    page.goto("/suppressions/import/")
    file = tmp_path / "list.csv"
    file.write_text(f"phone_number;reason\n{phone};complaint\n79160000001;complaint\nnobody;\n")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("The file is imported.")).to_be_visible()
    expect(page.locator("[data-upload-result]")).to_contain_text("line 4")
    page.get_by_label("File").set_input_files([])
    page.get_by_label("Or phone numbers").fill("+7 916 000-00-02")
    page.get_by_label("Forbidden").select_option("marketing")
    page.get_by_role("button", name="Import").click()
    expect(page.locator("[data-upload-result] dd").first).to_have_text("1")
    scopes = "SELECT array_agg(scope::text || ' ' || phone_number ORDER BY id) FROM suppression WHERE id > 1"
    assert value(ledger, scopes) == ["everything 79160000001", "marketing 79160000002"]

    page.goto("/mailings/new/?mark=ruled")
    expect(plan).to_contain_text("Suppressed")
