"""Presets of local windows as JSON."""

from __future__ import annotations

from api.http.response_fields import choice, string
from api.http.schemas import ResponseSchema
from api.mailings.rule_schemas import TimeOfDay, Weekdays
from shared.domain.window_presets import Basis


class WindowPresetSchema(ResponseSchema):
    """A local window, and where it is from."""

    code = string("Never changes.", "us")
    country = string("The country (ISO 3166-1, two letters).", "US")
    name = string("A name in English.", "USA")
    local_from = TimeOfDay(required=True, metadata={"description": "As in a mailing.", "example": "08:00"})
    local_until = TimeOfDay(required=True, metadata={"description": "As in a mailing.", "example": "21:00"})
    local_weekdays = Weekdays(
        required=True, metadata={"description": "As in a mailing.", "example": ["monday", "tuesday"]}
    )
    holiday_country = string(
        "The country whose public holidays are left out too; null for none.", "FR", allow_none=True
    )
    basis = choice(Basis, "`law`, or `practice` for what senders keep to beyond the law.", "law")
    source = string("The law and its section, or the description.", "47 CFR 64.1200(c)(1)")
    source_url = string("Where to read it.", "https://www.ecfr.gov/")
    note = string("What it says, and what to check.")
