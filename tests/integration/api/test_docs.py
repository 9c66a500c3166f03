"""The OpenAPI document and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from api.auth.schemas import KeyBody
from api.clients.schemas import ClientBody
from api.http.headers import CONTENT_SECURITY_POLICY
from api.mailings.schemas import MailingBody
from shared.version import VERSION
from tests.integration.api.calls import CLIENT, Caller, caller
from tests.route_roles import ROLES

OPERATIONS = {
    "createClient": "POST /v1/client/create/",
    "listClients": "GET /v1/client/",
    "getClient": "GET /v1/client/{client_id}/",
    "updateClient": "PUT /v1/client/{client_id}/",
    "deleteClient": "DELETE /v1/client/{client_id}/",
    "listClientFields": "GET /v1/client-field/",
    "createClientField": "POST /v1/client-field/create/",
    "getClientField": "GET /v1/client-field/{client_field_id}/",
    "updateClientField": "PUT /v1/client-field/{client_field_id}/",
    "deleteClientField": "DELETE /v1/client-field/{client_field_id}/",
    "planMailing": "POST /v1/mailing/plan/",
    "importClients": "POST /v1/client/import/",
    "exportClients": "GET /v1/client/export/",
    "createMailing": "POST /v1/mailing/create/",
    "listMailings": "GET /v1/mailing/",
    "getMailing": "GET /v1/mailing/{mailing_id}/",
    "updateMailing": "PUT /v1/mailing/{mailing_id}/",
    "deleteMailing": "DELETE /v1/mailing/{mailing_id}/",
    "pauseMailing": "POST /v1/mailing/{mailing_id}/pause/",
    "resumeMailing": "POST /v1/mailing/{mailing_id}/resume/",
    "approveMailing": "POST /v1/mailing/{mailing_id}/approve/",
    "cancelMailing": "POST /v1/mailing/{mailing_id}/cancel/",
    "testMailing": "POST /v1/mailing/{mailing_id}/test/",
    "undoMailing": "POST /v1/mailing/{mailing_id}/undo/",
    "createDraft": "POST /v1/draft/create/",
    "listDrafts": "GET /v1/draft/",
    "getDraft": "GET /v1/draft/{draft_id}/",
    "updateDraft": "PUT /v1/draft/{draft_id}/",
    "deleteDraft": "DELETE /v1/draft/{draft_id}/",
    "listDraftVersions": "GET /v1/draft/{draft_id}/version/",
    "sendDraft": "POST /v1/draft/{draft_id}/send/",
    "retryMailing": "POST /v1/mailing/{mailing_id}/retry/",
    "listMailingJournal": "GET /v1/mailing/{mailing_id}/journal/",
    "getMailingPlan": "GET /v1/mailing/{mailing_id}/plan/",
    "listMailingMessages": "GET /v1/mailing/{mailing_id}/message/",
    "listMessages": "GET /v1/message/",
    "getMessage": "GET /v1/message/{message_id}/",
    "resolveMessage": "POST /v1/message/{message_id}/resolve/",
    "listInboundMessages": "GET /v1/inbound-message/",
    "getInboundMessage": "GET /v1/inbound-message/{inbound_message_id}/",
    "markInboundMessageRead": "POST /v1/inbound-message/{inbound_message_id}/read/",
    "markInboundMessageUnread": "POST /v1/inbound-message/{inbound_message_id}/unread/",
    "decideInboundMessage": "POST /v1/inbound-message/{inbound_message_id}/decide/",
    "answerInboundMessage": "POST /v1/inbound-message/{inbound_message_id}/answer/",
    "listOrphanReceipts": "GET /v1/orphan-receipt/",
    "getStatistics": "GET /v1/statistics/",
    "getDeliveryStatistics": "GET /v1/statistics/delivery/",
    "listGateways": "GET /v1/gateway/",
    "createGateway": "POST /v1/gateway/",
    "getGateway": "GET /v1/gateway/{gateway_id}/",
    "updateGateway": "PUT /v1/gateway/{gateway_id}/",
    "deleteGateway": "DELETE /v1/gateway/{gateway_id}/",
    "getGatewayCallbacks": "GET /v1/gateway/{gateway_id}/callbacks/",
    "rotateGatewayCallbacks": "POST /v1/gateway/{gateway_id}/callbacks/rotate/",
    "pauseGateway": "POST /v1/gateway/{gateway_id}/pause/",
    "resumeGateway": "POST /v1/gateway/{gateway_id}/resume/",
    "testGateway": "POST /v1/gateway/{gateway_id}/test/",
    "createSuppression": "POST /v1/suppression/create/",
    "listSuppressions": "GET /v1/suppression/",
    "getSuppression": "GET /v1/suppression/{suppression_id}/",
    "liftSuppression": "POST /v1/suppression/{suppression_id}/lift/",
    "importSuppressions": "POST /v1/suppression/import/",
    "exportSuppressions": "GET /v1/suppression/export/",
    "createConsent": "POST /v1/consent/create/",
    "listConsents": "GET /v1/consent/",
    "getConsent": "GET /v1/consent/{consent_id}/",
    "withdrawConsent": "POST /v1/consent/{consent_id}/withdraw/",
    "importConsents": "POST /v1/consent/import/",
    "createNumberList": "POST /v1/number-list/create/",
    "listNumberLists": "GET /v1/number-list/",
    "getNumberList": "GET /v1/number-list/{number_list_id}/",
    "deleteNumberList": "DELETE /v1/number-list/{number_list_id}/",
    "getNumberEvidence": "GET /v1/number/{phone_number}/evidence/",
    "eraseNumber": "POST /v1/number/{phone_number}/erase/",
    "listRoutes": "GET /v1/route/",
    "createRoute": "POST /v1/route/",
    "getRoute": "GET /v1/route/{route_id}/",
    "updateRoute": "PUT /v1/route/{route_id}/",
    "deleteRoute": "DELETE /v1/route/{route_id}/",
    "listSegments": "GET /v1/segment/",
    "createSegment": "POST /v1/segment/create/",
    "countSegment": "POST /v1/segment/count/",
    "getSegment": "GET /v1/segment/{segment_id}/",
    "updateSegment": "PUT /v1/segment/{segment_id}/",
    "deleteSegment": "DELETE /v1/segment/{segment_id}/",
    "listTemplates": "GET /v1/template/",
    "createTemplate": "POST /v1/template/create/",
    "previewTemplate": "POST /v1/template/preview/",
    "getTemplate": "GET /v1/template/{template_id}/",
    "updateTemplate": "PUT /v1/template/{template_id}/",
    "deleteTemplate": "DELETE /v1/template/{template_id}/",
    "listTemplateVersions": "GET /v1/template/{template_id}/version/",
    "listHolidayCalendars": "GET /v1/holiday-calendar/",
    "createHolidayCalendar": "POST /v1/holiday-calendar/",
    "getHolidayCalendar": "GET /v1/holiday-calendar/{holiday_calendar_id}/",
    "updateHolidayCalendar": "PUT /v1/holiday-calendar/{holiday_calendar_id}/",
    "deleteHolidayCalendar": "DELETE /v1/holiday-calendar/{holiday_calendar_id}/",
    "getSendingRules": "GET /v1/sending-rules/",
    "updateSendingRules": "PUT /v1/sending-rules/",
    "listWindowPresets": "GET /v1/window-preset/",
    "listProviders": "GET /v1/provider/",
    "listAudit": "GET /v1/audit/",
    "createKey": "POST /v1/key/create/",
    "listKeys": "GET /v1/key/",
    "getKey": "GET /v1/key/{key_id}/",
    "revokeKey": "DELETE /v1/key/{key_id}/",
    "createSignInLink": "POST /v1/sign-in-link/create/",
}


EDITED = ("Client", "ClientField", "Mailing", "Draft", "Gateway", "Route", "Segment", "Template", "HolidayCalendar")
EDITS = {f"{verb}{resource}" for verb in ("update", "delete") for resource in EDITED} | {
    "updateSendingRules",
    "approveMailing",
}
"""What takes an If-Match."""
NOT_CONFLICTING = {"deleteClient", "deleteMailing", "updateClientField", "deleteTemplate", "updateSendingRules"}
CONFLICTING = (EDITS - NOT_CONFLICTING) | {
    *("previewTemplate", "createNumberList", "deleteNumberList", "planMailing", "importClients", "importSuppressions")
}
"""What the state of things may forbid, besides every operation that takes an Idempotency-Key."""
ADMINS = ("Audit", "Drafts", "Gateways", "Keys", "Numbers", "Providers")
"""Resources that not everybody may read."""
SENTENCES = {
    "viewer": "Requires the role `viewer` or a higher one.",
    "operator": "Requires the role `operator` or `admin`.",
    "admin": "Requires the role `admin`.",
}


@pytest.fixture
def document(api: Caller) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = api.get("/docs/openapi.json").json
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield f"{method.upper()} {path}", operation


def takes_idempotency_key(operation: dict[str, Any]) -> bool:
    return {"$ref": "#/components/parameters/IDEMPOTENCY_KEY"} in operation.get("parameters", [])


def test_the_document_has_the_version_of_this_release(document: dict[str, Any]) -> None:
    assert document["info"]["version"] == VERSION


@pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with a slash"])
def test_the_page_opens_with_nothing_from_elsewhere(api: Caller, slash: str) -> None:
    page = api.get(f"/docs{slash}")
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    assert "://" not in page.text
    assets = re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text)
    assert {asset.rpartition(".")[2] for asset in assets} == {"js", "css", "png", "json"}
    for asset in assets:
        assert asset.startswith("/docs/")
        assert api.get(asset).status_code == 200
    assert "/docs/openapi.json" in assets


def test_the_page_does_not_send_the_document_to_a_validator(api: Caller) -> None:
    assert "validatorUrl: null" in api.get("/docs/docs.js").text


def test_the_page_has_the_common_policy_and_is_not_cached(api: Caller) -> None:
    page = api.get("/docs/")
    assert page.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert not re.search(r"<script>|<style|style=| on\w+=", page.text)
    assert page.headers["Cache-Control"] == "no-store"


def test_only_somebody_who_is_signed_in_gets_a_token(app: Flask, api: Caller) -> None:
    browser = caller(app, None)
    assert "csrf-token" not in browser.get("/docs/").text
    assert "Set-Cookie" not in browser.get("/docs/").headers
    browser.get(api.post("/v1/sign-in-link/create/").json["path"])
    found = re.search(r'name="csrf-token" content="([^"]+)"', browser.get("/docs/").text)
    assert found
    for token, status in ((found[1], 201), ("another", 403)):
        answer = browser.post("/v1/client/create/", json=CLIENT, headers={"X-CSRF-Token": token})
        assert answer.status_code == status


def test_the_styles_load_nothing_from_elsewhere(api: Caller) -> None:
    for style in ("/docs/swagger-ui.css", "/docs/docs.css"):
        response = api.get(style)
        assert "@import" not in response.text
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", response.text)


def test_every_operation_has_its_name(document: dict[str, Any]) -> None:
    assert {operation["operationId"]: call for call, operation in operations(document)} == OPERATIONS


def test_every_operation_says_what_it_does_and_what_can_go_wrong(document: dict[str, Any]) -> None:
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    for call, operation in operations(document):
        assert operation["summary"], call
        assert tags[operation["tags"][0]], call
        expected = {"400", "401", "422", "429", "503"}
        if "requestBody" in operation:
            expected |= {"413", "415"}
        if "_id}" in call or "{phone_number}" in call:
            expected.add("404")
        if not call.startswith("GET") or operation["tags"][0] in ADMINS:
            expected.add("403")
        if operation["operationId"] in EDITS:
            expected.add("412")
        if operation["operationId"] in ("importClients", "importSuppressions", "importConsents", "createNumberList"):
            expected.add("408")
        if takes_idempotency_key(operation) or operation["operationId"] in CONFLICTING:
            expected.add("409")
        assert {status for status in operation["responses"] if status >= "4"} == expected, call


def test_every_error_has_the_one_format(document: dict[str, Any]) -> None:
    for name, response in document["components"]["responses"].items():
        if name != "NOT_MODIFIED":
            assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}


def test_if_match_is_optional(document: dict[str, Any]) -> None:
    assert document["components"]["parameters"]["IF_MATCH"]["required"] is False
    for call, operation in operations(document):
        taken = {"$ref": "#/components/parameters/IF_MATCH"} in operation.get("parameters", [])
        assert taken == (operation["operationId"] in EDITS), call


def test_a_post_may_be_repeated_unless_its_answer_is_a_secret(document: dict[str, Any]) -> None:
    once = {operation["operationId"] for call, operation in operations(document) if takes_idempotency_key(operation)}
    posts = {operation["operationId"] for call, operation in operations(document) if call.startswith("POST")}
    assert posts - once == {
        "countSegment",
        "createKey",
        "createSignInLink",
        "importClients",
        "importSuppressions",
        "importConsents",
        "createNumberList",
        "planMailing",
        "previewTemplate",
        "rotateGatewayCallbacks",
    }


def test_every_operation_takes_a_key_and_says_which_role(document: dict[str, Any]) -> None:
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for call, operation in operations(document):
        assert "security" not in operation, call
        method, path = call.replace("{", "<").replace("}", ">").split()
        assert operation["description"].splitlines()[-1] == SENTENCES[ROLES[method, path]], call


def test_every_parameter_and_every_field_says_what_it_is(document: dict[str, Any]) -> None:
    for call, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert "$ref" in parameter or parameter["description"], call
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema["properties"].items():
            assert described.get("description"), f"{name}.{field}"


@pytest.mark.parametrize("body", [ClientBody(), MailingBody(), KeyBody()], ids=["client", "mailing", "key"])
def test_the_examples_of_a_body_are_a_body(document: dict[str, Any], body: ClientBody | MailingBody | KeyBody) -> None:
    schema = document["components"]["schemas"][type(body).__name__]
    assert schema["additionalProperties"] is False
    assert body.load({name: described["example"] for name, described in schema["properties"].items()})
