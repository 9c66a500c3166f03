"""Template filters: formatting of numbers, times, phone numbers and states in the viewer's language."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flask import Flask
from flask_babel import format_decimal, format_percent, gettext, ngettext
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from api.console.labels import (
    DELIVERY_MEANINGS,
    FIELDS,
    MEANINGS,
    UNDELIVERED_MEANINGS,
    gateway_label,
    label,
    translated,
)
from api.console.reasons import event_detail, gateway_response, provider_code, reason, reason_text
from api.console.rule_words import local_window, rule_value, weekdays
from api.http.fields import rfc_3339
from api.mailings.written_rules import written_time

STYLES = {"datetime": "%Y-%m-%d %H:%M:%S UTC", "minute": "%Y-%m-%d %H:%M UTC", "time": "%H:%M:%S UTC"}
"""Formats of times; datetimes.js has the same."""

MEASURED, SAMPLED = 3, 2
"""Significant digits of a measured speed, and of one that is estimated from a sample."""

ADDRESS = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]}]", re.IGNORECASE)
"""A web address in a text, without the marks that end a sentence."""


def register_template_filters(app: Flask) -> None:
    """Adds the filters, and the globals `field_names` and the meanings of statuses and deliveries, to templates."""
    filters: dict[str, Callable[..., str]] = {
        "number": number,
        "about": about,
        "money": money,
        "percent": percent,
        "phone": phone,
        "duration": duration,
        "moment": moment,
        "term": term,
        "excerpt": excerpt,
        "linked": linked,
        "isolated": isolated,
        "whom": whom,
        "label": label,
        "local_window": local_window,
        "time_of_day": written_time,
        "weekdays": weekdays,
        "gateway_label": gateway_label,
        "translated": translated,
        "event_detail": event_detail,
        "reason": reason,
        "reason_text": reason_text,
        "provider_code": provider_code,
        "gateway_response": gateway_response,
    }
    for name, written in filters.items():
        app.add_template_filter(_anew(written), name)
    app.jinja_env.globals["field_names"] = FIELDS
    app.jinja_env.globals["meanings"] = MEANINGS
    app.jinja_env.globals["delivery_meanings"] = DELIVERY_MEANINGS
    app.jinja_env.globals["undelivered_meanings"] = UNDELIVERED_MEANINGS


def _anew(written: Callable[..., str]) -> Callable[..., str]:
    """The filter, evaluated at each rendering: Jinja would cache a constant's result in the first viewer's language."""

    @pass_context
    def filtered(_: Context, *given: object) -> str:
        return written(*given)

    return filtered


def number(value: int | float) -> str:
    """1234567 as 1,234,567; a float, which is measured, to three significant digits: 22,800; 53.4; 0.25."""
    if isinstance(value, float):
        value = _to_digits(value, MEASURED)
    return format_decimal(value)


def about(value: float) -> str:
    """An estimate from a sample, to two significant digits."""
    return format_decimal(_to_digits(value, SAMPLED))


def money(value: Decimal) -> str:
    """An amount with at least two decimals; further ones of a small price are kept."""
    return format_decimal(value, format="#,##0.00######")


def _to_digits(value: float, digits: int) -> float:
    return round(value, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0.0


def percent(part: int, whole: int) -> str:
    """A percentage, rounded down: 100 % only if all."""
    return format_percent(int(1000 * part / whole) / 1000 if whole else 0, format=None if part == whole else "#,##0.0%")


def phone(value: int) -> str:
    """A phone number in international format; that of a message may be erased."""
    return f"+{value}" if value else gettext("erased number")


def duration(seconds: float) -> str:
    """An approximate duration, in at most two units."""
    if seconds < 1:
        return gettext("%(number)s ms", number=round(seconds * 1000))
    if seconds < 60:
        return gettext("%(number)s s", number=round(seconds))
    minutes = round(seconds / 60)
    if minutes < 60:
        return gettext("%(number)s min", number=minutes)
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return gettext("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)
    days, hours = divmod(hours, 24)
    return ngettext("%(num)d day %(hours)s h", "%(num)d days %(hours)s h", days, hours=hours)


def moment(value: datetime | None, style: str = "datetime") -> Markup:
    """A time in UTC; a script converts it to the viewer's time zone. `style` is one of STYLES."""
    if value is None:
        return Markup("–")
    utc = value.astimezone(UTC)
    written = utc.strftime(STYLES["datetime" if style == "minute" and utc.second else style])
    return Markup('<time datetime="{}" data-moment="{}">{}</time>').format(rfc_3339(utc), style, written)


def term(value: object, name: str) -> str:
    """The value of a mailing's or a client's field, as in a form or the history, by the field's name."""
    if value is None or value == "":
        return "–"
    if name.endswith("_datetime") and isinstance(value, str):
        try:
            return moment(datetime.fromisoformat(value))
        except ValueError:
            return value  # an invalid time, as typed
    if (ruled := rule_value(name, value)) is not None:
        return ruled
    return label(str(value)) if name == "on_unknown" else str(value)


def linked(text: str) -> Markup:
    """A text with its web addresses as links, as on a phone."""
    link = Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>')
    parts, end = [], 0
    for found in ADDRESS.finditer(text):
        parts += [escape(text[end : found.start()]), link.format(found[0])]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def whom(mailing: Mapping[str, Any]) -> str:
    """For whom a mailing or a draft is: its mark, its segment, or the number of its saved segment."""
    if mailing.get("segment_id"):
        return gettext("segment %(id)s", id=mailing["segment_id"])
    return str(mailing.get("mark") or mailing.get("segment") or "–")


def isolated(text: str) -> Markup:
    """A person's text, isolated so that its direction of writing does not affect the text around it."""
    return Markup('<bdi dir="auto">{}</bdi>').format(text)


def excerpt(text: str, length: int = 60) -> str:
    """The beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
