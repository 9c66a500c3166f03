"""The rules of the declared fields of clients: their names and how many there may be."""

from __future__ import annotations

import re
import unicodedata

from shared.domain.opt_out_links import OPT_OUT_LINK
from shared.domain.segments.tree import COLUMNS
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

MAX_FIELDS = 200
MAX_NAME = 40
"""Characters of a name."""
MAX_LABEL = 100
"""Characters of a label."""

RESERVED = frozenset(field.name for field in COLUMNS) | {
    # Words of segments and templates.
    *("and", "or", "not", "in", "contains", "starts", "exists", "within", "true", "false"),
    *("null", "nil", "none", "blank", "empty", "received", "delivered", "undelivered", "replied"),
    # A field of templates that is of the message.
    OPT_OUT_LINK,
    # Other columns of files of clients, and of their rejected rows.
    *("id", "attributes", "updated_at", "warnings", "line", "reason"),
}
"""The names that no declared field has."""

_NAME = re.compile(r"[^\W\d]\w*")
_BETWEEN_WORDS = re.compile(r"[\W_]+")


def plain_name(name: str) -> str:
    """The name as it is stored: in lower case, with accents composed (NFC). Not every text is a name then."""
    return unicodedata.normalize("NFC", name.strip().lower())


def attribute_name(name: str) -> str:
    """How errors, forms and the audit name the value that a client has of a field."""
    return f"attributes.{name}"


def check_name(name: str) -> None:
    """Raises Invalid for a plain name that no field may have."""
    if len(name) > MAX_NAME or not _NAME.fullmatch(name) or name != plain_name(name):
        raise Invalid("name", ErrorCode.NOT_A_FIELD_NAME, limit=MAX_NAME)
    if name in RESERVED:
        raise Invalid("name", ErrorCode.FIELD_NAME_RESERVED, name=name)


def name_from_title(title: str) -> str | None:
    """The name for a field with this title, such as `дата_покупки` for `Дата покупки`; None if it has no letters."""
    name = _BETWEEN_WORDS.sub("_", plain_name(title)).strip("_")
    if name[:1].isdigit() or name in RESERVED:
        name = f"_{name}"
    name = name[:MAX_NAME].rstrip("_")
    return name if any(map(str.isalpha, name)) and _NAME.fullmatch(name) else None
