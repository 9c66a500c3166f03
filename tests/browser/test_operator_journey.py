"""An operator's days, as they go: each page and action once, by its words and labels."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.gateways.base import InboundPart
from tests.browser.conftest import PATIENCE, Open
from tests.browser.service import Service
from tests.factories import add_clients, value
from tests.inbound import forward
from tests.long_variations import few_of

expect.set_options(timeout=PATIENCE)


def expect_text(page: Page, words: str) -> None:
    expect(page.get_by_text(words).filter(visible=True).first).to_be_visible()


def does(page: Page, action: str, then: str) -> None:
    """Follows a link to what an action would do, reads it, and does it."""
    page.get_by_role("link", name=action, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("?")
    page.get_by_role("button", name=action, exact=True).click()
    expect_text(page, then)


def add_mailing(service: Service, mark: str, text: str = "Hello", starts_in: int = 0) -> int:
    start = datetime.now(UTC) + timedelta(hours=starts_in)
    window = {"start_datetime": start.isoformat(), "end_datetime": (start + timedelta(hours=2)).isoformat()}
    return int(service.post("/v1/mailing/create/", mark=mark, text=text, **window)["id"])


def test_from_an_empty_installation_to_a_delivered_mailing_without_documentation(at: Open, service: Service) -> None:
    page = at("/")
    expect_text(page, "Three steps to the first mailing")
    expect_text(page, "1 worker is running")
    page.get_by_role("link", name="Add a client").click()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Moscow")
    page.get_by_label("Phone number").fill("+79001234567")
    page.get_by_label("Operator code").fill("917")
    page.get_by_label("Tag", exact=True).fill("first")
    page.get_by_role("button", name="Add the client").click()
    expect_text(page, "The operator code must occur in the phone number.")
    page.get_by_label("Operator code").fill("900")
    page.get_by_role("button", name="Add the client").click()
    expect_text(page, "The client is added.")

    page.get_by_role("link", name="Dashboard").click()
    page.get_by_role("link", name="Create a mailing").click()
    page.get_by_label("Text").fill("Привет")
    page.get_by_label("Recipients").fill("nobody")
    expect_text(page, "No client has its mark")
    page.get_by_label("Recipients").fill("first")
    plan = page.locator("#estimate")
    expect(plan).to_contain_text("+79001234567")
    expect(plan).to_contain_text("CYRILLIC CAPITAL LETTER PE")
    expect(plan).to_contain_text("0.04 EUR")
    page.get_by_role("button", name="Continue to review").click()
    expect(page.locator(".bubble")).to_have_text("Привет")
    page.get_by_role("button", name="Send to 1 client now").click()
    expect_text(page, "Starts in")
    # Nobody reloads the page.
    expect_text(page, "1 of 1 sent")
    expect_text(page, "The counts add up")
    expect_text(page, "finished")
    assert [entry.phone for entry in service.gateway.ledger()] == [79001234567]

    page.get_by_role("link", name="Dashboard").click()
    expect_text(page, "No problems.")
    expect(page.get_by_role("img", name="Requests per second")).to_be_visible()


def test_somebody_signs_in_with_a_key_and_out_again(at: Open, service: Service) -> None:
    page = at("/clients/?tag=vip", key=None)
    expect(page.get_by_role("navigation", name="Main")).to_have_count(0)
    expect(page.get_by_label("Key")).to_be_focused()
    page.keyboard.type("not a key")
    page.keyboard.press("Enter")
    expect_text(page, "Unknown, expired or revoked API key")
    page.get_by_label("Key").fill(service.key("operator"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Tag", exact=True)).to_have_value("vip")
    expect_text(page, "operator in tests")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.goto("/clients/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_viewer_looks_and_is_offered_nothing_else(at: Open, service: Service, ledger: Connection) -> None:
    (client_id,) = add_clients(ledger, 1, tag="looked at")
    mailing_id = add_mailing(service, "looked at", starts_in=24)
    page = at("/", key=service.key("viewer"))
    for path, heading in (
        ("/", "Dashboard"),
        ("/mailings/", "Mailings"),
        (f"/mailings/{mailing_id}/", f"Mailing {mailing_id}"),
        ("/clients/", "Clients"),
        (f"/clients/{client_id}/", "+79"),
    ):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        offered = page.locator("main").locator("a.btn, button").all_inner_texts()
        assert set(map(str.strip, offered)) <= {
            *("Search", "Export", "Messages and attempts", "Ledger as CSV", "Conversation"),
            *("Segments", "Fields", "Templates", "Plan", "Suppressions", "Consents"),
        }
    page.goto(f"/mailings/{mailing_id}/pause/")
    expect_text(page, "Your role does not allow that")


def test_a_mailing_is_paused_edited_resumed_and_cancelled(at: Open, service: Service, ledger: Connection) -> None:
    add_clients(ledger, 20, tag="patient")
    page = at(f"/mailings/{add_mailing(service, 'patient', starts_in=1)}/")
    does(page, "Pause", "The mailing is paused.")
    page.reload()
    expect_text(page, "paused")
    expect(page.get_by_text("The mailing is paused.")).to_have_count(0)
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Text")).to_have_value("Hello")
    page.get_by_label("Text").fill("Goodbye")
    page.get_by_role("button", name="Save").click()
    expect_text(page, "The change is saved.")
    expect_text(page, "revision 2")
    does(page, "Resume", "The mailing is resumed.")
    does(page, "Cancel the mailing", "The mailing is cancelled.")
    does(page, "Remove", "The mailing is removed.")


def test_what_failed_is_explained_and_tried_again(at: Open, service: Service, ledger: Connection) -> None:
    add_clients(ledger, 5, tag="unlucky")
    service.gateway.faults(statuses={"422": 1.0})
    page = at(f"/mailings/{add_mailing(service, 'unlucky')}/")
    expect(page.get_by_role("link", name="5 failed")).to_be_visible()
    service.gateway.faults()
    page.get_by_role("link", name="Retry failed").click()
    expect_text(page, "5 failed messages will be queued again")
    page.get_by_role("button", name="Retry").click()
    expect_text(page, "5 messages will be sent again.")
    expect_text(page, "5 of 5 sent")
    page.get_by_role("link", name="Messages and attempts").click()
    page.get_by_role("table").get_by_role("link").first.click()
    expect_text(page, "attempt 1: refused")
    expect_text(page, "code 422")
    expect_text(page, "attempt 2: accepted")
    page.get_by_role("link", name="+79").click()
    expect_text(page, "Messages to this client")
    expect_text(page, "Accepted by the gateway;")


def test_the_ledger_of_a_mailing_is_saved_as_a_file(
    at: Open, service: Service, ledger: Connection, tmp_path: Path
) -> None:
    add_clients(ledger, 3, tag="archived")
    page = at(f"/mailings/{add_mailing(service, 'archived')}/")
    expect_text(page, "3 of 3 sent")
    page.get_by_role("link", name="Ledger as CSV").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    download.value.save_as(tmp_path / "ledger.csv")
    with (tmp_path / "ledger.csv").open(newline="", encoding="utf-8-sig") as file:
        assert [row["last_result"] for row in csv.DictReader(file)] == ["accepted"] * 3


def test_a_test_goes_to_one_client(at: Open, service: Service, ledger: Connection) -> None:
    (client_id,) = add_clients(ledger, 1, tag="tester")
    phone = value(ledger, "SELECT phone_number FROM client WHERE id = %s", client_id)
    page = at(f"/mailings/{add_mailing(service, 'somebody else', 'Only a test', starts_in=24)}/")
    page.get_by_role("link", name="Test send").click()
    page.get_by_label("Phone number").fill("79990000000")
    page.get_by_role("button", name="Send test").click()
    expect_text(page, "No client has this phone number.")
    page.get_by_label("Phone number").fill(str(phone))
    page.get_by_role("button", name="Send test").click()
    expect_text(page, "The test message is queued.")
    expect_text(page, "1 of 1 sent")
    assert [entry.phone for entry in service.gateway.ledger()].count(phone) == 1


def test_a_client_is_found_changed_and_removed(at: Open, ledger: Connection) -> None:
    add_clients(ledger, 2, tag="removable", operator_code="90")
    page = at("/clients/")
    page.get_by_label("Tag", exact=True).fill("removable")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("table").get_by_role("link")).to_have_count(2)
    phone = page.get_by_role("table").get_by_role("link").first.inner_text()
    page.get_by_label("Tag", exact=True).fill("")
    page.get_by_label("Phone number begins with").fill(phone)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("table").get_by_role("link").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Tag", exact=True).fill("gone soon")
    page.get_by_role("button", name="Save").click()
    expect_text(page, "gone soon")
    page.get_by_role("link", name="Remove").click()
    expect_text(page, "This client has no pending messages.")
    page.get_by_role("button", name="Remove").click()
    expect_text(page, "The client is removed.")


def test_clients_are_imported_after_a_look_and_what_was_left_out_goes_back_in(
    at: Open, ledger: Connection, tmp_path: Path
) -> None:
    file, wrong, rejected = (tmp_path / f"{name}.csv" for name in ("clients", "wrong", "rejected"))
    header = "Phone number;Operator code;Tag;Time zone\r\n"
    rows = (
        "79000000777;900;imported;Europe/Moscow\r\n"
        "79000000778;111;отложенные;Europe/Moscow\r\n"
        "8 (900) 000-07-79;900;imported\u00a0;Europe/Moscow\r\n"
    )
    page = at("/clients/import/")
    wrong.write_bytes(header.replace("Tag", "Label").encode())
    page.get_by_label("File", exact=True).set_input_files(wrong)
    page.get_by_role("button", name="Check the file").click()
    expect_text(page, "Columns missing in line 1:")
    expect_text(page, "tag")
    page.get_by_label("Label", exact=True).select_option(label="Tag")
    page.get_by_role("button", name="Check again").click()
    expect_text(page, "There is nothing to import")
    file.write_bytes(
        (header + rows).replace("Time zone\r", "Time zone;City\r").replace("Moscow\r", "Moscow;5\r").encode("cp1251")
    )
    page.get_by_label("File", exact=True).set_input_files(file)
    expect(page.get_by_text("Columns missing in line 1:")).to_have_count(0)
    page.get_by_label("Country of phone numbers without a country code").select_option(label="Russia")
    page.get_by_role("button", name="Check the file").click()
    expect_text(page, "Nothing has been imported yet.")
    expect_text(page, "Windows-1251")
    expect_text(page, "The operator code must occur in the phone number.")
    assert value(ledger, "SELECT count(*) FROM client WHERE phone_number = 79000000777") == 0
    page.get_by_label("City", exact=True).select_option(label="new: a number")
    expect(page.get_by_role("button", name="Import", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Check again").click()
    page.get_by_role("button", name="Import", exact=True).click()
    expect_text(page, "The file is imported.")
    numbers = "SELECT array_agg(phone_number ORDER BY id) FROM client WHERE tag = 'imported'"
    assert value(ledger, numbers) == [79000000777, 79000000779]
    assert value(ledger, "SELECT attributes->'city' FROM client WHERE phone_number = 79000000777") == 5
    with page.expect_download() as download:
        page.get_by_role("button", name="Download skipped rows").click()
    download.value.save_as(rejected)
    assert rejected.read_bytes().startswith("\ufeffline;reason;Phone number;".encode())
    rejected.write_bytes(rejected.read_bytes().replace(b";111;", b";900;"))
    page.get_by_label("File", exact=True).set_input_files(rejected)
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name="Import", exact=True).click()
    expect_text(page, "The file is imported.")
    assert value(ledger, "SELECT count(*) FROM client WHERE tag = 'отложенные'") == 1
    page.get_by_role("link", name="Go to the clients").click()
    page.get_by_role("link", name="Export").click()
    page.get_by_label("Delimiter").select_option("semicolon")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    assert download.value.path().read_bytes().startswith("\ufeffphone_number;operator_code;".encode())


def test_the_ledger_is_searched(at: Open, service: Service, ledger: Connection) -> None:
    add_clients(ledger, 3, tag="sought")
    mailing_id = add_mailing(service, "sought")
    page = at(f"/mailings/{mailing_id}/")
    expect_text(page, "3 of 3 sent")
    page.get_by_role("link", name="Ledger", exact=True).click()
    page.get_by_label("Mailing").fill(str(mailing_id))
    page.get_by_label("State").select_option("sent")
    page.get_by_label("Created since").fill((datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(4)
    page.get_by_label("Phone number").fill("no number")
    page.get_by_role("button", name="Search").click()
    expect_text(page, "must be numbers")


@pytest.mark.parametrize(
    ("locale", "heading"), few_of([("en-GB", "Dashboard"), ("ru-RU", "Обзор")], ("en-GB", "Dashboard"))
)
def test_the_language_is_the_browser_s_until_another_is_chosen(at: Open, locale: str, heading: str) -> None:
    page = at("/", locale)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    page.get_by_role("link", name="Русский" if heading == "Dashboard" else "English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text({"Dashboard": "Обзор", "Обзор": "Dashboard"}[heading])


def test_the_colours_are_the_system_s_until_others_are_chosen(at: Open) -> None:
    page = at("/")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.get_by_role("link", name="Light").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")


def test_a_page_is_used_by_keyboard(at: Open) -> None:
    page = at("/clients/new/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Phone number")).to_be_focused()


def test_what_a_recipient_writes_is_read_and_answered(at: Open, ledger: Connection) -> None:
    add_clients(ledger, 1)
    number = value(ledger, "SELECT max(phone_number) FROM client")
    page = at("/inbox/")
    forward(ledger, InboundPart(sender=f"+{number}", recipient="1001", text="When does it begin?"))
    page.get_by_role("link", name="When does it begin?").click()  # the worker has put it together, the list is live
    page.get_by_role("button", name="Mark as read").click()
    expect(page.get_by_role("button", name="Mark as unread")).to_be_visible()

    page.get_by_label("Text").fill("В шесть часов вечера.")
    expect_text(page, "UCS-2 because of")
    page.get_by_role("button", name="Send the answer").click()

    expect_text(page, "The answer is being sent.")
    expect(page.locator(".conversation .ours")).to_contain_text("В шесть часов вечера.")
    expect(page.locator(".conversation .ours")).to_contain_text("sent")
    page.get_by_role("link", name="answered").click()
    expect_text(page, "This is an answer to:")


def test_a_refused_token_is_said_with_what_to_do_about_it(at: Open, service: Service, ledger: Connection) -> None:
    # The last of this file: the worker is left to wait before it tries the token again.
    add_clients(ledger, 2, tag="waiting")
    service.gateway.faults(token="another")
    add_mailing(service, "waiting")
    page = at("/")
    expect_text(page, "The gateway rejects our settings.")
    expect_text(page, "GATEWAY_TOKEN_FILE")
    expect_text(page, "The gateway does not accept the token")
