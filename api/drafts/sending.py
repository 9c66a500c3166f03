"""Sending a draft: the mailing that it makes, its start, and the check of the review."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flask import current_app

from api.clock import now
from api.http.schemas import load_present
from api.mailings.audience_texts import SHOWN, TextLimits
from api.mailings.estimate import estimate
from api.mailings.rule_defaults import with_default_rules
from api.mailings.schemas import WrittenMailingBody
from api.mailings.texts import template_of
from api.workers.queries import present_speed
from shared.domain.estimates import ADVICE
from shared.domain.mailing_rules import RULES, MailingFields, check_fields
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict, Invalid

GROWTH = 0.01
"""The share by which an audience may have grown since the review, since a directory in use changes constantly."""


def fields_to_send(draft_fields: Mapping[str, str]) -> tuple[MailingFields, bool]:
    """The mailing that the fields make if they are sent now, and whether it starts immediately.

    In that case it starts after SEND_GRACE_SECONDS. Raises ValidationError, and Invalid for a window that would be
    closed by then, and for a text that is no template.
    """
    fields = MailingFields(**with_default_rules(load_present(WrittenMailingBody(), draft_fields)))
    check_fields(fields)
    template_of(fields.text)  # raises Invalid for what is no template
    earliest = earliest_start()
    check_end(fields.end_datetime, earliest)
    at_once = fields.start_datetime <= earliest
    return replace(fields, start_datetime=max(fields.start_datetime, earliest)), at_once


def estimate_to_send(fields: MailingFields, limits: TextLimits = SHOWN) -> dict[str, Any]:
    """The estimate of a mailing that is about to be sent, with its audience counted. Raises TemplateError."""
    audience = ("mark", "segment", "segment_id", "excluded_segment_ids", "exclude_unknown_after")
    names = (*audience, *RULES, "text", "start_datetime", "end_datetime", "route")
    known = {name: getattr(fields, name) for name in names}
    return estimate(known, limits, exact=True, speed=present_speed())


def check_review(estimated: Mapping[str, Any], audience: int | None, confirmed: Collection[str]) -> None:
    """Raises Conflict unless the mailing is as it was reviewed: about that audience, and each warning confirmed.

    Those in ADVICE need no confirmation. An `audience` of None is not checked.
    """
    if audience is not None and estimated["audience"] > audience * (1 + GROWTH):
        raise Conflict("audience", ErrorCode.AUDIENCE_HAS_GROWN, count=estimated["audience"], before=audience)
    if any(warning.code not in {*confirmed, *ADVICE} for warning in estimated["warnings"]):
        raise Conflict("confirm", ErrorCode.WARNINGS_UNCONFIRMED)


def earliest_start() -> datetime:
    """The start of a mailing that is sent now: until then, it can be undone."""
    return now() + timedelta(seconds=current_app.config["SEND_GRACE_SECONDS"])


def check_end(end: datetime, start: datetime) -> None:
    """Raises Invalid for a window that closes before sending starts."""
    if end <= start:
        raise Invalid("end_datetime", ErrorCode.END_HAS_PASSED)
