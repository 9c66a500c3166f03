"""What is wrong with a template, or with the text that it makes for one client."""

from __future__ import annotations

from shared.domain.reasons import Reason, ReasonCode
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid


class TemplateError(Invalid):
    """A text that is no template. Its sentence has the line and the column, both counted from 1 in characters."""

    def __init__(self, code: ErrorCode, text: str, index: int, **parameters: str | int) -> None:
        """`index` is the place in `text`, counted from 0; one outside of it means its end."""
        before = text[: index if 0 <= index <= len(text) else len(text)]
        self.line = before.count("\n") + 1
        self.column = len(before) - (before.rfind("\n") + 1) + 1
        super().__init__("text", code, line=self.line, column=self.column, **parameters)


class RenderError(Exception):
    """The values of a client make no text that can be sent."""

    reason: Reason
    """Why, as a message has it that ends with it."""

    def __init__(self) -> None:
        super().__init__(self.reason.sentence)


class MissingValue(RenderError):
    """The client has no value of a field that the text shows without a default."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reason = Reason(ReasonCode.MISSING_VALUE, {"field": name})
        super().__init__()


class TooLong(RenderError):
    """The text has more characters than the text of a mailing may have (MAX_TEXT)."""

    reason = Reason(ReasonCode.TEXT_OVER_LIMIT)


class UnreadableText(RenderError):
    """The stored template is none that this version can read."""

    reason = Reason(ReasonCode.TEXT_UNREADABLE)


class EmptyText(RenderError):
    """The text is empty or only white space."""

    reason = Reason(ReasonCode.TEXT_EMPTY)
