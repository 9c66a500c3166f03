"""Custom marshmallow fields. Each rejects what the database can't store, with a specific message.

Each documents itself in OpenAPI: the `metadata` of a field is what apispec adds to its property.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import marshmallow as ma
from flask import current_app

from shared.domain.client_rules import MAX_PHONE_NUMBER, MIN_PHONE_NUMBER, TIMEZONES
from shared.domain.moments import read_moment
from shared.domain.numbering_plans import REGIONS
from shared.domain.phone_numbers import PhoneNumbers, numbers_of
from shared.domain.sentences import ErrorCode
from shared.domain.tag_normalization import normal
from shared.errors import Invalid

Value = TypeVar("Value")

MAX_ID = 2**63 - 1
"""The largest bigint of PostgreSQL."""

# What PlainText accepts, as far as a pattern can express it (a surrogate is not a character).
NO_NUL = r"^[^\x00]*$"
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"

_DIGITS = re.compile("[0-9]{1,19}")
"""The digits of a bigint. Parsing in Python is quadratic in the digits, and fails beyond 4,300."""


def whole_number(text: str) -> int | None:
    """The number in ASCII digits, up to MAX_ID; None for any other text."""
    return int(text) if _DIGITS.fullmatch(text) and int(text) <= MAX_ID else None


class ShapedField(ma.fields.Field[Value]):
    """A field of our own. OpenAPI has its `shape`, beside the metadata that each use of it gives."""

    shape: Mapping[str, Any]

    def __init__(self, *, metadata: Mapping[str, Any] = {}, **kwargs: Any) -> None:
        super().__init__(metadata={**self.shape, **metadata}, **kwargs)


class PlainText(ma.fields.String):
    """A string that PostgreSQL can store: no NUL, and no half of a surrogate pair."""

    default_error_messages = {
        "nul": ErrorCode.NUL_CHARACTER(),
        "surrogate": ErrorCode.HALF_A_SURROGATE_PAIR(),
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "\0" in text:
            raise self.make_error("nul")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self.make_error("surrogate") from None
        return text


class Label(PlainText):
    """A tag or a mark, in the form of `shared.domain.tag_normalization`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return normal(super()._deserialize(value, attr, data, **kwargs))


class NameOrNone(PlainText):
    """The name of something; None for null and for an empty string, which a form sends for no choice."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs) or None


class Region(ShapedField[str], PlainText):
    """The two letters of a country that has phone numbers, in either case; an empty string is None."""

    shape = {"enum": ["", *REGIONS]}
    default_error_messages = {"unknown": "Must be the two letters of a country (ISO 3166-1), such as RU."}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        region = super()._deserialize(value, attr, data, **kwargs).upper()
        if region and region not in REGIONS:
            raise self.make_error("unknown")
        return region or None


DEFAULT_REGION = Region(
    metadata={
        "description": "The country whose phone numbers may omit the country code, in national format; "
        "empty for none. Left out: `DEFAULT_REGION`.",
        "example": "RU",
    }
)
"""The parameter of operations on files with phone numbers."""


class TrueOrFalse(ma.fields.Boolean):
    """`true` or `false` in a query string, and no other spelling."""

    truthy = {"true"}
    falsy = {"false"}
    default_error_messages = {"invalid": "Must be true or false."}


class JsonBoolean(ma.fields.Boolean):
    """`true` or `false` of JSON, and nothing else."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise self.make_error("invalid", input=value)
        return value


class Codes(ShapedField[list[str]]):
    """An array of strings. Unlike marshmallow's List it has one error for the field, not one for each element."""

    shape = {"type": "array", "items": {"type": "string"}}
    default_error_messages = {"invalid": "Must be an array of strings."}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.make_error("invalid")
        return value


