"""The segments of a mailing: its audience, and whom it leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.mailings.audience_count import Recipients
from api.segments.checks import check_text, segment_tree, usable_segments
from shared.domain.mailing_rules import MailingFields
from shared.domain.segments.tree_json import from_json


def check_segments(fields: MailingFields) -> None:
    """Raises Invalid for a saved segment that is not there or can't be used. The others can't be removed before the
    transaction ends, and then their removal finds the mailing."""
    if fields.segment_id is not None:
        usable_segments([fields.segment_id], lock=True)
    usable_segments(fields.excluded_segment_ids, "excluded_segment_ids", lock=True)


def recipients_of(fields: Mapping[str, Any]) -> Recipients:
    """Whom a mailing with these fields would be sent to; any may be absent. Raises SegmentError and Invalid."""
    segment, segment_id = fields.get("segment"), fields.get("segment_id")
    tree = None if segment is None else check_text(segment).node
    if segment_id is not None:
        (saved,) = usable_segments([segment_id])
        tree = from_json(saved.tree)
    left_out = usable_segments(fields.get("excluded_segment_ids", ()), "excluded_segment_ids")
    excluded = tuple((one.id, from_json(one.tree)) for one in left_out)
    mark = fields.get("mark", "")
    # What is left out matters once there is somebody.
    return Recipients(mark, fields.get("exclude_unknown_after"), tree, excluded if mark or tree is not None else ())


def tree_of(text: str | None) -> dict[str, Any] | None:
    """The syntax tree of a mailing's own segment as JSON; None for none. Raises SegmentError with the column."""
    return None if text is None else segment_tree(text)
