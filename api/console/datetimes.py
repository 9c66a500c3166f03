"""Date fields: conversion between times and a field's local time, without changing a time that was not edited.

A field has a local time to the second: it can't hold fractions, nor distinguish the two equal hours when clocks go
back. So it has two hidden fields: the exact time (`NAME_was`), and the field's initial value (`NAME_shown`). A field
that still has its initial value means the exact time; only an edited value is parsed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask_babel import gettext

from api.http.fields import rfc_3339
from shared.domain.client_rules import TIMEZONES
from shared.domain.moments import FIRST_YEAR, LAST_YEAR, in_utc

NAMES = ("start_datetime", "end_datetime")


@dataclass
class Moments:
    """The parsed date fields of a form."""

    values: dict[str, str] = field(default_factory=dict)
    """In UTC, as the API expects; an invalid date stays as typed."""
    errors: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """For a time that occurs twice: the values of `NAME_fold` to choose from, with their labels."""


def written(moment: datetime) -> str:
    """The exact time in UTC, as text."""
    return rfc_3339(moment, "auto")


def shown(exact: str) -> str:
    """A date field's value of an exact time before a script converts it to the viewer's time zone: UTC, to the second.

    An invalid value is returned unchanged.
    """
    return exact.removesuffix("Z")[:19] if exact.endswith("Z") else exact


def read_moments(form: Mapping[str, str], names: Sequence[str] = NAMES) -> Moments:
    """Parses those of the date fields that the form has."""
    found = Moments()
    for name in names:
        if name in form:
            found.values[name] = form[name]
            if form.get(f"{name}_was") and _is_same(form[name], form.get(f"{name}_shown", "")):
                found.values[name] = form[f"{name}_was"]
            elif form[name]:
                _read(found, name, form[name], form.get("zone", "UTC"), form.get(f"{name}_fold", ""))
    return found


def _is_same(typed: str, shown_at_first: str) -> bool:
    # A browser leaves out seconds of zero.
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
        return  # the schema reports the error
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
