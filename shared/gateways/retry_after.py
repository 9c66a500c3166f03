"""The header field `Retry-After` (RFC 9110 10.2.3): a number of seconds, or a date."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, 0 or more, perhaps infinite; None if the field is missing or invalid.

    `now` is the time by our clock, for a response without a Date header.
    """
    value = _field(headers, "retry-after")
    if _SECONDS.fullmatch(value):
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    # The server's date minus the server's clock: our clock may be wrong.
    since = _http_date(_field(headers, "date")) or now
    return max((until - since).total_seconds(), 0.0)


def _field(headers: Mapping[str, str], name: str) -> str:
    return next((value.strip() for key, value in headers.items() if key.lower() == name), "")


def _http_date(value: str) -> datetime | None:
    """A date in any of the three forms of RFC 9110 5.6.7. The parser of mail dates accepts all of them."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # The asctime form names no zone: it is always GMT.
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
