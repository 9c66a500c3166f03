"""Suppressions as JSON and in query strings."""

from __future__ import annotations

import marshmallow as ma

from api.gateways.fields import NameOfGateway
from api.http.fields import (
    NO_NUL,
    NameOrNone,
    PhoneNumber,
    PhoneNumberOrDigits,
    TrueOrFalse,
    WrittenPhoneNumber,
)
from api.http.paging import PageArguments
from api.http.response_fields import choice, instant, int64, string
from api.http.schemas import RequestSchema, ResponseSchema
from api.record_files.schemas import Evidence, Note, RecordsImportArguments, evidence_of_response
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MailingKind
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope

SCOPES = (
    "`everything` (marketing and service messages), `marketing`, or `gateway` (marketing and service messages of one "
    "gateway, that is of its sender)"
)
REASONS = "`opted_out`, `complaint`, `operator_refusal`, `not_in_service`, `law` or `other`"


class Scope(ma.fields.Enum[SuppressionScope]):
    """What a suppression covers."""

    default_error_messages = {"unknown": ErrorCode.NOT_A_SUPPRESSION_SCOPE()}

    def __init__(self, description: str, *, required: bool = False) -> None:
        metadata = {"description": description, "example": "everything"}
        super().__init__(SuppressionScope, by_value=ma.fields.String, required=required, metadata=metadata)


class Reason(ma.fields.Enum[SuppressionReason]):
    """Why a number is suppressed."""

    default_error_messages = {"unknown": ErrorCode.NOT_A_SUPPRESSION_REASON()}

    def __init__(self, description: str, *, required: bool = False) -> None:
        metadata = {"description": description, "example": "opted_out"}
        super().__init__(SuppressionReason, by_value=ma.fields.String, required=required, metadata=metadata)


class SuppressionSchema(ResponseSchema):
    """A suppression."""

    id = int64("Permanent id.", 1)
    phone_number = PhoneNumber(
        required=True,
        allow_none=True,
        metadata={"description": "The number; null once it was erased.", "example": 79161234567},
    )
    scope = Scope(f"What it covers: {SCOPES}.", required=True)
    gateway = NameOfGateway("The gateway, for the scope `gateway`; otherwise null.", None, allow_none=True)
    covers = ma.fields.List(
        ma.fields.Enum(MailingKind, by_value=ma.fields.String),
        required=True,
        metadata={
            "description": "The kinds of mailings whose messages it forbids while it is in force; for the scope "
            "`gateway`, only those that this gateway would send.",
            "example": ["marketing", "service"],
        },
    )
    covers_text = string("The same as a sentence.", "No marketing or service message is sent to the number.")
    reason = Reason(f"Why: {REASONS}.", required=True)
    source = choice(
        RecordSource,
        "By what way it was recorded: `api`, `import`, `console`, `keyword` (an inbound message), `link` (the opt-out "
        "link of a message), `provider` (the answer to a submission) or `receipt`.",
        "api",
    )
    evidence = evidence_of_response("What proves it.")
    recorded_at = instant("When it was recorded.", "2032-06-01T09:00:00.000Z")
    recorded_by = string("The name of who recorded it; null for the recipient and a provider.", "crm", allow_none=True)
    lifted_at = instant("When it was lifted; null while it is in force.", None, allow_none=True)
    lifted_by = string("The name of who lifted it; null for the recipient.", None, allow_none=True)
    lift_evidence = evidence_of_response(
        "What proves that it was to be lifted; null while it is in force.", allow_none=True
    )


class SuppressionBody(RequestSchema):
    """A suppression to be recorded."""

    phone_number: PhoneNumber = PhoneNumberOrDigits(
        required=True, metadata={"description": "The number.", "example": 79161234567}
    )
    scope = Scope(f"What it is to cover: {SCOPES}.", required=True)
    gateway = NameOrNone(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The name of the gateway, for the scope `gateway`.",
            "pattern": NO_NUL,
            "example": None,
        },
    )
    reason = Reason(f"Why: {REASONS}.", required=True)
    evidence = Evidence(
        load_default=dict, metadata={"description": "What proves it.", "example": {"letter": "2032-118"}}
    )
    note = Note("A note, which is kept in the evidence as `note`.")


class WrittenSuppressionBody(SuppressionBody):
    """A suppression in a form, where a person writes the number."""

    phone_number = WrittenPhoneNumber(required=True)


class LiftBody(RequestSchema):
    """What proves that the person wants messages again, or that the suppression was an error."""

    evidence = Evidence(
        required=True, metadata={"description": "What proves it.", "example": {"form": "signed on 2032-06-02"}}
    )


class SuppressionsArguments(PageArguments):
    """Filters of the list of suppressions."""

    phone_number = WrittenPhoneNumber(
        doubtful=True, metadata={"description": "Only those of this number.", "example": 79161234567}
    )
    scope = Scope("Only those of this scope.")
    in_force = TrueOrFalse(
        load_default=False,
        metadata={"description": "Only those in force: not those that were lifted.", "example": True},
    )


class SuppressionImportArguments(RecordsImportArguments):
    """Options of an import of suppressions."""

    scope = Scope("The scope of rows that have none. Left out: `everything`.")
    gateway = NameOrNone(
        metadata={
            "description": "The gateway of rows of the scope `gateway` that name none.",
            "pattern": NO_NUL,
            "example": "default",
        }
    )
    reason = Reason("The reason of rows that have none. Left out: `other`.")
