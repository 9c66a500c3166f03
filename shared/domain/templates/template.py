"""A compiled template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from shared.domain.field_types import FieldType
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.segments.tree import Field
from shared.domain.sentences import ErrorCode
from shared.domain.templates.errors import EmptyText, TemplateError, TooLong, UnreadableText
from shared.domain.templates.rendering import Node, Values, joined

if TYPE_CHECKING:
    from shared.domain.templates.compiler import Compiler

RESERVED_NAMES = frozenset(
    {"and", "as", "blank", "cols", "contains", "continue", "else", "empty", "false", "for", "if", "in", "limit", "nil"}
    | {"not", "null", "offset", "or", "required", "reversed", "true", "with"}
)
"""Words of the language, which are not read as names of fields."""


class Template:
    """A text with fields. It is not changed, and may be used by several threads."""

    __slots__ = ("_text", "fields", "types")

    def __init__(self, fields: Sequence[str], types: Sequence[FieldType], nodes: Sequence[Node]) -> None:
        self.fields = tuple(fields)
        """The names of its fields, each once, in the order in which they occur. Values are given in this order."""
        self.types = tuple(types)
        """Their types."""
        self._text = joined(nodes)

    def render(self, values: Values) -> str:
        """The text for one client. `values` are those of `fields` as `attributes ->> name` gives them; None is missing.

        Raises MissingValue, TooLong or EmptyText, which are RenderErrors.
        """
        text = self._text(values)
        if len(text) > MAX_TEXT:
            raise TooLong
        if not text or text.isspace():
            raise EmptyText
        return text


def is_plain(text: str) -> bool:
    """Whether a text is sent as it is: it has neither an output nor a tag."""
    return "{{" not in text and "{%" not in text


def compile_template(text: str, fields: Mapping[str, Field]) -> Template | None:
    """The template that a text is, with the fields that it may name (known_fields); None for a plain text.

    A template names at least one. Raises TemplateError. Takes at most a fraction of a second, whatever the text.
    """
    if is_plain(text):
        return None
    compiler = _compiler(text, fields)
    nodes = compiler.nodes()
    if not compiler.positions:
        raise TemplateError(ErrorCode.TEMPLATE_NO_FIELD, text, 0)
    return Template(list(compiler.positions), [fields[name].type for name in compiler.positions], nodes)


class StoredText:
    """A text of a mailing, as `mailing_text` has it: plain, or a template."""

    __slots__ = ("_template", "fields", "text")

    def __init__(self, text: str, fields: Sequence[str] | None = None, types: Sequence[str] | None = None) -> None:
        """`fields` and `types` are None for a plain text, even one with braces: it was written as such."""
        self.text = text
        self.fields = None if fields is None else tuple(fields)
        self._template: Template | None = None
        if fields is not None:
            with suppress(TemplateError):
                self._template = stored_template(text, fields, types or ())

    def body(self, values: Values | None) -> str:
        """The body of a message with these values. Raises RenderError."""
        if self.fields is None:
            return self.text
        if self._template is None or values is None or len(values) != len(self.fields):
            raise UnreadableText
        try:
            return self._template.render(values)
        except (ValueError, ArithmeticError):
            # A value of another type: the field was removed since, and declared anew.
            raise UnreadableText from None


def stored_template(text: str, fields: Sequence[str], types: Sequence[str]) -> Template:
    """The template of a text that was compiled when it was written, with the fields that it had then.

    What is declared now does not matter: a field may have been removed since. Raises TemplateError if the text is no
    template with exactly these fields, as no text is that this version has stored.
    """
    declared = {name: Field(name, FieldType(kind)) for name, kind in zip(fields, types, strict=True)}
    compiler = _compiler(text, declared, fields)
    return Template(fields, [field.type for field in declared.values()], compiler.nodes())


def _compiler(text: str, fields: Mapping[str, Field], order: Sequence[str] = ()) -> Compiler:
    # The library of the language is loaded with the first template: a worker of plain texts does without its 6 MB.
    from shared.domain.templates.compiler import Compiler

    return Compiler(text, fields, order)
