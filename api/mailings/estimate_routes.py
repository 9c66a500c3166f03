"""The operations that estimate a mailing, and compare the estimate with what was sent."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.mailings.audience_texts import SHOWN
from api.mailings.estimate import estimate
from api.mailings.estimate_schemas import PlanBody, PlanSchema
from api.mailings.plan_schemas import MailingPlanSchema
from api.mailings.plans import planned_and_actual
from api.mailings.routes import MAILING_ID
from api.mailings.texts import with_saved_text
from api.permissions import requires
from shared.domain.roles import Role

blp = Blueprint("Plans", "/v1/mailing", "Estimates of mailings. Any role may request one: nothing is added.")


@blp.route("/plan/")
class MailingPlan(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("planMailing", 409)
    @blp.arguments(PlanBody())
    @blp.response(200, PlanSchema())
    def post(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Plan a mailing

        Estimates audience, segments, cost and duration. Adds nothing. Every field is optional: the estimate
        leaves out what needs a missing field. Of a template, the texts for all clients of the audience are made and
        counted, or those for a sample of 100,000.
        """
        return estimate(with_saved_text(fields)[0], SHOWN)


@blp.route("/<id:mailing_id>/plan/", parameters=MAILING_ID)
class PlannedAndActual(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getMailingPlan", 404)
    @blp.response(200, MailingPlanSchema())
    def get(self, mailing_id: int) -> dict[str, Any]:
        """Get the plan of a mailing beside its actual messages and costs

        The plan is that of the last change before its launch. What was sent are the messages that gateways have
        accepted: segments and prices are those of the ledger.
        """
        return planned_and_actual(mailing_id)
