"""Gateways by the API: added, changed, tested, paused and removed, and their credentials, which nobody sees again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.credentials import CredentialCipher
from shared.errors import ConfigurationError
from shared.gateways.allowed_addresses import allowed_networks
from shared.gateways.base import Account, AccountField, Adapter, Capabilities, Provider
from shared.gateways.gonets import GonetsAdapter
from shared.gateways.registry import PROVIDERS
from tests.database import ROOT
from tests.factories import add_clients, add_running_mailing, change_mailing, execute, lease, row, rows, value
from tests.integration.api.calls import Answer, Caller, at_once, caller, wrong_fields

PATH = "/v1/gateway/"
KEY, OTHER_KEY = (Fernet.generate_key().decode() for _ in range(2))
SECRET = "a-very-secret-token"
GATEWAY = {
    "name": "second",
    "provider": "gonets",
    "address": "http://127.0.0.1:9/api/",
    "credentials": {"token": SECRET},
}


def make_sample(account: Account) -> Adapter:
    if account.options["region"] == "eu" and not account.sender.isdigit():
        raise ConfigurationError("sender: must be digits in this region.")
    return GonetsAdapter(Account(address=account.address, credentials={"token": account.credentials["password"]}))


SAMPLE = Provider(
    name="sample",
    title="Sample",
    make=make_sample,
    capabilities=Capabilities(),
    address="https://api.sample.example",
    fields=(
        AccountField(name="user", label="User"),
        AccountField(name="region", label="Region", default="us", choices=("us", "eu")),
        AccountField(name="note", label="Note", required=False),
        AccountField(name="password", label="Password", secret=True),
        AccountField(name="signature", label="Signature", secret=True, required=False),
    ),
)
SAMPLE_GATEWAY: dict[str, Any] = {
    "name": "sample-1",
    "provider": "sample",
    "sender": " Shop ",
    "options": {"user": "anna"},
    "credentials": {"password": f" {SECRET}\n", "signature": "sign"},
}


@pytest.fixture(autouse=True)
def settings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A key for credentials, this machine as an allowed address, and one more provider."""
    before = dict(app.config)
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([KEY])
    app.config["GATEWAY_NETWORKS"] = allowed_networks("127.0.0.0/8")
    monkeypatch.setitem(PROVIDERS, SAMPLE.name, SAMPLE)
    yield
    app.config.update({name: before[name] for name in ("CREDENTIAL_CIPHER", "GATEWAY_NETWORKS")})


def add(api: Caller, body: dict[str, Any] = GATEWAY, **changes: Any) -> Answer:
    answer = api.post(PATH, json=body | changes)
    assert answer.status_code == 201, answer.text
    return answer


def stored(app: Flask, connection: Connection, gateway_id: int = 2) -> dict[str, str]:
    text = value(connection, "SELECT credentials FROM gateway WHERE id = %s", gateway_id)
    found: dict[str, str] = app.config["CREDENTIAL_CIPHER"].decrypt(text)
    return found


def test_the_gateway_of_the_environment_is_there_from_the_beginning(api: Caller) -> None:
    (gateway,) = api.get(PATH).json
    assert (gateway["id"], gateway["name"], gateway["provider"], gateway["credentials"]) == (1, "default", "gonets", [])
    assert api.get(f"{PATH}1/").json == gateway


