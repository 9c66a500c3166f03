"""Reads of drafts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, select

from api.extensions import db
from shared.domain.sentences import ErrorCode
from shared.errors import NotFound
from shared.schema import MailingDraft, MailingDraftVersion

Draft = MailingDraft
"""A draft, as the queries and services return it."""


def unsent_drafts(limit: int) -> tuple[Sequence[MailingDraft], int]:
    """The latest drafts that were not sent, and the number of all of them."""
    unsent = MailingDraft.mailing_id.is_(None)
    found = db.session.scalars(select(MailingDraft).where(unsent).order_by(MailingDraft.id.desc()).limit(limit)).all()
    return found, db.session.scalars(select(func.count()).select_from(MailingDraft).where(unsent)).one()


def drafts_after(after: int, limit: int) -> Sequence[MailingDraft]:
    """The drafts with a greater id that were not sent, in order."""
    unsent = select(MailingDraft).where(MailingDraft.mailing_id.is_(None), MailingDraft.id > after)
    return db.session.scalars(unsent.order_by(MailingDraft.id).limit(limit)).all()


def draft_by_id(draft_id: int) -> MailingDraft:
    """The draft, sent or not. Raises NotFound."""
    draft = db.session.get(MailingDraft, draft_id)
    if draft is None:
        raise NotFound(ErrorCode.NO_SUCH_DRAFT, draft=draft_id)
    return draft


def versions_of(draft: MailingDraft) -> Sequence[MailingDraftVersion]:
    """The earlier versions of the draft, the latest first."""
    return db.session.scalars(select_versions(draft)).all()


def versions_after(draft: MailingDraft, after: int, limit: int) -> Sequence[MailingDraftVersion]:
    """The earlier versions of the draft with a greater id, in order."""
    found = select(MailingDraftVersion).where(MailingDraftVersion.draft_id == draft.id, MailingDraftVersion.id > after)
    return db.session.scalars(found.order_by(MailingDraftVersion.id).limit(limit)).all()


def select_versions(draft: MailingDraft) -> Select[MailingDraftVersion]:
    """Selects the earlier versions of the draft, the latest first."""
    of_draft = MailingDraftVersion.draft_id == draft.id
    return select(MailingDraftVersion).where(of_draft).order_by(MailingDraftVersion.id.desc())
