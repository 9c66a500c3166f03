"""Reads of holiday calendars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Select, select

from api.extensions import db
from api.http.serialization import row_to_dict
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid, NotFound
from shared.schema import Holiday, HolidayCalendar

CalendarRow = HolidayCalendar
"""A calendar, as the services return it."""

_PRESENT = select(HolidayCalendar).where(HolidayCalendar.removed_at.is_(None))


class NamedDay(NamedTuple):
    """A day of a calendar."""

    day: date
    name: str


def check_calendar(calendar_id: int | None) -> None:
    """Raises Invalid if there is no such calendar, and keeps it until the transaction ends. None is no calendar."""
    if calendar_id is None:
        return
    found = _PRESENT.with_only_columns(HolidayCalendar.id).where(HolidayCalendar.id == calendar_id)
    if db.session.scalar(found.with_for_update(key_share=True, read=True)) is None:
        raise Invalid("holiday_calendar_id", ErrorCode.NO_SUCH_CALENDAR, calendar=calendar_id)


def calendars_after(after: int, limit: int) -> Sequence[dict[str, Any]]:
    """The calendars with a greater id that are not removed, with their days, in order."""
    return _as_dicts(_PRESENT.where(HolidayCalendar.id > after).order_by(HolidayCalendar.id).limit(limit))


def calendar_names() -> dict[int, str]:
    """The names of the calendars that are not removed, by id, in the order of the names."""
    found = _PRESENT.with_only_columns(HolidayCalendar.id, HolidayCalendar.name).order_by(HolidayCalendar.name)
    return {row.id: row.name for row in db.session.execute(found)}


def calendar_by_id(calendar_id: int) -> dict[str, Any]:
    """The columns of a calendar and its `days` in order. Raises NotFound, also for a removed one."""
    present = _PRESENT.where(HolidayCalendar.id == calendar_id)
    found = _as_dicts(present.execution_options(populate_existing=True))
    if not found:
        raise NotFound(ErrorCode.NO_SUCH_CALENDAR, calendar=calendar_id)
    return found[0]


def _as_dicts(page: Select[HolidayCalendar]) -> list[dict[str, Any]]:
    calendars = db.session.scalars(page).all()
    days: dict[int, list[NamedDay]] = defaultdict(list)
    columns = (Holiday.calendar_id, Holiday.day, Holiday.name)
    of_these = select(*columns).where(Holiday.calendar_id.in_([calendar.id for calendar in calendars]))
    for row in db.session.execute(of_these.order_by(Holiday.calendar_id, Holiday.day)):
        days[row.calendar_id].append(NamedDay(row.day, row.name))
    return [row_to_dict(calendar, days=days[calendar.id]) for calendar in calendars]
