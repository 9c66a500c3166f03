"""The operation that counts."""

from __future__ import annotations

from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.messages.counts import messages_by_status
from api.permissions import requires
from api.statistics import queries
from api.statistics.schemas import StatisticsSchema
from shared.domain.roles import Role

blp = Blueprint("Statistics", "/v1/statistics", "Counts of mailings and messages.")


@blp.route("/")
class Statistics(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getStatistics")
    @blp.response(200, StatisticsSchema())
    def get(self) -> dict[str, dict[str, int]]:
        """Count mailings and messages by status"""
        return {"mailings": queries.mailings_by_status(), "messages": messages_by_status()}
