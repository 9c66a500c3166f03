"""The operation on the audit: reading it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView

from api.audit import queries
from api.audit.schemas import AuditArguments, AuditEntrySchema
from api.http.blueprint import Blueprint
from api.http.paging import PAGE_HEADERS, page
from api.permissions import requires
from shared.domain.roles import Role
from shared.schema import AuditEntry

blp = Blueprint("Audit", "/v1/audit", "The audit: who did what, and when. Entries are never changed or deleted.")


@blp.route("/")
class Audit(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("listAudit")
    @blp.arguments(AuditArguments(), location="query")
    @blp.response(200, AuditEntrySchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[AuditEntry], dict[str, str]]:
        """List audit entries"""
        return page(queries.entries_after, arguments)
