"""Writes of the rules of sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import delete, insert

from api.audit.recorder import nothing_changed, record_changes
from api.clock import CLOCK
from api.database import execute
from api.extensions import db
from api.holiday_calendars.queries import check_calendar
from api.sending_rules.queries import Cap, RulesRow
from shared.domain.mailing_rules import TIME_RULES, check_limit, check_local_window, with_weekdays
from shared.schema import MessageCap, SendingRules
from shared.sql import rescheduling

COLUMNS = (
    *TIME_RULES,
    "requires_consent",
    "requires_approval",
    "daily_spending_limit",
    "spending_currency",
    "reply_language",
    "replies",
)
FIELDS = (*COLUMNS, "caps")


def lock_rules() -> RulesRow:
    """The rules, locked against all other writers until the end of the transaction."""
    return db.session.get_one(SendingRules, True, with_for_update=True, populate_existing=True)


def change_rules(rules: RulesRow, before: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Changes the locked rules; what is left out stays. Mailings that were added before keep theirs, but for caps and
    the limit of a day, which count for all. Raises Invalid.
    """
    old = {name: before[name] for name in FIELDS}
    new = {**old, **with_weekdays(given, old["local_weekdays"])}
    if new == old:
        nothing_changed()
        return
    _check(new, old)
    record_changes(_for_audit(old), _for_audit(new))
    for name in COLUMNS:
        setattr(rules, name, new[name])
    rules.updated_at = CLOCK
    if new["caps"] != old["caps"]:
        _write_caps(new["caps"])
        execute(rescheduling.REQUEST_FOR_CAPS, {})
    db.session.flush()


def _check(new: Mapping[str, Any], old: Mapping[str, Any]) -> None:
    check_local_window(SimpleNamespace(**new))
    check_limit("daily_spending_limit", new["daily_spending_limit"], new["spending_currency"])
    if new["holiday_calendar_id"] != old["holiday_calendar_id"]:
        check_calendar(new["holiday_calendar_id"])


def _write_caps(caps: Sequence[Cap]) -> None:
    db.session.execute(delete(MessageCap))
    if caps:
        db.session.execute(insert(MessageCap), [cap._asdict() for cap in caps])


def _for_audit(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without the texts of replies: only which there are."""
    caps = [f"{cap.messages}: {cap.period_hours} h" for cap in fields["caps"]]
    limit = fields["daily_spending_limit"]
    replies = sorted(f"{action}.{language}" for action, texts in fields["replies"].items() for language in texts)
    return {
        **fields,
        "caps": caps,
        "replies": replies,
        "daily_spending_limit": None if limit is None else f"{limit.normalize():f}",
    }