def test_a_gateway_is_added_with_defaults_and_its_own_path(app: Flask, api: Caller, connection: Connection) -> None:
    answer = add(api)
    gateway = answer.json
    assert answer.headers["Location"] == f"{PATH}2/"
    assert api.get(answer.headers["Location"]).json == gateway
    expected = {
        "id": 2,
        "name": "second",
        "provider": "gonets",
        "address": "http://127.0.0.1:9/api",
        "sender": "",
        "options": {},
        "credentials": ["token"],
        "rate": 0.0,
        "concurrency": None,
        "receipts": False,
        "receipt_hours": 72,
        "poll_receipts": False,
        "no_receipt_prefixes": [],
        "min_delivery_percent": None,
        "segment_price": None,
        "currency": None,
        "paused_at": None,
        "available": True,
        "revision": 1,
    }
    assert {name: gateway[name] for name in expected} == expected
    path = row(connection, "SELECT route_id, gateway_ids, gateway_id FROM path WHERE gateway_ids = '{2}'")
    assert path == {"route_id": None, "gateway_ids": [2], "gateway_id": 2}
    assert value(connection, "SELECT available FROM gateway_availability WHERE gateway_id = 2")
    assert stored(app, connection) == {"token": SECRET}


def test_credentials_are_in_no_answer_and_nowhere_in_the_database(api: Caller, connection: Connection) -> None:
    key = {"Idempotency-Key": "one"}
    answers = [api.post(PATH, json=GATEWAY, headers=key), api.post(PATH, json=GATEWAY, headers=key)]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    answers.append(api.put(f"{PATH}2/", json={"credentials": {"token": f"{SECRET}-2"}}))
    answers += [api.get(PATH), api.get(f"{PATH}2/"), api.post(f"{PATH}2/pause/"), api.get("/v1/audit/?limit=1000")]
    assert [answer.status_code for answer in answers] == [201, 201, 200, 200, 200, 200, 200]
    assert not [answer.text for answer in answers if SECRET in answer.text]
    for (table,) in rows(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        assert SECRET not in str(rows(connection, f"SELECT * FROM {table}")), table  # noqa: S608


def test_the_fields_of_the_provider_get_their_defaults_and_lose_blanks(
    app: Flask, api: Caller, connection: Connection
) -> None:
    gateway = add(api, SAMPLE_GATEWAY).json
    assert (gateway["address"], gateway["sender"]) == ("", "Shop")
    assert gateway["options"] == {"user": "anna", "region": "us"}
    assert gateway["credentials"] == ["password", "signature"]
    assert stored(app, connection) == {"password": SECRET, "signature": "sign"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Upper"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a" * 41}, "name"),
        ({"name": "-a"}, "name"),
        ({"provider": "nobody"}, "provider"),
        ({"address": ""}, "address"),
        ({"provider": "sample", "credentials": {"password": "x"}, "options": {"user": "x"}}, "sender"),
        (SAMPLE_GATEWAY | {"options": {}}, "options.user"),
        (SAMPLE_GATEWAY | {"options": {"user": "x", "region": "asia"}}, "options.region"),
        (SAMPLE_GATEWAY | {"options": {"user": "x", "colour": "red"}}, "options"),
        (SAMPLE_GATEWAY | {"options": {"user": "x\ny"}}, "options.user"),
        (SAMPLE_GATEWAY | {"options": {"user": "x", "region": "eu"}}, "sender"),
        (SAMPLE_GATEWAY | {"credentials": {"signature": "x"}}, "credentials.password"),
        (SAMPLE_GATEWAY | {"credentials": {"password": "x", "user": "x"}}, "credentials"),
        ({"credentials": {"token": "x" * 20_001}}, "credentials.token"),
        ({"rate": -1}, "rate"),
        ({"rate": "NaN"}, "rate"),
        ({"concurrency": 0}, "concurrency"),
        ({"receipt_hours": 0}, "receipt_hours"),
        ({"segment_price": "-1", "currency": "EUR"}, "segment_price"),
        ({"segment_price": "0.01"}, "currency"),
        ({"segment_price": "0.01", "currency": "eur"}, "currency"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_wrong_field_is_named(api: Caller, connection: Connection, changes: dict[str, Any], field: str) -> None:
    answer = api.post(PATH, json={**GATEWAY, **changes})
    assert answer.status_code == 422, answer.text
    assert wrong_fields(answer) == {field}
    assert value(connection, "SELECT count(*) FROM gateway") == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.1",
        "http://169.254.169.254/latest/",
        "https://192.168.1.1:8443",
        "http://0.0.0.0",
        "http://[::1]:8081",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://167772161/",
        "http://0xa.0.0.1/",
        "http://012.1/",
        "http://224.0.0.1",
        "http://[fe80::1]",
    ],
)
def test_an_address_of_an_inner_network_is_refused(api: Caller, address: str) -> None:
    answer = api.post(PATH, json=GATEWAY | {"address": address})
    assert (answer.status_code, answer.json["reason_code"]) == (422, "address_forbidden")
    assert wrong_fields(answer) == {"address"}


