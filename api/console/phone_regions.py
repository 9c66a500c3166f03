"""The countries that have phone numbers, with names in the viewer's language."""

from __future__ import annotations

from flask import current_app
from flask_babel import get_locale

from shared.domain.numbering_plans import REGIONS


def regions() -> list[tuple[str, str]]:
    """The code and the name of each, in the order of the names."""
    return sorted(((code, region_name(code)) for code in REGIONS), key=lambda one: one[1])


def region_name(code: str) -> str:
    """The name of a country; the code if there is no name."""
    locale = get_locale()
    return str(locale.territories.get(code, code)) if locale else code


def default_region_name() -> str | None:
    """The name of the country DEFAULT_REGION, whose numbers may omit the country code."""
    code = current_app.config["DEFAULT_REGION"]
    return region_name(code) if code else None
