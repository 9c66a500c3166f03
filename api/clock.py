"""The time by the database's clock: the one that every comparison of due times, leases and windows uses."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, func, select

from api.extensions import db

CLOCK = func.clock_timestamp(type_=DateTime(timezone=True))
"""The current time. now() is the time of the transaction's start, which may have waited for a lock since."""


def now() -> datetime:
    """The database's current time."""
    time: datetime = db.session.scalars(select(CLOCK)).one()
    return time
