"""Everything that a person does in the console is an operation of the API too."""

from __future__ import annotations

import pytest
from flask import Flask

from api.app import create_app
from api.console.mailing_action_views import OPERATIONS
from api.console.mailing_actions import MailingAction
from api.database_url import database_url
from api.http.openapi import rest_api
from api.settings import ApiSettings

CONSOLE = {
    "clients/new": "createClient",
    "clients/<id:client_id>/edit": "updateClient",
    "clients/<id:client_id>/remove": "deleteClient",
    "clients/fields/new": "createClientField",
    "clients/fields/<id:client_field_id>/edit": "updateClientField",
    "clients/fields/<id:client_field_id>/remove": "deleteClientField",
    "clients/import": "importClients",
    "mailings/new": "createDraft",
    "mailings/drafts/<id:draft_id>/edit": "updateDraft",
    "mailings/drafts/<id:draft_id>": "sendDraft",
    "mailings/drafts/<id:draft_id>/remove": "deleteDraft",
    "mailings/<id:mailing_id>/undo": "undoMailing",
    "mailings/<id:mailing_id>/edit": "updateMailing",
    "mailings/<id:mailing_id>/test": "testMailing",
    "mailings/estimate": "planMailing",
    "segments/new": "createSegment",
    "segments/<id:segment_id>/edit": "updateSegment",
    "segments/<id:segment_id>/remove": "deleteSegment",
    "segments/<id:segment_id>/count": "countSegment",
    "segments/count": "countSegment",
    "segments/conditions": "countSegment",
    "templates/new": "createTemplate",
    "templates/<id:template_id>/edit": "updateTemplate",
    "templates/<id:template_id>/remove": "deleteTemplate",
    "templates/preview": "previewTemplate",
    "number-lists/file": "createNumberList",
    "number-lists/<id:number_list_id>/remove": "deleteNumberList",
    "suppressions/new": "createSuppression",
    "suppressions/<id:suppression_id>/lift": "liftSuppression",
    "suppressions/file": "importSuppressions",
    "consents/new": "createConsent",
    "consents/<id:consent_id>/withdraw": "withdrawConsent",
    "consents/file": "importConsents",
    "numbers/<id:phone_number>/erase": "eraseNumber",
    "sending-rules": "updateSendingRules",
    "sending-rules/replies": "updateSendingRules",
    "holiday-calendars/new": "createHolidayCalendar",
    "holiday-calendars/<id:holiday_calendar_id>/edit": "updateHolidayCalendar",
    "holiday-calendars/<id:holiday_calendar_id>/remove": "deleteHolidayCalendar",
    "gateways/new": "createGateway",
    "gateways/<id:gateway_id>/edit": "updateGateway",
    "gateways/<id:gateway_id>/pause": "pauseGateway",
    "gateways/<id:gateway_id>/resume": "resumeGateway",
    "gateways/<id:gateway_id>/remove": "deleteGateway",
    "gateways/<id:gateway_id>/test": "testGateway",
    "routes/new": "createRoute",
    "routes/<id:route_id>/edit": "updateRoute",
    "routes/<id:route_id>/remove": "deleteRoute",
    "ledger/<id:message_id>/resolve": "resolveMessage",
    "inbox/<id:inbound_message_id>/read": "markInboundMessageRead",
    "inbox/<id:inbound_message_id>/unread": "markInboundMessageUnread",
    "inbox/<id:inbound_message_id>/decide": "decideInboundMessage",
    "inbox/<id:inbound_message_id>/answer": "answerInboundMessage",
}
"""The operationId of what each page does when its form is sent; those of one mailing are in OPERATIONS."""


@pytest.fixture(scope="module")
def app() -> Flask:
    """The application. Nothing here asks its database anything."""
    return create_app(ApiSettings(database_url=database_url("postgresql://nobody@127.0.0.1:1/none")))


def test_each_form_of_the_console_does_an_operation_of_the_api(app: Flask) -> None:
    posts = {
        rule.rule.strip("/")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("console.") and "POST" in (rule.methods or ()) and "<any(" not in rule.rule
    }
    assert posts == set(CONSOLE)
    assert set(OPERATIONS) == set(MailingAction)
    paths = rest_api.spec.to_dict()["paths"].values()
    documented = {operation["operationId"] for path in paths for operation in path.values() if "tags" in operation}
    assert {*CONSOLE.values(), *OPERATIONS.values()} <= documented
