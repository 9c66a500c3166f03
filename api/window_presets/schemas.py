"""Presets of local windows as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.http.schemas import ResponseSchema
from api.mailings.rule_schemas import TimeOfDay, Weekdays
from shared.domain.window_presets import Basis


class WindowPresetSchema(ResponseSchema):
    """A local window, and where it is from."""

    code = ma.fields.String(required=True, metadata={"description": "Never changes.", "example": "us"})
    country = ma.fields.String(
        required=True, metadata={"description": "The country (ISO 3166-1, two letters).", "example": "US"}
    )
    name = ma.fields.String(required=True, metadata={"description": "A name in English.", "example": "USA"})
    local_from = TimeOfDay(required=True, metadata={"description": "As in a mailing.", "example": "08:00"})
    local_until = TimeOfDay(required=True, metadata={"description": "As in a mailing.", "example": "21:00"})
    local_weekdays = Weekdays(
        required=True, metadata={"description": "As in a mailing.", "example": ["monday", "tuesday"]}
    )
    holiday_country = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The country whose public holidays are left out too; null for none.", "example": "FR"},
    )
    basis = ma.fields.Enum(
        Basis,
        by_value=ma.fields.String,
        required=True,
        metadata={"description": "`law`, or `practice` for what senders keep to beyond the law.", "example": "law"},
    )
    source = ma.fields.String(
        required=True,
        metadata={"description": "The law and its section, or the description.", "example": "47 CFR 64.1200(c)(1)"},
    )
    source_url = ma.fields.String(
        required=True, metadata={"description": "Where to read it.", "example": "https://www.ecfr.gov/"}
    )
    note = ma.fields.String(required=True, metadata={"description": "What it says, and what to check."})
