"""Receipts that match no message."""

from __future__ import annotations

from flask import render_template

from api.console.blueprint import blp
from api.console.paging import paged
from api.gateways.queries import gateway_names
from api.http.fields import MAX_ID
from api.permissions import requires
from api.receipts.queries import orphans_before, orphans_by_gateway
from shared.domain.roles import Role


@blp.get("/orphan-receipts/")
@requires(Role.VIEWER)
def orphan_receipts() -> str:
    """The receipts that match no message, the latest first, and how many each gateway has."""
    found = paged(orphans_before, lambda receipt: int(receipt.id), MAX_ID)
    shown = {"found": found, "counts": orphans_by_gateway(), "gateways": gateway_names()}
    return render_template("console/orphan_receipts.html", **shown)
