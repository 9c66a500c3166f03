"""Links by which a recipient opts out: the token of a message, and its signature (docs/opt-out-links.md, ADR 0041).

A token is the id of a message and a message authentication code, both in base 32. PostgreSQL makes the same by
`opt_out_token` (migration 0020).
"""

from __future__ import annotations

import hashlib
import hmac
import re

from shared.domain.field_types import FieldType
from shared.domain.segments.tree import Field

OPT_OUT_LINK = "opt_out_link"
"""The name of the field of templates."""

OPT_OUT_FIELD = Field(OPT_OUT_LINK, FieldType.TEXT)

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""The digits of base 32: of letters and digits that look alike, one each. They are Crockford's
(https://www.crockford.com/base32.html), in lower case."""

CODE_LENGTH = 12
"""Characters of the authentication code: 60 bits, so a guess is right once in 2^60."""

MAX_TOKEN = 13 + CODE_LENGTH
"""Characters of the token of the greatest id."""

LABEL = b"opt-out link"
"""What the secret is used for, so that no other use of it makes the same hashes."""

_READ_AS = str.maketrans("oil", "011")
_WRITTEN = re.compile("[0-9A-Za-z]+")


def token_of(message_id: int, secret: bytes) -> str:
    """The token of a message. `secret` has 32 bytes."""
    return _digits(message_id) + _code(message_id, secret)


def token_in(text: str) -> str:
    """The token at the beginning of what follows the address in a link; empty if there is none.

    Phones take some of the text after a link for a part of it: a quotation mark, an ellipsis, the next word if only a
    full stop is between them. It is left out: the authentication code tells whether the rest is a token.
    """
    found = _WRITTEN.match(text)
    return found[0] if found else ""


def message_of(token: str, secret: bytes) -> int | None:
    """The id of the message of a token, which may have text after it; None for one that was not made with this secret.

    Capitals, and letters that look like digits, are read as what they stand for. The time does not depend on how much
    of a forged code is right.
    """
    written = token_in(token).lower().translate(_READ_AS)
    digits, code = written[:-CODE_LENGTH], written[-CODE_LENGTH:]
    if not digits or digits.startswith("0") or len(written) > MAX_TOKEN or not set(written) <= set(ALPHABET):
        return None
    message_id = 0
    for digit in digits:
        message_id = message_id * 32 + ALPHABET.index(digit)
    if message_id >= 2**63 or not hmac.compare_digest(code, _code(message_id, secret)):
        return None
    return message_id


def link_length(opt_out_url: str, greatest_id: int) -> int:
    """Characters of the link of the message with that id."""
    return len(opt_out_url) + 1 + len(_digits(greatest_id)) + CODE_LENGTH


def example_link(opt_out_url: str, greatest_id: int) -> str:
    """A link that says that it is an example, as long as that of the message with that id. It is no token."""
    start = f"{opt_out_url}/"
    length = link_length(opt_out_url, greatest_id) - len(start)
    return start + ("example-" * (length // 8 + 1))[:length]


def _code(message_id: int, secret: bytes) -> str:
    # All input has 52 bytes, one block of SHA-256, and only a part of the hash is shown: it cannot be extended, which
    # HMAC is for.
    digest = hashlib.sha256(secret + LABEL + message_id.to_bytes(8, "big")).digest()
    return _digits(int.from_bytes(digest[:8], "big") >> 4, CODE_LENGTH)


def _digits(number: int, width: int = 1) -> str:
    digits = ""
    while number or len(digits) < width:
        number, digit = divmod(number, 32)
        digits = ALPHABET[digit] + digits
    return digits
