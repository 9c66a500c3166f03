"""The bases of all schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from operator import attrgetter
from typing import Any

import marshmallow as ma

from api.http.fields import Instant, written
from api.http.response_fields import string
from shared.domain.sentences import ErrorCode

Write = Callable[[Any], Any]


class ResponseSchema(ma.Schema):
    """The schema of a response. Later versions may add fields: clients must ignore unknown ones."""

    class Meta:
        """In OpenAPI's terms: additional properties are not forbidden."""

        unknown = ma.EXCLUDE

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """Like marshmallow's, but only for an object or a dict that has every field, and faster.

        marshmallow looks up each field of each object, which took half of the time of a page of 100 mailings.
        """
        if self.many if many is None else many:
            return [self._dump_one(item) for item in obj]
        return self._dump_one(obj)

    def _dump_one(self, obj: Any) -> dict[str, Any]:
        get = obj.__getitem__ if type(obj) is dict else partial(getattr, obj)
        return {
            name: None if (value := get(attribute)) is None else write(value) for name, attribute, write in self._fields
        }

    @cached_property
    def _fields(self) -> list[tuple[str, str, Write]]:
        return [
            (field.data_key or name, field.attribute or name, _writer(name, field))
            for name, field in self.dump_fields.items()
        ]


class WarningSchema(ResponseSchema):
    """Something that is allowed, but probably not intended."""

    code = string("A code, for programs.", "nobody_matches")
    message = string("A sentence, for people.", "No client has its mark as operator code or as tag.")


class RequestSchema(ma.Schema):
    """The schema of a request's body. Unknown fields are rejected, so that a misspelt one is noticed."""

    class Meta:
        """In OpenAPI's terms: additional properties are forbidden."""

        unknown = ma.RAISE

    error_messages = {"type": ErrorCode.NOT_A_JSON_OBJECT()}


def _writer(name: str, field: ma.fields.Field[Any]) -> Write:
    """The serialiser of a field's values other than None."""
    if isinstance(field, ma.fields.Nested):
        return partial(field.schema.dump, many=field.many)
    if isinstance(field, ma.fields.List):
        inner = _writer(name, field.inner)
        return lambda values: [inner(value) for value in values]
    if isinstance(field, ma.fields.Integer):
        return int
    if type(field)._serialize is Instant._serialize:
        return written
    if isinstance(field, ma.fields.Enum) and type(field.field) is ma.fields.String:
        return attrgetter("_value_")  # `value` is a property in Python, and slower
    if type(field)._serialize is ma.fields.String._serialize:
        return str
    return lambda value: field._serialize(value, name, None)


def load_present(schema: ma.Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """Loads the schema's fields that are present in the values; None counts as absent. Raises ValidationError."""
    fields: dict[str, Any] = schema.load({name: values[name] for name in schema.fields if values.get(name) is not None})
    return fields
