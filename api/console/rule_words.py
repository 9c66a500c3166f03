"""The rules of mailings in the viewer's words: kinds, local windows, consent, caps and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import get_locale, gettext, lazy_gettext

from api.ledger_labels import KINDS
from api.mailings.written_rules import LocalWindowChoice, written_time
from shared.domain.local_windows import EVERY_DAY, WEEKDAYS
from shared.domain.statuses import MailingKind, OverCap

KIND_MEANINGS = {
    MailingKind.MARKETING: lazy_gettext("Advertising and offers: suppressions, caps and required consents concern it."),
    MailingKind.SERVICE: lazy_gettext(
        "What the person needs, such as codes and orders: caps and suppressions of marketing do not concern it."
    ),
}
"""The kinds that can be chosen, each in a sentence."""

OVER_CAP = {
    OverCap.WAIT: lazy_gettext("the message waits until the cap allows it"),
    OverCap.CANCEL: lazy_gettext("the message is cancelled"),
}
"""What becomes of a message to a number that has had as many as a cap allows."""

WINDOWS = {
    LocalWindowChoice.RULES: lazy_gettext("as in the sending rules"),
    LocalWindowChoice.OWN: lazy_gettext("of its own"),
    LocalWindowChoice.NONE: lazy_gettext("none: at any time of day"),
}
"""Where the local window of a mailing comes from."""


def weekday_names(width: str = "abbreviated") -> dict[str, str]:
    """The days of the week by their English names."""
    locale = get_locale()
    names = locale.days["stand-alone"][width] if locale else dict(enumerate(WEEKDAYS))
    return {day: str(names[place]) for place, day in enumerate(WEEKDAYS)}


def weekdays(mask: int | None) -> str:
    """The days of a mask: every day, from Monday to Friday, or one by one."""
    if mask is None or mask == EVERY_DAY:
        return gettext("every day")
    names = list(weekday_names().values())
    found = [place for place in range(len(WEEKDAYS)) if mask >> place & 1]
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{names[found[0]]}–{names[found[-1]]}"
    return ", ".join(names[place] for place in found)


def local_window(rules: Mapping[str, Any]) -> str:
    """The times and days of a local window; none without one."""
    if rules["local_from"] is None:
        return gettext("none: at any time of day")
    times = f"{written_time(rules['local_from'])}–{written_time(rules['local_until'])}"
    return f"{times}, {weekdays(rules['local_weekdays'])}"


def rule_value(name: str, value: Any) -> str | None:
    """The value of a rule as the history of a mailing, or a form, has it; None for another field."""
    match name:
        case "kind":
            return str(KINDS.get(value, value))
        case "over_cap":
            return str(OVER_CAP.get(value, value))
        case "local_window":
            return str(WINDOWS.get(value, value))
        case "requires_consent":
            return gettext("yes") if str(value).lower() == "true" else gettext("no")
        case "local_from" | "local_until" if isinstance(value, int):
            return written_time(value)
        case "local_weekdays":
            names = weekday_names()
            return (
                weekdays(value) if isinstance(value, int) else ", ".join(names.get(day, day) for day in value.split())
            )
    return None
