"""The one operation that estimates a mailing."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.mailings.estimate import estimate
from api.mailings.estimate_schemas import PlanBody, PlanSchema
from api.permissions import requires
from shared.domain.roles import Role

blp = Blueprint("Plans", "/v1/mailing", "Estimates of mailings. Any role may request one: nothing is added.")


@blp.route("/plan/")
class MailingPlan(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("planMailing")
    @blp.arguments(PlanBody())
    @blp.response(200, PlanSchema())
    def post(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Plan a mailing

        Estimates audience, segments, cost and duration. Adds nothing. Every field is optional: the estimate
        leaves out what needs a missing field.
        """
        return estimate(fields)
