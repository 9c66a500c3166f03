"""The fields of responses: every response of their schema has them. OpenAPI has the description and the example.

`options` are those of the marshmallow field: `allow_none=True` for one that may be null, or `attribute`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import marshmallow as ma

from api.http.fields import Instant


def string(description: str, example: Any = ma.missing, **options: Any) -> ma.fields.String:
    """A text."""
    return ma.fields.String(required=True, metadata=_documented(description, example), **options)


def integer(description: str, example: Any = ma.missing, **options: Any) -> ma.fields.Integer:
    """A whole number."""
    return ma.fields.Integer(required=True, metadata=_documented(description, example), **options)


def int64(description: str, example: Any = ma.missing, **options: Any) -> ma.fields.Integer:
    """A whole number that may need 64 bits: an id, or a count of rows."""
    metadata = {"format": "int64", **_documented(description, example)}
    return ma.fields.Integer(required=True, metadata=metadata, **options)


def boolean(description: str, example: Any = ma.missing, **options: Any) -> ma.fields.Boolean:
    """True or false."""
    return ma.fields.Boolean(required=True, metadata=_documented(description, example), **options)


def instant(description: str, example: Any = ma.missing, **options: Any) -> Instant:
    """A time."""
    return Instant(required=True, metadata=_documented(description, example), **options)


def choice(members: type[Enum], description: str, example: Any = ma.missing, **options: Any) -> ma.fields.Enum[Any]:
    """One of the members, by its value."""
    metadata = _documented(description, example)
    return ma.fields.Enum(members, by_value=ma.fields.String, required=True, metadata=metadata, **options)


def strings(description: str, example: Any = ma.missing, **options: Any) -> ma.fields.List[Any]:
    """An array of texts."""
    return ma.fields.List(ma.fields.String(), required=True, metadata=_documented(description, example), **options)


def nested(schema: type[ma.Schema], description: str) -> ma.fields.Nested:
    """An object."""
    return ma.fields.Nested(schema, required=True, metadata=_documented(description))


def objects(
    schema: type[ma.Schema], description: str, example: Any = ma.missing, **options: Any
) -> ma.fields.List[Any]:
    """An array of objects."""
    metadata = _documented(description, example)
    return ma.fields.List(ma.fields.Nested(schema), required=True, metadata=metadata, **options)


def _documented(description: str, example: Any = ma.missing) -> dict[str, Any]:
    return {"description": description} | ({} if example is ma.missing else {"example": example})
