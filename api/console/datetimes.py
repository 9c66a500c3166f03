"""Date fields: from a moment to what a field shows in the viewer's time zone, and back without a change.

A field shows a moment to the second, in local time: it can't hold what is finer, nor say which of two equal hours is
meant when clocks go back. So two hidden fields go with it: the exact moment (`NAME_was`), and what the field showed of
it at first (`NAME_shown`). A field that still shows the same means that moment; only what was typed is read as a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask_babel import gettext

from api.http.fields import FIRST_YEAR, LAST_YEAR, in_utc, rfc_3339
from shared.domain.client_rules import TIMEZONES

NAMES = ("start_datetime", "end_datetime")


@dataclass
class Moments:
    """What the date fields of a form say."""

    values: dict[str, str] = field(default_factory=dict)
    """In UTC as the API wants it; what is no date stays as it was typed."""
    errors: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """For a time that comes twice: `NAME_fold` to choose it by, and what it is called."""


def written(moment: datetime) -> str:
    """The moment exactly, in UTC."""
    return rfc_3339(moment, "auto")


def shown(exact: str) -> str:
    """What a date field shows of an exact moment before a script has made it the viewer's time: UTC, to the second.

    What was typed and is no moment stays.
    """
    return exact.removesuffix("Z")[:19] if exact.endswith("Z") else exact


def read_moments(form: Mapping[str, str]) -> Moments:
    """Those of the date fields that the form has."""
    found = Moments()
    for name in NAMES:
        if name in form:
            found.values[name] = form[name]
            if form.get(f"{name}_was") and _is_same(form[name], form.get(f"{name}_shown", "")):
                found.values[name] = form[f"{name}_was"]
            elif form[name]:
                _read(found, name, form[name], form.get("zone", "UTC"), form.get(f"{name}_fold", ""))
    return found


def _is_same(typed: str, shown_at_first: str) -> bool:
    # A browser leaves out seconds that are none.
    try:
        return datetime.fromisoformat(typed) == datetime.fromisoformat(shown_at_first)
    except (ValueError, TypeError):
        return False


def _read(found: Moments, name: str, typed: str, zone: str, fold: str) -> None:
    if zone not in TIMEZONES:
        found.errors[name] = [gettext("Unknown time zone of the browser: %(zone)s.", zone=zone)]
        return
    try:
        local = datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return  # the schema says what is wrong with it
    both = [local.replace(fold=0), local.replace(fold=1)]
    try:
        found.values[name] = written(in_utc(both[fold == "1"]))
    except (ValueError, OverflowError):
        found.errors[name] = [gettext("The year must be from %(first)s to %(last)s.", first=FIRST_YEAR, last=LAST_YEAR)]
        return
    if both[0].utcoffset() == both[1].utcoffset():
        return
    after = both[0].astimezone(UTC).astimezone(ZoneInfo(zone))
    if after.replace(tzinfo=None) != local.replace(tzinfo=None, fold=0):
        found.values[name] = typed
        found.errors[name] = [
            gettext(
                "There is no %(time)s on that day in %(zone)s: clocks go forward. Choose %(after)s or another time.",
                time=_clock(local),
                zone=zone,
                after=_clock(after),
            )
        ]
    elif fold not in ("0", "1"):
        found.values[name] = typed
        found.errors[name] = [
            gettext(
                "%(time)s occurs twice on that day in %(zone)s: clocks go back. Choose which one you mean.",
                time=_clock(local),
                zone=zone,
            )
        ]
        found.choices[name] = [
            ("0", gettext("The first, before clocks go back (UTC%(offset)s)", offset=_offset(both[0]))),
            ("1", gettext("The second, after clocks went back (UTC%(offset)s)", offset=_offset(both[1]))),
        ]


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def _offset(moment: datetime) -> str:
    digits = f"{moment:%z}"
    return f"{digits[:3]}:{digits[3:5]}"
