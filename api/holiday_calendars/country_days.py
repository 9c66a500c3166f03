"""The public holidays of a country, by the library `holidays`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from api.holiday_calendars.queries import NamedDay
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid


def days_of_country(country: str, subdivision: str | None, years: Sequence[int]) -> list[NamedDay]:
    """The public holidays of these years in order, with their names in the country's language.

    Raises Invalid for a country or a subdivision that the library does not know, and for years of which it knows none.
    """
    # Imported here: half a second and some megabytes, for what is requested a few times a year.
    import holidays

    subdivisions = holidays.list_supported_countries().get(country)
    if subdivisions is None:
        raise Invalid("country", ErrorCode.NO_HOLIDAYS_OF_COUNTRY, country=country)
    if subdivision is not None and subdivision not in subdivisions:
        raise Invalid("subdivision", ErrorCode.NO_SUCH_SUBDIVISION, country=country, subdivision=subdivision)
    # Otherwise the names would be in the language of the system.
    language = holidays.country_holidays(country).default_language
    found = holidays.country_holidays(country, subdiv=subdivision, years=years, expand=False, language=language)
    if {day.year for day in found} < set(years):
        raise Invalid("years", ErrorCode.NO_HOLIDAYS_IN_YEARS, country=country)
    return [NamedDay(day, name) for day, name in sorted(found.items())]


def source_of_country(country: str, subdivision: str | None) -> str:
    """What a calendar says of where its days are from."""
    place = country if subdivision is None else f"{country}-{subdivision}"
    return f"{place}: holidays {version('holidays')} (https://pypi.org/project/holidays/)"
