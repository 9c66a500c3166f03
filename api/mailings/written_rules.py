"""The rules of a mailing as a form and a draft have them: as texts."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from api.http.fields import whole_number
from shared.domain.local_windows import format_time_of_day, format_weekdays
from shared.domain.mailing_rules import TIME_RULES


class LocalWindowChoice(enum.StrEnum):
    """Where the local window of a mailing comes from."""

    RULES = "rules"
    """The sending rules, as they are when the mailing is added."""
    OWN = "own"
    NONE = "none"


def read_rules(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with their texts read as JSON would have them. Rules that are left to the sending rules are left out.

    Without a choice, a local window that is given is the mailing's own.
    """
    fields = dict(given)
    choice = fields.pop("local_window", "") or LocalWindowChoice.OWN
    if choice == LocalWindowChoice.RULES:
        fields = {name: value for name, value in fields.items() if name not in TIME_RULES}
    elif choice == LocalWindowChoice.NONE:
        fields |= dict.fromkeys(TIME_RULES)
    for name in ("kind", "over_cap", "requires_consent"):
        if fields.get(name) == "":
            del fields[name]
    texts = {name: fields[name].strip() for name in _READ if isinstance(fields.get(name), str)}
    return fields | {name: _READ[name](text) for name, text in texts.items()}


def written_rules(rules: Mapping[str, Any]) -> dict[str, str]:
    """The rules of a mailing as texts, of which each says what it has, and none leaves it to the sending rules."""
    has_window = rules["local_from"] is not None
    return {
        "kind": rules["kind"].value,
        "local_window": (LocalWindowChoice.OWN if has_window else LocalWindowChoice.NONE).value,
        **written_window(rules),
        "requires_consent": "true" if rules["requires_consent"] else "false",
        "over_cap": rules["over_cap"].value,
        "spending_limit": written_amount(rules["spending_limit"]),
        "spending_currency": rules["spending_currency"] or "",
    }


def written_window(rules: Mapping[str, Any]) -> dict[str, str]:
    """A local window as texts, empty without one."""
    return {
        "local_from": written_time(rules["local_from"]),
        "local_until": written_time(rules["local_until"]),
        "local_weekdays": " ".join(days_of(rules["local_weekdays"])),
        "holiday_calendar_id": str(rules["holiday_calendar_id"] or ""),
        "default_timezone": rules["default_timezone"] or "",
    }


def written_time(minute: int | None) -> str:
    """A minute of the day as a time such as 09:00; empty for None."""
    return "" if minute is None else format_time_of_day(minute)


def written_amount(amount: Decimal | None) -> str:
    """An amount without zeros at its end; empty for None."""
    return "" if amount is None else f"{amount.normalize():f}"


def days_of(mask: int | None) -> list[str]:
    """The weekdays of a mask by their English names."""
    return format_weekdays(mask or 0)


def _id_or_text(typed: str) -> int | str | None:
    number = whole_number(typed)
    return number if number is not None else typed or None


_READ: dict[str, Callable[[str], Any]] = {
    "local_from": lambda typed: typed or None,
    "local_until": lambda typed: typed or None,
    "local_weekdays": lambda typed: re.split(r"[\s,;]+", typed) if typed else None,
    "holiday_calendar_id": _id_or_text,
    "default_timezone": lambda typed: typed or None,
    "requires_consent": lambda typed: {"true": True, "false": False}.get(typed, typed),
    "spending_limit": lambda typed: typed.replace(",", ".") or None,
    "spending_currency": lambda typed: typed.upper() or None,
}
