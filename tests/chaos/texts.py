"""The texts of a run's mailings, and the bodies that messages must have: reckoned without the worker's code."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.chaos.facts import Text

FIELD = "name"
"""The one field that the templates of a run have."""

TEMPLATES = (
    "Hello, {{ name }}!",
    'Привет, {{ name | default: "друг" }} \u2014 «ёлки»',
    "line\n{% if name %}{{ name }}, {% endif %}line",
)

_OUTPUT = re.compile(r"\{\{ name(?: \| default: \"(.*?)\")? \}\}")
_CONDITION = re.compile(r"\{% if name %\}(.*?)\{% endif %\}")


def filled(text: Text, values: Sequence[str | None] | None) -> str | None:
    """The body of a message with this text and these values; None if it has none."""
    if text.fields is None:
        return text.text
    if values is None or len(values) != 1:
        return None
    (name,) = values
    body = _CONDITION.sub(r"\1" if name else "", text.text)
    missing = any(match[1] is None for match in _OUTPUT.finditer(body)) and not name
    return None if missing else _OUTPUT.sub(lambda match: name or match[1], body)
