"""The review of a draft: the effect of sending it, and whether it can be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import marshmallow as ma

from api.clients.queries import ClientRow
from api.console.audience_choice import AUDIENCE_FIELDS
from api.console.labels import translated, translated_errors
from api.console.rule_words import local_window
from api.drafts.sending import estimate_to_send, fields_to_send
from api.http.schemas import load_present
from api.mailings.audience_texts import TYPED
from api.mailings.estimate import Existing, estimate
from api.mailings.schemas import WrittenMailingBody
from api.templates.preview import preview
from api.workers.queries import present_speed
from shared.domain.estimates import ADVICE
from shared.domain.mailing_rules import TIME_RULES, MailingFields, MailingWarning, check_local_window
from shared.domain.templates import TemplateError, is_plain
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
    def has_local_window(self) -> bool:
        """Whether the mailing is sent at some local times only."""
        return self.mailing is not None and self.mailing.local_from is not None

    @property
    def local_window(self) -> str:
        """Its local window in words."""
        return local_window(asdict(self.mailing)) if self.mailing else ""

    @property
    def warnings(self) -> list[MailingWarning]:
        """The warnings that must be confirmed one by one."""
        return [warning for warning in self.estimate["warnings"] if warning.code not in ADVICE]

    @property
    def advice(self) -> list[MailingWarning]:
        """The others."""
        return [warning for warning in self.estimate["warnings"] if warning.code in ADVICE]


def review_of(fields: Mapping[str, str]) -> Review:
    """The review of a draft with these fields."""
    try:
        mailing, at_once = fields_to_send(fields)
        estimated = estimate_to_send(mailing)
    except ma.ValidationError as error:
        return _refused(fields, translated_errors(error))
    except FieldError as error:
        return _refused(fields, {error.field: [translated(error.sentence)]})
    seconds, window = estimated["seconds_needed"], (mailing.end_datetime - mailing.start_datetime).total_seconds()
    last = None if seconds is None else mailing.start_datetime + timedelta(seconds=min(seconds, window))
    return Review(estimate=estimated, mailing=mailing, at_once=at_once, last=last)


def _refused(fields: Mapping[str, str], errors: Mapping[str, list[str]]) -> Review:
    return Review(estimate=estimate_of(fields), mailing=None, errors=errors)


def estimate_of(values: Mapping[str, Any], existing: Existing | None = None) -> dict[str, Any]:
    """The estimate of a mailing, or of a change of one, by its valid fields; invalid ones are left out.

    A text that is too long is still counted. One that is no template is not, and `text_error` says why; so does
    `audience_error` of segments that are wrong.
    """
    schema = WrittenMailingBody(partial=True)
    known = {name: values[name] for name in schema.fields if values.get(name)}
    # Without a time zone, a window of its own has none: that of the sending rules is not meant.
    known |= {name: values[name] for name in TIME_RULES if name in values}
    try:
        fields = load_present(schema, known)
    except ma.ValidationError as error:
        wrong = error.normalized_messages()
        fields = load_present(schema, {name: value for name, value in known.items() if name not in wrong})
    fields = {"text": known.get("text", ""), **_without_half_a_window(fields)}
    said: dict[str, str] = {}
    while True:  # until what is wrong is left out: the text, then the audience
        try:
            estimated = estimate(fields, TYPED, speed=present_speed(), existing=existing)
            return {**estimated, **said, "example": _example(fields["text"], estimated["sample"])}
        except TemplateError as error:
            fields["text"], said["text_error"] = "", translated(error.sentence)
        except FieldError as error:
            if "audience_error" in said:
                raise
            fields = {name: value for name, value in fields.items() if name not in AUDIENCE_FIELDS}
            said["audience_error"] = translated(error.sentence)


def _without_half_a_window(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with a local window that is whole, or with none."""
    try:
        check_local_window(SimpleNamespace(**{name: fields.get(name) for name in TIME_RULES}))
    except FieldError:
        return fields | dict.fromkeys(TIME_RULES)
    return fields


def _example(text: str, sample: Sequence[ClientRow]) -> dict[str, Any] | None:
    """A template for the first client of an audience; None for a plain text, and without a client."""
    return None if is_plain(text) or not sample else preview(text, sample[0].id)
