"""An audience that an operator builds without knowing the language, from its first row to the message."""

from __future__ import annotations

from playwright.sync_api import expect
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.browser.conftest import PATIENCE, Open
from tests.browser.test_operator_journey import expect_text
from tests.factories import add_clients, execute, value

expect.set_options(timeout=PATIENCE)

NAMED = """UPDATE client SET attributes = '{"name": "Анна"}' WHERE id = %s"""


def test_an_audience_is_built_by_a_form_and_sent_a_template(at: Open, ledger: Connection) -> None:
    first, *_ = add_clients(ledger, 3, tag="vip")
    add_clients(ledger, 2, tag="other")
    execute(ledger, NAMED, first)
    page = at("/templates/new/")
    page.get_by_label("Name").fill("greeting")
    page.get_by_label("Text").fill("Hello, ")
    page.get_by_text("Fields of clients and filters").click()
    page.get_by_role("button", name="name", exact=True).click()
    expect(page.get_by_label("Text")).to_have_value("Hello, {{ name }}")
    expect(page.locator(".bubble")).to_have_text("Hello, Анна")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Use in a new mailing").click()

    expect(page.get_by_label("Text")).to_have_value("Hello, {{ name }}")
    page.get_by_label("clients by conditions").check()
    expect(page.get_by_label("Recipients")).to_be_hidden()
    row = page.get_by_role("group", name="Condition 1")
    row.get_by_label("Field").select_option("tag")
    row.get_by_label("Value").fill("vip")
    plan = page.locator("#estimate")
    expect(plan.locator("dd b").first).to_have_text("3")
    page.get_by_role("button", name="Add a condition").click()
    row = page.get_by_role("group", name="Condition 2")
    expect(row.get_by_label("Field")).to_be_focused()
    row.get_by_label("Field").select_option("name")
    row.get_by_label("Operator").select_option("exists")
    expect(plan.locator("dd b").first).to_have_text("1")
    page.get_by_role("button", name="Edit in words of the language").click()
    words = page.get_by_label("Conditions in words of the language")
    expect(words).to_have_value('tag = "vip" and name exists')
    words.fill('tag = "vip" and nmae exists')
    expect(plan).to_contain_text("olumn 17")
    words.fill('tag = "vip" and name exists')
    expect(plan).to_contain_text("Hello, Анна")
    # What was typed is still there after going away.
    page.goto("/mailings/")
    page.go_back()
    expect(page.get_by_label("Conditions in words of the language")).to_have_value('tag = "vip" and name exists')
    page.get_by_role("button", name="Edit as a form").click()
    expect(page.get_by_role("group", name="Condition 2").get_by_label("Field")).to_have_value("name")

    page.get_by_role("button", name="Continue to review").click()
    expect(page.locator(".bubble")).to_have_text("Hello, Анна")
    page.get_by_role("button", name="Send to 1 client now").click()
    expect_text(page, "1 of 1 sent")
    expect(page.locator("main")).to_contain_text('tag = "vip" and name exists')
    message_id = value(ledger, "SELECT max(id) FROM message")
    page.goto(f"/ledger/{message_id}/")
    expect(page.locator(".message-text").first).to_have_text("Hello, Анна")
