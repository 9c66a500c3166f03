"""Keys and sign-in links as JSON."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from api.http.fields import NOT_BLANK, Instant, PlainText
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.roles import Role

MAX_NAME = 100
"""Characters of a key's name."""


class KeySchema(ResponseSchema):
    """A key, without the secret."""

    id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "The key's id.", "example": 1})
    prefix = ma.fields.String(
        required=True,
        metadata={"description": "Identifies the key: `gonets_<prefix>_…`.", "example": "3f9a51c07be2"},
    )
    name = PlainText(
        required=True,
        validate=[validate.Length(min=1), MaxLength(MAX_NAME), validate.Regexp(NOT_BLANK, error="Must not be blank.")],
        metadata={"description": "The user or the purpose of the key.", "pattern": NOT_BLANK, "example": "billing"},
    )
    role = ma.fields.Enum(
        Role,
        by_value=ma.fields.String,
        required=True,
        metadata={
            "description": "What the key may do: a `viewer` reads, an `operator` also writes clients and mailings, an "
            "`admin` also creates and revokes keys and reads the audit.",
            "example": "operator",
        },
    )
    created_at = Instant(
        required=True, metadata={"description": "When it was created.", "example": "2022-06-01T09:00:00.000Z"}
    )
    created_by = ma.fields.String(
        required=True,
        metadata={"description": "The actor who created it, as in the audit.", "example": "environment:8d02fb6ea37c"},
    )
    last_used_at = Instant(
        required=True,
        allow_none=True,
        metadata={
            "description": "When it was last used, to the minute; null if never.",
            "example": "2022-06-02T18:25:43.511Z",
        },
    )
    expires_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "Expiry time; null if it never expires.", "example": "2032-06-02T18:25:43.511Z"},
    )
    revoked_at = Instant(
        required=True,
        allow_none=True,
        metadata={"description": "When it was revoked; null if it was not.", "example": "2022-06-02T18:25:43.511Z"},
    )


class NewKeySchema(KeySchema):
    """A key that was just created: the only response with the key itself."""

    key = ma.fields.String(
        required=True,
        metadata={
            "description": "The key itself. It is not stored, and never shown again: save it.",
            "example": f"gonets_3f9a51c07be2_{'0123456789abcdef' * 4}",
        },
    )


class KeyBody(RequestSchema, KeySchema):
    """The fields of a key that a caller sets."""

    class Meta(RequestSchema.Meta):
        """The fields that a caller sets."""

        fields = ("name", "role", "expires_at")

    expires_at = Instant(
        allow_none=True,
        metadata={
            "description": "Expiry time. Left out or null: it never expires.",
            "nullable": True,
            "example": "2032-06-02T18:25:43.511Z",
        },
    )


class SignInLinkSchema(ResponseSchema):
    """A link that signs a browser in."""

    path = ma.fields.String(
        required=True,
        metadata={
            "description": "To be opened in a browser at this API's address. It works once.",
            "example": "/login/?link=…",
        },
    )
    expires_at = Instant(
        required=True, metadata={"description": "Expiry time of the link.", "example": "2022-06-02T18:35:43.511Z"}
    )
