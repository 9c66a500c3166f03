"""The lines of an uploaded list: each is a phone number, or is rejected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from api.clients.line_reader import LineReader
from shared.domain.phone_numbers import PhoneNumbers
from shared.domain.sentences import Sentence
from shared.errors import Invalid

MAX_FAULTS = 1000
"""Rejected lines that are reported one by one."""

_AROUND = " \t\r\n\ufeff;,"


class LineFault(NamedTuple):
    """A line that is no phone number."""

    line: int
    reason: Sentence


@dataclass(slots=True)
class NumberLines:
    """The phone numbers of a file, one a line, in the order of the file; and what of it was rejected so far.

    Blank lines are skipped, and so is a first line without a digit, which names the column.
    """

    lines: LineReader
    numbers: PhoneNumbers
    accepted: int = 0
    rejected: int = 0
    faults: list[LineFault] = field(default_factory=list)
    """The first MAX_FAULTS."""

    def __iter__(self) -> Iterator[int]:
        lines, is_plain = self.lines, self.numbers.is_plain
        for line in lines:
            text = line.strip(_AROUND)
            if is_plain(text):
                self.accepted += 1
                yield int(text)
            elif lines.fault:
                self._reject(lines.number, lines.fault)
            elif text and not (lines.number == 1 and not any(map(str.isdigit, text))):
                yield from self._read(text)

    def _read(self, text: str) -> Iterable[int]:
        try:
            number = self.numbers.read(text)
        except Invalid as error:
            self._reject(self.lines.number, error.sentence)
            return ()
        self.accepted += 1
        return (number,)

    def _reject(self, line: int, reason: Sentence) -> None:
        self.rejected += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(LineFault(line, reason))
