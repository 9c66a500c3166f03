"""The rules of a mailing as JSON: its kind, its local window, consent, caps and spending."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.gateways.schemas import Price
from api.http.fields import MAX_ID, JsonBoolean, ShapedField, Timezone
from api.http.schemas import RequestSchema
from shared.domain.local_windows import (
    WEEKDAYS,
    format_time_of_day,
    format_weekdays,
    parse_time_of_day,
    parse_weekdays,
)
from shared.domain.mailing_rules import RULES
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MailingKind, OverCap
from shared.errors import Invalid

KINDS = (MailingKind.MARKETING, MailingKind.SERVICE)
"""The kinds that a caller can choose."""

MAX_LIMIT = Decimal("999999999999.999999")
"""The greatest spending limit: a mailing to a million numbers costs hundreds of millions in some currencies."""
AMOUNT = r"[0-9]{1,12}(\.[0-9]{1,6})?"


class TimeOfDay(ShapedField[int]):
    """A time of day such as `09:00`, as the minute of the day; `24:00` is the end of the day."""

    shape = {"type": "string", "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"}
    default_error_messages = {"invalid": ErrorCode.NOT_A_TIME_OF_DAY()}

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else format_time_of_day(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        # People write 9:00 as well.
        written = re.sub("^(?=[0-9]:)", "0", value.strip()) if isinstance(value, str) else value
        try:
            return parse_time_of_day(written)
        except Invalid:
            raise self.make_error("invalid") from None


class Weekdays(ShapedField[int]):
    """Days of the week by their English names, as a bit mask: bit 0 is Monday."""

    shape = {
        "type": "array",
        "items": {"type": "string", "enum": list(WEEKDAYS)},
        "minItems": 1,
        "maxItems": 7,
        "uniqueItems": True,
    }
    default_error_messages = {"invalid": ErrorCode.NOT_WEEKDAYS()}

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> list[str] | None:
        return None if value is None else format_weekdays(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        try:
            return parse_weekdays(value)
        except Invalid:
            raise self.make_error("invalid") from None


class Currency(ma.fields.String):
    """An ISO 4217 code."""

    def __init__(self, *, metadata: dict[str, Any], **kwargs: Any) -> None:
        check = validate.Regexp(r"^[A-Z]{3}\Z", error=ErrorCode.NOT_A_CURRENCY())
        super().__init__(validate=check, metadata={"pattern": "^[A-Z]{3}$", **metadata}, **kwargs)


class SpendingLimit(Price):
    """An amount of money as a decimal number in a string. One that could not be stored as it is is refused."""

    default_error_messages = {"invalid": ErrorCode.NOT_AN_AMOUNT(limit=f"{MAX_LIMIT:f}")}

    def __init__(self, *, metadata: dict[str, Any]) -> None:
        super().__init__(validate=lambda amount: None, metadata={"pattern": f"^{AMOUNT}$", **metadata})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if not isinstance(value, str) or not re.fullmatch(AMOUNT, value):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class LocalWindowFields(ma.Schema):
    """The fields of a local window: of a mailing, or the default of new ones."""

    local_from = TimeOfDay(
        allow_none=True,
        metadata={
            "description": "The time of day from which messages may be sent, in the time zone of each client; null "
            "without a local window.",
            "example": "09:00",
        },
    )
    local_until = TimeOfDay(
        allow_none=True,
        metadata={
            "description": "The time of day from which they may not be sent any more, after `local_from`; `24:00` for "
            "midnight.",
            "example": "21:00",
        },
    )
    local_weekdays = Weekdays(
        allow_none=True,
        metadata={
            "description": "The days of the week on which they may be sent; all, if there is a local window and they "
            "are left out.",
            "example": ["monday", "tuesday", "wednesday", "thursday", "friday"],
        },
    )
    holiday_calendar_id = ma.fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, MAX_ID),
        metadata={
            "format": "int64",
            "description": "The calendar of the days on which they may not be sent; null for none.",
            "example": None,
        },
    )
    default_timezone = Timezone(
        allow_none=True,
        metadata={
            "description": "The time zone of clients whose own is not known; null to send them nothing.",
            "example": "Europe/Moscow",
        },
    )


class RuleFields(LocalWindowFields):
    """The rules of a mailing. In a request each may be left out: then a new mailing has the default of
    `GET /v1/sending-rules/`, and a change leaves it as it is.
    """

    kind = ma.fields.Enum(
        MailingKind,
        by_value=ma.fields.String,
        validate=validate.OneOf(KINDS, error=ErrorCode.NOT_A_MAILING_KIND()),
        error_messages={"unknown": ErrorCode.NOT_A_MAILING_KIND()},
        metadata={
            "description": "`marketing` (the default) or `service`: which suppressions and caps concern it. `reply` is "
            "an answer to a message of the recipient's own, which only Gonets makes.",
            "example": "marketing",
        },
    )
    requires_consent = JsonBoolean(
        metadata={
            "description": "Whether only numbers with a recorded consent to marketing are written to.",
            "example": False,
        },
    )
    over_cap = ma.fields.Enum(
        OverCap,
        by_value=ma.fields.String,
        metadata={
            "description": "What becomes of a message to a number that has had as many as a cap allows: `wait` (the "
            "default), or `cancel`.",
            "example": "wait",
        },
    )
    spending_limit = SpendingLimit(
        metadata={
            "description": "What its messages may cost, in `spending_currency`: it is paused before it would cost "
            "more. Null for no limit.",
            "example": "1500",
        },
    )
    spending_currency = Currency(
        allow_none=True,
        metadata={"description": "The currency of the limit (ISO 4217).", "example": "RUB"},
    )


class RuleOutputs(RuleFields):
    """The rules of a mailing in a response, which has all of them."""

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Makes a rule required; called by marshmallow for each field of an instance."""
        super().on_bind_field(field_name, field_obj)
        if field_name in RULES and not isinstance(self, RequestSchema):
            field_obj.required = True
            field_obj.validators = []  # a response also has the kind that no caller can choose
