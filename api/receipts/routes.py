"""The operation that reads receipts without a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.messages.delivery_schemas import OrphanReceiptSchema
from api.permissions import requires
from api.receipts import queries
from shared.domain.roles import Role

blp = Blueprint("Receipts", "/v1/orphan-receipt", "Receipts that match no message. Those of messages are with them.")


@blp.route("/")
class OrphanReceipts(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listOrphanReceipts")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, OrphanReceiptSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[queries.OrphanRow], dict[str, str]]:
        """List receipts that match no message

        One is adopted, and leaves this list, once its provider's id is recorded for a message.
        """
        return page(queries.orphans_after, arguments)
