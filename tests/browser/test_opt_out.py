"""A recipient opens the link of a message on a phone, and is not written to again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.browser.conftest import PATIENCE
from tests.browser.service import Service, opt_out_url
from tests.chaos.facts import GatewayFact
from tests.chaos.gateways import body_of
from tests.factories import FIRST_PHONE, add_clients, mailing
from tests.waiting import eventually


def send(service: Service, ledger: Connection, text: str) -> list[dict[str, Any]]:
    """Sends a mailing to everybody; answers its messages, with their texts, in the order of numbers."""
    now = datetime.now(UTC)
    window = {"start_datetime": now.isoformat(), "end_datetime": (now + timedelta(hours=1)).isoformat()}
    mailing_id = int(service.post("/v1/mailing/create/", mark="everybody", text=text, **window)["id"])
    eventually(lambda: mailing(ledger, mailing_id)["settled_at"] is not None)
    listed: Any = service.get(f"/v1/message/?mailing_id={mailing_id}")
    return sorted(
        (service.get(f"/v1/message/{one['id']}/") for one in listed), key=lambda one: int(one["phone_number"])
    )


def test_a_recipient_presses_the_button_and_the_next_mailing_leaves_them_out(
    browser: Browser, service: Service, ledger: Connection
) -> None:
    add_clients(ledger, 2, tag="everybody")
    first, _ = send(service, ledger, "Sale! Stop: {{ opt_out_link }}")
    sent = next(entry for entry in service.gateway.ledger() if entry.phone == first["phone_number"])
    body = body_of(GatewayFact(1, "default", "gonets"), first["id"], first["phone_number"], first["text"])
    assert sent.body_hash == sha256(body.encode()).hexdigest()
    link = first["text"].removeprefix("Sale! Stop: ")
    assert link.startswith(f"{opt_out_url(service.url)}/")

    context = browser.new_context(locale="ru-RU", viewport={"width": 320, "height": 480})
    page, said, asked = context.new_page(), list[str](), list[str]()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Отказ от сообщений")
    expect(page.get_by_text(f"…{str(FIRST_PHONE + 1)[-3:]}")).to_be_visible()
    # The style is applied, although nothing else may be.
    expect(page.get_by_role("button")).to_have_css("background-color", "rgb(176, 0, 32)")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert said == []
    page.get_by_role("button", name="Отказаться от сообщений").click()
    expect(page.get_by_role("status")).to_contain_text("Готово")
    assert (page.url, asked, context.cookies()) == (link, [link, link], [])
    assert Axe().run(page).response["violations"] == []
    page.goto(opt_out_url(service.url) + "/mailings/")
    expect(page.get_by_role("status")).to_contain_text("Ссылка недействительна")
    context.close()

    again, other = send(service, ledger, "Sale!")
    assert (again["status"], again["reason_code"], other["status"]) == ("cancelled", "suppressed", "sent")
    assert [entry.phone for entry in service.gateway.ledger()].count(first["phone_number"]) == 1
