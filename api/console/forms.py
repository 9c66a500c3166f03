"""Forms: what a person typed, checked by the schemas and rules that the API goes by, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import marshmallow as ma
from flask import redirect, request
from flask_babel import gettext
from sqlalchemy.exc import IntegrityError
from werkzeug import Response

from api.audit.recorder import set_operation
from api.auth.saved_form import Again, why_again
from api.console import notices
from api.console.labels import said
from api.console.single_submit import Submission
from api.extensions import db
from api.http.errors import broken_rule
from api.http.fields import in_utc
from shared.domain.client_rules import TIMEZONES
from shared.errors import FieldError
from shared.schema import Client, IdempotencyRecord, Mailing, MailingDraft

MailingAction = Callable[[], str]
"""What a form does; it answers the address that follows."""

Amend = Callable[[IdempotencyRecord], str | None]
"""The same, for a form that has led to that answer before. None when that can't be changed any more."""


class ChangedMeanwhile(FieldError):
    """Somebody else has changed the thing since the form was opened."""

    def __init__(self) -> None:
        told = gettext("Somebody else has changed this since you opened it. Compare, and save again what is to stand.")
        super().__init__("", told)


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
        """The status of the answer that tells of errors."""
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
        return loaded(schema, self.values)

    def submit(self, deed: MailingAction, *, operation: str, amend: Amend | None = None) -> Response | None:
        """Does the deed, once however often the form is sent, commits, and leads to the address that the deed answers.

        The audit has it by the name of the API's `operation`. None, with `errors`, when a rule or another row forbids
        it, or when the form was sent before with another content. Then `amend`, if given, may take the new content
        into what the earlier submission made. None as well for a form that is only to be shown again.
        """
        if self.errors or why_again():
            return None
        set_operation(operation)
        try:
            return self._submit(deed, amend)
        except ma.ValidationError as error:
            self.errors = {name: [said(one) for one in told] for name, told in error.normalized_messages().items()}
            db.session.rollback()
        except FieldError as error:
            self._refuse(error)
            self.is_in_conflict = isinstance(error, ChangedMeanwhile)
        except IntegrityError as error:
            rule = broken_rule(error)
            if rule is None:
                raise
            self._refuse(rule)
        return None

    def _submit(self, deed: MailingAction, amend: Amend | None) -> Response | None:
        submission = Submission()
        kept = submission.earlier()
        if kept is None:
            address: str | None = deed()
        elif submission.is_same_as(kept):
            return submission.repeat(kept)
        else:
            address = amend(kept) if amend else None
        if address is None:
            assert kept is not None  # noqa: S101  a deed has an address
            db.session.rollback()
            self.sent_as = str(kept.headers["Location"])
            self.errors = {"": [gettext("This form has been sent already, with another content.")]}
            return None
        answer = redirect(address)
        notices.attach(answer, address)
        submission.keep(answer)
        db.session.commit()
        return answer

    def _refuse(self, error: FieldError) -> None:
        db.session.rollback()
        self.errors = {error.field: [said(str(error))]}


def loaded(schema: ma.Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the schema makes of its fields among the values. Raises ValidationError."""
    fields: dict[str, Any] = schema.load({name: values[name] for name in schema.fields if values.get(name) is not None})
    return fields


def untouched(typed: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values before that a form shows just as they were typed: a browser's field takes no line ends, and
    an area for text has LF for all of them, so that what nobody touched may come back in other characters."""
    return {
        name: value
        for name, value in before.items()
        if isinstance(value, str) and typed.get(name) in (_in_area(value), _in_area(value).replace("\n", ""))
    }


def _in_area(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def moment_of(typed: str, zone: str) -> datetime | None:
    """The moment that a date field holds, in that time zone; none for what is no date that the ledger could have."""
    try:
        return in_utc(datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(zone if zone in TIMEZONES else "UTC")))
    except (ValueError, OverflowError):
        return None


def check_unchanged(thing: Client | Mailing | MailingDraft) -> None:
    """Raises ChangedMeanwhile when somebody else has changed the thing since the form was opened."""
    if thing.updated_at.isoformat() != request.form.get("updated_at"):
        raise ChangedMeanwhile
