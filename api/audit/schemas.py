"""The audit as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.http.fields import MAX_ID, NO_NUL, Instant, PlainText, WholeNumber
from api.http.paging import PageArguments
from api.http.schemas import ResponseSchema
from shared.domain.roles import Role


class AuditEntrySchema(ResponseSchema):
    """Who did what, from where, to what."""

    id = ma.fields.Integer(required=True, metadata={"format": "int64", "description": "In order.", "example": 1})
    at = Instant(required=True, metadata={"description": "When.", "example": "2022-06-02T18:25:43.511Z"})
    actor = ma.fields.String(
        required=True,
        metadata={
            "description": "Who: `key:` and its prefix, `oidc:` and the provider's subject, `environment:` and a "
            "fingerprint of API_KEY, `system:` and the user who ran a command; `nobody`, where a sign-in failed.",
            "example": "key:3f9a51c07be2",
        },
    )
    actor_name = ma.fields.String(required=True, metadata={"description": "Their name then.", "example": "billing"})
    role = ma.fields.Enum(
        Role,
        by_value=ma.fields.String,
        required=True,
        allow_none=True,
        metadata={"description": "Their role then.", "example": "operator"},
    )
    address = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "From which address.", "example": "192.0.2.7"}
    )
    operation = ma.fields.String(
        required=True,
        metadata={
            "description": "What: an operationId of this document, `testMailing`, `signIn`, `signInFailed`, `signOut`, "
            "`afterRestore`.",
            "example": "updateClient",
        },
    )
    object = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "To what: `client`, `mailing`, `message`, `draft` or `key`.", "example": "client"},
    )
    object_id = ma.fields.Integer(
        required=True, allow_none=True, metadata={"format": "int64", "description": "To which one.", "example": 1}
    )
    detail = ma.fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "The fields that changed, each before and after; no texts, and phone numbers masked. Of an "
            "import, the rows of one commit: `added`, `changed`, `unchanged`, `rejected`.",
            "example": {"tag": ["regular", "vip"]},
        },
    )
    request_id = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The `X-Request-Id` of the answer.", "example": "5f0c6c1e0f8b4d0c8f5a2f3c9a7d1b42"},
    )


class AuditArguments(PageArguments):
    """Which entries."""

    actor = PlainText(metadata={"description": "Only theirs.", "pattern": NO_NUL, "example": "key:3f9a51c07be2"})
    operation = PlainText(metadata={"description": "Only this.", "pattern": NO_NUL, "example": "updateClient"})
    object = PlainText(metadata={"description": "Only about these.", "pattern": NO_NUL, "example": "client"})
    object_id = WholeNumber(
        minimum=1, maximum=MAX_ID, metadata={"description": "Only about this one; give `object` too.", "example": 1}
    )
    since = Instant(metadata={"description": "From then on.", "example": "2022-06-02T18:25:43.511Z"})
    until = Instant(metadata={"description": "Before then.", "example": "2032-06-02T18:25:43.511Z"})
