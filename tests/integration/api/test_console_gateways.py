"""The pages of gateways and routes, and what other pages show of several gateways."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.credentials import CredentialCipher
from shared.gateways.allowed_addresses import allowed_networks
from shared.gateways.registry import PROVIDERS
from tests.factories import add_clients, add_gateway, add_report, add_running_mailing, execute, row, value
from tests.integration.api.calls import Caller, add_mailing, caller
from tests.integration.api.html_forms import fields_of

SECRET = "a-very-secret-token"


@pytest.fixture(autouse=True)
def settings(app: Flask) -> Iterator[None]:
    before = {name: app.config[name] for name in ("CREDENTIAL_CIPHER", "GATEWAY_NETWORKS")}
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([Fernet.generate_key().decode()])
    app.config["GATEWAY_NETWORKS"] = allowed_networks("127.0.0.0/8")
    yield
    app.config.update(before)


RECEIPTS = {"no_receipt_prefixes": "998, +7999", "min_delivery_percent": "40 %"}


def text_of(api: Caller, path: str) -> str:
    """The page without tags, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", api.get(path).text).split())


def add_by_form(api: Caller, **changes: str) -> None:
    form = fields_of(api.get("/gateways/new/?provider=gonets"))
    form |= {"name": "second", "address": "http://127.0.0.1:9/", "credentials.token": SECRET, **changes}
    answer = api.post("/gateways/new/", data=form)
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/gateways/"), answer.text


def test_a_gateway_is_added_by_a_form_of_its_provider_and_listed(api: Caller, connection: Connection) -> None:
    assert '<option value="gonets">' in api.get("/gateways/new/").text
    add_by_form(api, rate="2,5", concurrency="8", segment_price="0,05", currency="EUR", **RECEIPTS)
    found = row(
        connection,
        "SELECT name, address, rate, concurrency, segment_price::text, receipts, no_receipt_prefixes,"
        " min_delivery_percent FROM gateway WHERE id = 2",
    )
    assert found == {
        "name": "second",
        "address": "http://127.0.0.1:9",
        "rate": 2.5,
        "concurrency": 8,
        "segment_price": "0.050000",
        "receipts": False,
        "no_receipt_prefixes": ["998", "7999"],
        "min_delivery_percent": 40,
    }
    page = text_of(api, "/gateways/")
    assert "The gateway is added." in page
    assert "second Gonets" in page
    assert "0.05 EUR" in page


def test_a_refused_form_says_why_at_the_field_and_never_shows_credentials(api: Caller) -> None:
    form = {"provider": "gonets", "name": "second", "address": "http://10.0.0.1", "credentials.token": SECRET}
    answer = api.post("/gateways/new/", data=form | {"receipt_hours": "72"})
    assert answer.status_code == 422
    assert 'id="address-error"' in answer.text
    assert "GATEWAY_ALLOWED_NETWORKS" in answer.text
    assert SECRET not in answer.text
    for wrong in ({"rate": "fast"}, {"concurrency": "many"}, {"receipt_hours": ""}, {"credentials.token": ""}):
        assert api.post("/gateways/new/", data=form | {"address": "http://127.0.0.1", **wrong}).status_code == 422


def test_credentials_are_not_in_the_form_that_a_sign_in_keeps(app: Flask) -> None:
    form = {"provider": "gonets", "name": "second", "credentials.token": SECRET}
    answer = caller(app, None).post("/gateways/new/", data=form)
    assert answer.status_code == 401
    assert SECRET not in answer.text


def test_a_gateway_is_changed_without_entering_its_credentials_again(
    app: Flask, api: Caller, connection: Connection
) -> None:
    add_by_form(api)
    page = api.get("/gateways/2/edit/")
    assert SECRET not in page.text
    assert "It is stored, and not shown." in page.text
    form = fields_of(page)
    elsewhere = api.post("/gateways/2/edit/", data=form | {"address": "http://127.0.0.2"})
    assert elsewhere.status_code == 422
    assert 'id="credentials.token-error"' in elsewhere.text
    assert api.post("/gateways/2/edit/", data=form | {"address": "http://127.0.0.1:9/x"}).status_code == 302
    stored = value(connection, "SELECT credentials FROM gateway WHERE id = 2")
    assert app.config["CREDENTIAL_CIPHER"].decrypt(stored) == {"token": SECRET}
    assert value(connection, "SELECT address FROM gateway WHERE id = 2") == "http://127.0.0.1:9/x"
    again = api.post("/gateways/2/edit/", data=form | {"address": "http://127.0.0.3", "form_token": ""})
    assert again.status_code == 422
    assert "Somebody else has changed this" in again.text


