"""The console's pages of suppressions and consents."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, add_gateway, add_running_mailing, execute, rows, value
from tests.integration.api.calls import Answer, Caller
from tests.integration.api.html_forms import fields_of

CSV = {"Content-Type": "text/csv"}


def followed(api: Caller, answer: Answer) -> Answer:
    assert answer.status_code == 302, answer.text
    return api.get(answer.headers["Location"])


def test_a_number_is_suppressed_with_its_pending_messages_and_lifted_with_evidence(
    api: Caller, connection: Connection
) -> None:
    add_running_mailing(connection, 1)
    phone = value(connection, "SELECT phone_number FROM client")
    client = api.get("/clients/1/").text
    assert "The number is not suppressed" in client
    assert f'href="/suppressions/new/?phone={phone}"' in client
    form = fields_of(api.get(f"/suppressions/new/?phone={phone}"))
    assert form["phone_number"] == str(phone)
    without = api.post("/suppressions/new/", data=form | {"scope": "gateway"})
    assert without.status_code == 422
    made = followed(
        api, api.post("/suppressions/new/", data=fields_of(without) | {"scope": "everything", "note": "asked"})
    )
    for words in ("The number is suppressed. 1 pending message has ended.", "the person opted out", "asked"):
        assert words in made.text
    assert value(connection, "SELECT status FROM message") == "cancelled"
    assert "suppressed" in api.get("/clients/1/").text
    message = api.get("/ledger/1/").text
    assert "The number is suppressed: it must not be written to" in message
    again = followed(
        api,
        api.post("/suppressions/new/", data=fields_of(api.get("/suppressions/new/")) | {"phone_number": str(phone)}),
    )
    assert "It was suppressed already" in again.text
    lift = "/suppressions/1/lift/"
    refused = api.post(lift, data=fields_of(api.get(lift)) | {"evidence": " "})
    assert refused.status_code == 422
    lifted = followed(api, api.post(lift, data=fields_of(refused) | {"evidence": "wants offers again"}))
    assert "The suppression is lifted." in lifted.text
    assert "wants offers again" in lifted.text
    assert "It is lifted already." in api.get(lift).text


def test_suppressions_are_found_by_number_and_scope_latest_first(api: Caller, connection: Connection) -> None:
    add_gateway(connection, "second")
    body = {"reason": "complaint", "scope": "marketing"}
    api.post("/v1/suppression/create/", json=body | {"phone_number": 79160000001})
    api.post(
        "/v1/suppression/create/", json=body | {"phone_number": 79160000002, "scope": "gateway", "gateway": "second"}
    )
    page = api.get("/suppressions/").text
    assert page.index("+79160000002") < page.index("+79160000001")
    assert "+79160000001" not in api.get("/suppressions/?scope=gateway&in_force=true").text
    for typed in ("+7 916 000-00-01", "79160000001"):
        found = api.get("/suppressions/", query_string={"phone": typed}).text
        assert ("+79160000001" in found, "+79160000002" in found) == (True, False)
    assert "No suppression matches." in api.get("/suppressions/?phone=79169999999").text
    assert "must contain digits" in api.get("/suppressions/?phone=nobody").text
    execute(connection, "UPDATE suppression SET phone_number = NULL, number_hash = 'x' WHERE id = 1")
    assert "erased number" in api.get("/suppressions/").text
    assert "erased number" in api.get("/suppressions/1/").text


def test_evidence_of_the_service_is_shown_with_its_links(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    execute(
        connection,
        """INSERT INTO suppression (phone_number, scope, reason, source, evidence) VALUES (79160000001, 'everything',
        'opted_out', 'link', '{"message_id": 1, "at": "2026-06-01T09:00:00+00:00", "network": "203.0.113.0/24",
        "CRM <b>": "<i>42</i>"}')""",
    )
    page = api.get("/suppressions/1/").text
    for part in ('href="/ledger/1/"', 'datetime="2026-06-01T09:00:00', "203.0.113.0/24", "&lt;i&gt;42&lt;/i&gt;"):
        assert part in page


def test_a_file_of_suppressions_is_imported_with_a_report(api: Caller, connection: Connection) -> None:
    page = api.get("/suppressions/import/").text
    assert 'data-upload="/suppressions/file/"' in page
    lines = b"phone_number,reason\n8 916 000-00-01,complaint\nnobody,\n79160000002,\n"
    options = "?default_region=RU&scope=marketing&gateway=&reason=law&note=list%20118"
    report = api.post(f"/suppressions/file/{options}", data=lines, headers=CSV).text
    assert "The file is imported." in report
    assert "line 3" in report
    found = rows(connection, "SELECT phone_number, scope, reason, evidence ->> 'note' FROM suppression ORDER BY id")
    assert found == [(79160000001, "marketing", "complaint", "list 118"), (79160000002, "marketing", "law", "list 118")]
    headless = api.post(f"/suppressions/file/{options}", data=b"a,b\n1,2\n", headers=CSV)
    assert headless.status_code == 200
    assert "The file was not imported" in headless.text
    assert "Export suppressions" in api.get("/suppressions/export/").text


def test_a_consent_is_recorded_found_and_withdrawn(api: Caller, connection: Connection) -> None:
    add_clients(connection, 1)
    phone = value(connection, "SELECT phone_number FROM client")
    form = fields_of(api.get(f"/consents/new/?phone={phone}"))
    typed = {"method": "web form", "wording": "I agree to offers.", "note": "/subscribe", "zone": "Europe/Moscow"}
    missing = api.post("/consents/new/", data=form | typed)
    assert missing.status_code == 422
    late = api.post("/consents/new/", data=form | typed | {"given_at": "2999-06-01T12:00"})
    assert late.status_code == 422
    made = followed(api, api.post("/consents/new/", data=fields_of(late) | typed | {"given_at": "2022-06-01T12:00"}))
    for words in ("The consent is recorded.", "I agree to offers.", "2022-06-01T09:00:00", "/subscribe"):
        assert words in made.text
    assert "web form" in api.get("/clients/1/").text
    assert f"+{phone}" in api.get(f"/consents/?phone={phone}&in_force=true").text
    path = "/consents/1/withdraw/"
    withdrawn = followed(api, api.post(path, data=fields_of(api.get(path)) | {"evidence": "letter 118"}))
    assert "The consent is withdrawn." in withdrawn.text
    assert "letter 118" in withdrawn.text
    assert "No consent matches." in api.get("/consents/?in_force=true").text


def test_a_file_of_consents_is_imported_with_what_its_rows_lack(api: Caller, connection: Connection) -> None:
    assert 'data-upload="/consents/file/"' in api.get("/consents/import/").text
    lines = b"phone_number;given_at\n79160000001;2022-06-01\n79160000002;2999-06-01\n"
    options = "?default_region=&purpose=&method=paper%20form&wording=I%20agree"
    report = api.post(f"/consents/file/{options}", data=lines, headers=CSV).text
    assert "The file is imported." in report
    assert "line 3" in report
    found = rows(connection, "SELECT phone_number, purpose, method, wording FROM consent")
    assert found == [(79160000001, "marketing", "paper form", "I agree")]
    assert "The file was not imported" in api.post("/consents/file/", data=lines, headers=CSV).text
