"""Forms: typed values, validated by the schemas and rules of the API, with their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import marshmallow as ma
from flask import redirect, request
from werkzeug import Response

from api.audit.recorder import nothing_changed, set_operation
from api.auth.saved_form import ReshowReason, reshow_reason
from api.console import flash_messages
from api.console.labels import translated, translated_errors
from api.console.single_submit import Earlier, Submission
from api.http.schemas import load_present
from api.unit_of_work import unit_of_work
from shared.domain.sentences import ErrorCode
from shared.errors import FieldError

Work = Callable[[], str]
"""The action of a form; returns the address of the next page."""

Amend = Callable[[Earlier], str | None]
"""Handles a form that was sent before with other content. Returns None if its result can't be changed any more."""


class ChangedMeanwhile(FieldError):
    """Another person has changed the object since the form was opened."""

    def __init__(self) -> None:
        super().__init__("", ErrorCode.CHANGED_MEANWHILE)


class AlreadySent(FieldError):
    """The form was sent before, with other content."""

    def __init__(self, address: str) -> None:
        super().__init__("", ErrorCode.SUBMITTED_BEFORE)
        self.address = address
        """The address of the earlier submission's result."""


class Versioned(Protocol):
    """An object that a form can change."""

    @property
    def updated_at(self) -> datetime: ...


class Theirs(NamedTuple):
    """The values that another person has saved, in the fields that differ from the form's."""

    by: str | None
    """Their name; None if unknown."""
    at: datetime
    values: dict[str, Any]


class Form:
    """Values as they were typed, and errors by field, in the viewer's language."""

    def __init__(
        self, values: Mapping[str, Any], errors: Mapping[str, list[str]] = {}, *, refused_with: int = 422
    ) -> None:
        self.values = dict(values)
        self.errors = dict(errors)
        self.refused_with = refused_with
        """The status of a response that shows errors."""
        self.choices: Mapping[str, list[tuple[str, str]]] = {}
        """The choices by date field, for times that occur twice."""
        self.sent_as: str | None = None
        """The address of an earlier submission's result, if it had other content: this one had no effect."""
        self.is_in_conflict = False
        self.theirs: Theirs | None = None
        """The other person's values, if they have saved since the form was opened."""

    @property
    def status(self) -> int:
        """The status of the response that shows the form again."""
        if reshow_reason() is ReshowReason.STALE:
            return 403
        return 409 if self.sent_as else self.refused_with if self.errors else 200

    @property
    def is_kept(self) -> bool:
        """Whether it is shown again with the values from before a sign-in."""
        return reshow_reason() in (ReshowReason.SIGNED_IN, ReshowReason.STALE)

    def compare(self, values: Mapping[str, Any], at: datetime, by: str | None) -> None:
        """Shows the present values beside the typed ones, in the fields where they differ.

        The form has the version that is shown: if it is sent again, it replaces only that version.
        """
        typed = {name: value for name, value in self.values.items() if name in values}
        differ = {name for name, value in typed.items() if str(value).strip() != str(values[name])}
        self.theirs = Theirs(by, at, {name: values[name] for name in values if name in differ})

    def load(self, schema: ma.Schema) -> dict[str, Any]:
        """The values as the schema takes them. Raises ValidationError."""
        return load_present(schema, self.values)

    def submit(self, work: Work, *, operation: str, amend: Amend | None = None) -> Response | None:
        """Does the work once, however often the form is sent, commits, and redirects to the address that it returns.

        The audit records it as the API's `operation`. Returns None and sets `errors` if a rule or another row forbids
        it, or if the form was sent before with other content. In that case `amend`, if given, may apply the new content
        to the earlier result. Also returns None for a form that was not sent, or is only to be shown again.
        """
        if request.method != "POST" or self.errors or reshow_reason():
            return None
        set_operation(operation)
        try:
            with unit_of_work():
                return self._submit(work, amend)
        except ma.ValidationError as error:
            self.errors = translated_errors(error)
        except FieldError as error:
            self.errors = {error.field: [translated(error.sentence)]}
            self.is_in_conflict = isinstance(error, ChangedMeanwhile)
            self.sent_as = error.address if isinstance(error, AlreadySent) else None
        return None

    def _submit(self, work: Work, amend: Amend | None) -> Response:
        submission = Submission()
        earlier = submission.earlier()
        if earlier is not None and earlier.has_same_content:
            nothing_changed()
            return earlier.repeat()
        address = work() if earlier is None else self._amend(earlier, amend)
        response = redirect(address)
        flash_messages.attach(response, address)
        submission.keep(response)
        return response

    @staticmethod
    def _amend(earlier: Earlier, amend: Amend | None) -> str:
        address = amend(earlier) if amend else None
        if address is None:
            raise AlreadySent(earlier.address)
        return address


def untouched(typed: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a form sent back unedited. A browser's field removes line ends, and a text area converts them to
    LF, so an unedited value may come back in other characters."""
    return {
        name: value
        for name, value in before.items()
        if isinstance(value, str) and typed.get(name) in (_in_area(value), _in_area(value).replace("\n", ""))
    }


def _in_area(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_unchanged(thing: Versioned) -> None:
    """Raises ChangedMeanwhile if another person has changed the object since the form was opened."""
    if thing.updated_at.isoformat() != request.form.get("updated_at"):
        raise ChangedMeanwhile
