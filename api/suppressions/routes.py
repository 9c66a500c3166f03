"""The operations on suppressions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from flask import Response, request, url_for
from flask.views import MethodView

from api.clients.import_upload import CSV, NDJSON
from api.extensions import db
from api.gateways.queries import gateway_id_of, gateway_names
from api.http.blueprint import Blueprint
from api.http.csv_files import CsvForm, CsvFormArguments, csv_response
from api.http.idempotency import refuse_key_of_file
from api.http.openapi import FILE, LOCATION, path_id
from api.http.paging import PAGE_HEADERS, page
from api.permissions import requires
from api.record_files.schemas import RecordsImportedSchema, with_note
from api.suppressions import import_export, queries, services
from api.suppressions.schemas import (
    LiftBody,
    SuppressionBody,
    SuppressionImportArguments,
    SuppressionsArguments,
    SuppressionSchema,
)
from shared.domain.roles import Role
from shared.domain.suppressions import RecordSource, check_gateway

SUPPRESSION_ID = path_id("suppression_id", "suppression")

SUPPRESSIONS_CSV = (
    "phone_number,scope,gateway,reason,note,recorded_at,source,evidence\r\n"
    "79161234567,everything,,opted_out,said so by telephone,2032-06-01T09:00:00.000Z,api,\r\n"
)
SUPPRESSIONS_NDJSON = '{"phone_number": 79161234567, "scope": "everything", "reason": "opted_out"}\n'
FILES = {CSV: {"schema": FILE, "example": SUPPRESSIONS_CSV}, NDJSON: {"schema": FILE, "example": SUPPRESSIONS_NDJSON}}

blp = Blueprint("Suppressions", "/v1/suppression", "Suppressions: numbers that must not be written to.")


@blp.route("/create/")
class NewSuppression(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("createSuppression", 409)
    @blp.once
    @blp.arguments(SuppressionBody())
    @blp.response(201, SuppressionSchema(), headers={"Location": LOCATION})
    @blp.other_response(200, SuppressionSchema(), description="It was in force already; nothing was written.")
    def post(self, fields: dict[str, Any]) -> tuple[queries.SuppressionRow, int, dict[str, str]]:
        """Record a suppression

        From then on no worker takes a message that it covers: pending ones are cancelled (`unknown` if an attempt may
        have been delivered), and later mailings leave the number out. A request that has left cannot be called back.

        One of the same number, scope and gateway that is in force is returned as it is with 200, and nothing is
        written.
        """
        check_gateway(fields["scope"], fields["gateway"])
        recorded = services.add_suppression(
            fields["phone_number"],
            fields["scope"],
            fields["reason"],
            RecordSource.API,
            gateway_id=gateway_id_of(fields["gateway"]),
            evidence=with_note(fields),
        )
        found = recorded.suppression
        location = url_for("Suppressions.SuppressionById", suppression_id=found.id)
        return found, 201 if recorded.is_new else 200, {"Location": location}


@blp.route("/")
class Suppressions(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listSuppressions")
    @blp.arguments(SuppressionsArguments(), location="query")
    @blp.response(200, SuppressionSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[queries.SuppressionRow], dict[str, str]]:
        """List suppressions, also those that were lifted"""
        return page(queries.suppressions_after, arguments)


@blp.route("/<id:suppression_id>/", parameters=SUPPRESSION_ID)
class SuppressionById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getSuppression", 404)
    @blp.response(200, SuppressionSchema())
    def get(self, suppression_id: int) -> queries.SuppressionRow:
        """Get a suppression"""
        return queries.suppression_by_id(suppression_id)


@blp.route("/<id:suppression_id>/lift/", parameters=SUPPRESSION_ID)
class SuppressionLift(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("liftSuppression", 404, 409)
    @blp.once
    @blp.arguments(LiftBody())
    @blp.response(200, SuppressionSchema())
    def post(self, fields: dict[str, Any], suppression_id: int) -> queries.SuppressionRow:
        """Lift a suppression

        It is kept, with who lifted it, when and why. Messages that it has ended stay ended. One that was lifted already
        stays as it is.
        """
        return services.lift_suppression(suppression_id, fields["evidence"])


@blp.route("/import/")
class SuppressionsImport(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("importSuppressions", 400, 408, 409, 413, 415, requestBody={"required": True, "content": FILES})
    @blp.arguments(SuppressionImportArguments(), location="query")
    @blp.response(200, RecordsImportedSchema())
    def post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Record many suppressions

        Send CSV whose first line names the column `phone_number` and perhaps `scope`, `gateway`, `reason`, `note`,
        `recorded_at` (when the person refused), `source` and `evidence` (a JSON object of texts), or one JSON object a
        line with the same names; optionally with `Content-Encoding: gzip`. Encoding, delimiter and phone numbers are
        read as in `importClients`.

        A row whose suppression is in force already adds nothing, nor does one whose suppression was lifted after its
        `recorded_at`: the same file again adds nothing. A row with an error is rejected and named in the response; the
        others are recorded, 10,000 at a time. If the upload breaks off, what came before is recorded.
        """
        refuse_key_of_file()
        return import_export.import_suppressions(request, arguments).as_json()


@blp.route("/export/")
class SuppressionsExport(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("exportSuppressions")
    @blp.arguments(CsvFormArguments(), location="query")
    @blp.response(200, FILE, content_type=CSV, example=SUPPRESSIONS_CSV)
    def get(self, arguments: dict[str, Any]) -> Response:
        """Download all suppressions in force

        As CSV that can be imported, here or elsewhere, in the order of their ids. Those whose number was erased are not
        in it.
        """
        names = {gateway_id: found.name for gateway_id, found in gateway_names().items()}
        pages = import_export.pages_in_force(db.engine)
        # The first page is read now, while an error can still change the status.
        first = next(pages, ())
        form = CsvForm.of(arguments["delimiter"], arguments["bom"])
        return csv_response(import_export.suppressions_as_csv(chain([first], pages), names, form), "suppressions.csv")
