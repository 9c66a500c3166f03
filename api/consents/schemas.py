"""Consents as JSON and in query strings."""

from __future__ import annotations

from typing import Any

from api.http.fields import (
    NOT_BLANK,
    Instant,
    PhoneNumber,
    PhoneNumberOrDigits,
    PlainText,
    TrueOrFalse,
    WrittenPhoneNumber,
)
from api.http.paging import PageArguments
from api.http.response_fields import choice, instant, int64, string
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength, not_blank
from api.record_files.schemas import Evidence, Note, RecordsImportArguments, evidence_of_response
from shared.domain.suppressions import RecordSource

MARKETING = "marketing"
"""The purpose of the consents that mailings may require."""

MAX_PURPOSE, MAX_METHOD, MAX_WORDING = 50, 200, 10_000
"""Characters."""


class RequiredText(PlainText):
    """A text that is not blank, of at most so many characters. Without white space at its ends, as files are read:
    otherwise one consent is recorded twice, and outlives the withdrawal of one of them.
    """

    def __init__(self, limit: int, description: str, example: str, **kwargs: Any) -> None:
        metadata = {"description": description, "pattern": NOT_BLANK, "example": example}
        super().__init__(validate=[not_blank, MaxLength(limit)], metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return str(super()._deserialize(value, attr, data, **kwargs)).strip()


PURPOSE = "What was consented to. A mailing that requires consent needs one to `marketing`."
METHOD = "How it was given."
WORDING = "The text that the person has agreed to."


class ConsentSchema(ResponseSchema):
    """A consent."""

    id = int64("Permanent id.", 1)
    phone_number = PhoneNumber(
        required=True,
        allow_none=True,
        metadata={"description": "The number; null once it was erased.", "example": 79161234567},
    )
    purpose = string(PURPOSE, MARKETING)
    given_at = instant("When it was given.", "2032-06-01T09:00:00.000Z")
    method = string(METHOD, "web form")
    wording = string(WORDING, "I agree to receive offers by text message.")
    evidence = evidence_of_response("What proves it.")
    source = choice(RecordSource, "By what way it was recorded: `api`, `import` or `console`.", "api")
    recorded_at = instant("When it was recorded.", "2032-06-01T09:00:00.000Z")
    recorded_by = string("The name of who recorded it.", "crm", allow_none=True)
    withdrawn_at = instant("When the person withdrew it; null while it is in force.", None, allow_none=True)
    withdrawal_recorded_at = instant("When the withdrawal was recorded: from then on it counts.", None, allow_none=True)
    withdrawal_recorded_by = string("The name of who recorded that.", None, allow_none=True)
    withdrawal_evidence = evidence_of_response(
        "What proves the withdrawal; null while the consent is in force.", allow_none=True
    )


class ConsentBody(RequestSchema):
    """A consent to be recorded."""

    phone_number: PhoneNumber = PhoneNumberOrDigits(
        required=True, metadata={"description": "The number.", "example": 79161234567}
    )
    purpose = RequiredText(MAX_PURPOSE, f"{PURPOSE} Left out: `marketing`.", MARKETING, load_default=MARKETING)
    given_at = instant("When it was given; not in the future.", "2022-06-01T09:00:00.000Z")
    method = RequiredText(MAX_METHOD, METHOD, "web form", required=True)
    wording = RequiredText(MAX_WORDING, WORDING, "I agree to receive offers by text message.", required=True)
    evidence = Evidence(
        load_default=dict,
        metadata={"description": "What proves it.", "example": {"address": "192.0.2.7", "form": "/subscribe"}},
    )
    note = Note("A note, which is kept in the evidence as `note`.")


class WrittenConsentBody(ConsentBody):
    """A consent in a form, where a person writes the number."""

    phone_number = WrittenPhoneNumber(required=True)


class WithdrawalBody(RequestSchema):
    """When a consent was withdrawn, and what proves it."""

    withdrawn_at = Instant(
        load_default=None,
        metadata={
            "description": "When the person withdrew it: not in the future, not before it was given. Left out: now.",
            "example": "2022-06-02T09:00:00.000Z",
        },
    )
    evidence = Evidence(required=True, metadata={"description": "What proves it.", "example": {"letter": "2032-118"}})


class ConsentsArguments(PageArguments):
    """Filters of the list of consents."""

    phone_number = WrittenPhoneNumber(
        doubtful=True, metadata={"description": "Only those of this number.", "example": 79161234567}
    )
    purpose = RequiredText(MAX_PURPOSE, "Only those with this purpose.", MARKETING)
    in_force = TrueOrFalse(
        load_default=False,
        metadata={"description": "Only those in force: not those that were withdrawn.", "example": True},
    )


class ConsentImportArguments(RecordsImportArguments):
    """Options of an import of consents."""

    purpose = RequiredText(MAX_PURPOSE, "The purpose of rows that have none. Left out: `marketing`.", MARKETING)
    method = RequiredText(MAX_METHOD, "The method of rows that have none.", "web form")
    wording = RequiredText(MAX_WORDING, "The wording of rows that have none.", "I agree to receive offers.")
