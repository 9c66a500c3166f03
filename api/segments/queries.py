"""Reads of saved segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from api.extensions import db
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid, NotFound
from shared.schema import Segment

_PRESENT = select(Segment).where(Segment.removed_at.is_(None))

SegmentRow = Segment
"""A saved segment, as the queries and services return it."""


def segments_after(after: int, limit: int) -> Sequence[Segment]:
    """The segments with a greater id that are not removed, in order."""
    return db.session.scalars(_PRESENT.where(Segment.id > after).order_by(Segment.id).limit(limit)).all()


def segment_names(segment_ids: Iterable[int]) -> dict[int, str]:
    """The names of those of these segments that are not removed, by id."""
    ids = [*segment_ids]
    found = select(Segment.id, Segment.name).where(Segment.removed_at.is_(None), Segment.id.in_(ids))
    return {row.id: row.name for row in db.session.execute(found)} if ids else {}


def segment_by_id(segment_id: int) -> Segment:
    """One segment. Raises NotFound, also for a removed one."""
    found = db.session.scalar(_PRESENT.where(Segment.id == segment_id))
    if found is None:
        raise NotFound(ErrorCode.NO_SUCH_SEGMENT, segment=segment_id)
    return found


def saved_segments(segment_ids: Iterable[int], field: str = "segment_id", *, lock: bool = False) -> Sequence[Segment]:
    """The segments with these ids, each once, in their order; `lock` keeps them until the end of the transaction.

    Raises Invalid with the field of a request for an id that no present segment has.
    """
    ids = [*dict.fromkeys(segment_ids)]
    found = _PRESENT.where(Segment.id.in_(ids)).order_by(Segment.id)
    rows = {row.id: row for row in db.session.scalars(found.with_for_update(read=True) if lock else found)}
    for segment_id in ids:
        if segment_id not in rows:
            raise Invalid(field, ErrorCode.NO_SUCH_SEGMENT, segment=segment_id)
    return [rows[segment_id] for segment_id in ids]
