"""Renders the parts of a compiled template: functions from the values of its fields to a text.

They are closures, as dispatch renders a text for every message: no name is looked up, and no type is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.templates.errors import MissingValue, TooLong

Values = Sequence[str | None]
"""The values of the fields of a template, in their order. None is missing."""

Text = Callable[[Values], str]
Optional = Callable[[Values], str | None]
"""A text that may be missing."""
Test = Callable[[Values], bool]
Node = str | Text
"""A literal part of a text, or one that depends on values."""


def joined(nodes: Sequence[Node]) -> Text:
    """The texts of nodes, one after the other."""
    if len(nodes) == 1:
        (node,) = nodes
        return (lambda _: node) if isinstance(node, str) else node
    kept = tuple(nodes)

    def text(values: Values) -> str:
        return "".join([node if node.__class__ is str else node(values) for node in kept])  # type: ignore[operator]

    return text


def field_text(position: int, shown: Callable[[str], str]) -> Optional:
    """The value of a field as it is shown."""
    if shown is str:
        return lambda values: values[position]

    def text(values: Values) -> str | None:
        value = values[position]
        return None if value is None else shown(value)

    return text


def changed(source: Optional, change: Callable[[str], str]) -> Optional:
    """A text after a filter."""

    def text(values: Values) -> str | None:
        value = source(values)
        return None if value is None else change(value)

    return text


def is_missing(value: str | None) -> bool:
    """Whether there is no value, or nothing of it to be seen."""
    return not value or value.isspace()


def with_default(source: Optional, other: Optional) -> Optional:
    """A text, or the other one if it is missing."""

    def text(values: Values) -> str | None:
        value = source(values)
        return other(values) if is_missing(value) else value

    return text


def output(source: Optional, name: str) -> Text:
    """A text that must not be missing; `name` is its field."""

    def text(values: Values) -> str:
        value = source(values)
        if not value or value.isspace():
            raise MissingValue(name)
        if len(value) > MAX_TEXT:
            raise TooLong
        return value

    return text


def choice(branches: Sequence[tuple[Test, Text]], otherwise: Text) -> Text:
    """The text of the first branch whose test holds, or the other one."""
    if len(branches) == 1:
        ((only_test, only_text),) = branches
        return lambda values: only_text(values) if only_test(values) else otherwise(values)
    kept = tuple(branches)

    def text(values: Values) -> str:
        for test, branch in kept:
            if test(values):
                return branch(values)
        return otherwise(values)

    return text
