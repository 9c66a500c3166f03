"""Writes of saved segments."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, literal, or_, select

from api.audit.recorder import name_object, nothing_changed, record_changes
from api.clock import CLOCK
from api.database import execute
from api.extensions import db
from api.mailing_history import add_history_entry
from api.principal import actor_of_caller
from api.segments.checks import Checked
from shared.domain.sentences import ErrorCode, EventDetail
from shared.errors import Conflict, NotFound
from shared.schema import Mailing, Segment
from shared.sql import mailings

FIELDS = ("name", "text")


def lock_segment(segment_id: int) -> Segment:
    """The segment, locked against all other writers and against new mailings, and the mailings whose approval depends
    on it. Raises NotFound.
    """
    _lock_uses(segment_id)
    segment = db.session.get(Segment, segment_id, with_for_update=True, populate_existing=True)
    if segment is None or segment.removed_at is not None:
        raise NotFound(ErrorCode.NO_SUCH_SEGMENT, segment=segment_id)
    return segment


def add_segment(name: str, checked: Checked) -> Segment:
    """Adds a segment. Raises IntegrityError for a name in use."""
    segment = Segment(name=name, text=checked.text, tree=checked.tree)
    db.session.add(segment)
    db.session.flush()
    name_object("segment", segment.id, name=name)
    return segment


def change_segment(segment: Segment, name: str | None, checked: Checked | None) -> None:
    """Changes a locked segment; None leaves a field as it is. Mailings that are launched later use the new version.

    A change of its conditions changes whom they are sent to, so it takes their approvals back. Raises IntegrityError
    for a name in use.
    """
    before = _for_audit(segment)
    if name is not None:
        segment.name = name
    selects_others = checked is not None and checked.tree != segment.tree
    if checked is not None:
        segment.text, segment.tree = checked.text, checked.tree
    after = _for_audit(segment)
    if after == before:
        nothing_changed()
        return
    record_changes(before, after)
    segment.updated_at = CLOCK
    db.session.flush()
    if selects_others:
        _take_approvals_back(segment)


def remove_segment(segment: Segment) -> None:
    """Removes a locked segment. Raises Conflict while a mailing that has not been launched uses it."""
    uses = or_(Mailing.segment_id == segment.id, literal(segment.id) == func.any(Mailing.excluded_segment_ids))
    waits = Mailing.audience_frozen_at.is_(None), Mailing.ended_at.is_(None)
    mailing_id = db.session.scalar(select(Mailing.id).where(uses, *waits).order_by(Mailing.id).limit(1))
    if mailing_id is not None:
        raise Conflict("name", ErrorCode.SEGMENT_IS_IN_USE, mailing=mailing_id)
    segment.removed_at = CLOCK
    db.session.flush()


def _for_audit(segment: Segment) -> dict[str, Any]:
    return {name: getattr(segment, name) for name in FIELDS}


def _lock_uses(segment_id: int) -> list[int]:
    return [row.id for row in execute(mailings.LOCK_USES_OF_SEGMENT, {"segment_id": segment_id})]


def _take_approvals_back(segment: Segment) -> None:
    # Asked for again: one may have been added while this transaction waited for the segment.
    given = {"ids": _lock_uses(segment.id), "actor": actor_of_caller()}
    for row in execute(mailings.TAKE_APPROVALS_BACK, given).all():
        if row.was_approved:
            add_history_entry(row.id, "unapprove", EventDetail.SEGMENT_CHANGED(segment=segment.name))
            if row.was_running:
                add_history_entry(row.id, "pause", EventDetail.APPROVAL_TAKEN_BACK())
