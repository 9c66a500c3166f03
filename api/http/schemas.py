"""The bases of all schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from json.encoder import encode_basestring
from typing import Any

import marshmallow as ma
from flask.json.provider import DefaultJSONProvider

from api.http.fields import Ids, Instant, ObjectOrNull, written
from api.http.response_fields import string
from shared.domain.sentences import ErrorCode

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=DefaultJSONProvider.default).encode

Write = Callable[[Any], str]
"""Writes a value other than None as JSON."""


class ResponseSchema(ma.Schema):
    """The schema of a response. Later versions may add fields: clients must ignore unknown ones."""

    class Meta:
        """In OpenAPI's terms: additional properties are not forbidden."""

        unknown = ma.EXCLUDE

    def dumps(self, obj: Any, *_: Any, many: bool | None = None, **__: Any) -> str:
        """The JSON of an object or a dict that has every field, without spaces.

        marshmallow looks up each field of each object, and makes dicts, of which the JSON is made then: that took half
        of the time of a page of 100 mailings.
        """
        if self.many if many is None else many:
            return f"[{','.join(map(self._dumps_one, obj))}]"
        return self._dumps_one(obj)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """What `dumps` writes, as dicts and lists."""
        return json.loads(self.dumps(obj, many=many))

    def _dumps_one(self, obj: Any) -> str:
        values = tuple(map(obj.__getitem__ if type(obj) is dict else partial(getattr, obj), self._attributes))
        if self._has_only_numbers:
            return self._form % values
        return self._form % tuple(
            ["null" if value is None else write(value) for write, value in zip(self._writers, values, strict=True)]
        )

    @cached_property
    def _form(self) -> str:
        """The JSON of an object, with a place for each value."""
        place = "%d" if self._has_only_numbers else "%s"
        names = [field.data_key or name for name, field in self.dump_fields.items()]
        return f"{{{','.join(f'{encode_basestring(name)}:{place}' for name in names)}}}"

    @cached_property
    def _has_only_numbers(self) -> bool:
        """Whether every field is a whole number, and none is null."""
        return all(isinstance(field, ma.fields.Integer) and not field.allow_none for field in self.dump_fields.values())

    @cached_property
    def _attributes(self) -> list[str]:
        return [field.attribute or name for name, field in self.dump_fields.items()]

    @cached_property
    def _writers(self) -> list[Write]:
        return [_writer(name, field) for name, field in self.dump_fields.items()]


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
    """What writes a field's values other than None."""
    if isinstance(field, (ma.fields.Nested, ObjectOrNull)):
        return partial(field.schema.dumps, many=getattr(field, "many", False))
    if isinstance(field, ma.fields.List):
        inner = _writer(name, field.inner)
        return lambda values: f"[{','.join(map(inner, values))}]"
    if isinstance(field, ma.fields.Integer):
        return "%d".__mod__
    if isinstance(field, Ids):
        return lambda ids: f"[{','.join(map(str, ids))}]"
    if isinstance(field, ma.fields.Boolean):
        return lambda value: "true" if value else "false"
    if isinstance(field, ma.fields.Enum) and type(field.field) is ma.fields.String:
        return lambda member: encode_basestring(str(getattr(member, "_value_", member)))
    serialize = type(field)._serialize
    if serialize is Instant._serialize:
        return lambda moment: f'"{written(moment)}"'
    if serialize is ma.fields.String._serialize:
        return lambda text: encode_basestring(str(text))
    if serialize is ma.fields.Field._serialize:
        return _json
    return lambda value: _json(field._serialize(value, name, None))


def _json(value: Any) -> str:
    # An encoder takes much longer to be set up than to write what most values are.
    if type(value) is int or value == [] or value == {}:
        return str(value)
    return _ENCODE(value)


def load_present(schema: ma.Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """Loads the schema's fields that are present in the values; None counts as absent. Raises ValidationError."""
    fields: dict[str, Any] = schema.load({name: values[name] for name in schema.fields if values.get(name) is not None})
    return fields
