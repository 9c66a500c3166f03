"""One exception tree, typed by what the caller will do about it.

Domain code raises these; `api.http.errors` maps them to HTTP statuses, the worker and the launcher to exit codes.
"""

from __future__ import annotations

from shared.domain.sentences import ErrorCode


class GonetsError(Exception):
    """Base of everything that Gonets raises on purpose."""


class ConfigurationError(GonetsError):
    """A setting is missing or wrong. The program reports it to the operator and exits."""


class CodedError(GonetsError):
    """An error with a code and its parameters, which `sentence` has too."""

    def __init__(self, code: ErrorCode, /, **parameters: str | int) -> None:
        self.code, self.sentence = code, code(**parameters)
        super().__init__(self.sentence)


class NotFound(CodedError):
    """No such client, mailing or message."""


class FieldError(CodedError):
    """A request that contradicts itself or the ledger in one of its fields; `field` names it."""

    def __init__(self, field: str, code: ErrorCode, /, **parameters: str | int) -> None:
        super().__init__(code, **parameters)
        self.field = field


class Invalid(FieldError):
    """The value can't be accepted in any state: correct it and send it again."""


class Conflict(FieldError):
    """The value can't be accepted in the current state: it conflicts with another record or with the history."""
