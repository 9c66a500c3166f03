"""Templates: texts of mailings with the values of a client in them (docs/templates.md, docs/adr/0035).

`compile_template` reads a text with the fields that clients have. The template that it returns makes the text of a
message of nothing but the values of its fields: the same values give the same bytes, at any time and in any process.

`compiler.py` compiles a text, with `output_compiler.py` and `condition_compiler.py`. The template consists of functions
of `rendering.py` and `values.py`, which render it for each message.
"""

from __future__ import annotations

from shared.domain.templates.errors import EmptyText, MissingValue, RenderError, TemplateError, TooLong, UnreadableText
from shared.domain.templates.template import (
    RESERVED_NAMES,
    StoredText,
    Template,
    compile_template,
    is_plain,
    stored_template,
)

__all__ = [
    "RESERVED_NAMES",
    "EmptyText",
    "MissingValue",
    "RenderError",
    "StoredText",
    "Template",
    "TemplateError",
    "TooLong",
    "UnreadableText",
    "compile_template",
    "is_plain",
    "stored_template",
]
