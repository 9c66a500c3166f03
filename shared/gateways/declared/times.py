"""Times in callbacks and in answers of polls, by a declared format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from shared.gateways.callbacks import unix_time_of

MAX_FORMAT = 40
"""Characters of a format."""

ISO, UNIX, UNIX_MS = "iso", "unix", "unix_ms"

_DIRECTIVES = re.compile(r"(?:[^%]|%[YymdHMSfzbBIp%])*")
_OFFSET = re.compile(r"[+-](0[0-9]|1[0-4]):([0-5][0-9])")
_INCOMPLETE = "must tell year, month, day, hour and minute"
_SAMPLE = datetime(2026, 11, 29, 13, 45, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How times are written."""

    form: str = ISO
    """ISO, UNIX, UNIX_MS, or a format of `strptime`."""
    zone: tzinfo = UTC
    """The zone of times without an offset."""

    def read(self, text: str | None) -> datetime | None:
        """The time in UTC; None for what is none."""
        if text is None or len(text) > MAX_FORMAT:
            return None
        if self.form == UNIX:
            return unix_time_of(text)
        try:
            if self.form == UNIX_MS:
                return unix_time_of(float(text) / 1000)
            read = datetime.fromisoformat(text) if self.form == ISO else datetime.strptime(text, self.form)  # noqa: DTZ007
            return (read if read.tzinfo else read.replace(tzinfo=self.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def read_form(text: str) -> str:
    """Raises ValueError, with words that follow the name of the key, for no format of times."""
    if text in (ISO, UNIX, UNIX_MS):
        return text
    if len(text) > MAX_FORMAT or not _DIRECTIVES.fullmatch(text):
        raise ValueError(f"must be {ISO}, {UNIX}, {UNIX_MS}, or at most {MAX_FORMAT} characters: %Y-%m-%d %H:%M:%S")
    if not {"%Y", "%y"} & {*re.findall("%.", text)}:
        raise ValueError(_INCOMPLETE)
    try:
        read = datetime.strptime(_SAMPLE.strftime(text), text)  # noqa: DTZ007
    except (ValueError, re.error):  # re.error: a directive is there twice
        raise ValueError("is no format of a time") from None
    if read.replace(tzinfo=UTC) != _SAMPLE:
        raise ValueError(_INCOMPLETE)
    return text


def read_zone(text: str) -> tzinfo:
    """Raises ValueError, with words that follow the name of the key, for no offset from UTC."""
    offset = _OFFSET.fullmatch(text)
    if offset is None:
        raise ValueError("must be an offset from UTC such as +03:00")
    ahead = timedelta(hours=int(offset[1]), minutes=int(offset[2]))
    return timezone(-ahead if text.startswith("-") else ahead)
