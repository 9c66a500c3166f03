"""Texts with placeholders, such as `Bearer {api_key}`. `{{` and `}}` stand for braces."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

OF_MESSAGES = ("id", "phone", "plus_phone", "text")
"""The placeholders whose values differ by message; `plus_phone` is the number with a plus sign."""

OF_LOOK_UPS = ("id", "phone", "plus_phone")
"""Those that a look-up may have."""

SENDER = "sender"
"""The placeholder of the account's sender id."""

RECEIPT_URL = "receipt_url"
"""That of the address where receipts are to be reported, in the fields of submissions."""

PROVIDER_ID = "provider_id"
"""That of the provider's id of a message, in polls."""

RESERVED = frozenset({*OF_MESSAGES, SENDER, RECEIPT_URL, PROVIDER_ID})
"""Names that credentials cannot have."""

NUMERIC = ("id", "phone")
"""The placeholders that may be JSON numbers: `{id:number}`."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z][A-Za-z0-9_]*)(:number)?\}|[{}]")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Stands for a value by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """A text in parts."""

    parts: tuple[str | Placeholder, ...]
    number: bool = False
    """Whether it is one placeholder that stands for a JSON number."""

    @property
    def names(self) -> frozenset[str]:
        """The names of its placeholders."""
        return frozenset(part.name for part in self.parts if isinstance(part, Placeholder))

    @property
    def literals(self) -> str:
        """What stands between the placeholders."""
        return "".join(part for part in self.parts if isinstance(part, str))

    def fill(self, values: Mapping[str, str], encode: Callable[[str], str] = str) -> str:
        """The text with the values, each encoded for where the text stands."""
        return "".join(part if isinstance(part, str) else encode(values[part.name]) for part in self.parts)


def read_template(text: str, known: Collection[str], why: str = "known here") -> Template:
    """Raises ValueError, with words that follow the name of the key, for a placeholder that is not known.

    The error begins with `why`, and lists the known ones.
    """
    parts: list[str | Placeholder] = []
    at = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[at : token.start()])
        at = token.end()
        name, number = token[1], token[2]
        if name is None:
            if len(token[0]) == 1:
                raise ValueError(f"has a single {token[0]}: write {token[0] * 2} for a brace")
            parts.append(token[0][0])
        elif name not in known:
            raise ValueError(f"has {{{name}}}, which cannot stand here; {why}: {', '.join(known)}")
        elif number and (token[0] != text or name not in NUMERIC):
            raise ValueError("may have :number only as all of a value, as {id:number} or {phone:number}")
        elif number:
            return Template((Placeholder(name),), number=True)
        else:
            parts.append(Placeholder(name))
    return Template(tuple(part for part in (*parts, text[at:]) if part))
