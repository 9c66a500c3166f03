"""The rules that a new mailing has where its author gives none: those of `sending_rules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.extensions import db
from shared.domain.mailing_rules import LOCAL_WINDOW, with_weekdays
from shared.domain.statuses import MailingKind
from shared.schema import SendingRules


def with_default_rules(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new mailing, of which some may be left out, with the rules that are left out.

    Null and false are given, and mean none. Only marketing mailings require consent by default.
    """
    fields = with_weekdays(given)
    rules = db.session.get_one(SendingRules, True, populate_existing=True)
    # As a whole, since parts of two windows make a third one.
    if not any(name in fields for name in LOCAL_WINDOW):
        fields |= {name: getattr(rules, name) for name in LOCAL_WINDOW}
    fields.setdefault("default_timezone", rules.default_timezone)
    if fields.get("kind", MailingKind.MARKETING) is MailingKind.MARKETING:
        fields.setdefault("requires_consent", rules.requires_consent)
    return fields
