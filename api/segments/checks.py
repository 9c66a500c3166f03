"""Segments that a caller writes, as a text or as a tree: they are read, and what they refer to exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import select

from api.client_fields.queries import fields_of_clients, keep_fields
from api.extensions import db
from api.segments.queries import SegmentRow, saved_segments
from shared.domain.segments.errors import SegmentError
from shared.domain.segments.parser import MAX_LENGTH, read, to_text
from shared.domain.segments.tree import Condition, Happened, Node, Operator, conditions_of, fields_of
from shared.domain.segments.tree_json import from_json, to_json
from shared.domain.segments.typing import typed
from shared.domain.sentences import ErrorCode, Sentence
from shared.errors import Invalid
from shared.schema import Mailing, NumberList

Referred = tuple[Literal["mailing", "list"], int]


class Checked(NamedTuple):
    """A segment that suits the fields of clients."""

    text: str
    node: Node

    @property
    def tree(self) -> dict[str, Any]:
        """The tree as JSON."""
        return to_json(self.node)


def check_text(text: str, field: str = "segment") -> Checked:
    """Reads a text. Raises SegmentError with the field of a request and the column."""
    try:
        node, references = read(text, fields_of_clients())
    except SegmentError as error:
        raise error.of_field(field) from None
    missing = _missing({(reference.kind, reference.id) for reference in references})
    for reference in references:
        if fault := missing.get((reference.kind, reference.id)):
            raise SegmentError(fault, column=reference.column, field=field)
    return Checked(text, node)


def check_tree(tree: object, field: str = "tree") -> Checked:
    """Reads a tree in JSON, and writes its text. Raises SegmentError with the field of a request and the node."""
    try:
        node = typed(from_json(tree), fields_of_clients())
    except SegmentError as error:
        raise error.of_field(field) from None
    for fault in _missing(_references(node)).values():
        raise SegmentError(fault, field=field)
    text = to_text(node)
    if len(text) > MAX_LENGTH:
        raise SegmentError(ErrorCode.SEGMENT_TOO_LONG(limit=MAX_LENGTH), field=field)
    return Checked(text, node)


def check_body(fields: Mapping[str, Any]) -> Checked:
    """The segment of a body that has a `text`, or a `tree`, or both as they are answered, for callers that save it.

    Raises Invalid, also if they differ.
    """
    checked = _text_or_tree(fields, "text")
    keep_fields(fields_of(checked.node), "text" if "text" in fields else "tree")
    return checked


def check_choice(fields: Mapping[str, Any]) -> Checked:
    """The segment of a body that has a `segment`, a `tree`, or the `segment_id` of a saved one. Raises Invalid."""
    if "segment_id" not in fields:
        return _text_or_tree(fields, "segment")
    if {"segment", "tree"} & fields.keys():
        raise Invalid("segment_id", ErrorCode.SEGMENT_TEXT_OR_TREE, choices="segment, tree, segment_id")
    (saved,) = usable_segments([fields["segment_id"]])
    return Checked(saved.text, from_json(saved.tree))


def usable_segments(
    segment_ids: Iterable[int], field: str = "segment_id", *, lock: bool = False
) -> Sequence[SegmentRow]:
    """The same as saved_segments; also raises SegmentError for one that names a mailing whose messages are gone since.

    It would not have those who received them, and leave nobody of them out.
    """
    rows = saved_segments(segment_ids, field, lock=lock)
    for row in rows:
        for fault in _missing(_references(from_json(row.tree))).values():
            raise SegmentError(fault, field=field)
    return rows


def _text_or_tree(fields: Mapping[str, Any], text: str) -> Checked:
    """The segment of a body that has a text, in the field `text`, or a `tree`, or both of the same meaning."""
    if text not in fields:
        if "tree" not in fields:
            raise Invalid(text, ErrorCode.SEGMENT_TEXT_OR_TREE, choices=f"{text}, tree")
        return check_tree(fields["tree"])
    checked = check_text(fields[text], text)
    if "tree" in fields and check_tree(fields["tree"]).node != checked.node:
        raise Invalid("tree", ErrorCode.SEGMENT_TEXT_OR_TREE, choices=f"{text}, tree")
    return checked


def segment_tree(text: str, field: str = "segment") -> dict[str, Any]:
    """The tree of a text as JSON, for callers that store it.

    Raises Invalid with the field of a request, and SegmentError also with the column.
    """
    checked = check_text(text, field)
    keep_fields(fields_of(checked.node), field)
    return checked.tree


def _references(node: Node) -> set[Referred]:
    found: set[Referred] = set()
    for condition in conditions_of(node):
        match condition:
            case Happened(_, int(mailing_id)):
                found.add(("mailing", mailing_id))
            case Condition(_, Operator.IN_LIST, int(list_id)):
                found.add(("list", list_id))
    return found


def _missing(references: Iterable[Referred]) -> dict[Referred, Sentence]:
    """What is wrong with a reference: there is no such thing, or its messages are gone."""
    references = [*references]
    mailings = _purged_by_id({id_ for kind, id_ in references if kind == "mailing"})
    lists = _list_ids({id_ for kind, id_ in references if kind == "list"})
    faults: dict[Referred, Sentence] = {}
    for kind, id_ in references:
        if kind == "list" and id_ not in lists:
            faults[kind, id_] = ErrorCode.NO_SUCH_NUMBER_LIST(list=id_)
        elif kind == "mailing" and id_ not in mailings:
            faults[kind, id_] = ErrorCode.NO_SUCH_MAILING(mailing=id_)
        elif kind == "mailing" and mailings[id_]:
            faults[kind, id_] = ErrorCode.SEGMENT_LEDGER_REMOVED(mailing=id_)
    return faults


def _purged_by_id(ids: set[int]) -> dict[int, bool]:
    if not ids:
        return {}
    found = select(Mailing.id, Mailing.purge_started_at.is_not(None).label("is_purged")).where(Mailing.id.in_(ids))
    return {row.id: row.is_purged for row in db.session.execute(found)}


def _list_ids(ids: set[int]) -> set[int]:
    if not ids:
        return set()
    # Locked, so that none is deleted before a segment that names it is saved.
    complete = NumberList.id.in_(ids), NumberList.is_complete
    found = select(NumberList.id).where(*complete).order_by(NumberList.id).with_for_update(read=True)
    return {*db.session.scalars(found)}
