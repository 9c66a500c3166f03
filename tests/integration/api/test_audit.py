"""The audit: who changed what, in the same commit, and nobody can rewrite it."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.clients import import_staging
from tests import factories
from tests.integration.api.calls import Answer, Caller, add_client, add_mailing, caller, client_body, mailing_body


@pytest.fixture
def entries(api: Caller, connection: Connection) -> Entries:
    return Entries(api, int(factories.value(connection, "SELECT coalesce(max(id), 0) FROM audit_entry")))


class Entries:
    """What the audit got since the test began: it can't be emptied."""

    def __init__(self, api: Caller, after: int) -> None:
        self._api, self._after = api, after

    def __call__(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._api.get(f"/v1/audit/?after={self._after}&limit=1000{query}").json
        return found


def test_every_write_is_in_it_with_who_what_and_where_from(api: Caller, entries: Entries) -> None:
    client_id, mailing_id = add_client(api), add_mailing(api)
    api.put(f"/v1/client/{client_id}/", json=client_body(tag="other"))
    api.put(f"/v1/mailing/{mailing_id}", json=mailing_body(mark="other"))
    for action in ("pause", "resume", "cancel"):
        api.post(f"/v1/mailing/{mailing_id}/{action}/", headers={"X-Request-Id": f"{action}-1"})
    api.delete(f"/v1/client/{client_id}/")
    api.delete(f"/v1/mailing/{mailing_id}/")
    found = entries()
    assert [(one["operation"], one["object"], one["object_id"]) for one in found] == [
        ("createClient", "client", client_id),
        ("createMailing", "mailing", mailing_id),
        ("updateClient", "client", client_id),
        ("updateMailing", "mailing", mailing_id),
        ("pauseMailing", "mailing", mailing_id),
        ("resumeMailing", "mailing", mailing_id),
        ("cancelMailing", "mailing", mailing_id),
        ("deleteClient", "client", client_id),
        ("deleteMailing", "mailing", mailing_id),
    ]
    assert {(one["actor_name"], one["role"], one["address"]) for one in found} == {("API_KEY", "admin", "127.0.0.1")}
    assert found[4]["request_id"] == "pause-1"


def test_a_change_is_told_without_texts_and_phone_numbers(api: Caller, entries: Entries) -> None:
    client_id, mailing_id = add_client(api), add_mailing(api)
    api.put(f"/v1/client/{client_id}/", json=client_body(tag="other", phone_number=79160000001))
    api.put(f"/v1/mailing/{mailing_id}/", json=mailing_body(text="A secret", on_unknown="hold"))
    changes = [one["detail"] for one in entries()[2:]]
    assert changes == [
        {"tag": ["vip", "other"], "phone_number": ["7***4567", "7***0001"]},
        {"text": ["…", "…"], "on_unknown": ["resend", "hold"]},
    ]


def test_a_refusal_is_told_with_a_masked_number_and_how_many_messages_have_ended(
    api: Caller, connection: Connection, entries: Entries
) -> None:
    factories.add_running_mailing(connection, 1, requires_consent=True)
    number = factories.FIRST_PHONE + 1
    given = {"phone_number": number, "given_at": "2022-06-01T09:00:00Z", "method": "web form", "wording": "Yes"}
    consent_id = api.post("/v1/consent/create/", json=given).json["id"]
    api.post(f"/v1/consent/{consent_id}/withdraw/", json={"evidence": {"letter": "1"}})
    factories.execute(connection, "UPDATE message SET status = 'pending', ended_at = NULL, reason_code = NULL")
    suppressed = {"phone_number": number, "scope": "marketing", "reason": "complaint"}
    suppression_id = api.post("/v1/suppression/create/", json=suppressed).json["id"]
    assert [(one["operation"], one["object"], one["object_id"], one["detail"]) for one in entries()] == [
        ("createConsent", "consent", consent_id, {"phone_number": "7***0001", "purpose": "marketing"}),
        ("withdrawConsent", "consent", consent_id, {"ended_messages": 1}),
        (
            *("createSuppression", "suppression", suppression_id),
            {"phone_number": "7***0001", "scope": "marketing", "reason": "complaint", "cancelled": 1},
        ),
    ]


def test_a_key_is_named_by_its_prefix_and_making_and_revoking_it_are_in_it(
    app: Flask, api: Caller, entries: Entries
) -> None:
    key = api.post("/v1/key/create/", json={"name": "billing", "role": "operator"}).json
    add_client(caller(app, key["key"]))
    api.delete(f"/v1/key/{key['id']}/")
    made, used, revoked = entries()
    assert (made["operation"], made["object"], made["object_id"]) == ("createKey", "key", key["id"])
    assert (used["actor"], used["actor_name"], used["role"]) == (f"key:{key['prefix']}", "billing", "operator")
    assert (revoked["operation"], revoked["object_id"]) == ("revokeKey", key["id"])
    assert entries(f"&actor=key:{key['prefix']}") == [used]


def test_what_was_refused_or_repeated_is_not_in_it(app: Flask, api: Caller, entries: Entries) -> None:
    for _ in range(2):
        api.post("/v1/client/create/", json=client_body(), headers={"Idempotency-Key": "1"})
    api.post("/v1/client/create/", json=client_body())
    api.post("/v1/client/create/", json={})
    api.put("/v1/client/1/", json=client_body(), headers={"If-Match": '"other"'})
    api.get("/v1/client/")
    assert [one["operation"] for one in entries()] == ["createClient"]


def import_clients(api: Caller, *numbers: int) -> Answer:
    lines = "".join(f"{number},916,vip,UTC\n" for number in numbers)
    return api.post(
        "/v1/client/import/",
        data=f"phone_number,operator_code,tag,timezone\n{lines}x,,,\n",
        content_type="text/csv",
        headers={"X-Request-Id": "an-import"},
    )


COUNTS = ("added", "changed", "unchanged", "rejected")


def test_an_import_has_an_entry_with_its_counts(api: Caller, entries: Entries) -> None:
    add_client(api)
    answer = import_clients(api, 79161234567, 79160000001, 79160000002)
    (found,) = entries("&operation=importClients")
    assert found["detail"] == {name: answer.json[name] for name in COUNTS}
    assert found["detail"] == {"added": 2, "changed": 1, "unchanged": 0, "rejected": 1}
    assert (found["actor_name"], found["request_id"], found["object"]) == ("API_KEY", "an-import", None)


def test_each_transaction_of_an_import_has_an_entry_and_their_counts_add_up(
    api: Caller, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_staging, "MERGE_BATCH", 2)
    import_clients(api, 79160000003, 79160000004)
    answer = import_clients(api, *range(79160000001, 79160000008))
    found = [one["detail"] for one in entries("&operation=importClients")][1:]
    assert len(found) == 3  # the second pair of rows changed nothing
    assert {name: sum(one[name] for one in found) for name in COUNTS} == {name: answer.json[name] for name in COUNTS}


def test_an_import_that_fails_half_way_has_entries_of_what_it_changed(
    api: Caller, entries: Entries, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_staging, "MERGE_BATCH", 2)
    factories.execute(connection, "ALTER TABLE client ADD CONSTRAINT no_five CHECK (phone_number <> 79160000005)")
    try:
        assert import_clients(api, *range(79160000001, 79160000008)).status_code == 500
    finally:
        factories.execute(connection, "ALTER TABLE client DROP CONSTRAINT no_five")
    assert factories.value(connection, "SELECT count(*) FROM client") == 4
    assert [one["detail"]["added"] for one in entries("&operation=importClients")] == [2, 2]


def test_without_its_entry_a_change_does_not_happen(api: Caller, connection: Connection) -> None:
    connection.autocommit = False
    # A trigger that only this test has: the audit's disk is full, so to speak.
    factories.execute(
        connection,
        """
        CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER full_up BEFORE INSERT ON audit_entry EXECUTE FUNCTION full_up();
        """,
    )
    connection.commit()
    try:
        assert api.post("/v1/client/create/", json=client_body()).status_code == 503
        assert factories.value(connection, "SELECT count(*) FROM client") == 0
    finally:
        factories.execute(connection, "DROP FUNCTION full_up CASCADE")
        connection.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor = 'somebody else'",
        "DELETE FROM audit_entry",
        "DELETE FROM audit_entry WHERE id = -1",
        "TRUNCATE audit_entry",
        "INSERT INTO audit_entry (id, actor, actor_name, operation) OVERRIDING SYSTEM VALUE"
        " SELECT id, actor, actor_name, operation FROM audit_entry ON CONFLICT (id) DO UPDATE SET actor = 'x'",
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_nobody_can_rewrite_it(api: Caller, connection: Connection, statement: str, role: str) -> None:
    add_client(api)
    factories.execute(connection, f"SET session_replication_role = {role}")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="can only be added to"):
        factories.execute(connection, statement)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_api_can_not_rewrite_it(api: Caller, method: str) -> None:
    assert api.open("/v1/audit/", method=method).status_code == 405


def test_it_is_read_in_pages_and_by_filters(api: Caller, entries: Entries) -> None:
    first, second = add_client(api), add_client(api, phone_number=79160000001)
    api.delete(f"/v1/client/{first}/")
    everything = entries()
    assert entries("&operation=deleteClient") == everything[2:]
    assert entries(f"&object=client&object_id={second}") == everything[1:2]
    assert entries(f"&since={everything[1]['at']}&until={everything[2]['at']}") == everything[1:2]
    assert entries("&object=nothing") == []
    page = api.get(f"/v1/audit/?after={int(str(everything[0]['id'])) - 1}&limit=2")
    assert page.json == everything[:2]
    assert f"after={everything[1]['id']}" in page.headers["Link"]
    assert [one["id"] for one in everything] == sorted(int(str(one["id"])) for one in everything)
