"""The operation that tests a gateway: one message to one client, through that gateway alone."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from api.audit.recorder import name_object
from api.clock import now
from api.gateways.queries import gateway_by_id
from api.gateways.routes import GATEWAY_ID, blp
from api.gateways.schemas import GatewayTestBody, GatewayTestSchema
from api.http.openapi import LOCATION
from api.mailings.test_send import TestMessage, add_test
from api.permissions import requires
from shared.domain.mailing_rules import MailingFields
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MailingKind, OnUnknown
from shared.errors import Conflict

__all__ = ["blp", "test_gateway"]


@blp.route("/<id:gateway_id>/test/", parameters=GATEWAY_ID)
class GatewayTest(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("testGateway", 404, 409)
    @blp.once
    @blp.arguments(GatewayTestBody())
    @blp.response(201, GatewayTestSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any], gateway_id: int) -> tuple[TestMessage, dict[str, str]]:
        """Test a gateway

        Sends one real message to a client, through this gateway alone: `getMessage` says what became of it. It is never
        repeated after an attempt in doubt.
        """
        test = test_gateway(gateway_id, **fields)
        return test, {"Location": url_for("Mailings.MailingById", mailing_id=test.mailing_id)}


def test_gateway(gateway_id: int, phone_number: int, text: str) -> TestMessage:
    """Adds a test, launched. Raises NotFound, and Conflict for a paused gateway or a number that no client has."""
    gateway = gateway_by_id(gateway_id)
    if gateway["paused_at"] is not None:
        raise Conflict("paused_at", ErrorCode.GATEWAY_IS_PAUSED, gateway=gateway["name"])
    start = now()
    fields = MailingFields(
        mark="",
        text=text,
        start_datetime=start,
        end_datetime=start,
        on_unknown=OnUnknown.HOLD,
        kind=MailingKind.SERVICE,
    )
    test = add_test(f"test of gateway {gateway['name']}", phone_number, fields, gateway_id)
    name_object("gateway", gateway_id, mailing=test.mailing_id)
    return test
