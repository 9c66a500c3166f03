"""The inputs of a form for the rules of a mailing: its kind, local window, consent, caps and spending."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from api.console.rule_words import KIND_MEANINGS, OVER_CAP, WINDOWS, weekday_names
from api.holiday_calendars.queries import calendar_names
from api.ledger_labels import KINDS
from api.mailings.written_rules import (
    LocalWindowChoice,
    days_of,
    written_rules,
    written_time,
    written_window,
)
from api.sending_rules.queries import sending_rules
from shared.domain.client_rules import TIMEZONES
from shared.domain.local_windows import EVERY_DAY
from shared.domain.mailing_rules import TIME_RULES
from shared.domain.statuses import MailingKind, OverCap
from shared.domain.window_presets import PRESETS, WindowPreset

USUAL = {"local_from": 9 * 60, "local_until": 21 * 60, "local_weekdays": EVERY_DAY}
"""What the inputs of a local window propose where the sending rules have none."""

RULE_FIELDS = (
    *("kind", "local_window", *TIME_RULES),
    *("requires_consent", "over_cap", "spending_limit", "spending_currency"),
)


def read_rule_inputs(form: MultiDict[str, str]) -> dict[str, str]:
    """The rules of a form that has them; a preset that is chosen takes the place of its window."""
    values = {name: form[name] for name in RULE_FIELDS if name in form}
    if "local_window" in values:
        values["local_weekdays"] = " ".join(form.getlist("local_weekdays"))
    if form.get("change") == "preset" and (preset := _preset(form.get("preset", ""))):
        values |= {"local_window": LocalWindowChoice.OWN.value, **window_of(preset)}
    return values


def initial_rules() -> dict[str, str]:
    """The inputs of a new mailing: all as in the sending rules, whose window is filled in for changes."""
    rules = sending_rules()
    proposed = rules if rules["local_from"] is not None else {**rules, **USUAL}
    return {
        "kind": MailingKind.MARKETING.value,
        "local_window": LocalWindowChoice.RULES.value,
        **written_window(proposed),
        "requires_consent": "",
        "over_cap": OverCap.WAIT.value,
    }


def rules_of(mailing: Mapping[str, Any]) -> dict[str, str]:
    """The inputs for a mailing that has been added."""
    written = written_rules(mailing)
    if written["local_window"] == LocalWindowChoice.NONE:
        written |= {name: text for name, text in written_window({**mailing, **USUAL}).items() if name in USUAL}
    return written


def rule_choices(*, is_added: bool) -> dict[str, Any]:
    """What the inputs let choose. A mailing that has been added has its own rules."""
    rules = sending_rules()
    windows = [(choice.value, label) for choice, label in WINDOWS.items()]
    return {
        "rules": rules,
        "kinds": [(kind.value, KINDS[kind], meaning) for kind, meaning in KIND_MEANINGS.items()],
        "windows": windows[1:] if is_added else windows,
        "weekday_names": weekday_names(),
        "calendars": calendar_names(),
        "presets": PRESETS,
        "over_cap": [(choice.value, label) for choice, label in OVER_CAP.items()],
        "zones": sorted(TIMEZONES),
    }


def window_of(preset: WindowPreset) -> dict[str, str]:
    """The inputs of a preset's window."""
    return {
        "local_from": written_time(preset.local_from),
        "local_until": written_time(preset.local_until),
        "local_weekdays": " ".join(days_of(preset.local_weekdays)),
    }


def _preset(code: str) -> WindowPreset | None:
    return next((preset for preset in PRESETS if preset.code == code), None)
