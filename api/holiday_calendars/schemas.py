"""Holiday calendars as JSON."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.holiday_calendars.queries import NamedDay
from api.http.fields import NO_NUL, NOT_BLANK, Label, PlainText, ShapedField
from api.http.response_fields import instant, int64
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.sentences import ErrorCode

MAX_NAME = 100
MAX_SOURCE = 500
MAX_DAY_NAME = 200
MAX_DAYS = 1000
"""More than any country has in MAX_YEARS."""
MAX_YEARS = 20
FIRST_YEAR, LAST_YEAR = 2000, 2100

DAYS: dict[str, Any] = {
    "type": "array",
    "maxItems": MAX_DAYS,
    "items": {
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date", "description": "The date."},
            "name": {
                "type": "string",
                "maxLength": MAX_DAY_NAME,
                "pattern": NO_NUL,
                "description": "Its name, or an empty string.",
            },
        },
        "required": ["day"],
        "additionalProperties": False,
    },
}


_NAME = PlainText()


class Days(ShapedField[list[NamedDay]]):
    """The days of a calendar, each once. It has one error for the field, not one for each day."""

    shape = DAYS
    default_error_messages = {"invalid": ErrorCode.NOT_LISTED_DAYS(limit=MAX_DAYS)}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[dict[str, str]]:
        return [{"day": one.day.isoformat(), "name": one.name} for one in value]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[NamedDay]:
        if not isinstance(value, list) or len(value) > MAX_DAYS:
            raise self.make_error("invalid")
        days = sorted(self._read(one) for one in value)
        if len({one.day for one in days}) < len(days):
            raise self.make_error("invalid")
        return days

    def _read(self, value: Any) -> NamedDay:
        if not isinstance(value, dict) or not value.keys() <= {"day", "name"}:
            raise self.make_error("invalid")
        written = value.get("day")
        if not isinstance(written, str) or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", written, re.ASCII):
            raise self.make_error("invalid")
        try:
            named = NamedDay(date.fromisoformat(written), str(_NAME.deserialize(value.get("name", ""))))
        except (ValueError, ma.ValidationError):
            raise self.make_error("invalid") from None
        if len(named.name) > MAX_DAY_NAME:
            raise self.make_error("invalid")
        return named


class Years(ShapedField[list[int]]):
    """Some years, each once. It has one error for the field."""

    shape = {
        "type": "array",
        "items": {"type": "integer", "minimum": FIRST_YEAR, "maximum": LAST_YEAR},
        "minItems": 1,
        "maxItems": MAX_YEARS,
    }
    default_error_messages = {"invalid": ErrorCode.NOT_YEARS(first=FIRST_YEAR, last=LAST_YEAR, limit=MAX_YEARS)}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[int]:
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_YEARS:
            raise self.make_error("invalid")
        if not all(type(one) is int and FIRST_YEAR <= one <= LAST_YEAR for one in value):
            raise self.make_error("invalid")
        if len(set(value)) < len(value):
            raise self.make_error("invalid")
        return sorted(value)


class CalendarFieldsSchema(ma.Schema):
    """The fields of a calendar that a caller sets."""

    name = Label(
        required=True,
        validate=[validate.Length(min=1, error=ErrorCode.BLANK()), MaxLength(MAX_NAME)],
        metadata={
            "description": "Its name, which no other calendar has.",
            "pattern": NOT_BLANK,
            "example": "France",
        },
    )
    source = PlainText(
        validate=MaxLength(MAX_SOURCE),
        metadata={"description": "Where its days are from.", "pattern": NO_NUL, "example": "decree 1648 of 2025"},
    )
    days = Days(
        metadata={
            "description": "Its days, each once: nothing is sent on them in the client's time zone.",
            "example": [{"day": "2026-07-14", "name": "Fête nationale"}],
        },
    )


class HolidayCalendarSchema(ResponseSchema, CalendarFieldsSchema):
    """A list of days on which local windows are closed."""

    id = int64("Permanent id.", 1)
    created_at = instant("When it was added.", "2026-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed.", "2026-06-01T09:00:00.000Z")

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Makes each field required in a response; called by marshmallow for each field of an instance."""
        super().on_bind_field(field_name, field_obj)
        field_obj.required = True


class HolidayCalendarBody(RequestSchema, CalendarFieldsSchema):
    """A calendar to add: with its days, or with the public holidays of a country."""

    country = PlainText(
        validate=validate.Regexp(r"^[A-Z]{2}\Z", error=ErrorCode.NOT_A_COUNTRY()),
        metadata={
            "description": "Instead of days: the country (ISO 3166-1, two letters).",
            "pattern": "^[A-Z]{2}$",
            "example": "FR",
        },
    )
    subdivision = PlainText(
        allow_none=True,
        validate=MaxLength(10),
        metadata={
            "description": "A part of the country with more holidays (ISO 3166-2, without the country); null for none.",
            "pattern": NO_NUL,
            "example": None,
        },
    )
    years = Years(metadata={"description": "The years, with a country.", "example": [2026, 2027]})

    @ma.validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_days(self, data: Any, original: Any, **_: Any) -> None:
        given = original if isinstance(original, dict) else {}
        if ("days" in given) == ("country" in given):
            raise ma.ValidationError(ErrorCode.DAYS_OR_COUNTRY(), "days")
        if ("years" in given) != ("country" in given):
            raise ma.ValidationError(ErrorCode.YEARS_OF_A_COUNTRY(), "years")
        if given.get("subdivision") is not None and "country" not in given:
            raise ma.ValidationError(ErrorCode.YEARS_OF_A_COUNTRY(), "subdivision")


class HolidayCalendarChangeBody(RequestSchema, CalendarFieldsSchema):
    """Changes of a calendar. What is left out stays as it is; days are replaced as a whole."""

    def __init__(self) -> None:
        super().__init__(partial=True)
