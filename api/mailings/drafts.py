"""Drafts: mailings that are being written, and what becomes of one when it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Select, delete, func, select

from api.audit.recorder import name_object, nothing_changed, record_changes
from api.extensions import db
from api.http.fields import rfc_3339
from api.mailings.queries import NOW, add_mailing, lock_mailing, remove_mailing
from api.principal import current_principal
from shared.domain.mailing_rules import MailingFields
from shared.domain.statuses import MailingStatus
from shared.errors import Conflict, NotFound
from shared.schema import MailingDraft, MailingDraftVersion

VERSIONS = 50
"""Earlier versions that are kept of a draft."""


def unsent_drafts(limit: int) -> tuple[Sequence[MailingDraft], int]:
    """The latest drafts that were not sent, and how many there are in all."""
    unsent = MailingDraft.mailing_id.is_(None)
    found = db.session.scalars(select(MailingDraft).where(unsent).order_by(MailingDraft.id.desc()).limit(limit)).all()
    return found, db.session.scalars(select(func.count()).select_from(MailingDraft).where(unsent)).one()


def draft_by_id(draft_id: int) -> MailingDraft:
    """The draft, sent or not. Raises NotFound."""
    return _found(db.session.get(MailingDraft, draft_id), draft_id)


def lock_draft(draft_id: int) -> MailingDraft:
    """The draft, kept from everybody else until the end of the transaction. Raises NotFound."""
    return _found(db.session.get(MailingDraft, draft_id, with_for_update=True, populate_existing=True), draft_id)


def add_draft(fields: Mapping[str, str]) -> int:
    """Adds a draft of whatever fields there are, and answers its id."""
    who = current_principal()
    draft = MailingDraft(fields=dict(fields), created_by=who.actor, created_by_name=who.name)
    db.session.add(draft)
    db.session.flush()
    name_object("draft", draft.id)
    return draft.id


def change_draft(draft: MailingDraft, fields: Mapping[str, str]) -> None:
    """Changes a locked draft. Raises Conflict for one that was sent."""
    _check_unsent(draft)
    if fields == draft.fields:
        nothing_changed()
        return
    record_changes({name: draft.fields.get(name, "") for name in fields}, fields)
    _keep_version(draft)
    draft.fields = dict(fields)
    draft.updated_at, draft.updated_by_name = func.now(), current_principal().name
    db.session.flush()


def versions_of(draft: MailingDraft) -> Sequence[MailingDraftVersion]:
    """What stood in the draft before, the latest first."""
    return db.session.scalars(_versions(draft)).all()


def remove_draft(draft: MailingDraft) -> None:
    """Deletes a locked draft. Raises Conflict for one that was sent."""
    _check_unsent(draft)
    db.session.delete(draft)
    db.session.flush()


def send_draft(draft: MailingDraft, terms: MailingFields) -> int:
    """Adds the mailing that a locked draft has become, and answers its id. Raises Invalid, and Conflict."""
    _check_unsent(draft)
    draft.mailing_id = add_mailing(terms)
    draft.fields = {}
    db.session.flush()
    return draft.mailing_id


def take_back(mailing_id: int) -> int:
    """Makes a mailing that has not started a draft again, and answers the draft's id. Raises NotFound and Conflict."""
    mailing, terms = lock_mailing(mailing_id)
    if mailing.launch_began or mailing.status not in (MailingStatus.SCHEDULED, MailingStatus.PAUSED):
        raise Conflict(
            "status", f"Mailing {mailing_id} is {mailing.status.value}: it is too late to make it a draft again."
        )
    draft = db.session.scalar(select(MailingDraft).where(MailingDraft.mailing_id == mailing_id).with_for_update())
    if draft is None:
        draft_id = add_draft(fields_of(terms))
    else:
        draft.fields, draft.mailing_id = fields_of(terms), None
        draft.updated_at, draft.updated_by_name = NOW, current_principal().name
        db.session.flush()
        draft_id = draft.id
    remove_mailing(mailing)
    name_object("mailing", mailing_id, draft=draft_id)
    return draft_id


def fields_of(terms: MailingFields) -> dict[str, str]:
    """A mailing's terms as a draft keeps them."""
    return {
        "text": terms.text,
        "mark": terms.mark,
        "start_datetime": rfc_3339(terms.start_datetime, "auto"),
        "end_datetime": rfc_3339(terms.end_datetime, "auto"),
        "on_unknown": terms.on_unknown.value,
    }


def _keep_version(draft: MailingDraft) -> None:
    """Keeps what stands in a locked draft, and no more than VERSIONS of what stood in it before."""
    before = {"fields": draft.fields, "written_at": draft.updated_at, "written_by_name": draft.written_by_name}
    db.session.add(MailingDraftVersion(draft_id=draft.id, **before))
    db.session.flush()
    over = _versions(draft).with_only_columns(MailingDraftVersion.id).offset(VERSIONS)
    db.session.execute(
        delete(MailingDraftVersion)
        .where(MailingDraftVersion.id.in_(over.scalar_subquery()))
        .execution_options(synchronize_session=False)
    )


def _versions(draft: MailingDraft) -> Select[MailingDraftVersion]:
    of_draft = MailingDraftVersion.draft_id == draft.id
    return select(MailingDraftVersion).where(of_draft).order_by(MailingDraftVersion.id.desc())


def _check_unsent(draft: MailingDraft) -> None:
    if draft.mailing_id is not None:
        raise Conflict("status", f"Draft {draft.id} has been sent already: it is mailing {draft.mailing_id}.")


def _found(draft: MailingDraft | None, draft_id: int) -> MailingDraft:
    if draft is None:
        raise NotFound("draft", draft_id)
    return draft
