"""The operations on the directory as a whole."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import chain
from typing import Any

from flask import Response, current_app, request
from flask.views import MethodView
from webargs.flaskparser import abort

from api.clients import import_export
from api.clients.import_export_schemas import ImportArguments, ImportedSchema
from api.clients.import_report import MAX_REJECTED, imported_file, rejected_as_csv
from api.clients.import_upload import CSV, NDJSON, open_upload
from api.clients.routes import blp
from api.extensions import db
from api.http.csv_files import CsvForm, CsvFormArguments, csv_response, saved_as
from api.http.idempotency import HEADER
from api.permissions import requires
from shared.domain.phone_numbers import numbers_of
from shared.domain.roles import Role

__all__ = ["blp"]

CLIENTS_CSV = "phone_number,operator_code,tag,timezone\r\n79161234567,916,vip,Europe/Moscow\r\n"
CLIENTS_NDJSON = (
    '{"phone_number": 79161234567, "operator_code": "916", "tag": "vip", "timezone": "Europe/Moscow"}\n'  # a line each
)
REJECTED_CSV = (
    "line,reason,phone_number,operator_code,tag,timezone\r\n"
    '3,"timezone: Must be the name of an IANA time zone, such as Europe/Moscow.",79161234568,916,vip,Mars\r\n'
)
FILE = {"type": "string", "format": "binary"}
"""A body that is passed on unchanged: generated clients treat it as a file."""
FILES = {
    CSV: {"schema": FILE, "example": CLIENTS_CSV},
    NDJSON: {"schema": FILE, "example": CLIENTS_NDJSON},
}


@blp.route("/import/")
class ClientsImport(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("importClients", 400, 408, 413, 415, requestBody={"required": True, "content": FILES})
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
        if HEADER in request.headers:
            abort(422, errors={"headers": {HEADER: ["Not taken here: the same file again changes nothing anyway."]}})
        region = arguments.get("default_region", current_app.config["DEFAULT_REGION"])
        file = open_upload(request, current_app.config["MAX_IMPORT_BYTES"])
        with ExitStack() as stack:
            report, staging = stack.enter_context(imported_file(file, numbers_of(region), dry_run=arguments["dry_run"]))
            if request.accept_mimetypes.best_match(["application/json", CSV]) == CSV:
                form = CsvForm.of(arguments["delimiter"], arguments["bom"])
                response = csv_response(rejected_as_csv(file, staging.rejected(), form), "rejected.csv")
                response.call_on_close(stack.pop_all().close)
                return response
            return report.as_json(staging.first_rejected(MAX_REJECTED))


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
        can be imported. In CSV, a tag that a spreadsheet would take for a formula has a single quote before it.
        """
        pages = import_export.pages_of_clients(db.engine)
        # The first page is read now, while an error can still change the status.
        first = next(pages, ())
        pages = chain([first], pages)
        if request.accept_mimetypes.best_match([CSV, NDJSON]) == NDJSON:
            return Response(
                import_export.clients_as_ndjson(pages), content_type=NDJSON, headers=saved_as("clients.ndjson")
            )
        form = CsvForm.of(arguments["delimiter"], arguments["bom"])
        return csv_response(import_export.clients_as_csv(pages, form), "clients.csv")
