"""Import of consents."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Request, current_app
from sqlalchemy import Connection

from api.clock import now
from api.consents.schemas import MARKETING, MAX_METHOD, MAX_PURPOSE, MAX_WORDING
from api.principal import name_of_caller
from api.record_files.columns import (
    RecordColumn,
    evidence_column,
    note_column,
    past_moment_column,
    phone_number_column,
    text_column,
)
from api.record_files.importing import ImportReport, Written, import_records
from api.record_files.schemas import with_note
from shared.domain.evidence import CLOCK_TOLERANCE
from shared.domain.phone_numbers import PhoneNumbers, numbers_of
from shared.domain.suppressions import RecordSource
from shared.json_parameter import json_parameter
from shared.sql.consents import ADD_CONSENTS, LOCK_CONSENTS

log = logging.getLogger(__name__)

IDENTITY = ("phone_number", "purpose", "given_at", "method", "wording")
"""What two consents differ in."""


def import_columns(numbers: PhoneNumbers, latest: datetime, defaults: Mapping[str, Any]) -> list[RecordColumn]:
    """The columns of an import. `latest` is the database's time; `defaults` are those of `purpose`, `method`, `wording`
    and `note`, by their names.
    """
    needed = {"is_needed": True, "has_few_values": True}
    return [
        phone_number_column(numbers),
        text_column("purpose", MAX_PURPOSE, default=defaults.get("purpose", MARKETING), **needed),
        past_moment_column("given_at", latest + CLOCK_TOLERANCE, others=("date", "дата"), **needed),
        text_column("method", MAX_METHOD, default=defaults.get("method"), **needed),
        text_column("wording", MAX_WORDING, default=defaults.get("wording"), **needed),
        note_column(defaults.get("note")),
        evidence_column(),
    ]


def import_consents(request: Request, options: dict[str, Any]) -> ImportReport:
    """Imports the consents in a request's body. `options` is as ConsentImportArguments loads it.

    Raises what opening and reading the file raises.
    """
    region = options.get("default_region", current_app.config["DEFAULT_REGION"])
    columns = import_columns(numbers_of(region), now(), options)
    report = import_records(request, columns, lambda _: None, ConsentWriter(name_of_caller()))
    log.info("consents.imported", extra=report.log_fields())
    return report


class ConsentWriter:
    """Adds consents of a file."""

    def __init__(self, recorded_by: str | None) -> None:
        self._recorded_by = recorded_by

    def __call__(self, connection: Connection, records: Sequence[dict[str, Any]]) -> Written:
        # Of equal rows the first counts.
        given: dict[tuple[Any, ...], dict[str, Any]] = {}
        for record in records:
            given.setdefault(tuple(record[name] for name in IDENTITY), record)
        rows = [self._row(record) for record in given.values()]
        connection.exec_driver_sql(LOCK_CONSENTS)
        return Written(connection.exec_driver_sql(ADD_CONSENTS, {"consents": json_parameter(rows)}).rowcount)

    def _row(self, record: dict[str, Any]) -> dict[str, Any]:
        return {
            **{name: record[name] for name in IDENTITY},
            "given_at": record["given_at"].isoformat(),
            "evidence": with_note(record),
            "source": RecordSource.IMPORT,
            "recorded_by": self._recorded_by,
        }
