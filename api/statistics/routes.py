"""The operation that counts."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.messages.counts import messages_by_status
from api.permissions import requires
from api.statistics import queries
from api.statistics.schemas import StatisticsSchema
from api.workers.queries import fleet
from shared.domain.roles import Role

blp = Blueprint("Statistics", "/v1/statistics", "Counts of mailings and messages.")


@blp.route("/")
class Statistics(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getStatistics")
    @blp.response(200, StatisticsSchema())
    def get(self) -> dict[str, Any]:
        """Count mailings and messages by status, and tell the state of each gateway"""
        return {
            "mailings": queries.mailings_by_status(),
            "messages": messages_by_status(),
            "gateways": fleet().gateways,
        }
