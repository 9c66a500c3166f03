"""Callbacks of providers, by Flask's test client: what is taken, what is refused, and what is kept of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api import create_app
from api.auth import rate_limiter
from api.callbacks import receiver
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from sandbox.simulated_gateway.contracts.declared import TOML
from shared.credentials import CredentialCipher
from shared.gateways.twilio import TwilioAdapter
from tests.callbacks import (
    KEY,
    NUMBER,
    PUBLIC_URL,
    SECRET,
    TEXT,
    add_twilio,
    form,
    inbound_fields,
    path_to,
    receipt_fields,
)
from tests.factories import add_gateway, execute, row, rows, value
from tests.integration.api.calls import Answer, Caller, at_once, caller, wrong_fields

QUEUED = "SELECT count(*) FROM receipt_queue"


@pytest.fixture(scope="module")
def app(database_url: str) -> Flask:
    settings = ApiSettings(
        database_url=parse_database_url(database_url),
        public_url=PUBLIC_URL,
        opt_out_url="https://s.example",
        cipher=CredentialCipher([KEY]),
        anonymous_rate=0.0,
    )
    return create_app(settings)


@pytest.fixture
def gateway_id(app: Flask, clean_database: str, connection: Connection) -> int:
    app.extensions["callbacks"].forget_gateways()
    return add_twilio(connection)


@pytest.fixture
def provider(app: Flask, gateway_id: int) -> Caller:
    """A provider, which has no key of ours."""
    return caller(app, None)


def send(provider: Caller, path: str, fields: Mapping[str, str], to: str | None = None, **changes: str) -> Answer:
    """Sends a signed form; `to` another path than the one that is signed."""
    headers, body = form(path, fields, **changes)
    return provider.post(to or path, data=body, headers=headers)


def test_a_receipt_is_committed_before_it_is_answered(
    provider: Caller, gateway_id: int, connection: Connection
) -> None:
    path = path_to(connection, gateway_id)
    for address in (f"{path}?message=17", f"{path}/?message=17", f"{path}/what/it/likes?message=17"):
        answer = send(provider, address, receipt_fields())
        assert (answer.status_code, answer.data) == (204, b"")
        assert answer.headers["Cache-Control"] == "no-store"
    assert rows(connection, "SELECT DISTINCT message_id, provider_message_id, state::text FROM receipt_queue") == [
        (17, "SM1", "delivered")
    ]
    assert value(connection, QUEUED) == 3
    kept = value(connection, "SELECT string_agg(raw, ' ') FROM receipt_queue")
    assert NUMBER not in kept


def test_nothing_is_taken_at_the_host_of_the_pages_for_recipients(
    provider: Caller, gateway_id: int, connection: Connection
) -> None:
    path = path_to(connection, gateway_id)
    headers, body = form(path, receipt_fields())
    answer = provider.post(path, data=body, headers={**headers, "Host": "s.example"})
    assert answer.status_code == 404
    assert value(connection, QUEUED) == 0


def test_receipts_of_a_declared_contract_are_taken(app: Flask, provider: Caller, connection: Connection) -> None:
    gateway_id = add_gateway(connection, "declared", provider="http", address="http://127.0.0.1")
    credentials = CredentialCipher([KEY]).encrypt({"credentials": "key = secret"})
    change = "UPDATE gateway SET sender = 'Gonets', credentials = %s, options = %s, receipts = TRUE WHERE id = %s"
    execute(connection, change, credentials, json.dumps({"contract": TOML}), gateway_id)
    app.extensions["callbacks"].forget_gateways()
    addresses = caller(app).get(f"/v1/gateway/{gateway_id}/callbacks/").json
    assert addresses["receipt_url"] == PUBLIC_URL + path_to(connection, gateway_id)
    said = {"id": "1", "ref": "17", "to": NUMBER, "state": "delivered", "part": "1", "parts": "2"}
    assert provider.post(path_to(connection, gateway_id), data=said).status_code == 200
    assert rows(connection, "SELECT message_id, part, parts FROM receipt_queue") == [(17, "1", 2)]


def test_receipts_of_a_contract_that_declares_some_can_be_switched_on(api: Caller) -> None:
    account = {"provider": "http", "address": "https://sms.example.com", "sender": "Gonets", "receipts": True}
    declared = {"options": {"contract": TOML}, "credentials": {"credentials": "key = secret"}}
    assert api.post("/v1/gateway/", json={"name": "declared", **account, **declared}).status_code == 201
    silent = {"contract": TOML[: TOML.index("[receipts]")].replace('callback = "{receipt_url}"', "")}
    answer = api.post("/v1/gateway/", json={"name": "silent", **account, **declared, "options": silent})
    assert (answer.status_code, wrong_fields(answer)) == (422, {"receipts"})


def test_an_inbound_message_is_stored_once_however_often_it_comes(
    provider: Caller, gateway_id: int, connection: Connection
) -> None:
    path = path_to(connection, gateway_id, "inbound")
    for _ in range(2):
        answer = send(provider, path, inbound_fields())
        assert (answer.status_code, answer.mimetype) == (200, "text/xml")
        assert answer.data.endswith(b"<Response/>")
    part = row(connection, "SELECT gateway_id, sender, recipient, text, part, parts FROM inbound_part")
    assert part == {
        "gateway_id": gateway_id,
        "sender": f"+{NUMBER}",
        "recipient": "+15005550006",
        "text": TEXT,
        "part": 1,
        "parts": 1,
    }


def test_a_paused_gateway_receives_and_a_removed_one_does_not(
    app: Flask, provider: Caller, gateway_id: int, connection: Connection
) -> None:
    path = path_to(connection, gateway_id)
    execute(connection, "UPDATE gateway SET paused_at = now()")
    assert send(provider, path, receipt_fields()).status_code == 204
    execute(connection, "UPDATE gateway SET removed_at = now() WHERE id = %s", gateway_id)
    app.extensions["callbacks"].forget_gateways()
    assert send(provider, path, receipt_fields()).status_code == 404
    assert value(connection, QUEUED) == 1


def test_whatever_is_wrong_with_an_address_the_answer_is_the_same(
    provider: Caller, gateway_id: int, connection: Connection
) -> None:
    path = path_to(connection, gateway_id)
    token = path.rpartition("/")[2]
    default = value(connection, "SELECT callback_token FROM gateway WHERE id = 1")
    wrong = [f"/v1/receipt/twilio-1/{'x' * 64}", f"/v1/receipt/no-such/{token}", f"/v1/receipt/default/{default}"]
    answers = [provider.get(address) for address in wrong]
    assert {(answer.status_code, answer.data) for answer in answers} == {(404, answers[0].data)}
    assert answers[0].json == {
        "code": 404,
        "status": "Not Found",
        "message": "Not found.",
        "reason_code": "not_found",
        "reason_params": {},
    }


def test_a_value_that_the_database_refuses_fails_no_other_callback(
    app: Flask, provider: Caller, gateway_id: int, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(connection, "ALTER TABLE receipt_queue ADD CONSTRAINT none CHECK (message_id IS DISTINCT FROM 13)")
    path = path_to(connection, gateway_id)
    try:
        ids = (11, 12, 13, 14, 15)
        answers = at_once(*(partial(send, provider, f"{path}?message={one}", receipt_fields()) for one in ids))
    finally:
        execute(connection, "ALTER TABLE receipt_queue DROP CONSTRAINT none")
    assert [answer.status_code for answer in answers] == [204, 204, 400, 204, 204]
    assert rows(connection, "SELECT message_id FROM receipt_queue ORDER BY 1") == [(11,), (12,), (14,), (15,)]


def test_what_does_not_follow_the_contract_is_refused_with_a_sentence(
    provider: Caller, gateway_id: int, connection: Connection
) -> None:
    answer = send(provider, path_to(connection, gateway_id), {"MessageSid": "SM1"})
    assert answer.status_code == 400
    assert answer.json["message"] == "The callback is not understood: The receipt has no status."


def test_a_bug_of_an_adapter_is_logged_without_what_was_sent(
    provider: Caller,
    gateway_id: int,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError(NUMBER)

    monkeypatch.setattr(TwilioAdapter, "read_receipts", fail)
    answer = send(provider, path_to(connection, gateway_id), receipt_fields())
    assert answer.status_code == 500
    (record,) = (record for record in caplog.records if record.msg == "callback.failed")
    assert NUMBER not in logging.Formatter().format(record)


def test_without_a_database_a_provider_is_asked_to_repeat(
    provider: Caller, gateway_id: int, connection: Connection
) -> None:
    path = path_to(connection, gateway_id)
    assert send(provider, path, receipt_fields()).status_code == 204
    execute(connection, "ALTER TABLE receipt_queue RENAME TO elsewhere")
    try:
        answer = send(provider, path, receipt_fields())
    finally:
        execute(connection, "ALTER TABLE elsewhere RENAME TO receipt_queue")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    # The connection that the server has ended meanwhile is replaced.
    execute(
        connection,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()",
    )
    assert send(provider, path, receipt_fields()).status_code == 204
    assert value(connection, QUEUED) == 2


def test_no_more_are_taken_while_too_many_wait_to_be_applied(
    app: Flask, provider: Caller, gateway_id: int, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_to(connection, gateway_id)
    execute(connection, "ANALYZE receipt_queue")
    monkeypatch.setattr(receiver, "MAX_RECEIPTS_WAITING", 1)
    for _ in range(2):
        assert send(provider, path, receipt_fields()).status_code == 204
    execute(connection, "ANALYZE receipt_queue")
    app.extensions["callbacks"].forget_gateways()
    answer = send(provider, path, receipt_fields())
    assert (answer.status_code, answer.json["reason_code"]) == (503, "too_many_receipts_wait")
    assert int(answer.headers["Retry-After"]) > 0


def test_refused_callbacks_are_limited_and_the_provider_at_the_same_address_is_not(
    database_url: str, gateway_id: int, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limiter, "by_callback_address", rate_limiter.RateLimiter())
    settings = ApiSettings(
        database_url=parse_database_url(database_url),
        public_url=PUBLIC_URL,
        cipher=CredentialCipher([KEY]),
        anonymous_rate=0.1,
    )
    provider = caller(create_app(settings), None)
    path = path_to(connection, gateway_id)
    for forged, secret in ((f"{path}x", SECRET), (path, "other")):
        answers = [send(provider, forged, receipt_fields(), secret=secret) for _ in range(3)]
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["Retry-After"]) > 0
    assert send(provider, path, receipt_fields()).status_code == 204


@pytest.fixture
def api(app: Flask, gateway_id: int) -> Caller:
    return caller(app)


def test_an_administrator_sees_the_addresses_and_makes_new_ones(
    app: Flask, api: Caller, provider: Caller, gateway_id: int, connection: Connection
) -> None:
    path = f"/v1/gateway/{gateway_id}/callbacks/"
    old = path_to(connection, gateway_id)
    assert api.get(path).json == {
        "receipt_url": PUBLIC_URL + old,
        "inbound_url": PUBLIC_URL + path_to(connection, gateway_id, "inbound"),
        "reason": None,
        "signs": True,
    }
    assert send(provider, old, receipt_fields()).status_code == 204
    revision = value(connection, "SELECT revision FROM gateway WHERE id = %s", gateway_id)
    renewed = api.post(f"{path}rotate/")
    new = path_to(connection, gateway_id)
    assert renewed.json["receipt_url"] == PUBLIC_URL + new != PUBLIC_URL + old
    assert send(provider, old, receipt_fields()).status_code == 404
    assert send(provider, new, receipt_fields()).status_code == 204
    assert value(connection, "SELECT revision FROM gateway WHERE id = %s", gateway_id) == revision + 1
    entry = row(
        connection, "SELECT operation, to_jsonb(audit_entry)::text AS whole FROM audit_entry ORDER BY id DESC LIMIT 1"
    )
    assert entry["operation"] == "rotateGatewayCallbacks"
    assert new.rpartition("/")[2] not in entry["whole"]
    page = api.get(f"/gateways/{gateway_id}/edit/").text
    assert PUBLIC_URL + new in page
    listed = api.get("/v1/gateway/").text
    assert new.rpartition("/")[2] not in listed
    none = api.get("/v1/gateway/1/callbacks/").json
    assert (none["receipt_url"], none["reason"]) == (None, "The provider makes no such callbacks.")


def test_without_a_public_url_there_are_no_addresses(app: Flask, api: Caller, gateway_id: int) -> None:
    app.config["PUBLIC_URL"] = ""
    try:
        answer = api.get(f"/v1/gateway/{gateway_id}/callbacks/").json
    finally:
        app.config["PUBLIC_URL"] = PUBLIC_URL
    assert (answer["receipt_url"], answer["inbound_url"]) == (None, None)
    assert answer["reason"].startswith("PUBLIC_URL is not set")


def test_settings_about_receipts_are_those_that_the_provider_can_do(
    api: Caller, gateway_id: int, connection: Connection
) -> None:
    path = f"/v1/gateway/{gateway_id}/"
    settings = {"poll_receipts": True, "no_receipt_prefixes": ["7999", "998"], "min_delivery_percent": 40}
    changed = api.put(path, json=settings).json
    assert {name: changed[name] for name in settings} == settings
    assert changed["revision"] == 2
    for name, wrong in (
        ("no_receipt_prefixes", ["+7"]),
        ("no_receipt_prefixes", ["1" * 16]),
        ("no_receipt_prefixes", [7]),
        ("no_receipt_prefixes", ["1"] * 1001),
        ("min_delivery_percent", 101),
        ("min_delivery_percent", -1),
        ("min_delivery_percent", 1.5),
        ("poll_receipts", 1),
    ):
        answer = api.put(path, json={name: wrong})
        assert (answer.status_code, wrong_fields(answer)) == (422, {name})
    answer = api.put(path, json={"receipts": False})
    assert (answer.status_code, wrong_fields(answer)) == (422, {"poll_receipts"})
    for name, code in (("receipts", "provider_reports_nothing"), ("poll_receipts", "provider_cannot_be_asked")):
        answer = api.put("/v1/gateway/1/", json={name: True})
        assert (answer.status_code, answer.json["reason_code"], wrong_fields(answer)) == (422, code, {name})
