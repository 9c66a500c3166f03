"""A TOML document whose mistakes are named with their lines."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping

from shared.errors import ConfigurationError

NAME = "contract"
"""The field of the account, which begins every mistake."""

MAX_CHARACTERS = 15_000
MAX_LINES = 400
MAX_LINE = 1_000
"""Mistakes are located by reading the document line by line, again and again: these bound the time that it takes."""

MISTAKES_NAMED = 20
"""Mistakes that one error names at most."""

Path = tuple[str | int, ...]
"""Keys and positions in lists, from the root of the document."""

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Document:
    """A parsed document, and the mistakes that were found in it so far."""

    def __init__(self, text: str) -> None:
        """Raises ConfigurationError for a text that is too long or not TOML."""
        # tomllib reads both ends of a line; the lines are cut at "\n".
        self._lines = text.replace("\r\n", "\n").split("\n")
        self._mistakes: list[tuple[int, str]] = []
        self._prefixes: list[tuple[int, Mapping[str, object]]] | None = None
        if len(text) > MAX_CHARACTERS or len(self._lines) > MAX_LINES:
            raise ConfigurationError(
                f"{NAME}, line {MAX_LINES}: must have at most {MAX_CHARACTERS} characters in {MAX_LINES} lines"
            )
        for number, line in enumerate(self._lines, 1):
            if len(line) > MAX_LINE:
                raise ConfigurationError(f"{NAME}, line {number}: must have at most {MAX_LINE} characters")
        self.root = Table(self, (), self._parse())

    def mistake(self, path: Path, words: str) -> None:
        """Notes a mistake at the line of a key: `words` follow its name, or that of the table if the key is missing."""
        sentence = f"{_printable('.'.join(map(str, path)))} {words}"
        self._mistakes.append((self._line_of(path), _printable(sentence, 300)))

    def finish(self) -> None:
        """Raises ConfigurationError with a line for each mistake, if there are any."""
        if self._mistakes:
            named = sorted({*self._mistakes})[:MISTAKES_NAMED]
            raise ConfigurationError("\n".join(f"{NAME}, line {line}: {sentence}" for line, sentence in named))

    def _parse(self) -> Mapping[str, object]:
        try:
            return tomllib.loads("\n".join(self._lines))
        except tomllib.TOMLDecodeError as error:
            at = _AT.search(str(error))
            line, column = (at[1], at[2]) if at and at[1] else (len(self._lines), None)
            where = f"line {line}, column {column}" if column else f"line {line}"
            raise ConfigurationError(f"{NAME}, {where}: {_printable(_AT.sub('', str(error)))}") from None
        except RecursionError:
            raise ConfigurationError(f"{NAME}, line {self._line_too_deep()}: nested too deeply") from None

    def _line_too_deep(self) -> int:
        """The first line up to which the document is nested too deeply."""
        for end in range(1, len(self._lines) + 1):
            try:
                tomllib.loads("\n".join(self._lines[:end]))
            except tomllib.TOMLDecodeError:
                continue
            except RecursionError:
                return end
        return len(self._lines)

    def _line_of(self, path: Path) -> int:
        """The line where a key is written; that of the nearest table above it if it is missing, or else 1.

        tomllib tells no positions. But the shortest beginning of the document that has the key ends with its value,
        and the beginning before that, where one is valid, ends right before its first line.
        """
        for length in range(len(path), 0, -1):
            before = 0
            for end, values in self._beginnings():
                if _has(values, path[:length]):
                    return before + 1
                before = end
        return 1

    def _beginnings(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        """The valid beginnings of the document by the numbers of their last lines."""
        if self._prefixes is None:
            self._prefixes = []
            for end in range(1, len(self._lines) + 1):
                try:
                    self._prefixes.append((end, tomllib.loads("\n".join(self._lines[:end]))))
                except tomllib.TOMLDecodeError:
                    continue  # it ends within a value of several lines
        yield from self._prefixes


class Table:
    """A table of a document. What is read of it is known; `finish` notes every other key as a mistake."""

    def __init__(self, document: Document, path: Path, values: Mapping[str, object]) -> None:
        self.path = path
        self.values = values
        self._document = document
        self._known: set[str] = set()

    def mistake(self, key: str, words: str) -> None:
        """Notes a mistake about a key."""
        self.mistake_at((key,), words)

    def mistake_at(self, path: Path, words: str) -> None:
        """Notes a mistake about a value somewhere within the table."""
        self._document.mistake((*self.path, *path), words)

    def take(self, key: str) -> object:
        """The value of a key; None if it is missing."""
        self._known.add(key)
        return self.values.get(key)

    def text(self, key: str, choices: Collection[str] = (), *, required: bool = False) -> str | None:
        """A text that is not empty, and one of the `choices` if there are any."""
        value = self.take(key)
        if value is None and not required:
            return None
        if value is None:
            self.mistake(key, "is missing" + (f": one of {', '.join(choices)}" if choices else ""))
        elif not isinstance(value, str) or not value:
            self.mistake(key, f"must be one of {', '.join(choices)}" if choices else "must be a text that is not empty")
        elif choices and value not in choices:
            self.mistake(key, f"must be one of {', '.join(choices)}")
        else:
            return value
        return None

    def integer(self, key: str, low: int, high: int, *, required: bool = False) -> int | None:
        """A whole number between two others."""
        value = self.take(key)
        if value is None and not required:
            return None
        if type(value) is int and low <= value <= high:
            return value
        self.mistake(key, f"must be a whole number from {low} to {high}")
        return None

    def flag(self, key: str) -> bool:
        """True or false; false if it is missing."""
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            self.mistake(key, "must be true or false")
        return value is True

    def table(self, key: str) -> Table:
        """A table; an empty one if it is missing."""
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            self.mistake(key, "must be a table")
        return Table(self._document, (*self.path, key), value if isinstance(value, dict) else {})

    def finish(self) -> None:
        """Notes the keys that nothing has read."""
        for key in self.values:
            if key not in self._known:
                self.mistake(key, f"is not known; known here: {', '.join(sorted(self._known))}")


def _has(value: object, path: Path) -> bool:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        else:
            value = value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None
        if value is None:
            return False
    return True


def _printable(text: str, limit: int = 100) -> str:
    """The text in one line without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)[:limit]
