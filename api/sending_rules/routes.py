"""The operations on the rules of sending."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from api.extensions import db
from api.http.blueprint import Blueprint
from api.permissions import requires
from api.sending_rules import queries, services
from api.sending_rules.schemas import SendingRulesBody, SendingRulesSchema
from shared.domain.roles import Role

blp = Blueprint(
    "SendingRules",
    "/v1/sending-rules",
    "The defaults of new mailings, and what is required of all.",
    editable=SendingRulesSchema(only=services.FIELDS),
)


@blp.route("/")
class SendingRules(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getSendingRules")
    @blp.etag
    @blp.response(200, SendingRulesSchema())
    def get(self) -> dict[str, Any]:
        """Get the rules of sending"""
        return queries.sending_rules()

    @requires(Role.ADMIN)
    @blp.operation("updateSendingRules")
    @blp.etag
    @blp.arguments(SendingRulesBody())
    @blp.response(200, SendingRulesSchema())
    def put(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Change the rules of sending

        What is left out stays as it is. New mailings have the local window, the time zone and the consent of the rules
        unless they give their own; caps and the spending limit of a day count for all messages at once.
        """
        rules = services.lock_rules()
        before = queries.sending_rules()
        blp.check_etag(before)
        services.change_rules(rules, before, fields)
        changed = queries.sending_rules()
        db.session.commit()
        return changed
