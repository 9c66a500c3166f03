"""Routes as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.http.fields import NOT_BLANK, Codes, Label, ShapedField
from api.http.response_fields import instant, int64, strings
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from api.message_routes.queries import NamedGateway
from shared.domain.message_routes import MAX_WEIGHT
from shared.domain.sentences import ErrorCode

MAX_NAME = 40
MAX_GATEWAYS = 20
MAX_CONDITIONS = 1000
"""Prefixes, and operator codes, of one route."""

LISTED: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_GATEWAYS,
    "items": {
        "type": "object",
        "properties": {
            "gateway": {"type": "string", "description": "The gateway's name."},
            "weight": {
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_WEIGHT,
                "nullable": True,
                "description": "Its share among the weights; null or absent in an ordered route.",
            },
        },
        "required": ["gateway"],
        "additionalProperties": False,
    },
}


class ListedGateways(ShapedField[list[NamedGateway]]):
    """The gateways of a route in their order, each with a weight or none with one."""

    shape = LISTED
    default_error_messages = {"invalid": ErrorCode.NOT_LISTED_GATEWAYS()}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[dict[str, Any]]:
        return [{"gateway": one.gateway, "weight": one.weight} for one in value]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[NamedGateway]:
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_GATEWAYS or not all(map(_is_listed, value)):
            raise self.make_error("invalid")
        return [NamedGateway(one["gateway"], one.get("weight")) for one in value]


def _is_listed(value: Any) -> bool:
    if not isinstance(value, dict) or not value.keys() <= {"gateway", "weight"}:
        return False
    weight = value.get("weight")
    is_weight = weight is None or (type(weight) is int and 0 <= weight <= MAX_WEIGHT)
    name = value.get("gateway")
    # No other text could be compared with names in the database: it has NUL, or half of a surrogate pair.
    return is_weight and isinstance(name, str) and name.isprintable()


def _check_digits(values: Sequence[str]) -> None:
    if len(values) > MAX_CONDITIONS or not all(
        value.isdecimal() and value.isascii() and len(value) <= 15 for value in values
    ):
        raise ma.ValidationError(ErrorCode.NOT_DIGITS())


DIGITS = {"maxItems": MAX_CONDITIONS, "items": {"type": "string", "pattern": "^[0-9]{1,15}$"}}


class RouteFieldsSchema(ma.Schema):
    """The fields of a route that a caller sets."""

    name = Label(
        required=True,
        validate=[validate.Length(min=1, error=ErrorCode.BLANK()), MaxLength(MAX_NAME)],
        metadata={"description": "Its name.", "pattern": NOT_BLANK, "example": "abroad"},
    )
    gateways = ListedGateways(
        required=True,
        metadata={
            "description": "In the order in which messages take them; or each with a weight, its share of messages.",
            "example": [{"gateway": "default", "weight": None}],
        },
    )
    prefixes = Codes(
        required=True,
        validate=_check_digits,
        metadata={
            **DIGITS,
            "description": "Beginnings of phone numbers whose messages take it. The longest one of all routes decides.",
            "example": ["380"],
        },
    )
    operator_codes = Codes(
        required=True,
        validate=_check_digits,
        metadata={
            **DIGITS,
            "description": "Operator codes of clients whose messages take it, if no prefix of a route matches.",
            "example": ["916"],
        },
    )


class RouteSchema(ResponseSchema, RouteFieldsSchema):
    """A route: which gateways messages may take."""

    id = int64("Permanent id.", 1)
    active = strings("The gateways that get its new messages now.", ["default"])
    created_at = instant("When it was added.", "2022-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed by a person.", "2022-06-01T09:00:00.000Z")


class RouteBody(RequestSchema, RouteFieldsSchema):
    """A route to add. Prefixes and operator codes may be left out: then only mailings that name it take it."""

    def __init__(self) -> None:
        super().__init__(partial=("prefixes", "operator_codes"))


class RouteChangeBody(RequestSchema, RouteFieldsSchema):
    """Changes of a route. What is left out stays as it is."""

    def __init__(self) -> None:
        super().__init__(partial=True)
