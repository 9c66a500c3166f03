"""The audit as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.http.fields import MAX_ID, NO_NUL, Instant, PlainText, WholeNumber
from api.http.paging import PageArguments
from api.http.response_fields import choice, instant, int64, string
from api.http.schemas import ResponseSchema
from shared.domain.roles import Role


class AuditEntrySchema(ResponseSchema):
    """One operation: actor, time, address and object."""

    id = int64("Sequential id.", 1)
    at = instant("Time of the operation.", "2022-06-02T18:25:43.511Z")
    actor = string(
        "The actor: `key:` and the key's prefix, `oidc:` and the provider's subject, `environment:` and a fingerprint "
        "of API_KEY, `system:` and the user who ran a command; `nobody` for a sign-in that failed.",
        "key:3f9a51c07be2",
    )
    actor_name = string("The actor's name at that time.", "billing")
    role = choice(Role, "The actor's role at that time.", "operator", allow_none=True)
    address = string("The IP address that the request came from.", "192.0.2.7", allow_none=True)
    operation = string(
        "What was done: an operationId of this document, `signIn`, `signInFailed`, `signOut`, `afterRestore`, "
        "`reopenMailings` or `rotateCredentials`.",
        "updateClient",
    )
    object = string(
        "The kind of object: `client`, `client_field`, `mailing`, `message`, `inbound_message`, `draft`, `gateway`, "
        "`route` or `key`.",
        "client",
        allow_none=True,
    )
    object_id = int64("The object's id.", 1, allow_none=True)
    detail = ma.fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "The changed fields, each before and after, without texts and attributes, and with masked "
            "phone numbers. For an import, the rows of one commit: `added`, `changed`, `unchanged`, `rejected`.",
            "example": {"tag": ["regular", "vip"]},
        },
    )
    request_id = string("The `X-Request-Id` of the response.", "5f0c6c1e0f8b4d0c8f5a2f3c9a7d1b42", allow_none=True)


class AuditArguments(PageArguments):
    """Filters of the audit."""

    actor = PlainText(metadata={"description": "Filter by actor.", "pattern": NO_NUL, "example": "key:3f9a51c07be2"})
    operation = PlainText(
        metadata={"description": "Filter by operation.", "pattern": NO_NUL, "example": "updateClient"}
    )
    object = PlainText(metadata={"description": "Filter by kind of object.", "pattern": NO_NUL, "example": "client"})
    object_id = WholeNumber(
        minimum=1, maximum=MAX_ID, metadata={"description": "Filter by object; give `object` too.", "example": 1}
    )
    since = Instant(metadata={"description": "Entries from this time on.", "example": "2022-06-02T18:25:43.511Z"})
    until = Instant(metadata={"description": "Entries before this time.", "example": "2032-06-02T18:25:43.511Z"})
