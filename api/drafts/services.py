"""Writes of drafts: adding, changing, removing and sending them, and undoing a sending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, func, select

from api.audit.recorder import name_object, nothing_changed, record_changes
from api.clock import CLOCK
from api.drafts.queries import select_versions
from api.extensions import db
from api.http.fields import rfc_3339
from api.mailings.plans import store_plan
from api.mailings.services import add_mailing, lock_mailing, remove_mailing
from api.mailings.written_rules import written_rules
from api.principal import current_principal
from shared.domain.mailing_rules import MailingFields
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MailingStatus
from shared.errors import Conflict, NotFound
from shared.schema import MailingDraft, MailingDraftVersion

VERSIONS = 50
"""Earlier versions that are kept of a draft."""


def lock_draft(draft_id: int) -> MailingDraft:
    """The draft, locked against all other writers until the end of the transaction. Raises NotFound."""
    draft = db.session.get(MailingDraft, draft_id, with_for_update=True, populate_existing=True)
    if draft is None:
        raise NotFound(ErrorCode.NO_SUCH_DRAFT, draft=draft_id)
    return draft


def add_draft(fields: Mapping[str, str]) -> int:
    """Adds a draft with the given fields, and returns its id."""
    author = current_principal()
    draft = MailingDraft(fields=dict(fields), created_by=author.actor, created_by_name=author.name)
    db.session.add(draft)
    db.session.flush()
    name_object("draft", draft.id)
    return draft.id


def check_unsent(draft: MailingDraft) -> None:
    """Raises Conflict for a draft that was sent."""
    if draft.mailing_id is not None:
        raise Conflict("status", ErrorCode.DRAFT_IS_SENT, draft=draft.id, mailing=draft.mailing_id)


def change_draft(draft: MailingDraft, fields: Mapping[str, str]) -> None:
    """Changes a locked draft. Raises Conflict for one that was sent."""
    check_unsent(draft)
    if fields == draft.fields:
        nothing_changed()
        return
    names = {**draft.fields, **fields}
    record_changes({name: draft.fields.get(name, "") for name in names}, {name: fields.get(name, "") for name in names})
    _keep_version(draft)
    draft.fields = dict(fields)
    draft.updated_at, draft.updated_by_name = func.now(), current_principal().name
    db.session.flush()


def remove_draft(draft: MailingDraft) -> None:
    """Deletes a locked draft. Raises Conflict for one that was sent."""
    check_unsent(draft)
    db.session.delete(draft)
    db.session.flush()


def send_draft(draft: MailingDraft, fields: MailingFields, estimated: Mapping[str, Any]) -> int:
    """Adds the mailing that a locked draft has become, and returns its id. Raises Invalid, and Conflict.

    `estimated` is its estimate, which is stored as its plan.
    """
    check_unsent(draft)
    draft.mailing_id = add_mailing(fields)
    audience, is_exact = estimated["audience"], estimated["audience_is_exact"]
    store_plan(draft.mailing_id, audience, estimated["text_plan"], is_exact=is_exact)
    draft.fields = {}
    db.session.flush()
    return draft.mailing_id


def undo_sending(mailing_id: int) -> int:
    """Makes a mailing that has not started a draft again, and returns the draft's id. Raises NotFound and Conflict."""
    mailing, fields = lock_mailing(mailing_id)
    if mailing.launch_began or mailing.status not in (MailingStatus.SCHEDULED, MailingStatus.PAUSED):
        raise Conflict("status", ErrorCode.TOO_LATE_TO_UNDO, mailing=mailing_id, status=mailing.status.value)
    draft = db.session.scalar(select(MailingDraft).where(MailingDraft.mailing_id == mailing_id).with_for_update())
    if draft is None:
        draft_id = add_draft(fields_of(fields))
    else:
        draft.fields, draft.mailing_id = fields_of(fields), None
        draft.updated_at, draft.updated_by_name = CLOCK, current_principal().name
        db.session.flush()
        draft_id = draft.id
    remove_mailing(mailing)
    name_object("mailing", mailing_id, draft=draft_id)
    return draft_id


def fields_of(fields: MailingFields) -> dict[str, str]:
    """A mailing's fields as a draft holds them."""
    given = {
        "mark": fields.mark or None,
        "segment": fields.segment,
        "segment_id": fields.segment_id,
        "excluded_segment_ids": ", ".join(map(str, fields.excluded_segment_ids)) or None,
        "route": fields.route,
        "exclude_unknown_after": fields.exclude_unknown_after,
    }
    return {
        "text": fields.text,
        "start_datetime": rfc_3339(fields.start_datetime, "auto"),
        "end_datetime": rfc_3339(fields.end_datetime, "auto"),
        "on_unknown": fields.on_unknown.value,
        **{name: text for name, text in written_rules(asdict(fields)).items() if text},
        **{name: str(value) for name, value in given.items() if value is not None},
    }


def _keep_version(draft: MailingDraft) -> None:
    """Adds the present content of a locked draft as a version, and deletes all but the latest VERSIONS."""
    before = {"fields": draft.fields, "written_at": draft.updated_at, "written_by_name": draft.written_by_name}
    db.session.add(MailingDraftVersion(draft_id=draft.id, **before))
    db.session.flush()
    over = select_versions(draft).with_only_columns(MailingDraftVersion.id).offset(VERSIONS)
    db.session.execute(
        delete(MailingDraftVersion)
        .where(MailingDraftVersion.id.in_(over.scalar_subquery()))
        .execution_options(synchronize_session=False)
    )
