"""The operations on holiday calendars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.extensions import db
from api.holiday_calendars import queries, services
from api.holiday_calendars.schemas import HolidayCalendarBody, HolidayCalendarChangeBody, HolidayCalendarSchema
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.permissions import requires
from shared.domain.roles import Role

CALENDAR_ID = path_id("holiday_calendar_id", "holiday calendar")

blp = Blueprint(
    "HolidayCalendars",
    "/v1/holiday-calendar",
    "Days on which local windows are closed.",
    editable=HolidayCalendarSchema(only=services.FIELDS),
)


@blp.route("/")
class HolidayCalendars(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listHolidayCalendars")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, HolidayCalendarSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[dict[str, Any]], dict[str, str]]:
        """List holiday calendars"""
        return page(queries.calendars_after, arguments)

    @requires(Role.ADMIN)
    @blp.operation("createHolidayCalendar", 409)
    @blp.once
    @blp.etag
    @blp.arguments(HolidayCalendarBody())
    @blp.response(201, HolidayCalendarSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Add a holiday calendar

        With its `days`; or with the public holidays of a `country` in some `years`, which can be changed afterwards.
        """
        calendar = queries.calendar_by_id(services.add_calendar(fields))
        address = url_for("HolidayCalendars.HolidayCalendarById", holiday_calendar_id=calendar["id"])
        return calendar, {"Location": address}


@blp.route("/<id:holiday_calendar_id>/", parameters=CALENDAR_ID)
class HolidayCalendarById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getHolidayCalendar", 404)
    @blp.etag
    @blp.response(200, HolidayCalendarSchema())
    def get(self, holiday_calendar_id: int) -> dict[str, Any]:
        """Get a holiday calendar"""
        return queries.calendar_by_id(holiday_calendar_id)

    @requires(Role.ADMIN)
    @blp.operation("updateHolidayCalendar", 404, 409)
    @blp.etag
    @blp.arguments(HolidayCalendarChangeBody())
    @blp.response(200, HolidayCalendarSchema())
    def put(self, fields: dict[str, Any], holiday_calendar_id: int) -> dict[str, Any]:
        """Change a holiday calendar

        What is left out stays as it is; `days` are replaced as a whole. New days also count for messages that wait.
        """
        calendar = services.lock_calendar(holiday_calendar_id)
        before = queries.calendar_by_id(holiday_calendar_id)
        blp.check_etag(before)
        services.change_calendar(calendar, before, fields)
        changed = queries.calendar_by_id(holiday_calendar_id)
        db.session.commit()
        return changed

    @requires(Role.ADMIN)
    @blp.operation("deleteHolidayCalendar", 404, 409)
    @blp.etag
    @blp.response(204)
    def delete(self, holiday_calendar_id: int) -> None:
        """Remove a holiday calendar

        Refused while a mailing that has not ended has it, or the sending rules do. Ended mailings keep its days.
        """
        calendar = services.lock_calendar(holiday_calendar_id)
        blp.check_etag(queries.calendar_by_id(holiday_calendar_id))
        services.remove_calendar(calendar)
        db.session.commit()
