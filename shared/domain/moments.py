"""Times in RFC 3339 format, as a program writes them."""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime

from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

FIRST_YEAR, LAST_YEAR = MINYEAR + 1, MAXYEAR - 1
"""The years of a time: one year of margin on either side, for conversion to other time zones."""

# RFC 3339, section 5.6, also with a blank in place of the T; and an offset without a colon, as strftime's %z and
# clients of OpenAPI Generator write it.
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?"
)


def read_moment(written: object, field: str = "") -> datetime:
    """The time in UTC. Raises Invalid, for the field, for anything that is not a time in RFC 3339 format."""
    match = _MOMENT.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise Invalid(field, ErrorCode.NOT_A_MOMENT)
    date, time, fraction, offset = match.groups()
    if offset is None:
        raise Invalid(field, ErrorCode.NO_UTC_OFFSET)
    if time.startswith("24"):  # Python 3.13 reads 24:00 as the next day
        raise Invalid(field, ErrorCode.IMPOSSIBLE_MOMENT, fault="hour must be in 0..23")
    try:
        # Digits beyond microseconds are cut off, as PostgreSQL stores no more.
        return in_utc(datetime.fromisoformat(f"{date}T{time}.{(fraction or '')[:6]:0<6}{offset.upper()}"))
    except (ValueError, OverflowError) as error:
        raise Invalid(field, ErrorCode.IMPOSSIBLE_MOMENT, fault=str(error)) from None


def in_utc(moment: datetime) -> datetime:
    """The time in UTC. Raises ValueError or OverflowError at the ends of the calendar."""
    moment = moment.astimezone(UTC)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"years go from {FIRST_YEAR} to {LAST_YEAR}")
    return moment
