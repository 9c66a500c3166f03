"""Where the facts stand in an answer: dotted paths in JSON, or patterns in text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.gateways.declared.patterns import compile_pattern
from shared.gateways.http_statuses import json_value

TEXT_LIMIT = 2000
"""Characters of a text answer in which patterns are searched."""

MAX_STEPS = 20
"""Steps of a path."""

EVERY = "*"
"""The step to all entries of a list or an object."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path such as `messages.0.status`: names of objects, positions in lists, and `*` for every entry."""

    steps: tuple[str, ...]

    def values(self, answer: object) -> Sequence[str | None]:
        """The values there as text; None for what is a list or an object. A null or an empty text is no value."""
        return [_text_of(node) for node in self.nodes(answer) if node is not None and node != ""]

    def nodes(self, answer: object) -> Sequence[object]:
        """What stands there."""
        nodes = [answer]
        for step in self.steps:
            nodes = [child for node in nodes for child in _children(node, step)]
        return nodes


@dataclass(frozen=True, slots=True)
class TextPattern:
    """A regular expression with one group."""

    pattern: re.Pattern[str]

    def values(self, answer: object) -> Sequence[str | None]:
        """What the group has matched, if it has."""
        found = self.pattern.search(answer) if isinstance(answer, str) else None
        return [found[1]] if found and found[1] else []


class PlaceKind(StrEnum):
    """How a place is written."""

    PATH = "path"
    PATTERN = "pattern"
    NAME = "name"
    """Of a field of a form or a query."""


Place = JsonPath | TextPattern
Places = tuple[Place, ...]
"""Where a fact may stand: the first place that has a value tells it."""


def values_at(places: Places, answer: object) -> Sequence[str | None]:
    """The values at the first place that has any."""
    return next((values for place in places if (values := place.values(answer))), ())


def first_at(places: Places, answer: object) -> str | None:
    """The first value at these places that is a text."""
    return next((value for value in values_at(places, answer) if value is not None), None)


def read_place(text: str, kind: PlaceKind) -> Place:
    """Raises ValueError, with words that follow the name of the key, for what is no path or pattern."""
    if kind is PlaceKind.PATTERN:
        return TextPattern(compile_pattern(text))
    return JsonPath((text,)) if kind is PlaceKind.NAME else read_path(text)


def read_path(text: str) -> JsonPath:
    """Raises ValueError as `read_place`."""
    steps = tuple(text.split("."))
    if not all(steps) or len(steps) > MAX_STEPS:
        raise ValueError(f"must be a path of at most {MAX_STEPS} steps, such as messages.0.status")
    return JsonPath(steps)


def parse(body: bytes, *, is_json: bool) -> object:
    """The answer in which places are looked for; None if it is not JSON."""
    if not is_json:
        return body[: 4 * TEXT_LIMIT].decode("utf-8", "replace")[:TEXT_LIMIT]
    return json_value(body)


def _children(node: object, step: str) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values() if step == EVERY else [node[step]] if step in node else []
    if isinstance(node, list):
        if step == EVERY:
            return node
        # Longer than any list in an answer is; int() takes a time that grows with the square of the digits.
        if step.isascii() and step.isdigit() and len(step) < 6:
            return node[int(step) :][:1]
    return []


def _text_of(node: object) -> str | None:
    if isinstance(node, dict | list):
        return None
    return node if isinstance(node, str) else json.dumps(node)
