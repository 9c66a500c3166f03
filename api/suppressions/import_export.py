"""Import and export of suppressions."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from flask import Request, current_app
from sqlalchemy import Connection, Engine, select

from api.clock import now
from api.database import pages_by_id
from api.erased_numbers.reattachment import reattach_recorded
from api.gateways.queries import gateway_id_of, gateway_names
from api.http.csv_files import CsvForm, escape_formula
from api.http.fields import written
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
from shared.domain.sentences import ErrorCode
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope, check_gateway
from shared.errors import Invalid
from shared.json_parameter import json_parameter
from shared.schema import Suppression
from shared.sql.suppressions import ADD_SUPPRESSIONS, CANCEL_SUPPRESSED

log = logging.getLogger(__name__)

COLUMNS = ("phone_number", "scope", "gateway", "reason", "note", "recorded_at", "source", "evidence")
"""The columns of an export. An import reads the same, of which only the first is needed."""

PAGE = 1_000
"""Suppressions read in one statement of an export."""


def import_columns(numbers: PhoneNumbers, latest: datetime, defaults: dict[str, Any]) -> list[RecordColumn]:
    """The columns of an import. `latest` is the database's time; `defaults` are those of `scope`, `reason` and `note`,
    by their names.
    """
    names = [found.name for found in gateway_names().values()]
    return [
        phone_number_column(numbers),
        RecordColumn(
            "scope",
            _read_scope,
            ("запрет",),
            default=defaults.get("scope", SuppressionScope.EVERYTHING),
            has_few_values=True,
        ),
        RecordColumn("gateway", lambda text: _read_gateway(text, names), ("шлюз",)),
        RecordColumn(
            "reason",
            _read_reason,
            ("причина",),
            default=defaults.get("reason", SuppressionReason.OTHER),
            has_few_values=True,
        ),
        note_column(defaults.get("note")),
        past_moment_column("recorded_at", latest + CLOCK_TOLERANCE, others=("date", "дата"), has_few_values=True),
        text_column("source", 100, has_few_values=True),
        evidence_column(),
    ]


def import_suppressions(request: Request, options: dict[str, Any]) -> ImportReport:
    """Imports the suppressions in a request's body. `options` is as SuppressionImportArguments loads it.

    Raises what opening and reading the file raises, and Invalid for an unknown gateway.
    """
    gateway = options.get("gateway")
    gateway_id_of(gateway)
    region = options.get("default_region", current_app.config["DEFAULT_REGION"])
    columns = import_columns(numbers_of(region), now(), options)
    write = SuppressionWriter(name_of_caller())
    report = import_records(request, columns, lambda record: finish_record(record, gateway), write)
    log.info("suppressions.imported", extra=report.log_fields())
    return report


class SuppressionWriter:
    """Adds suppressions of a file, and ends the pending messages that they cover."""

    def __init__(self, recorded_by: str | None) -> None:
        self._recorded_by = recorded_by
        self._gateways = {found.name: gateway_id for gateway_id, found in gateway_names().items()}

    def __call__(self, connection: Connection, records: Sequence[dict[str, Any]]) -> Written:
        reattach_recorded(connection, sorted({record["phone_number"] for record in records}))
        rows = [self._row(record) for record in records]
        added = connection.exec_driver_sql(ADD_SUPPRESSIONS, {"suppressions": json_parameter(rows)}).all()
        if not added:
            return Written(0)
        numbers = sorted({row.phone_number for row in added})
        return Written(len(added), connection.exec_driver_sql(CANCEL_SUPPRESSED, {"phone_numbers": numbers}).rowcount)

    def _row(self, record: dict[str, Any]) -> dict[str, Any]:
        evidence = with_note(record)
        moment: datetime | None = record["recorded_at"]
        if moment is not None:
            evidence["recorded_at"] = written(moment)
        if record["source"] is not None:
            evidence["source"] = record["source"]
        return {
            "phone_number": record["phone_number"],
            "scope": record["scope"],
            "gateway_id": self._gateways[record["gateway"]] if record["gateway"] is not None else None,
            "reason": record["reason"],
            "source": RecordSource.IMPORT,
            "evidence": evidence,
            "recorded_by": self._recorded_by,
            "reported_at": None if moment is None else moment.isoformat(),
        }


def finish_record(record: dict[str, Any], gateway: str | None) -> None:
    """Completes a record with the `gateway` of the request. Raises Invalid for a gateway without its scope, and the
    other way round.
    """
    if record["scope"] is SuppressionScope.GATEWAY and record["gateway"] is None:
        record["gateway"] = gateway
    check_gateway(record["scope"], record["gateway"])


def suppressions_as_csv(pages: Iterable[Sequence[Any]], names: dict[int, str], form: CsvForm) -> Iterator[str]:
    """The suppressions as a CSV file in chunks, which can be imported. `names` are those of the gateways by id."""
    yield form.beginning + form.lines([COLUMNS])
    for page in pages:
        yield form.lines(_cells(row, names) for row in page)


def pages_in_force(engine: Engine) -> Iterator[Sequence[Any]]:
    """All suppressions in force whose number is known, by their ids."""
    in_force = Suppression.lifted_at.is_(None), Suppression.phone_number.is_not(None)
    return pages_by_id(engine, select(Suppression.__table__).where(*in_force), Suppression.id, PAGE)


def _cells(row: Any, names: dict[int, str]) -> list[Any]:
    evidence = {name: text if isinstance(text, str) else json.dumps(text) for name, text in row.evidence.items()}
    note = evidence.pop("note", "")
    # Of one that was imported, when and by what way it was recorded first.
    recorded_at = evidence.pop("recorded_at", None) or written(row.recorded_at)
    source = evidence.pop("source", None) or row.source.value
    return [
        row.phone_number,
        row.scope.value,
        "" if row.gateway_id is None else names[row.gateway_id],
        row.reason.value,
        escape_formula(note),
        recorded_at,
        escape_formula(source),
        json.dumps(evidence, ensure_ascii=False) if evidence else "",
    ]


def _read_scope(text: str) -> SuppressionScope:
    try:
        return SuppressionScope(text.strip().lower())
    except ValueError:
        raise Invalid("scope", ErrorCode.NOT_A_SUPPRESSION_SCOPE) from None


def _read_reason(text: str) -> SuppressionReason:
    try:
        return SuppressionReason(text.strip().lower())
    except ValueError:
        raise Invalid("reason", ErrorCode.NOT_A_SUPPRESSION_REASON) from None


def _read_gateway(text: str, names: Sequence[str]) -> str:
    name = text.strip()
    if name not in names:
        raise Invalid("gateway", ErrorCode.NO_SUCH_GATEWAY, gateway=name[:100])
    return name
