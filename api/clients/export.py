"""Export of the directory, in the forms that an import takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, select

from api.client_fields.queries import usable_fields
from api.clients.schemas import SPECIFIED
from api.database import pages_by_id
from api.http.csv_files import CsvForm, escape_formula
from shared.domain.attribute_values import join_list, written_text
from shared.domain.field_types import FieldType
from shared.schema import Client

PAGE = 1_000
"""Clients read in one statement of an export."""

OPTIONAL = ("external_id", "tags")
"""The columns of a file between those of the specification and one for each declared field."""

_NEVER_A_FORMULA = (FieldType.NUMBER, FieldType.BOOLEAN, FieldType.DATE, FieldType.DATETIME)

Page = Sequence[Any]
"""Rows with the columns of Client that a file has."""


def exported_fields() -> dict[str, FieldType]:
    """The declared fields that a file has columns for, in order: their types by name."""
    return {field.name: field.type for field in usable_fields()}


def clients_as_csv(pages: Iterable[Page], fields: dict[str, FieldType], form: CsvForm) -> Iterator[str]:
    """The directory as a CSV file in chunks, which can be imported."""
    yield form.beginning + form.lines([(*SPECIFIED, *OPTIONAL, *fields)])
    for page in pages:
        yield form.lines(_cells(client, fields) for client in page)


def clients_as_ndjson(pages: Iterable[Page]) -> Iterator[str]:
    """The directory as one JSON object a line, which can be imported."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for page in pages:
        yield "".join([encode(_object(client)) + "\n" for client in page])


def pages_of_clients(engine: Engine) -> Iterator[Page]:
    """All clients by their ids."""
    columns = (getattr(Client, name) for name in ("id", *SPECIFIED, *OPTIONAL, "attributes"))
    return pages_by_id(engine, select(*columns), Client.id, PAGE)


def _cells(client: Any, fields: dict[str, FieldType]) -> list[Any]:
    """A client as a row of a CSV file: a spreadsheet takes none of its texts for a formula."""
    return [
        client.phone_number,
        client.operator_code,
        escape_formula(client.tag),
        client.timezone,
        escape_formula(client.external_id or ""),
        escape_formula(join_list(_tags(client))),
        *(_cell(client.attributes.get(name), type_) for name, type_ in fields.items()),
    ]


def _cell(value: Any, field_type: FieldType) -> str:
    text = written_text(value)
    return text if field_type in _NEVER_A_FORMULA else escape_formula(text)


def _object(client: Any) -> dict[str, Any]:
    specified = {name: getattr(client, name) for name in SPECIFIED}
    return {
        **specified,
        "external_id": client.external_id,
        "tags": _tags(client),
        "attributes": client.attributes,
    }


def _tags(client: Any) -> list[str]:
    return sorted({*client.tags, client.tag} - {""})
