"""The operations on consents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request, url_for
from flask.views import MethodView

from api.clients.import_upload import CSV, NDJSON
from api.consents import queries, services
from api.consents.import_records import import_consents
from api.consents.schemas import (
    ConsentBody,
    ConsentImportArguments,
    ConsentsArguments,
    ConsentSchema,
    WithdrawalBody,
)
from api.http.blueprint import Blueprint
from api.http.idempotency import refuse_key_of_file
from api.http.openapi import FILE, LOCATION, path_id
from api.http.paging import PAGE_HEADERS, page
from api.permissions import requires
from api.record_files.schemas import RecordsImportedSchema, with_note
from shared.domain.roles import Role
from shared.domain.suppressions import RecordSource

CONSENT_ID = path_id("consent_id", "consent")

CONSENTS_CSV = (
    "phone_number,given_at,method,wording,note\r\n"
    "79161234567,2022-06-01T09:00:00.000Z,web form,I agree to receive offers by text message.,/subscribe\r\n"
)
CONSENTS_NDJSON = (
    '{"phone_number": 79161234567, "given_at": "2022-06-01T09:00:00.000Z", "method": "web form", '
    '"wording": "I agree to receive offers by text message."}\n'
)
FILES = {CSV: {"schema": FILE, "example": CONSENTS_CSV}, NDJSON: {"schema": FILE, "example": CONSENTS_NDJSON}}

blp = Blueprint("Consents", "/v1/consent", "Consents: who agreed to what, when, how, and to which wording.")


@blp.route("/create/")
class NewConsent(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("createConsent", 409)
    @blp.once
    @blp.arguments(ConsentBody())
    @blp.response(201, ConsentSchema(), headers={"Location": LOCATION})
    @blp.other_response(200, ConsentSchema(), description="It was recorded already; nothing was written.")
    def post(self, fields: dict[str, Any]) -> tuple[queries.ConsentRow, int, dict[str, str]]:
        """Record a consent

        An equal one (number, purpose, time, method and wording) that is recorded is returned as it is with 200, even if
        it has been withdrawn, and nothing is written.

        A consent does not lift a suppression of its number: `liftSuppression` does, with evidence of its own.
        """
        evidence = with_note(fields)
        given = {name: value for name, value in fields.items() if name not in ("evidence", "note")}
        recorded = services.add_consent(given, evidence, RecordSource.API)
        location = url_for("Consents.ConsentById", consent_id=recorded.consent.id)
        return recorded.consent, 201 if recorded.is_new else 200, {"Location": location}


@blp.route("/")
class Consents(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listConsents")
    @blp.arguments(ConsentsArguments(), location="query")
    @blp.response(200, ConsentSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[queries.ConsentRow], dict[str, str]]:
        """List consents, also those that were withdrawn"""
        return page(queries.consents_after, arguments)


@blp.route("/<id:consent_id>/", parameters=CONSENT_ID)
class ConsentById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getConsent", 404)
    @blp.response(200, ConsentSchema())
    def get(self, consent_id: int) -> queries.ConsentRow:
        """Get a consent"""
        return queries.consent_by_id(consent_id)


@blp.route("/<id:consent_id>/withdraw/", parameters=CONSENT_ID)
class ConsentWithdrawal(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("withdrawConsent", 404, 409)
    @blp.once
    @blp.arguments(WithdrawalBody())
    @blp.response(200, ConsentSchema())
    def post(self, fields: dict[str, Any], consent_id: int) -> queries.ConsentRow:
        """Withdraw a consent

        It is kept, with when and why. If it was the number's last one to marketing, then from now on no worker takes a
        message of a mailing that requires consent: pending ones are cancelled (`unknown` if an attempt may have been
        delivered). One that is withdrawn already stays as it is.
        """
        return services.withdraw_consent(consent_id, fields["evidence"], fields["withdrawn_at"])


@blp.route("/import/")
class ConsentsImport(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("importConsents", 400, 408, 413, 415, requestBody={"required": True, "content": FILES})
    @blp.arguments(ConsentImportArguments(), location="query")
    @blp.response(200, RecordsImportedSchema())
    def post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Record many consents

        Send CSV whose first line names the columns `phone_number`, `given_at`, `method` and `wording`, and perhaps
        `purpose`, `note` and `evidence` (a JSON object of texts), or one JSON object a line with the same names;
        optionally with `Content-Encoding: gzip`. A method or wording that all rows have may be a parameter instead.
        Encoding, delimiter and phone numbers are read as in `importClients`. A date without a time is its beginning,
        and a time without an offset is in UTC.

        A consent that is recorded already adds nothing, even if it has been withdrawn: the same file again adds
        nothing. A row with an error is rejected and named in the response; the others are recorded, 10,000 at a time.
        If the upload breaks off, what came before is recorded.
        """
        refuse_key_of_file()
        return import_consents(request, arguments).as_json()
