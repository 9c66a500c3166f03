"""Evidence as JSON, and the report of an import of records."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.clients.import_export_schemas import RowFault
from api.http.fields import DEFAULT_REGION, NO_NUL, PlainText, Texts
from api.http.response_fields import int64, objects, string, strings
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.evidence import MAX_TEXT, MAX_TEXTS, check_evidence
from shared.errors import Invalid


class Evidence(Texts):
    """Texts by their names, at least one."""

    shape = {
        "type": "object",
        "additionalProperties": {"type": "string", "pattern": NO_NUL, "maxLength": MAX_TEXT},
        "minProperties": 1,
        "maxProperties": MAX_TEXTS,
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        texts = super()._deserialize(value, attr, data, **kwargs)
        try:
            return check_evidence(texts)
        except Invalid as error:
            raise ma.ValidationError(error.sentence) from None


class Note(PlainText):
    """A note, which becomes evidence."""

    def __init__(self, description: str) -> None:
        metadata = {"description": description, "pattern": NO_NUL, "example": "said so by telephone"}
        super().__init__(validate=MaxLength(MAX_TEXT), metadata=metadata)


def with_note(fields: dict[str, Any]) -> dict[str, Any]:
    """The evidence of a request's body or of a row, with its note as the text `note`."""
    evidence = dict(fields.get("evidence") or {})
    return evidence | {"note": fields["note"]} if fields.get("note") else evidence


def evidence_of_response(description: str, **more: Any) -> ma.fields.Dict:
    """A field of a response: texts, numbers and times by their names."""
    metadata = {"description": description, "example": {"note": "said so by telephone"}}
    return ma.fields.Dict(keys=ma.fields.String(), required=True, metadata=metadata, **more)


class RecordsImportArguments(RequestSchema):
    """Options of an import of records."""

    default_region = DEFAULT_REGION
    note = Note("The note of rows that have none of their own.")


class RecordsImportedSchema(ResponseSchema):
    """The result of an import of records: counts of rows, and how the file was read."""

    rows = int64("Rows of the file: the sum of the next three.", 1000)
    added = int64("Records that were added.", 990)
    unchanged = int64("Rows whose record was there already, and repeated ones.", 9)
    rejected = int64("Rows with errors. They changed nothing.", 1)
    ended_messages = int64("Messages that were pending, and have ended by this.", 3)
    blank_lines = int64("Blank lines, which are not rows.", 0)
    encoding = string("The encoding that was detected or declared.", "utf-8")
    delimiter = string("The delimiter of CSV; null for JSON lines.", ";", allow_none=True)
    columns = strings("The columns, as the file names them; none for JSON lines.", ["phone_number"])
    ignored_columns = strings("Columns that are not known. They are ignored.", [])
    errors = objects(RowFault, "The errors of the first 1,000 rejected rows, by line.")
    errors_left_out = int64("Rejected rows beyond those.", 0)
