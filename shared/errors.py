"""One exception tree, typed by what the caller will do about it.

Domain code raises these; `api.http.errors` maps them to HTTP statuses, the worker and the launcher to exit codes.
"""

from __future__ import annotations


class GonetsError(Exception):
    """Base of everything that Gonets raises on purpose."""


class ConfigurationError(GonetsError):
    """A setting is missing or wrong. The program reports it to the operator and exits."""


class NotFound(GonetsError):
    """No such client, mailing or message."""

    def __init__(self, what: str, id_: int) -> None:
        super().__init__(f"There is no {what} {id_}.")


class FieldError(GonetsError):
    """A request that contradicts itself or the ledger in one of its fields; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Invalid(FieldError):
    """The value can't be accepted in any state: correct it and send it again."""


class Conflict(FieldError):
    """The value can't be accepted in the current state: it conflicts with another record or with the history."""
