"""Drafts as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.http.fields import PlainText
from api.http.schemas import RequestSchema
from shared.domain.statuses import OnUnknown


class DraftBody(RequestSchema):
    """A mailing that is being written: any part of it, of any length."""

    text = PlainText()
    mark = PlainText()
    start_datetime = PlainText()
    end_datetime = PlainText()
    on_unknown = ma.fields.Enum(OnUnknown, by_value=ma.fields.String)
