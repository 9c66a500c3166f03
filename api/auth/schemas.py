"""Keys and sign-in links as JSON."""

from __future__ import annotations

from marshmallow import validate

from api.http.fields import NOT_BLANK, Instant, PlainText
from api.http.response_fields import choice, instant, int64, string
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.roles import Role

MAX_NAME = 100
"""Characters of a key's name."""


class KeySchema(ResponseSchema):
    """A key, without the secret."""

    id = int64("The key's id.", 1)
    prefix = string("Identifies the key: `gonets_<prefix>_…`.", "3f9a51c07be2")
    name = PlainText(
        required=True,
        validate=[validate.Length(min=1), MaxLength(MAX_NAME), validate.Regexp(NOT_BLANK, error="Must not be blank.")],
        metadata={"description": "The user or the purpose of the key.", "pattern": NOT_BLANK, "example": "billing"},
    )
    role = choice(
        Role,
        "What the key may do: a `viewer` reads, an `operator` also writes clients and mailings, an `admin` also "
        "creates and revokes keys and reads the audit.",
        "operator",
    )
    created_at = instant("When it was created.", "2022-06-01T09:00:00.000Z")
    created_by = string("The actor who created it, as in the audit.", "environment:8d02fb6ea37c")
    last_used_at = instant(
        "When it was last used, to the minute; null if never.", "2022-06-02T18:25:43.511Z", allow_none=True
    )
    expires_at = instant("Expiry time; null if it never expires.", "2032-06-02T18:25:43.511Z", allow_none=True)
    revoked_at = instant("When it was revoked; null if it was not.", "2022-06-02T18:25:43.511Z", allow_none=True)


class NewKeySchema(KeySchema):
    """A key that was just created: the only response with the key itself."""

    key = string(
        "The key itself. It is not stored, and never shown again: save it.",
        f"gonets_3f9a51c07be2_{'0123456789abcdef' * 4}",
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
            "example": "2032-06-02T18:25:43.511Z",
        },
    )


class SignInLinkSchema(ResponseSchema):
    """A link that signs a browser in."""

    path = string("To be opened in a browser at this API's address. It works once.", "/login/?link=…")
    expires_at = instant("Expiry time of the link.", "2022-06-02T18:35:43.511Z")
