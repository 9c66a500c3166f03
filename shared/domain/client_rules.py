"""The rules of a client, as pure functions."""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import available_timezones

from shared.domain.numbering_plans import MAX_DIGITS, MIN_DIGITS
from shared.domain.phone_numbers import is_doubtful
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

MIN_PHONE_NUMBER, MAX_PHONE_NUMBER = 10 ** (MIN_DIGITS - 1), 10**MAX_DIGITS - 1

MAX_LABEL = 100
"""Characters of a tag, and of a mailing's mark, which is compared with it."""

MAX_TAGS = 100
"""Tags of a client."""

MAX_EXTERNAL_ID = 200
"""Characters of an id in another system."""

TIMEZONES = frozenset(available_timezones()) - {"Factory", "localtime", "posixrules"}
"""The IANA names, without those that name a setting of the machine and no place."""


class ClientWarning(NamedTuple):
    """Something about a client that is legal but probably not intended."""

    code: str
    message: str


DOUBTFUL_NUMBER = ClientWarning(
    "doubtful_phone_number",
    "No country has such numbers: it may be one without its country's code. DEFAULT_REGION says whose those are.",
)


def warnings_about(phone_number: int) -> list[ClientWarning]:
    """What the author of a client should check."""
    return [DOUBTFUL_NUMBER] if is_doubtful(phone_number) else []


def check_operator_code(phone_number: int, operator_code: str) -> None:
    """Raises Invalid when the operator code doesn't occur in the phone number."""
    if operator_code not in str(phone_number):
        raise Invalid("operator_code", ErrorCode.OPERATOR_CODE_ELSEWHERE)
