"""The rules of approval: a mailing that requires it does not run before a second person has approved it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared.domain.mailing_rules import ENDED, Mailing
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict


class ApprovedMailing(Mailing, Protocol):
    """What the rules read of a mailing: a row of its table has it (shared/schema/mailings.py)."""

    @property
    def created_by(self) -> str | None: ...
    @property
    def edited_by(self) -> str | None: ...


def check_is_approved(mailing: ApprovedMailing) -> None:
    """Raises Conflict for a mailing that must not run, since nobody has approved it."""
    if mailing.requires_approval and mailing.approved_at is None:
        raise Conflict("approved_at", ErrorCode.AWAITS_APPROVAL, mailing=mailing.id)


def check_approval(mailing: ApprovedMailing, actor: str, now: datetime) -> None:
    """Raises Conflict unless that person may approve it now: who has neither created nor last changed it.

    `actor` is an identity that never changes (`Principal.actor`), so a new name does not make a second person.
    """
    if not mailing.requires_approval:
        raise Conflict("status", ErrorCode.NEEDS_NO_APPROVAL, mailing=mailing.id)
    if mailing.status in ENDED:
        raise Conflict("status", ErrorCode.MAILING_IS_OVER, mailing=mailing.id, status=mailing.status.value)
    if mailing.approved_at is not None:
        raise Conflict("approved_at", ErrorCode.ALREADY_APPROVED, mailing=mailing.id)
    if mailing.end_datetime <= now:
        raise Conflict("end_datetime", ErrorCode.WINDOW_CLOSED, mailing=mailing.id)
    if actor == mailing.edited_by:
        raise Conflict("approved_by", ErrorCode.APPROVED_BY_ITS_EDITOR, mailing=mailing.id)
    if actor == mailing.created_by:
        raise Conflict("approved_by", ErrorCode.APPROVED_BY_ITS_AUTHOR, mailing=mailing.id)
