"""What is wrong with a segment, and where."""

from __future__ import annotations

from typing import Literal

from shared.domain.sentences import ErrorCode, Sentence
from shared.errors import Invalid

Part = Literal["field", "operator", "value", "event", "mailing_id", "days"]
"""The parts of a condition, as its JSON names them."""


class SegmentError(Invalid):
    """A segment that cannot be understood, or that does not suit the fields that there are.

    Its field in a request is `segment`, unless the caller says otherwise.
    """

    def __init__(self, fault: Sentence, *, column: int | None = None, path: str = "", field: str = "segment") -> None:
        if column is not None:
            super().__init__(field, ErrorCode.SEGMENT_AT_COLUMN, column=column, fault=fault)
        elif path:
            super().__init__(field, ErrorCode.SEGMENT_AT_NODE, path=path, fault=fault)
        else:
            super().__init__(field, ErrorCode(fault.code), **fault.parameters)
        self.fault = fault
        """What is wrong, without the place."""
        self.column = column
        """The column of the text, from 1; None for a tree, and for what concerns the whole text."""
        self.path = path
        """The node of a tree in JSON, such as `and[1].not`; empty for its root, and for a text."""

    def of_field(self, field: str) -> SegmentError:
        """The same error for another field of a request."""
        return SegmentError(self.fault, column=self.column, path=self.path, field=field)


class ConditionError(Exception):
    """What is wrong with one condition, in which of its parts. Callers know where the condition is."""

    def __init__(self, part: Part, fault: Sentence, place: int = 0) -> None:
        super().__init__(fault)
        self.part, self.fault = part, fault
        self.place = place
        """Which of several values, from 0."""