class Ids(ma.fields.Field[tuple[int, ...]]):
    """An array of ids, each once. It has one error for the field, not one for each element."""

    default_error_messages = {"invalid": ErrorCode.NOT_LISTED_SEGMENTS()}

    def __init__(self, *, maximum: int = 20, metadata: dict[str, Any], **kwargs: Any) -> None:
        one = {"type": "integer", "format": "int64", "minimum": 1}
        super().__init__(metadata={"type": "array", "items": one, "maxItems": maximum, **metadata}, **kwargs)
        self.maximum = maximum

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[int]:
        return list(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or len(value) > self.maximum or len(set(map(repr, value))) < len(value):
            raise self.make_error("invalid")
        if not all(type(one) is int and 0 < one <= MAX_ID for one in value):
            raise self.make_error("invalid")
        return tuple(value)


_PLAIN = PlainText()


class Texts(ShapedField[dict[str, str]]):
    """An object whose values are strings. Unlike marshmallow's Dict it has one error, not one for each value."""

    shape = {"type": "object", "additionalProperties": {"type": "string", "pattern": NO_NUL}}
    default_error_messages = {"invalid": ErrorCode.NOT_AN_OBJECT_OF_TEXTS()}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        try:
            return {str(_PLAIN.deserialize(name)): str(_PLAIN.deserialize(text)) for name, text in value.items()}
        except ma.ValidationError:
            raise self.make_error("invalid") from None


class Timezone(ShapedField[str], PlainText):
    """The name of an IANA time zone."""

    shape = {"format": "timezone"}
    default_error_messages = {"unknown": ErrorCode.NOT_A_TIMEZONE()}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        name = super()._deserialize(value, attr, data, **kwargs)
        if name not in TIMEZONES:
            raise self.make_error("unknown")
        return name


class WholeNumber(ma.fields.Field[int]):
    """A whole number in a query string, in ASCII digits and nothing else."""

    default_error_messages = {"invalid": "Must be a whole number from {minimum} to {maximum}."}

    def __init__(self, *, minimum: int = 0, maximum: int = MAX_ID, metadata: dict[str, Any], **kwargs: Any) -> None:
        bounds = {"type": "integer", "format": "int64", "minimum": minimum, "maximum": maximum}
        super().__init__(metadata={**bounds, **metadata}, **kwargs)
        self.minimum, self.maximum = minimum, maximum

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        number = whole_number(value) if isinstance(value, str) else None
        if number is None or not self.minimum <= number <= self.maximum:
            raise self.make_error("invalid", minimum=self.minimum, maximum=self.maximum)
        return number


def default_numbers() -> PhoneNumbers:
    """The parser of phone numbers for requests without a region: by DEFAULT_REGION."""
    return numbers_of(current_app.config.get("DEFAULT_REGION") if current_app else None)


class PhoneNumber(ShapedField[int]):
    """A phone number as a program writes it: an integer, or digits with or without a plus sign."""

    shape = {"type": "integer", "format": "int64", "minimum": MIN_PHONE_NUMBER, "maximum": MAX_PHONE_NUMBER}
    default_error_messages = {"invalid": ErrorCode.NOT_A_PHONE_NUMBER()}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        # A bool is an int in Python; a float may have lost digits.
        if isinstance(value, str) or (type(value) is int and MIN_PHONE_NUMBER <= value <= MAX_PHONE_NUMBER):
            return self._read(value)
        raise self.make_error("invalid")

    def _read(self, value: int | str) -> int:
        try:
            return default_numbers().exactly(value)
        except Invalid as error:
            raise ma.ValidationError(error.sentence) from None


class PhoneNumberOrDigits(PhoneNumber):
    """A phone number in the body of a request, where OpenAPI has both forms of it."""

    shape = {"anyOf": [PhoneNumber.shape, {"type": "string", "pattern": r"^ *\+? *[1-9]( *[0-9]){6,14} *$"}]}


class ErasableNumber(PhoneNumber):
    """The phone number of a message in a response: null if it was erased."""

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> int | None:
        return value or None


class WrittenPhoneNumber(PhoneNumber):
    """A phone number as a person or a spreadsheet writes it.

    `numbers` parses it, by default with DEFAULT_REGION. A number equal to `kept` is accepted unchanged; with
    `doubtful`, so is any that no country has.
    """

    def __init__(self, *, doubtful: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.numbers: PhoneNumbers | None = None
        self.kept: int | None = None
        self._doubtful = doubtful

    def _read(self, value: int | str) -> int:
        text = str(value)
        if self.kept is not None and text.strip().removeprefix("+") == str(self.kept):
            return self.kept
        try:
            return (self.numbers or default_numbers()).read(text, doubtful=self._doubtful)
        except Invalid as error:
            raise ma.ValidationError(error.sentence) from None


class ObjectOrNull(ma.fields.Field[Any]):
    """An object of a response schema, or null.

    A Nested one would be documented as `anyOf` a reference and any object that is null: OpenAPI 3.0 has no other way
    to combine null with a reference. Generated clients reject null for that; so the object's schema is inlined.
    """

    def __init__(self, schema: ma.Schema, description: str) -> None:
        super().__init__(required=True, allow_none=True, metadata={"description": description})
        self.schema = schema

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else self.schema.dump(value)


def object_or_null_properties(converter: Any, field: ma.fields.Field[Any], **_: Any) -> dict[str, Any]:
    """The OpenAPI schema of an ObjectOrNull: an attribute function of apispec's converter."""
    return converter.schema2jsonschema(field.schema) if isinstance(field, ObjectOrNull) else {}


def chosen_members(converter: Any, field: ma.fields.Field[Any], **_: Any) -> dict[str, Any]:
    """The OpenAPI schema of an Enum of which a caller can choose some members only: an attribute function of apispec's
    converter.
    """
    if isinstance(field, ma.fields.Enum):
        for validator in field.validators:
            if isinstance(validator, ma.validate.OneOf):
                return {"enum": [member.value for member in validator.choices]}
    return {}


def rfc_3339(moment: datetime, exact: str = "milliseconds") -> str:
    """The time in UTC, with a Z; `exact` is a `timespec` of `datetime.isoformat`."""
    return moment.astimezone(UTC).isoformat("T", exact)[:-6] + "Z"


WRITTEN_BY_DATABASE: Final = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
"""The format with which PostgreSQL's to_char writes a time in UTC that `written` takes."""


def written(moment: datetime | str) -> str:
    """The time in RFC 3339 format, to the microsecond where it has any; a text is one of WRITTEN_BY_DATABASE."""
    if isinstance(moment, str):
        return f"{moment[:-4]}Z" if moment.endswith("000Z") else moment
    return rfc_3339(moment, "microseconds" if moment.microsecond % 1000 else "milliseconds")


class Instant(ShapedField[datetime]):
    """A time in RFC 3339 format. It is stored to the microsecond and returned in UTC."""

    shape = {"type": "string", "format": "date-time"}

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else written(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            return read_moment(value)
        except Invalid as error:
            raise ma.ValidationError(error.sentence) from None
