"""What sending a draft would do, and whether it may be sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import marshmallow as ma
from flask import current_app
from sqlalchemy import select

from api.console.forms import loaded
from api.console.labels import said
from api.extensions import db
from api.http.fields import whole_number
from api.mailings.estimate import Existing, plan
from api.mailings.queries import NOW
from api.mailings.schemas import MailingBody
from api.workers.queries import present_speed
from shared.domain.mailing_rules import MailingFields, MailingWarning, check_fields
from shared.errors import FieldError, Invalid

GROWTH = 0.01
"""By what part an audience may have grown since it was shown: a directory in use changes all the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A draft as it would be sent now."""

    plan: Mapping[str, Any]
    terms: MailingFields | None
    """With the start that it would get; none if something is wrong with them."""
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    at_once: bool = False
    """Whether sending starts as soon as the time to undo it is over."""
    last: datetime | None = None
    """About when the last message is sent; none when neither a rate limit nor a speed is known."""

    @property
    def warnings(self) -> list[MailingWarning]:
        """What has to be confirmed one by one."""
        return list(self.plan["warnings"])


def review_of(fields: Mapping[str, str]) -> Review:
    """What sending these fields now would do."""
    try:
        terms, at_once = terms_to_send(fields)
    except ma.ValidationError as error:
        errors = {name: [said(one) for one in told] for name, told in error.normalized_messages().items()}
        return Review(plan=plan_of(fields), terms=None, errors=errors)
    except FieldError as error:
        return Review(plan=plan_of(fields), terms=None, errors={error.field: [said(str(error))]})
    known = {name: getattr(terms, name) for name in ("mark", "text", "start_datetime", "end_datetime")}
    planned = plan(known, exact=True, speed=present_speed())
    seconds, window = planned["seconds_needed"], (terms.end_datetime - terms.start_datetime).total_seconds()
    last = None if seconds is None else terms.start_datetime + timedelta(seconds=min(seconds, window))
    return Review(plan=planned, terms=terms, at_once=at_once, last=last)


def terms_to_send(fields: Mapping[str, str]) -> tuple[MailingFields, bool]:
    """The mailing that the fields make if they are sent now, and whether it starts at once.

    One that starts now starts when SEND_GRACE_SECONDS have passed. Raises ValidationError, and Invalid for a window
    that would be over by then.
    """
    terms = MailingFields(**loaded(MailingBody(), fields))
    check_fields(terms)
    earliest = earliest_start()
    check_end(terms.end_datetime, earliest)
    at_once = terms.start_datetime <= earliest
    return replace(terms, start_datetime=max(terms.start_datetime, earliest)), at_once


def earliest_start() -> datetime:
    """When a mailing that is sent now starts: until then, it can be undone."""
    grace = timedelta(seconds=current_app.config["SEND_GRACE_SECONDS"])
    now: datetime = db.session.scalars(select(NOW)).one()
    return now + grace


def check_end(end: datetime, start: datetime) -> None:
    """Raises Invalid for a window that is over before sending starts."""
    if end <= start:
        raise Invalid("end_datetime", "The end has passed, or will have when sending starts. Choose a later one.")


def check_seen(review: Review, *, audience: str, confirmed: Collection[str]) -> None:
    """Raises Invalid unless what is sent is what was shown: about so many clients, and each warning confirmed."""
    seen = whole_number(audience) or 0
    if review.plan["audience"] > seen * (1 + GROWTH):
        raise Invalid("audience", f"There are {review.plan['audience']} clients now, and {seen} were shown before.")
    if any(warning.code not in confirmed for warning in review.warnings):
        raise Invalid("confirm", "Confirm each warning first.")


def plan_of(values: Mapping[str, Any], existing: Existing | None = None) -> dict[str, Any]:
    """What a mailing, or the change of one, would come to, of whatever is right so far: what is wrong is left out.

    A text that is too long is counted all the same.
    """
    schema = MailingBody(partial=True)
    known = {name: values[name] for name in schema.fields if values.get(name)}
    try:
        fields = loaded(schema, known)
    except ma.ValidationError as error:
        wrong = error.normalized_messages()
        fields = loaded(schema, {name: value for name, value in known.items() if name not in wrong})
    return plan({"text": known.get("text", ""), **fields}, speed=present_speed(), existing=existing)