def test_another_account_needs_a_confirmation_while_messages_are_in_doubt(api: Caller, connection: Connection) -> None:
    options = {"options.prefix": "one-", "sender": "Shop"}
    form = fields_of(api.get("/gateways/new/?provider=infobip"))
    form |= {"name": "second", "address": "http://127.0.0.1:9", "credentials.api_key": SECRET, **options}
    assert api.post("/gateways/new/", data=form).status_code == 302
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET gateway_id = 2, attempts = 1, in_doubt = TRUE")
    form = fields_of(api.get("/gateways/2/edit/"))
    assert "same_account" not in form
    refused = api.post("/gateways/2/edit/", data=form | {"options.prefix": "two-"})
    assert refused.status_code == 422
    assert 'type="checkbox" name="same_account"' in refused.text
    confirmed = fields_of(refused) | {"options.prefix": "two-", "same_account": "on"}
    assert api.post("/gateways/2/edit/", data=confirmed).status_code == 302
    assert value(connection, "SELECT options ->> 'prefix' FROM gateway WHERE id = 2") == "two-"


def test_of_the_default_gateway_the_form_has_price_and_receipts(api: Caller, connection: Connection) -> None:
    form = fields_of(api.get("/gateways/1/edit/"))
    assert "address" not in form
    assert api.post("/gateways/1/edit/", data=form | {"segment_price": "1", "currency": "RUB"}).status_code == 302
    assert value(connection, "SELECT currency FROM gateway WHERE id = 1") == "RUB"


def test_a_gateway_is_paused_resumed_tested_and_removed(api: Caller, connection: Connection) -> None:
    add_by_form(api)
    add_clients(connection, 1)
    for action in ("pause", "resume"):
        assert api.post(f"/gateways/2/{action}/", data=fields_of(api.get(f"/gateways/2/{action}/"))).status_code == 302
    number = value(connection, "SELECT phone_number FROM client")
    sent = api.post(
        "/gateways/2/test/", data=fields_of(api.get("/gateways/2/test/")) | {"phone_number": number, "text": "Hi"}
    )
    assert sent.headers["Location"] == "/ledger/1/"
    refused = api.post("/gateways/2/remove/", data={})
    assert refused.status_code == 409
    assert "Messages wait that no other gateway may send." in refused.text
    execute(connection, "DELETE FROM queue_batch")
    assert api.post("/gateways/2/remove/", data={}).status_code == 302
    assert "second Gonets" not in text_of(api, "/gateways/")


def test_a_route_is_added_changed_and_removed(api: Caller, connection: Connection) -> None:
    add_gateway(connection, "second")
    form = fields_of(api.get("/routes/new/"))
    form |= {"name": "abroad", "mode": "order", "place.second": "1", "place.default": "2", "prefixes": "+380, 381"}
    assert api.post("/routes/new/", data=form).headers["Location"] == "/routes/"
    page = text_of(api, "/routes/")
    assert "abroad second → default second 380, 381" in page
    form = fields_of(api.get("/routes/2/edit/"))
    assert (form["mode"], form["place.second"], form["prefixes"]) == ("order", "1", "380 381")
    form |= {"mode": "weights", "weight.second": "30", "weight.default": "70"}
    assert api.post("/routes/2/edit/", data=form).status_code == 302
    assert "abroad default (70), second (30)" in text_of(api, "/routes/")
    wrong = api.post("/routes/new/", data={"name": "x", "mode": "weights", "weight.second": "a lot"})
    assert (wrong.status_code, 'id="gateways-error"' in wrong.text) == (422, True)
    assert api.post("/routes/2/remove/", data={}).status_code == 302
    assert api.post("/routes/1/remove/", data={}).status_code == 409
    default = fields_of(api.get("/routes/1/edit/")) | {"place.second": "2"}
    assert api.post("/routes/1/edit/", data=default).status_code == 302
    assert value(connection, "SELECT gateway_ids FROM path WHERE route_id = 1") == [1, 2]


