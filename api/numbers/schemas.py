"""What is known about a phone number, and erasing it, as JSON."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.http.fields import NOT_BLANK, JsonBoolean, PhoneNumberOrDigits, PlainText, Texts
from api.http.response_fields import boolean, int64, objects
from api.http.schemas import RequestSchema, ResponseSchema, WarningSchema
from api.http.text_lengths import MaxLength, not_blank

MAX_REASON = 1000
"""Characters of the reason for an erasure."""

REMAINS = (
    {
        "code": "hashes",
        "message": "Suppressions and consents, with a keyed hash instead of the number: so a suppression still holds "
        "if the number comes again. Their evidence and wording stay as they are, without the number: notes, a name or "
        "an IP address that was recorded, the text of the message by which somebody refused.",
    },
    {
        "code": "messages",
        "message": "Messages, attempts and receipts, without the number and the values of the text: the counts of "
        "mailings stay what they are.",
    },
    {
        "code": "audit",
        "message": "The audit log, which can only be added to. Phone numbers in it are masked; tags, time zones and "
        "external ids of the client before and after changes are not.",
    },
    {
        "code": "for_a_time",
        "message": "Responses stored for an Idempotency-Key, for 24 hours; files of an import that is under way, which "
        "adds the number again; log files; backups, and the database that is restored from one.",
    },
    {
        "code": "texts_that_name_it",
        "message": "Texts of mailings, segments and templates into which somebody has written the number or a name; so "
        "too answers to inbound messages and test sends, whose texts people write.",
    },
    {"code": "elsewhere", "message": "What the provider of each gateway keeps, and what was exported before."},
)
"""What an erasure leaves, and why."""


class EraseBody(RequestSchema):
    """The confirmation and the reason of an erasure."""

    confirm = PhoneNumberOrDigits(
        required=True,
        metadata={
            "description": "The phone number once more: what is erased cannot be restored.",
            "example": 79161234567,
        },
    )
    reason = PlainText(
        required=True,
        validate=[not_blank, MaxLength(MAX_REASON)],
        metadata={
            "description": "Why it is erased, for the audit log. It cannot be erased from there: write no name.",
            "pattern": NOT_BLANK,
            "example": "request of 2 November 2026, ticket 1042",
        },
    )
    evidence = Texts(
        load_default=dict,
        metadata={"description": "What proves the request, by name; likewise.", "example": {"ticket": "1042"}},
    )
    suppress = JsonBoolean(
        load_default=True,
        metadata={
            "description": "Whether the number is suppressed (scope `everything`, reason `law`) unless it is already, "
            "so that it is not written to if it comes again.",
            "example": True,
        },
    )


class ErasedSchema(ResponseSchema):
    """What was erased."""

    client_id = int64("The client that was removed; null if there was none.", 1, allow_none=True)
    messages = int64("Messages to the number. They have neither the number nor the values of their text any more.", 7)
    messages_cancelled = int64("Those of them that were pending, and have ended.", 1)
    messages_in_flight = int64(
        "Those of them that a worker was sending: they may arrive. What becomes of them is recorded, without the "
        "number, and none is sent again.",
        0,
    )
    inbound_messages = int64("Inbound messages, whose texts and senders were removed.", 0)
    number_lists = int64("Number lists that the number was removed from.", 0)
    consents = int64("Consents, which have a hash instead of the number now.", 1)
    suppressions = int64("Suppressions, likewise.", 1)
    suppression_recorded = boolean("Whether a suppression was recorded with this request.", True)
    remains = objects(WarningSchema, "What remains, and why.", [dict(REMAINS[0])])


class EvidenceArguments(ma.Schema):
    """The form of the document."""

    format = ma.fields.String(
        validate=validate.OneOf(("json", "html"), error="Must be one of: json, html."),
        metadata={"description": "`json` or `html`; without it, the header Accept decides.", "example": "html"},
    )


def _part(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object"}, "description": description}


_TEXT = {"type": "string"}
_PARTS = {
    "clients": _part("The client with the number, and those that had it when a message was sent, with their audit."),
    "consents": _part("All consents, with wording, evidence and withdrawal."),
    "suppressions": _part("All suppressions, with evidence and lift."),
    "messages": _part("All messages to the number, each with its mailing, text, attempts and receipts."),
    "inbound_messages": _part("All messages from the number, with what was decided about keywords in them."),
    "number_lists": _part("The number lists that contain it."),
    "erasures": _part("When data about the number was erased, by whom, and why."),
    "removed_ledgers": _part("Mailings whose messages were removed, with the counts of all their recipients."),
}
_HEAD: dict[str, Any] = {
    "phone_number": {"type": "integer", "format": "int64", "description": "The number."},
    "made_at": {**_TEXT, "format": "date-time", "description": "The moment that it is true for, in UTC."},
    "made_by": {**_TEXT, "description": "Who asked for it."},
    "gonets_version": {**_TEXT, "description": "The version of Gonets that made it."},
    "is_anything_known": {"type": "boolean", "description": "Whether a part about this number has a row."},
    "notes": {"type": "array", "items": _TEXT, "description": "What a reader has to know, in sentences."},
    "counts": {
        "type": "object",
        "additionalProperties": {"type": "integer"},
        "description": "The number of rows of each part.",
    },
}
EVIDENCE: dict[str, Any] = {
    "type": "object",
    "required": [*_HEAD, *_PARTS],
    "properties": {**_HEAD, **_PARTS},
    "example": {
        "phone_number": 79161234567,
        "made_at": "2026-11-02T10:00:03.511Z",
        "made_by": "API_KEY",
        "gonets_version": "1.0.0",
        "is_anything_known": False,
        "notes": ["Nothing is known about this number."],
        "counts": dict.fromkeys(_PARTS, 0),
        **{name: [] for name in _PARTS},
    },
}
"""The document in OpenAPI's terms. It is written part by part, not by a schema (api/numbers/evidence_document.py)."""

PATH_NUMBER: list[dict[str, Any]] = [
    {
        "in": "path",
        "name": "phone_number",
        "description": "The phone number, in digits.",
        "example": 79161234567,
    }
]
