"""The operations on the directory as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from itertools import chain
from typing import Any

from flask import Response, current_app, request
from flask.views import MethodView

from api.clients import export
from api.clients.import_columns import check_columns
from api.clients.import_export_schemas import ImportArguments, ImportedSchema
from api.clients.import_fields import declared_fields
from api.clients.import_options import ImportOptions
from api.clients.import_report import MAX_REJECTED, imported_file, rejected_as_csv
from api.clients.import_upload import CSV, NDJSON, open_upload
from api.clients.routes import blp
from api.extensions import db
from api.http.csv_files import CsvForm, CsvFormArguments, csv_response, saved_as
from api.http.idempotency import refuse_key_of_file
from api.http.openapi import FILE
from api.permissions import requires
from shared.domain.phone_numbers import numbers_of
from shared.domain.roles import Role

__all__ = ["blp"]

CLIENTS_CSV = (
    "phone_number,operator_code,tag,timezone,external_id,tags,city\r\n"
    "79161234567,916,vip,Europe/Moscow,crm-1042,regular;vip,Казань\r\n"
)
CLIENTS_NDJSON = (  # a line each
    '{"phone_number": 79161234567, "operator_code": "916", "tag": "vip", "timezone": "Europe/Moscow", '
    '"external_id": "crm-1042", "tags": ["regular", "vip"], "attributes": {"city": "Казань"}}\n'
)
REJECTED_CSV = (
    "line,reason,phone_number,operator_code,tag,timezone\r\n"
    '3,"timezone: Must be the name of an IANA time zone, such as Europe/Moscow.",79161234568,916,vip,Mars\r\n'
)
FILES = {
    CSV: {"schema": FILE, "example": CLIENTS_CSV},
    NDJSON: {"schema": FILE, "example": CLIENTS_NDJSON},
}


@blp.route("/import/")
class ClientsImport(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("importClients", 400, 408, 409, 413, 415, requestBody={"required": True, "content": FILES})
    @blp.arguments(ImportArguments(), location="query")
    # Generated clients take the first one for the response.
    @blp.response(200, ImportedSchema())
    @blp.other_response(200, FILE, content_type=CSV, example=REJECTED_CSV)
    def post(self, arguments: dict[str, Any]) -> Any:
        """Add and change many clients

        Send CSV whose first line names the four columns, in any order and among others, or one JSON object a line;
        optionally with `Content-Encoding: gzip`. The delimiter of CSV is detected, and so is its encoding (UTF-8,
        UTF-16, Windows-1251), unless the `charset` of the Content-Type declares it. A new phone number is added; the
        client of an existing one gets the other fields; a client with equal fields is left unchanged, so importing the
        same file again changes nothing.

        Phone numbers are read as people and spreadsheets write them: `+7 (916) 123-45-67`, `'79161234567`,
        `79161234567.0`, and with `default_region=RU` also `8 916 123-45-67`. A number that no country has is rejected.

        A row that creating a client would refuse, and one that repeats a phone number of the file, is rejected and
        named in the response; the others are imported. With `Accept: text/csv` the response is a file of all rejected
        rows with their reasons, which can be corrected and imported.
        """
        refuse_key_of_file()
        region = arguments.get("default_region", current_app.config["DEFAULT_REGION"])
        options = _options(arguments, region)
        file = open_upload(request, current_app.config["MAX_IMPORT_BYTES"], options)
        check_columns(file.wrong)
        with ExitStack() as stack:
            report, staging = stack.enter_context(imported_file(file, options, dry_run=arguments["dry_run"]))
            if request.accept_mimetypes.best_match(["application/json", CSV]) == CSV:
                form = CsvForm.of(arguments["delimiter"], arguments["bom"])
                response = csv_response(rejected_as_csv(file, staging.rejected(), form), "rejected.csv")
                response.call_on_close(stack.pop_all().close)
                return response
            return report.as_json(staging.first_rejected(MAX_REJECTED))


def _options(arguments: Mapping[str, Any], region: str | None) -> ImportOptions:
    choices = arguments.get("columns", {})
    return ImportOptions(
        numbers=numbers_of(region),
        declared=declared_fields(),
        choices=lambda names: choices if names else {},
        create_fields=arguments["create_fields"],
        fill=arguments["fill"],
        default_timezone=arguments.get("default_timezone"),
        removes_empty=arguments["empty"] == "remove",
        replaces_tags=arguments["tags"] == "replace",
    )


@blp.route("/export/")
class ClientsExport(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("exportClients")
    @blp.arguments(CsvFormArguments(), location="query")
    @blp.response(200, FILE, content_type=CSV, example=CLIENTS_CSV)
    @blp.other_response(200, FILE, content_type=NDJSON, example=CLIENTS_NDJSON)
    def get(self, arguments: dict[str, Any]) -> Response:
        """Download all clients

        As CSV, or with `Accept: application/x-ndjson` as one JSON object a line, in the order of their ids; both
        can be imported. CSV has a column for each declared field; several tags, and the texts of a list, have `;`
        between them. A text that a spreadsheet would take for a formula has a single quote before it.
        """
        pages, fields = export.pages_of_clients(db.engine), export.exported_fields()
        # The first page is read now, while an error can still change the status.
        first = next(pages, ())
        pages = chain([first], pages)
        if request.accept_mimetypes.best_match([CSV, NDJSON]) == NDJSON:
            return Response(export.clients_as_ndjson(pages), content_type=NDJSON, headers=saved_as("clients.ndjson"))
        form = CsvForm.of(arguments["delimiter"], arguments["bom"])
        return csv_response(export.clients_as_csv(pages, fields, form), "clients.csv")
