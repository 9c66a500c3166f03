"""The operation that counts."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.messages.counts import message_totals
from api.permissions import requires
from api.receipts.queries import orphans_by_gateway
from api.statistics import queries
from api.statistics.delivery import delivery_statistics
from api.statistics.delivery_schemas import DeliveryStatisticsArguments, DeliveryStatisticsSchema
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
        """Count mailings, messages and deliveries, and tell the state of each gateway"""
        messages = message_totals()
        return {
            "mailings": queries.mailings_by_status(),
            "messages": messages.by_status,
            "delivery": messages.by_delivery,
            "gateways": fleet().gateways,
        }


@blp.route("/delivery/")
class DeliveryStatistics(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getDeliveryStatistics")
    @blp.arguments(DeliveryStatisticsArguments(), location="query")
    @blp.response(200, DeliveryStatisticsSchema())
    def get(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Tell how soon messages are delivered, and why others are not"""
        return delivery_statistics(arguments["hours"], orphans_by_gateway())
