"""Whether the API lives and whether it can serve: for load balancers and container engines."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import select

from api.extensions import db
from api.permissions import public

blp = Blueprint("health", __name__)


@blp.get("/healthz")
@public
def alive() -> dict[str, str]:
    """The process answers. Says nothing of the database, which a restart of this process would not mend."""
    return {"status": "alive"}


@blp.get("/readyz")
@public
def ready() -> dict[str, str]:
    """The database answers too; 503 when it doesn't."""
    db.session.execute(select(1))
    return {"status": "ready"}