def test_a_mailing_may_choose_a_route_if_there_are_several(api: Caller, connection: Connection) -> None:
    assert 'name="route"' not in api.get("/mailings/new/").text
    body = {"name": "abroad", "gateways": [{"gateway": "default"}]}
    api.post("/v1/route/", json=body)
    form = fields_of(api.get("/mailings/new/"))
    assert form["route"] == ""
    mailing_id = add_mailing(api, route="abroad")
    form = fields_of(api.get(f"/mailings/{mailing_id}/edit/"))
    assert form["route"] == "abroad"
    assert api.post(f"/mailings/{mailing_id}/edit/", data=form | {"route": ""}).status_code == 302
    assert value(connection, "SELECT route_id FROM mailing") is None


def test_the_dashboard_lists_several_gateways_each_with_its_state(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET status = 'sent', sent_at = now(), ended_at = now()")
    for name in ("second", "third"):
        add_gateway(connection, name)
    execute(connection, "UPDATE gateway SET paused_at = now() WHERE name = 'third'")
    add_report(connection)
    add_report(connection, state="misconfigured", reason_code="token_rejected")
    execute(connection, "UPDATE worker_report SET gateway = 'second' WHERE gateway_state = 'misconfigured'")
    page = text_of(api, "/")
    assert "Gateway second rejects our settings. Nothing is sent through it." in page
    assert "Correct the account on the page Gateways" in page
    assert "GATEWAY_TOKEN" not in page
    assert "second misconfigured" in page
    assert "third paused" in page
    assert "Workers 1 active" in page
    execute(connection, "UPDATE worker_report SET reason_code = 'credentials_unreadable' WHERE gateway = 'second'")
    page = text_of(api, "/")
    assert "Workers cannot read the credentials of gateway second. Nothing is sent through it." in page
    assert "rejects our settings" not in page


def test_the_plan_in_the_console_shows_shares_and_costs(api: Caller, connection: Connection) -> None:
    add_gateway(connection, "second")
    execute(connection, "UPDATE gateway SET segment_price = 0.05, currency = 'EUR' WHERE id = 2")
    listed = [{"gateway": "default", "weight": 1}, {"gateway": "second", "weight": 1}]
    api.put("/v1/route/1/", json={"gateways": listed})
    add_clients(connection, 10, tag="vip")
    form = fields_of(api.get("/mailings/new/")) | {"text": "Hello", "mark": "vip"}
    page = " ".join(re.sub(r"<[^>]*>", " ", api.post("/mailings/estimate/", data=form).text).split())
    assert "0.25 EUR The price of some gateways is not known." in page
    assert "default: 5 second: 5 0.25 EUR" in page


def test_an_operator_sees_routes_and_no_gateways(app: Flask, api: Caller) -> None:
    key = api.post("/v1/key/create/", json={"name": "x", "role": "operator"}).json["key"]
    operator = caller(app, key)
    assert operator.get("/gateways/").status_code == 403
    assert "/routes/1/edit/" not in operator.get("/routes/").text
    assert 'href="/gateways/"' not in operator.get("/").text


def test_labels_of_providers_fields_have_translations() -> None:
    from tests.unit.test_console_translations import RUSSIAN

    labels = {field.label for provider in PROVIDERS.values() for field in provider.fields}
    assert sorted(label for label in labels if label not in RUSSIAN) == []


def test_what_a_provider_cannot_do_is_not_offered_and_is_refused(api: Caller, connection: Connection) -> None:
    assert {"receipts", "poll_receipts"}.isdisjoint(fields_of(api.get("/gateways/new/?provider=gonets")))
    for name in ("receipts", "poll_receipts"):
        refused = api.post("/gateways/1/edit/", data=fields_of(api.get("/gateways/1/edit/")) | {name: "on"})
        assert (refused.status_code, "Gonets" in refused.text) == (422, True)
    twilio = api.get("/gateways/new/?provider=twilio").text
    assert 'name="receipts"' in twilio
    assert 'name="poll_receipts"' in twilio
