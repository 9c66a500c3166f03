"""Drafts as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import marshmallow as ma
from marshmallow import validate

from api.http.fields import NO_NUL, Codes, PlainText
from api.http.response_fields import instant, int64, string
from api.http.schemas import RequestSchema, ResponseSchema
from api.mailings.rule_schemas import KINDS
from api.mailings.written_rules import LocalWindowChoice
from shared.domain.statuses import OnUnknown, OverCap


def _typed(description: str, example: str | None) -> PlainText:
    metadata = {"pattern": NO_NUL, "description": description, "example": example}
    return PlainText(allow_none=True, metadata=metadata)


def _one_of(values: Sequence[str], description: str, example: str) -> ma.fields.String:
    metadata = {"description": description, "example": example}
    return ma.fields.String(allow_none=True, validate=validate.OneOf(values), metadata=metadata)


class DraftFieldsSchema(ma.Schema):
    """The editable fields of a draft: any of a mailing's fields, as typed."""

    text = _typed("The text, of any length.", "Hello!")
    mark = _typed("The mark.", "vip")
    segment = _typed("The segment that is its audience instead of a mark.", None)
    segment_id = _typed("The id of the saved segment instead of a mark.", None)
    excluded_segment_ids = _typed("The ids of the saved segments that are left out.", "8, 9")
    start_datetime = _typed("The start of the window.", "2032-06-02T18:25:43.511Z")
    end_datetime = _typed("The end of the window.", "2032-06-03T18:25:43.511Z")
    on_unknown = _one_of(
        [choice.value for choice in OnUnknown], "What to do after an attempt in doubt: `resend` or `hold`.", "resend"
    )
    route = _typed("The name of the route of its messages.", None)
    exclude_unknown_after = _typed(
        "After how many messages in a row that a number was not in service for it is left out.", "3"
    )
    kind = _one_of(["", *KINDS], "`marketing` (if it is left out) or `service`.", "marketing")
    local_window = _one_of(
        ["", *LocalWindowChoice],
        "Its local window: `rules` (that of the sending rules), `own` (the next fields) or `none`. "
        "Left out: `own` if the next fields are given, else `rules`.",
        "own",
    )
    local_from = _typed("The time of day of its beginning.", "09:00")
    local_until = _typed("The time of day of its end.", "21:00")
    local_weekdays = _typed("Its days of the week.", "monday tuesday wednesday")
    holiday_calendar_id = _typed("The id of its holiday calendar.", None)
    default_timezone = _typed("The time zone of clients without one.", "Europe/Moscow")
    requires_consent = _one_of(
        ["", "true", "false"], "Whether it requires consent. Left out: as in the sending rules.", "true"
    )
    over_cap = _one_of(["", *OverCap], "`wait` (if it is left out) or `cancel`.", "wait")
    spending_limit = _typed("What it may cost.", "1500")
    spending_currency = _typed("The currency of that limit.", "RUB")


class DraftBody(RequestSchema, DraftFieldsSchema):
    """A mailing that is being written. Everything is optional; nothing is checked before the draft is sent."""


class DraftSchema(ResponseSchema, DraftFieldsSchema):
    """A draft of a mailing. A field that is not written yet is null."""

    id = int64("The draft's id.", 1)
    mailing_id = int64(
        "The mailing that it was sent as, which then has its fields; null if it was not sent.", None, allow_none=True
    )
    created_by_name = string("The name of its creator.", "Anna")
    written_by_name = string("The name of the author of the present fields.", "Anna")
    created_at = instant("When it was created.", "2022-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed.", "2022-06-01T09:00:00.000Z")


class DraftVersionSchema(ResponseSchema, DraftFieldsSchema):
    """The fields of a draft before a change."""

    id = int64("Sequential id.", 1)
    written_at = instant("When they were written.", "2022-06-01T09:00:00.000Z")
    written_by_name = string("The name of their author.", "Anna")


class SendDraftBody(RequestSchema):
    """What was reviewed: sending is refused if it has changed since."""

    audience = ma.fields.Integer(
        strict=True,
        validate=validate.Range(min=0, max=2**31 - 1),
        metadata={
            "format": "int64",
            "description": "The audience that `planMailing` returned: refused if it has grown by over 1 % since. "
            "Optional.",
            "example": 100,
        },
    )
    confirm = Codes(
        load_default=list,
        metadata={
            "description": "The codes of the warnings that `planMailing` returns for the mailing: refused if one is "
            "missing.",
            "example": ["nobody_matches"],
        },
    )
