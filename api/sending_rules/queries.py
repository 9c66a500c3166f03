"""Reads of the rules of sending."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import select

from api.extensions import db
from api.http.serialization import row_to_dict
from shared.schema import MessageCap, SendingRules

RulesRow = SendingRules
"""The rules, as the services return them."""


class Cap(NamedTuple):
    """At most so many marketing messages to one number in any period of so many hours."""

    messages: int
    period_hours: int


def sending_rules() -> dict[str, Any]:
    """The rules with their `caps`, the shortest period first; without the secret of opt-out links."""
    rules = row_to_dict(db.session.get_one(SendingRules, True, populate_existing=True), caps=_caps())
    del rules["opt_out_secret"]
    return rules


def _caps() -> list[Cap]:
    found = select(MessageCap.messages, MessageCap.period_hours).order_by(MessageCap.period_hours)
    return [Cap(row.messages, row.period_hours) for row in db.session.execute(found)]
