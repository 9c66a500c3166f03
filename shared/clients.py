"""The rules of a client: pure, and the same whoever asks."""

from __future__ import annotations

from zoneinfo import available_timezones

from shared.errors import Invalid

MIN_PHONE_NUMBER, MAX_PHONE_NUMBER = 1_000_000, 999_999_999_999_999
"""7 to 15 digits: ITU-T E.164 allows no more than 15, and no country's are shorter than 7."""

MAX_LABEL = 100
"""Characters of a tag, and of a mailing's mark, which is compared with it."""

TIMEZONES = frozenset(available_timezones()) - {"Factory", "localtime", "posixrules"}
"""The IANA names. What is taken out names no place but a setting of the machine."""


def check_operator_code(phone_number: int, operator_code: str) -> None:
    """Raises Invalid when the operator code doesn't occur in the phone number."""
    if operator_code not in str(phone_number):
        raise Invalid("operator_code", "The operator code must occur in the phone number.")
