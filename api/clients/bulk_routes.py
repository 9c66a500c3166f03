"""The operations on the directory as a whole."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import chain
from typing import Any

from flask import Response, current_app, request
from flask.views import MethodView
from webargs.flaskparser import abort

from api.clients import bulk
from api.clients.routes import blp
from api.clients.schemas import ImportArguments, ImportedSchema
from api.clients.staging import staged
from api.clients.upload import CSV, NDJSON, read_rows
from api.extensions import db
from api.idempotency import HEADER
from shared.phone_numbers import numbers_of

__all__ = ["blp"]

MAX_ERRORS = 1000
"""Faults that a JSON answer names."""

CLIENTS_CSV = "phone_number,operator_code,tag,timezone\r\n79161234567,916,vip,Europe/Moscow\r\n"
CLIENTS_NDJSON = (
    '{"phone_number": 79161234567, "operator_code": "916", "tag": "vip", "timezone": "Europe/Moscow"}\n'  # a line each
)
FAULTS_CSV = (
    "line,field,reason,phone_number,operator_code,tag,timezone\r\n"
    '3,timezone,"Must be the name of an IANA time zone, such as Europe/Moscow.",79161234568,916,vip,Mars\r\n'
)
FILES = {
    CSV: {"schema": {"type": "string", "minLength": 1}, "example": CLIENTS_CSV},
    NDJSON: {"schema": {"type": "string", "minLength": 1}, "example": CLIENTS_NDJSON},
}


@blp.route("/import/")
class ClientsImport(MethodView):
    @blp.operation("importClients", 400, 408, 413, 415, requestBody={"required": True, "content": FILES})
    @blp.arguments(ImportArguments(), location="query")
    @blp.response(200, {"type": "string"}, content_type=CSV, example=FAULTS_CSV)
    @blp.response(200, ImportedSchema())
    def post(self, arguments: dict[str, Any]) -> Any:
        """Add and change many clients

        CSV whose first line names the four columns, in any order, or one JSON object a line; in UTF-8, and with
        `Content-Encoding: gzip` if you like. A phone number that there is not is added; the client of one that there is
        gets the other fields; a client that is so already is left alone, so the same file again changes nothing.

        Phone numbers are read as people and spreadsheets write them: `+7 (916) 123-45-67`, `'79161234567`,
        `79161234567.0`, and with `default_region=RU` also `8 916 123-45-67`. What no country has is refused.

        A row that creating a client would refuse, and one whose phone number comes earlier in the file, is rejected and
        named, and the others are taken. With `Accept: text/csv` the answer is a file of all rejected rows and reasons.
        """
        if HEADER in request.headers:
            abort(422, errors={"headers": {HEADER: ["Not taken here: the same file again changes nothing anyway."]}})
        region = arguments.get("default_region", current_app.config["DEFAULT_REGION"])
        rows = read_rows(request, current_app.config["MAX_IMPORT_BYTES"])
        with ExitStack() as stack:
            staging = stack.enter_context(staged(db.engine))
            imported = bulk.import_clients(staging, rows, numbers_of(region))
            if request.accept_mimetypes.best_match(["application/json", CSV]) == CSV:
                answer = Response(bulk.faults_as_csv(staging.faults()), content_type=f"{CSV}; charset=utf-8")
                answer.call_on_close(stack.pop_all().close)
                return answer
            errors = [
                {"line": fault.line, "field": fault.field or None, "reason": fault.reason}
                for fault in staging.first_faults(MAX_ERRORS)
            ]
            return {**imported._asdict(), "errors": errors}


@blp.route("/export/")
class ClientsExport(MethodView):
    @blp.operation("exportClients")
    @blp.response(200, {"type": "string"}, content_type=NDJSON, example=CLIENTS_NDJSON)
    @blp.response(200, {"type": "string"}, content_type=CSV, example=CLIENTS_CSV)
    def get(self) -> Response:
        """Download all clients

        As CSV, or with `Accept: application/x-ndjson` as one JSON object a line, in the order of their ids; an import
        takes both. In CSV, a tag that a spreadsheet would take for a formula has a single quote before it.
        """
        pages = bulk.pages_of_clients(db.engine)
        # The first one now, while there can still be an error's status.
        first = next(pages, ())
        pages = chain([first], pages)
        if request.accept_mimetypes.best_match([CSV, NDJSON]) == NDJSON:
            return Response(bulk.clients_as_ndjson(pages), content_type=NDJSON, headers=_saved_as("clients.ndjson"))
        answer = Response(bulk.clients_as_csv(pages), content_type=f"{CSV}; charset=utf-8")
        answer.headers.update(_saved_as("clients.csv"))
        return answer


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename={name}"}
