"""Liveness and readiness of the API, for load balancers and container engines."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import select

from api.extensions import db
from api.permissions import public

blp = Blueprint("health", __name__)


@blp.get("/healthz")
@public
def alive() -> dict[str, str]:
    """Liveness: the process responds. Without the database, which a restart of this process would not repair."""
    return {"status": "alive"}


@blp.get("/readyz")
@public
def ready() -> dict[str, str]:
    """Readiness: the database responds too; 503 if it does not."""
    db.session.execute(select(1))
    return {"status": "ready"}
