"""Holiday calendars: the list, the page of one, and the forms that add, change and remove one."""

from __future__ import annotations

import re
from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from api.console.blueprint import blp
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form, check_unchanged
from api.console.paging import paged
from api.console.phone_regions import regions
from api.holiday_calendars import queries, services
from api.holiday_calendars.schemas import HolidayCalendarBody, HolidayCalendarChangeBody
from api.http.fields import whole_number
from api.http.schemas import load_present
from api.permissions import requires
from shared.domain.roles import Role


@blp.get("/holiday-calendars/")
@requires(Role.VIEWER)
def holiday_calendars() -> str:
    """The list of calendars."""
    found = paged(queries.calendars_after, lambda row: int(row["id"]), 0)
    return render_template("console/holiday_calendars.html", found=found, notice=take_notice())


@blp.get("/holiday-calendars/<id:holiday_calendar_id>/")
@requires(Role.VIEWER)
def holiday_calendar(holiday_calendar_id: int) -> str:
    """One calendar, with its days."""
    found = queries.calendar_by_id(holiday_calendar_id)
    return render_template("console/holiday_calendar.html", calendar=found, notice=take_notice())


@blp.route("/holiday-calendars/new/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def new_holiday_calendar() -> str | Response | tuple[str, int]:
    """Adds a calendar, with the public holidays of a country or with days of its own."""
    form = Form(request.form)

    def add() -> str:
        added = services.add_calendar(load_present(HolidayCalendarBody(), _fields(form)))
        set_notice(Notice("added"))
        return url_for("console.holiday_calendar", holiday_calendar_id=added)

    done = form.submit(add, operation="createHolidayCalendar")
    return done or _show(form)


@blp.route("/holiday-calendars/<id:holiday_calendar_id>/edit/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def edit_holiday_calendar(holiday_calendar_id: int) -> str | Response | tuple[str, int]:
    """Changes a calendar."""
    found = queries.calendar_by_id(holiday_calendar_id)
    if request.method != "POST":
        return _show(Form(_values_of(found)), found)
    form = Form(request.form)

    def change() -> str:
        fields = {"name": form.values.get("name"), "source": form.values.get("source", ""), "days": _days(form)}
        loaded = load_present(HolidayCalendarChangeBody(), fields)
        locked = services.lock_calendar(holiday_calendar_id)
        check_unchanged(locked)
        services.change_calendar(locked, queries.calendar_by_id(holiday_calendar_id), loaded)
        set_notice(Notice("changed"))
        return url_for("console.holiday_calendar", holiday_calendar_id=holiday_calendar_id)

    done = form.submit(change, operation="updateHolidayCalendar")
    if done:
        return done
    found = queries.calendar_by_id(holiday_calendar_id)
    if form.is_in_conflict:
        form.compare(_values_of(found), found["updated_at"], None)
    return _show(form, found)


@blp.route("/holiday-calendars/<id:holiday_calendar_id>/remove/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def remove_holiday_calendar(holiday_calendar_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and removes a calendar."""
    form = Form({}, refused_with=409)

    def remove() -> str:
        services.remove_calendar(services.lock_calendar(holiday_calendar_id))
        set_notice(Notice("removed"))
        return url_for("console.holiday_calendars")

    done = form.submit(remove, operation="deleteHolidayCalendar")
    if done:
        return done
    found = queries.calendar_by_id(holiday_calendar_id)
    return render_template("console/holiday_calendar_remove.html", calendar=found, form=form), form.status


def _fields(form: Form) -> dict[str, Any]:
    """The fields of a new calendar: with a country its days are made, and those of the form are not read."""
    country = str(form.values.get("country", "")).strip()
    fields = {"name": form.values.get("name"), "source": form.values.get("source", "")}
    if not country:
        return {**fields, "days": _days(form)}
    years = [whole_number(text) or text for text in re.split(r"[\s,;]+", str(form.values.get("years", ""))) if text]
    subdivision = str(form.values.get("subdivision", "")).strip()
    return {**fields, "country": country, "years": years, "subdivision": subdivision or None}


def _days(form: Form) -> list[dict[str, str]]:
    """The lines of the form's days: a date, and perhaps a name."""
    lines = str(form.values.get("days", "")).replace("\0", " ").splitlines()
    parts = [line.strip().partition(" ") for line in lines if line.strip()]
    return [{"day": day, "name": name.strip()} for day, _, name in parts]


def _values_of(found: dict[str, Any]) -> dict[str, str]:
    days = "\n".join(f"{one.day.isoformat()} {one.name}".rstrip() for one in found["days"])
    return {"name": found["name"], "source": found["source"], "days": days}


def _show(form: Form, found: dict[str, Any] | None = None) -> tuple[str, int]:
    return render_template("console/holiday_calendar_form.html", form=form, calendar=found, regions=regions()), (
        form.status
    )
