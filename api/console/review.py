"""The review of a draft: the effect of sending it, and whether it can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import marshmallow as ma

from api.console.labels import translated, translated_errors
from api.drafts.sending import estimate_to_send, fields_to_send
from api.http.schemas import load_present
from api.mailings.estimate import Existing, estimate
from api.mailings.schemas import MailingBody
from api.workers.queries import present_speed
from shared.domain.mailing_rules import MailingFields, MailingWarning
from shared.errors import FieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A draft as it would be sent now."""

    estimate: Mapping[str, Any]
    mailing: MailingFields | None
    """With the start that it would get; None if it is invalid."""
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    at_once: bool = False
    """Whether sending starts right after the time to undo it."""
    last: datetime | None = None
    """The estimated time of the last message; None if neither a rate limit nor a speed is known."""

    @property
    def warnings(self) -> list[MailingWarning]:
        """The warnings that must be confirmed one by one."""
        return list(self.estimate["warnings"])


def review_of(fields: Mapping[str, str]) -> Review:
    """The review of a draft with these fields."""
    try:
        mailing, at_once = fields_to_send(fields)
    except ma.ValidationError as error:
        return Review(estimate=estimate_of(fields), mailing=None, errors=translated_errors(error))
    except FieldError as error:
        errors = {error.field: [translated(error.sentence)]}
        return Review(estimate=estimate_of(fields), mailing=None, errors=errors)
    estimated = estimate_to_send(mailing)
    seconds, window = estimated["seconds_needed"], (mailing.end_datetime - mailing.start_datetime).total_seconds()
    last = None if seconds is None else mailing.start_datetime + timedelta(seconds=min(seconds, window))
    return Review(estimate=estimated, mailing=mailing, at_once=at_once, last=last)


def estimate_of(values: Mapping[str, Any], existing: Existing | None = None) -> dict[str, Any]:
    """The estimate of a mailing, or of a change of one, by its valid fields; invalid ones are left out.

    A text that is too long is still counted.
    """
    schema = MailingBody(partial=True)
    known = {name: values[name] for name in schema.fields if values.get(name)}
    try:
        fields = load_present(schema, known)
    except ma.ValidationError as error:
        wrong = error.normalized_messages()
        fields = load_present(schema, {name: value for name, value in known.items() if name not in wrong})
    return estimate({"text": known.get("text", ""), **fields}, speed=present_speed(), existing=existing)
