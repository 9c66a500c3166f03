"""Forms: what a person typed, checked by the schemas and rules that the API goes by, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import marshmallow as ma
from flask import redirect, request
from flask_babel import gettext
from werkzeug import Response

from api.audit.recorder import nothing_changed, set_operation
from api.auth.saved_form import Again, why_again
from api.console import notices
from api.console.labels import translate
from api.console.single_submit import Earlier, Submission
from api.http.schemas import load_present
from api.unit_of_work import unit_of_work
from shared.errors import FieldError

Work = Callable[[], str]
"""What a form does; it returns the address of the page that follows."""

Amend = Callable[[Earlier], str | None]
"""The same, for a form that was sent before. None when what it made can't be changed any more."""


class ChangedMeanwhile(FieldError):
    """Somebody else has changed the thing since the form was opened."""

    def __init__(self) -> None:
        super().__init__(
            "", gettext("Somebody else has changed this since you opened it. Compare, and save again what is to stand.")
        )


class AlreadySent(FieldError):
    """The form was sent before, with another content."""

    def __init__(self, address: str) -> None:
        super().__init__("", gettext("This form has been sent already, with another content."))
        self.address = address
        """Where the earlier submission led to."""


class Versioned(Protocol):
    """What a form can change."""

    @property
    def updated_at(self) -> datetime: ...


class Theirs(NamedTuple):
    """What somebody else has made of a thing, for those fields that the form would change now."""

    by: str | None
    """Their name; none if it is not known."""
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
        """The status of an answer that shows errors."""
        self.choices: Mapping[str, list[tuple[str, str]]] = {}
        """By date field: what to choose from, where the time comes twice."""
        self.sent_as: str | None = None
        """Where an earlier submission of this form led to, when it had another content: now, nothing was done."""
        self.is_in_conflict = False
        self.theirs: Theirs | None = None
        """To be compared with the values, when somebody else has changed the thing since the form was opened."""

    @property
    def status(self) -> int:
        """Of the answer that shows the form again."""
        if why_again() is Again.STALE:
            return 403
        return 409 if self.sent_as else self.refused_with if self.errors else 200

    @property
    def is_kept(self) -> bool:
        """Whether it is shown again with what was typed before a sign-in."""
        return why_again() in (Again.SIGNED_IN, Again.STALE)

    def compare(self, values: Mapping[str, Any], at: datetime, by: str | None) -> None:
        """Shows what stands there now beside what was typed, field by field, where they differ.

        The form names the version that is shown: if it is sent again, it replaces that one and no later one.
        """
        typed = {name: value for name, value in self.values.items() if name in values}
        differ = {name for name, value in typed.items() if str(value).strip() != str(values[name])}
        self.theirs = Theirs(by, at, {name: values[name] for name in values if name in differ})

    def load(self, schema: ma.Schema) -> dict[str, Any]:
        """The values as the schema takes them. Raises ValidationError."""
        return load_present(schema, self.values)

    def submit(self, work: Work, *, operation: str, amend: Amend | None = None) -> Response | None:
        """Does the work, once however often the form is sent, commits, and leads to the address that the work returns.

        The audit names it by the API's `operation`. None, with `errors`, when a rule or another row forbids it, or when
        the form was sent before with another content. Then `amend`, if given, may take the new content into what the
        earlier submission made. None as well for a form that is only to be shown again.
        """
        if self.errors or why_again():
            return None
        set_operation(operation)
        try:
            with unit_of_work():
                return self._submit(work, amend)
        except ma.ValidationError as error:
            messages = error.normalized_messages()
            self.errors = {name: [translate(one) for one in found] for name, found in messages.items()}
        except FieldError as error:
            self.errors = {error.field: [translate(str(error))]}
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
        answer = redirect(address)
        notices.attach(answer, address)
        submission.keep(answer)
        return answer

    @staticmethod
    def _amend(earlier: Earlier, amend: Amend | None) -> str:
        address = amend(earlier) if amend else None
        if address is None:
            raise AlreadySent(earlier.address)
        return address


def untouched(typed: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values before that a form sent back as it had shown them: a browser's field drops line ends, and a
    text area makes LF of all of them, so a value that was not edited may come back in other characters."""
    return {
        name: value
        for name, value in before.items()
        if isinstance(value, str) and typed.get(name) in (_in_area(value), _in_area(value).replace("\n", ""))
    }


def _in_area(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_unchanged(thing: Versioned) -> None:
    """Raises ChangedMeanwhile when somebody else has changed the thing since the form was opened."""
    if thing.updated_at.isoformat() != request.form.get("updated_at"):
        raise ChangedMeanwhile
