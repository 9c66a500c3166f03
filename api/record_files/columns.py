"""The columns of a file of records: their accepted names, and how a cell of each is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from api.clients.import_columns import NAMES, OTHER_PHONE_NAMES, Column, Faults, named_twice, without_separators
from api.clients.import_values import json_object
from api.clients.line_reader import MAX_LINE
from shared.domain.attribute_values import typed_text
from shared.domain.evidence import MAX_TEXT, check_evidence
from shared.domain.field_types import FieldType
from shared.domain.phone_numbers import PhoneNumbers
from shared.domain.segments.tree import Field
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

PHONE_NUMBER, NOTE, EVIDENCE = "phone_number", "note", "evidence"


class RecordColumn(NamedTuple):
    """A column of a file of records."""

    name: str
    read: Callable[[str], Any]
    """The value of a cell that is not blank. Raises Invalid."""
    others: Sequence[str] = ()
    """Its other names, in lower case without separators."""
    default: Any = None
    """The value of a blank cell, and of all rows of a file without the column."""
    is_needed: bool = False
    """Whether a record must have a value."""
    has_few_values: bool = False
    """Whether the same cells come again and again, so that what was read is kept."""

    @property
    def must_be_given(self) -> bool:
        """Whether a row without a value is rejected, since there is no default either."""
        return self.is_needed and self.default is None


class RecordColumns:
    """Recognises the columns of a CSV file by their names."""

    def __init__(self, known: Sequence[RecordColumn], names: Sequence[str]) -> None:
        """`names` are those of the file."""
        self._known = {one.name: one for one in known}
        self._called = {without_separators(name): one.name for one in known for name in (one.name, *one.others)}
        self._names = names

    def count_known(self, names: Iterable[str]) -> int:
        """How many columns these header cells name."""
        return len({self._called.get(without_separators(name)) for name in names} - {None})

    def columns(self) -> tuple[list[Column], Faults]:
        """The columns of the file, and the errors among them. Columns that are not known are ignored."""
        found = [
            Column(name, place, target=self._called.get(without_separators(name)))
            for place, name in enumerate(self._names)
        ]
        present = {column.target for column in found}
        missing = [one.name for one in self._known.values() if one.must_be_given and one.name not in present]
        return found, {name: [ErrorCode.COLUMN_NEEDED()] for name in missing} | named_twice(found)


def phone_number_column(numbers: PhoneNumbers) -> RecordColumn:
    """The column of phone numbers, which every file has."""
    return RecordColumn(PHONE_NUMBER, numbers.read, (*NAMES[PHONE_NUMBER], *OTHER_PHONE_NAMES), is_needed=True)


def text_column(name: str, limit: int, **more: Any) -> RecordColumn:
    """A column of texts of at most so many characters."""

    def read(text: str) -> str:
        text = text.strip()
        if len(text) > limit:
            raise Invalid(name, ErrorCode.TOO_LONG, length=len(text), excess=len(text) - limit, limit=limit)
        if "\0" in text:
            raise Invalid(name, ErrorCode.NUL_CHARACTER)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Invalid(name, ErrorCode.HALF_A_SURROGATE_PAIR) from None
        return text

    return RecordColumn(name, read, **more)


def note_column(default: str | None) -> RecordColumn:
    """The column of notes, which become evidence."""
    return text_column(NOTE, MAX_TEXT, others=("comment", "примечание", "комментарий"), default=default)


def past_moment_column(name: str, latest: datetime, **more: Any) -> RecordColumn:
    """A column of times, none after `latest`: in RFC 3339 format, or a date of UTC, perhaps with a time."""
    field = Field(name, FieldType.DATETIME)

    def read(text: str) -> datetime | None:
        written = typed_text(field, text, UTC)
        moment = None if written is None else datetime.fromisoformat(str(written))
        if moment is not None and moment > latest:
            raise Invalid(name, ErrorCode.IN_THE_FUTURE)
        return moment

    return RecordColumn(name, read, **more)


def evidence_column() -> RecordColumn:
    """The column of evidence: JSON objects of texts."""

    def read(text: str) -> dict[str, str]:
        try:
            # What an export has may be longer than what the API takes: the line's length limits it.
            return check_evidence(json_object(text), limit=MAX_LINE)
        except Invalid as error:
            raise Invalid(EVIDENCE, error.code, **error.sentence.parameters) from None

    return RecordColumn(EVIDENCE, read)
