"""The fields of clients beyond those of the specification, as JSON."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.http.fields import NO_NUL, NOT_BLANK, Label, PlainText, ShapedField
from shared.domain.client_fields import MAX_FIELDS
from shared.domain.client_rules import MAX_EXTERNAL_ID, MAX_LABEL, MAX_TAGS
from shared.domain.sentences import ErrorCode

_LABEL = Label()


class ExternalId(ShapedField[str], PlainText):
    """The id of a client in another system, without blanks at its ends."""

    shape = {"minLength": 1, "maxLength": MAX_EXTERNAL_ID, "pattern": NOT_BLANK}
    default_error_messages = {"blank": ErrorCode.BLANK()}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        if not text:
            raise self.make_error("blank")
        if len(text) > MAX_EXTERNAL_ID:
            excess = len(text) - MAX_EXTERNAL_ID
            raise ma.ValidationError(ErrorCode.TOO_LONG(length=len(text), excess=excess, limit=MAX_EXTERNAL_ID))
        return text


class Labels(ShapedField[list[str]]):
    """Tags in normal form, each once, in order. One error for the field, not one for each tag."""

    shape = {"type": "array", "items": {"type": "string", "pattern": NO_NUL}}
    default_error_messages = {"invalid": ErrorCode.NOT_A_LIST_OF_TEXTS()}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
            raise self.make_error("invalid")
        tags = sorted({str(_LABEL.deserialize(tag)) for tag in value} - {""})
        longest = max(map(len, tags), default=0)
        if longest > MAX_LABEL:
            raise ma.ValidationError(ErrorCode.TOO_LONG(length=longest, excess=longest - MAX_LABEL, limit=MAX_LABEL))
        if len(tags) > MAX_TAGS:
            raise ma.ValidationError(ErrorCode.TOO_MANY_TAGS(count=len(tags), limit=MAX_TAGS))
        return tags


class Attributes(ShapedField[dict[str, Any]]):
    """Values of declared fields by their names. Only its shape is checked: services.py knows the fields."""

    shape = {"type": "object", "additionalProperties": True}
    default_error_messages = {"invalid": ErrorCode.NOT_AN_OBJECT_OF_VALUES()}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > MAX_FIELDS:
            raise self.make_error("invalid")
        return value
