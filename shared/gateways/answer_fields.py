"""Reading the fields of a provider's JSON answer, whose types are checked and not believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from shared.gateways.base import OutgoingMessage

ID_LIMIT = 200
"""Characters of a provider's message id. No contract has longer ones."""

MAX_SEGMENTS = 1000
MAX_PRICE = Decimal(1_000_000)
"""Greater numbers are no numbers of segments and no prices."""

SAME_END = 7
"""Digits at the end of a phone number that no provider changes."""

LONGEST_CODE = 6
"""Digits of a code."""

_NO_DIGITS = re.compile("[^0-9]+")

Fields = Mapping[str, object]


def fields_of(value: object) -> Fields:
    """The fields of an object; none, if the value is no object."""
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> list[Fields] | None:
    """The objects of a list; None if the value is no list, or one of other things."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    return None


def integer_of(value: object) -> int | None:
    """A whole number. In Python a bool is an int, but no number of a contract."""
    return value if type(value) is int else None


def line_of(value: object) -> str:
    """A text or a whole number as text; empty for anything else."""
    return str(value) if isinstance(value, str) or type(value) is int else ""


def code_of(value: object) -> str:
    """A code as text: a whole number, also one in a text; empty for anything else, and for more than LONGEST_CODE
    digits. What is no code may be a part of our request, and is not stored."""
    line = line_of(value)
    digits = line.removeprefix("-")
    return line if digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_CODE else ""


def id_of(value: object) -> str | None:
    """An id as text: 1 to ID_LIMIT printable characters."""
    line = line_of(value)
    return line if 0 < len(line) <= ID_LIMIT and line.isprintable() else None


def segments_in(value: object) -> int | None:
    """A number of segments, 1 to MAX_SEGMENTS, as number or digits."""
    line = line_of(value)
    count = int(line) if line.isascii() and line.isdigit() and len(line) <= len(str(MAX_SEGMENTS)) else 0
    return count if 0 < count <= MAX_SEGMENTS else None


def price_of(value: object) -> Decimal | None:
    """A price of at most MAX_PRICE, 0 or more. Some providers write costs as negative numbers."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        price = abs(Decimal(str(value)))
    except (InvalidOperation, ValueError):  # no number; a whole number with too many digits for text
        return None
    return price if price.is_finite() and price <= MAX_PRICE else None


def joined(*parts: object) -> str:
    """The texts and numbers among the parts, as one line: `code: message`."""
    return ": ".join(line for part in parts if (line := line_of(part).strip()))


def is_another_id(named: object, ours: object) -> bool:
    """Whether an answer is about another id than ours. False if it names none."""
    line = line_of(named)
    return bool(line) and line != str(ours)


def is_another_recipient(named: object, message: OutgoingMessage) -> bool:
    """Whether an answer is about another phone number than the message's. False if it names none.

    A number from which a provider leaves one digit out is the same: 521 of Mexico becomes 52, 549 of Argentina 54, and
    numbers of Brazil have lost the 9 of mobile phones.
    """
    theirs, ours = digits_of(named), str(message.phone_number)
    return bool(theirs) and theirs != ours and not (_lacks_a_digit(theirs, ours) or _lacks_a_digit(ours, theirs))


def digits_of(value: object) -> str:
    """The digits of a phone number, however it is written."""
    return _NO_DIGITS.sub("", line_of(value))


def _lacks_a_digit(shorter: str, longer: str) -> bool:
    """Whether a number is another one without one of the digits between its country code and its end."""
    left_out = range(2, len(longer) - SAME_END)
    return len(shorter) == len(longer) - 1 and any(longer[:at] + longer[at + 1 :] == shorter for at in left_out)