def test_a_name_that_leads_into_an_inner_network_is_refused_until_that_is_allowed(app: Flask, api: Caller) -> None:
    body = GATEWAY | {"address": "http://localhost:8081"}
    app.config["GATEWAY_NETWORKS"] = ()
    assert api.post(PATH, json=body).json["reason_params"] == {"host": "localhost"}
    app.config["GATEWAY_NETWORKS"] = allowed_networks("127.0.0.0/8,::1/128")
    assert api.post(PATH, json=body).status_code == 201


def test_a_name_that_is_not_resolved_now_is_accepted(api: Caller) -> None:
    add(api, address="https://no-such-name.invalid:8443/sms")


@pytest.mark.parametrize(
    "address",
    [
        "api.example.com",
        "ftp://api.example.com",
        "https://user@api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://api.example.com:99999",
        "https://api.example.com:0",
        "https://api..example.com",
        f"https://{'x' * 64}.example.com",
        "https://api.exa mple.com",
        "https://пример.example",
        "https://127.0.0.1\\@api.example.com",
        "https://",
        "https://[::1",
        "https://api.example.com/" + "x" * 500,
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_of_http_is_refused(api: Caller, address: str) -> None:
    answer = api.post(PATH, json=GATEWAY | {"address": address})
    assert (answer.status_code, answer.json["reason_code"]) == (422, "not_an_address")


def test_a_name_is_taken_for_ever(api: Caller) -> None:
    add(api)
    again = api.post(PATH, json=GATEWAY)
    assert (again.status_code, wrong_fields(again)) == (409, {"name"})
    assert api.delete(f"{PATH}2/").status_code == 204
    assert api.post(PATH, json=GATEWAY).status_code == 409
    assert api.get(f"{PATH}2/").status_code == 404
    assert [gateway["name"] for gateway in api.get(PATH).json] == ["default"]


def test_without_a_key_credentials_are_refused_with_what_to_set(app: Flask, api: Caller) -> None:
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([])
    answer = api.post(PATH, json=GATEWAY)
    assert (answer.status_code, wrong_fields(answer)) == (409, {"credentials"})
    assert "CREDENTIALS_KEY_FILE" in answer.json["message"]


def test_a_change_keeps_what_is_left_out(app: Flask, api: Caller, connection: Connection) -> None:
    path = add(api, SAMPLE_GATEWAY).headers["Location"]
    changed = api.put(path, json={"options": {"note": "x"}, "credentials": {"signature": ""}, "rate": 5}).json
    assert changed["options"] == {"user": "anna", "region": "us", "note": "x"}
    assert (changed["sender"], changed["rate"], changed["credentials"]) == ("Shop", 5.0, ["password"])
    assert changed["revision"] == 2
    assert stored(app, connection) == {"password": SECRET}
    assert api.put(path, json={"rate": 5, "options": {"note": "x"}}).json == changed
    for body in ({"name": "other"}, {"provider": "gonets"}, {"credentials": {"password": " "}}):
        assert api.put(path, json=body).status_code == 422
    assert api.get(path).json == changed


def test_credentials_do_not_follow_the_address_to_another_host(app: Flask, api: Caller, connection: Connection) -> None:
    path = add(api).headers["Location"]
    for address in ("http://127.0.0.2:9/api", "http://127.0.0.1:10", "https://127.0.0.1:9"):
        refused = api.put(path, json={"address": address})
        assert (refused.status_code, wrong_fields(refused)) == (422, {"credentials.token"})
    assert api.put(path, json={"address": "http://127.0.0.1:9/other"}).status_code == 200
    body = {"address": "http://127.0.0.2:9", "credentials": {"token": "other"}}
    assert api.put(path, json=body).json["address"] == "http://127.0.0.2:9"
    assert stored(app, connection) == {"token": "other"}


def test_another_account_is_refused_while_the_present_one_may_have_messages(
    api: Caller, connection: Connection
) -> None:
    infobip = GATEWAY | {"provider": "infobip", "sender": "Shop", "credentials": {"api_key": SECRET}}
    path = add(api, infobip, options={"prefix": "one-"}).headers["Location"]
    add_running_mailing(connection, 3)
    execute(connection, "UPDATE message SET gateway_id = 2, attempts = 1, in_doubt = id < 3")
    for change in ({"options": {"prefix": "two-"}}, {"address": "http://127.0.0.1:9/other"}):
        refused = api.put(path, json=change)
        assert (refused.status_code, wrong_fields(refused)) == (409, {"same_account"})
        assert refused.json["reason_params"] == {"messages": 2}
    assert api.put(path, json={"rate": 5, "sender": "Other"}).status_code == 200
    assert api.put(path, json={"address": "http://127.0.0.1:9/same", "same_account": True}).status_code == 200
    execute(connection, "UPDATE message SET in_doubt = FALSE")
    assert api.put(path, json={"options": {"prefix": "two-"}}).json["options"] == {"prefix": "two-"}


def test_so_is_another_account_of_a_declared_contract_that_can_be_asked(api: Caller, connection: Connection) -> None:
    contract = {"contract": (ROOT / "docs" / "gateways" / "http-examples" / "json.toml").read_text()}
    credentials = {"credentials": f"api_key = {SECRET}\nwebhook_key = {SECRET}"}
    declared = {"provider": "http", "sender": "Shop", "options": contract, "credentials": credentials}
    path = add(api, GATEWAY | declared).headers["Location"]
    add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET gateway_id = 2, attempts = 1, in_doubt = TRUE")

    refused = api.put(path, json={"address": "http://127.0.0.1:9/other"})

    assert (refused.status_code, wrong_fields(refused)) == (409, {"same_account"})


def test_an_edit_of_an_older_version_is_refused(api: Caller) -> None:
    path = add(api).headers["Location"]
    tag = {"If-Match": api.get(path).headers["ETag"]}
    assert api.put(path, json={"credentials": {"token": "other"}}, headers=tag).status_code == 200
    assert api.put(path, json={"rate": 1}, headers=tag).status_code == 412
    assert api.delete(path, headers=tag).status_code == 412


def test_the_audit_names_changed_fields_and_no_credentials(api: Caller) -> None:
    path = add(api, segment_price="0.05", currency="EUR").headers["Location"]
    api.put(path, json={"credentials": {"token": "other"}, "segment_price": "0.06"})
    add_entry, change_entry = api.get("/v1/audit/?object=gateway&object_id=2&limit=1000").json[-2:]
    assert (add_entry["operation"], add_entry["detail"]) == ("createGateway", {"name": "second", "provider": "gonets"})
    assert (change_entry["operation"], change_entry["detail"]) == (
        "updateGateway",
        {"segment_price": ["0.050000", "0.060000"], "credentials": ["token"]},
    )


def test_a_price_keeps_its_currency(api: Caller, connection: Connection) -> None:
    path = add(api, segment_price="0.0450", currency="EUR").headers["Location"]
    assert api.get(path).json["segment_price"] == "0.045"
    assert api.put(path, json={"segment_price": "0.05"}).json["currency"] == "EUR"
    for body in ({"currency": "USD"}, {"segment_price": None, "currency": None}):
        assert api.put(path, json=body).json["reason_code"] == "currency_is_fixed"
    assert value(connection, "SELECT segment_price FROM gateway WHERE id = 2") == Decimal("0.05")


def test_of_the_default_gateway_only_receipts_and_price_can_be_changed(api: Caller) -> None:
    changed = api.put(f"{PATH}1/", json={"receipt_hours": 24, "segment_price": "1", "currency": "RUB"})
    assert (changed.status_code, changed.json["receipt_hours"], changed.json["revision"]) == (200, 24, 2)
    for body in ({"address": "http://127.0.0.1"}, {"rate": 5}, {"credentials": {"token": "x"}}, {"sender": "x"}):
        refused = api.put(f"{PATH}1/", json=body)
        assert (refused.status_code, wrong_fields(refused)) == (409, set(body))
    assert api.delete(f"{PATH}1/").status_code == 409


def test_a_pause_and_its_end_are_told_to_workers(api: Caller, connection: Connection) -> None:
    for _ in range(2):
        assert api.post(f"{PATH}1/pause/").json["paused_at"] is not None
    assert value(connection, "SELECT revision FROM gateway WHERE id = 1") == 2
    for _ in range(2):
        assert api.post(f"{PATH}1/resume/").json["paused_at"] is None
    assert value(connection, "SELECT revision FROM gateway WHERE id = 1") == 3


def test_a_gateway_in_use_is_not_removed(api: Caller, connection: Connection) -> None:
    path = add(api).headers["Location"]
    execute(connection, "UPDATE path SET gateway_ids = '{1,2}' WHERE route_id = 1")
    refused = api.delete(path)
    assert (refused.status_code, refused.json["reason_params"]) == (409, {"routes": "default"})
    execute(connection, "UPDATE path SET gateway_ids = '{1}' WHERE route_id = 1")
    mailing_id = add_running_mailing(connection, 1)
    execute(connection, "UPDATE message SET path_id = 3")
    assert api.delete(path).json["reason_code"] == "gateway_is_awaited"
    lease(connection, value(connection, "SELECT id FROM message"))
    execute(connection, "UPDATE message SET gateway_id = 2")
    execute(connection, "UPDATE claim SET gateway = 'second'")
    execute(connection, "DELETE FROM queue_batch")
    assert api.delete(path).json["reason_code"] == "gateway_is_awaited"
    execute(connection, "UPDATE message SET status = 'cancelled', ended_at = now()")
    change_mailing(connection, mailing_id, "status = 'cancelled', ended_at = now()")
    assert api.delete(path).status_code == 204
    removed = row(connection, "SELECT credentials, removed_at IS NOT NULL AS removed FROM gateway WHERE id = 2")
    assert removed == {"credentials": None, "removed": True}


def test_a_test_goes_through_its_gateway_alone(api: Caller, connection: Connection) -> None:
    path = add(api).headers["Location"]
    add_clients(connection, 1)
    number = value(connection, "SELECT phone_number FROM client")
    answer = api.post(f"{path}test/", json={"phone_number": number, "text": "A test"})
    assert (answer.status_code, answer.json) == (201, {"mailing_id": 1, "message_id": 1})
    assert answer.headers["Location"] == "/v1/mailing/1/"
    mailing = row(connection, "SELECT gateway_id, audience, status, mark, on_unknown FROM mailing")
    assert mailing == {
        "gateway_id": 2,
        "audience": 1,
        "status": "running",
        "mark": "test of gateway second",
        "on_unknown": "hold",
    }
    assert value(connection, "SELECT path_id FROM message") == 3
    (entry,) = api.get("/v1/audit/?operation=testGateway&limit=1000").json[-1:]
    assert (entry["object"], entry["object_id"], entry["detail"]) == ("gateway", 2, {"mailing": 1})
    nobody = api.post(f"{path}test/", json={"phone_number": 79160000000, "text": "A test"})
    assert (nobody.status_code, wrong_fields(nobody)) == (409, {"phone_number"})
    api.post(f"{path}pause/")
    paused = api.post(f"{path}test/", json={"phone_number": number, "text": "A test"})
    assert (paused.status_code, paused.json["reason_code"]) == (409, "gateway_is_paused")


def test_providers_are_listed_with_their_fields(api: Caller) -> None:
    providers = {provider["name"]: provider for provider in api.get("/v1/provider/").json}
    assert providers["gonets"]["fields"] == [
        {
            "name": "token",
            "label": "Token",
            "secret": True,
            "required": True,
            "default": "",
            "choices": [],
            "multiline": False,
        }
    ]
    assert providers["sample"]["address"] == "https://api.sample.example"
    assert [field["choices"] for field in providers["sample"]["fields"]][1] == ["us", "eu"]
    assert providers["gonets"]["capabilities"]["reference"]


def test_an_operator_sees_no_gateways(app: Flask, api: Caller) -> None:
    key = api.post("/v1/key/create/", json={"name": "x", "role": "operator"}).json["key"]
    for path in (PATH, f"{PATH}1/", "/v1/provider/"):
        assert caller(app, key).get(path).status_code == 403


def test_two_changes_at_once_are_both_made(api: Caller, app: Flask, connection: Connection) -> None:
    path = add(api, SAMPLE_GATEWAY).headers["Location"]

    def change(body: dict[str, Any]) -> Callable[[], Answer]:
        return lambda: caller(app).put(path, json=body)

    answers = at_once(change({"credentials": {"password": "new"}}), change({"credentials": {"signature": "new"}}))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert stored(app, connection) == {"password": "new", "signature": "new"}


def rotate(app: Flask) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["rotate-credentials"])
    return result.exit_code, result.output


def test_keys_are_rotated(app: Flask, api: Caller, connection: Connection) -> None:
    add(api)
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([OTHER_KEY, KEY])
    assert rotate(app) == (0, "Gateways whose credentials are encrypted with the first key: 1.\n")
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([OTHER_KEY])
    assert stored(app, connection) == {"token": SECRET}
    assert value(connection, "SELECT revision FROM gateway WHERE id = 2") == 2


def test_keys_are_rotated_for_all_gateways_or_for_none(app: Flask, api: Caller, connection: Connection) -> None:
    add(api)
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([OTHER_KEY])
    add(api, name="third")
    before = rows(connection, "SELECT credentials FROM gateway ORDER BY id")
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([Fernet.generate_key().decode(), OTHER_KEY])
    code, output = rotate(app)
    assert code == 1
    assert "gateway second" in output
    assert rows(connection, "SELECT credentials FROM gateway ORDER BY id") == before


def test_credentials_that_no_key_decrypts_can_be_entered_anew(app: Flask, api: Caller, connection: Connection) -> None:
    path = add(api, SAMPLE_GATEWAY).headers["Location"]
    app.config["CREDENTIAL_CIPHER"] = CredentialCipher([OTHER_KEY])
    assert api.get(path).json["credentials"] is None
    assert api.put(path, json={"rate": 7}).json["rate"] == 7
    assert api.put(path, json={"sender": "Other"}).json["reason_code"] == "credentials_unreadable"
    assert api.put(path, json={"credentials": {"signature": "x"}}).status_code == 409
    assert api.put(path, json={"credentials": {"password": "new"}}).json["credentials"] == ["password"]
    assert stored(app, connection) == {"password": "new"}


def test_a_key_file_is_made_once_and_can_be_read_by_its_owner_alone(app: Flask, tmp_path: Any) -> None:
    file = tmp_path / "keys" / "credentials.key"
    run = app.test_cli_runner().invoke
    assert run(args=["make-credentials-key", str(file)]).output == f"{file}: a new key.\n"
    made = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert CredentialCipher([made.strip()]).has_key
    assert "was not changed" in run(args=["make-credentials-key", str(file)]).output
    assert file.read_text() == made
