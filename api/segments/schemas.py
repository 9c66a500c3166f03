"""Segments as JSON."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.clients.schemas import ClientSchema
from api.http.fields import MAX_ID, NO_NUL, NOT_BLANK, Label, PlainText, ShapedField
from api.http.response_fields import boolean, instant, int64, objects, string
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.segments.parser import MAX_LENGTH
from shared.domain.sentences import ErrorCode

MAX_NAME = 100
MAX_EXCLUDED = 20
"""Segments that one audience leaves out."""

TREE_EXAMPLE = {"field": "name", "operator": "=", "value": "Anna"}


class Tree(ShapedField[Any]):
    """The syntax tree of a segment. It is read in api/segments/checks.py, which knows the fields of clients."""

    shape = {"type": "object", "additionalProperties": True}
    default_error_messages = {"invalid": ErrorCode.SEGMENT_NOT_A_NODE()}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        return value


class SegmentIds(ShapedField[list[int]]):
    """Ids of saved segments. It has one error, not one for each id."""

    shape = {
        "type": "array",
        "items": {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID},
        "maxItems": MAX_EXCLUDED,
    }
    default_error_messages = {"invalid": ErrorCode.NOT_SEGMENT_IDS(limit=MAX_EXCLUDED)}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[int]:
        if not isinstance(value, list) or len(value) > MAX_EXCLUDED:
            raise self.make_error("invalid")
        if not all(type(one) is int and 1 <= one <= MAX_ID for one in value):
            raise self.make_error("invalid")
        return [*dict.fromkeys(value)]


def segment_text(**options: Any) -> PlainText:
    """A segment as a text."""
    description = "In the language of segments (docs/segments.md)."
    example = 'name = "Anna"'
    metadata = {"description": description, "maxLength": MAX_LENGTH, "pattern": NO_NUL, "example": example}
    return PlainText(metadata=metadata, **options)


def segment_tree(**options: Any) -> Tree:
    """A segment as a tree."""
    return Tree(metadata={"description": "The same as a syntax tree.", "example": TREE_EXAMPLE}, **options)


class SegmentFieldsSchema(ma.Schema):
    """The fields of a segment that a caller sets."""

    name = Label(
        required=True,
        validate=[validate.Length(min=1, error=ErrorCode.BLANK()), MaxLength(MAX_NAME)],
        metadata={"description": "Its name.", "pattern": NOT_BLANK, "example": "London"},
    )
    text = segment_text(required=True)
    tree = segment_tree(required=True)


class SegmentSchema(ResponseSchema, SegmentFieldsSchema):
    """A saved segment."""

    id = int64("Permanent id.", 1)
    created_at = instant("When it was added.", "2022-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed by a person.", "2022-06-01T09:00:00.000Z")


class SegmentBody(RequestSchema, SegmentFieldsSchema):
    """A segment to add: its name, and either its text or its tree."""

    def __init__(self) -> None:
        super().__init__(partial=("text", "tree"))


class SegmentChangeBody(RequestSchema, SegmentFieldsSchema):
    """Changes of a segment. What is left out stays as it is."""

    def __init__(self) -> None:
        super().__init__(partial=True)


class SegmentCountBody(RequestSchema):
    """A segment to count: one of text, tree and the id of a saved one."""

    segment = segment_text()
    tree = segment_tree()
    segment_id = ma.fields.Integer(
        strict=True,
        validate=validate.Range(1, MAX_ID),
        metadata={"format": "int64", "description": "A saved segment."},
    )
    excluded_segment_ids = SegmentIds(
        load_default=list,
        metadata={"description": "Saved segments whose clients are left out.", "example": []},
    )


class LeftOutSchema(ResponseSchema):
    """What an excluded segment leaves out."""

    segment_id = int64("The segment.", 2)
    name = string("Its name.", "Asked for silence")
    clients = int64("Clients of the audience who are in it, also if another segment leaves them out, too.", 3)


class SegmentClientsSchema(ResponseSchema):
    """The clients of a segment now."""

    count = int64("Clients who are in no excluded segment.", 100, attribute="clients")
    is_exact = boolean(
        "Whether all numbers were counted. What takes longer than `SEGMENT_TIMEOUT` is estimated from a random sample "
        "of all clients.",
        True,
    )
    sample = objects(ClientSchema, "A few of them, in order of ids.")
    excluded = objects(LeftOutSchema, "What each excluded segment leaves out.")
    text = string("The segment as a text.", 'name = "Anna"')
    tree = segment_tree(required=True)
