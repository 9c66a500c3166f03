"""Writes of holiday calendars: adding, changing and removing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select

from api.audit.recorder import name_object, nothing_changed, record_changes
from api.clock import CLOCK
from api.database import execute
from api.extensions import db
from api.holiday_calendars.country_days import days_of_country, source_of_country
from api.holiday_calendars.queries import CalendarRow, NamedDay
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict, NotFound
from shared.schema import Holiday, HolidayCalendar, Mailing, SendingRules
from shared.sql import rescheduling

FIELDS = ("name", "source", "days")


def lock_calendar(calendar_id: int) -> CalendarRow:
    """The calendar, locked against all other writers until the end of the transaction.

    Raises NotFound, also for a removed one.
    """
    calendar = db.session.get(HolidayCalendar, calendar_id, with_for_update=True, populate_existing=True)
    if calendar is None or calendar.removed_at is not None:
        raise NotFound(ErrorCode.NO_SUCH_CALENDAR, calendar=calendar_id)
    return calendar


def add_calendar(fields: Mapping[str, Any]) -> int:
    """Adds a calendar with its days, or with those of its country, and returns its id.

    Raises Invalid for a country without known holidays, and IntegrityError for a name in use.
    """
    source, days = fields.get("source", ""), fields.get("days", ())
    if country := fields.get("country"):
        subdivision = fields.get("subdivision")
        days = days_of_country(country, subdivision, fields["years"])
        source = source or source_of_country(country, subdivision)
    calendar = HolidayCalendar(name=fields["name"], source=source)
    db.session.add(calendar)
    db.session.flush()
    _write_days(calendar.id, days)
    name_object("holiday_calendar", calendar.id, name=fields["name"])
    return calendar.id


def change_calendar(calendar: CalendarRow, before: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Changes a locked calendar; what is left out stays. New days count for all mailings that have it, at once.

    Raises IntegrityError for a name in use.
    """
    old = {name: before[name] for name in FIELDS}
    new = {**old, **fields}
    if new == old:
        nothing_changed()
        return
    record_changes(_for_audit(old), _for_audit(new))
    calendar.name, calendar.source, calendar.updated_at = new["name"], new["source"], CLOCK
    if new["days"] != old["days"]:
        db.session.execute(delete(Holiday).where(Holiday.calendar_id == calendar.id))
        _write_days(calendar.id, new["days"])
        execute(rescheduling.REQUEST_FOR_CALENDAR, {"calendar_id": calendar.id})
    db.session.flush()


def remove_calendar(calendar: CalendarRow) -> None:
    """Removes a locked calendar. Mailings that have ended keep it, since they may run again.

    Raises Conflict while a mailing that has not ended has it, or the sending rules do.
    """
    using = select(Mailing.id).where(Mailing.holiday_calendar_id == calendar.id, Mailing.ended_at.is_(None))
    mailing_id = db.session.scalar(using.order_by(Mailing.id).limit(1))
    if mailing_id is not None:
        raise Conflict("name", ErrorCode.CALENDAR_IS_IN_USE, mailing=mailing_id)
    if db.session.scalar(select(SendingRules.id).where(SendingRules.holiday_calendar_id == calendar.id)) is not None:
        raise Conflict("name", ErrorCode.CALENDAR_IS_A_DEFAULT)
    calendar.removed_at = CLOCK
    db.session.flush()


def _write_days(calendar_id: int, days: Sequence[NamedDay]) -> None:
    if days:
        rows = [{"calendar_id": calendar_id, "day": one.day, "name": one.name} for one in days]
        db.session.execute(insert(Holiday), rows)


def _for_audit(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, "days": len(fields["days"])}
