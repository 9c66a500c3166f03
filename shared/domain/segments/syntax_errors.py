"""What is said of a text that is not in the language: what was expected, and in which column."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Any

from shared.domain.segments.errors import SegmentError
from shared.domain.segments.grammar import STRING
from shared.domain.sentences import ErrorCode, Sentence

_QUOTES = "\"'«“"
_WORD = re.compile(r"[^\s,()=<>!\"'«»“”]+")
_BRACKETS = re.compile(rf"{STRING}|([()])")
_SPELLINGS = {
    "_LEFT": "(",
    "_RIGHT": ")",
    "_COMMA": ",",
    "_DAYS": "days",
    "_MAILING": "mailing",
    "IN": "in",
    "LIST": "list",
    "WITH": "with",
    "EXIST": "exist",
    "NOT": "not",
    "LAST": "last",
    "AGO": "ago",
}
MAX_SHOWN = 40
"""Characters of the text that an error repeats."""


def syntax_error(text: str, error: Any) -> SegmentError:
    """The error for lark's UnexpectedInput in the text."""
    allowed = getattr(error, "accepts", None) or getattr(error, "expected", None) or getattr(error, "allowed", None)
    expected: Set[str] = frozenset(allowed or ())
    at_end = getattr(getattr(error, "token", None), "type", "") == "$END"
    start = len(text.rstrip()) if at_end else error.pos_in_stream
    if start < len(text) and text[start] in _QUOTES and "STRING" in expected:
        return SegmentError(ErrorCode.SEGMENT_QUOTE_NOT_CLOSED(), column=start + 1)
    opened = _unclosed_bracket(text) if at_end and "_RIGHT" in expected else None
    if opened is not None:
        return SegmentError(ErrorCode.SEGMENT_BRACKET_NOT_CLOSED(), column=opened + 1)
    return SegmentError(_fault(text, start, expected), column=start + 1)


def _fault(text: str, start: int, expected: Set[str]) -> Sentence:
    word = _WORD.match(text, start)
    if "STRING" in expected:
        if word:
            return ErrorCode.SEGMENT_NOT_QUOTED(text=word[0][:MAX_SHOWN])
        return ErrorCode.SEGMENT_VALUE_EXPECTED()
    if "NAME" in expected:
        return ErrorCode.SEGMENT_CONDITION_EXPECTED()
    if "COMPARISON" in expected:
        return ErrorCode.SEGMENT_OPERATOR_EXPECTED()
    if text[start : start + 1] == ")" and "$END" in expected:
        return ErrorCode.SEGMENT_BRACKET_NOT_OPENED()
    if "_AND" in expected or "$END" in expected:
        date = re.search(r"(?<!\S)\d{4}$", text[:start])
        if date and (rest := re.match(r"-\d\d-\d\d", text[start:])):
            return ErrorCode.SEGMENT_NOT_QUOTED(text=date[0] + rest[0])
        return ErrorCode.SEGMENT_JOIN_EXPECTED()
    if expected <= {"NUMBER", "LAST"}:
        return ErrorCode.SEGMENT_WHOLE_EXPECTED()
    spellings = sorted(_SPELLINGS.get(name, name.lower()) for name in expected)
    return ErrorCode.SEGMENT_WORD_EXPECTED(expected=" ".join(spellings))


def _unclosed_bracket(text: str) -> int | None:
    """Where the last bracket that is not closed was opened."""
    opened: list[int] = []
    for found in _BRACKETS.finditer(text):
        if found[1] == "(":
            opened.append(found.start())
        elif found[1] and opened:
            opened.pop()
    return opened[-1] if opened else None
