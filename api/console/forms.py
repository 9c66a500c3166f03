"""Forms: what a person typed, checked by the schemas and rules that the API goes by, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import marshmallow as ma
from flask import request
from flask_babel import gettext
from sqlalchemy.exc import IntegrityError

from api.audit.recording import name_operation
from api.console.wordings import said
from api.errors import broken_rule
from api.extensions import db
from api.fields import in_utc, rfc_3339
from shared.clients import TIMEZONES
from shared.errors import FieldError
from shared.models import Client, Mailing

Result = TypeVar("Result")


class Form:
    """Values as they were typed, and errors by field, in the viewer's language."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)
        self.errors: dict[str, list[str]] = {}

    def submit(self, schema: ma.Schema, deed: Callable[[dict[str, Any]], Result], *, operation: str) -> Result | None:
        """Loads the values, does the deed and commits; the audit has it by the name of the API's `operation`.

        None, with `errors`, when a rule or another row forbids it.
        """
        name_operation(operation)
        try:
            fields = schema.load(
                {name: self.values[name] for name in schema.fields if self.values.get(name) is not None}
            )
            result = deed(fields)
            db.session.commit()
        except ma.ValidationError as error:
            self.errors = {name: [said(one) for one in told] for name, told in error.normalized_messages().items()}
        except FieldError as error:
            self._refuse(error)
        except IntegrityError as error:
            rule = broken_rule(error)
            if rule is None:
                raise
            self._refuse(rule)
        else:
            return result
        return None

    def _refuse(self, error: FieldError) -> None:
        db.session.rollback()
        self.errors = {error.field: [said(str(error))]}


def instant(typed: str, zone: str) -> str:
    """What a date field holds, in that time zone, as the API wants it; what is no such date stays as it was typed."""
    try:
        return rfc_3339(_local(typed, zone), "auto")
    except (ValueError, OverflowError):
        return typed


def moment_of(typed: str, zone: str) -> datetime | None:
    """The moment that a date field holds, in that time zone; none for what is no date that the ledger could have."""
    try:
        return in_utc(_local(typed, zone))
    except (ValueError, OverflowError):
        return None


def _local(typed: str, zone: str) -> datetime:
    return datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(zone if zone in TIMEZONES else "UTC"))


def for_field(moment: datetime) -> str:
    """A moment as a date field takes it, in UTC; a script turns it into the viewer's time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def check_unchanged(thing: Client | Mailing) -> None:
    """Raises FieldError when somebody else has changed the thing since the form was opened."""
    if thing.updated_at.isoformat() != request.form.get("updated_at"):
        raise FieldError("", gettext("Somebody else has changed this since you opened it. Look at it again, please."))
