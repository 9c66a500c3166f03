"""The operations on a phone number, whether or not a client has it."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.numbers import erasure
from api.numbers.evidence_document import json_document, record_reading, sent_in_chunks
from api.numbers.evidence_page import html_page
from api.numbers.schemas import EVIDENCE, PATH_NUMBER, REMAINS, EraseBody, ErasedSchema, EvidenceArguments
from api.permissions import requires
from shared.domain.client_rules import MAX_PHONE_NUMBER, MIN_PHONE_NUMBER
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode
from shared.errors import NotFound

blp = Blueprint("Numbers", "/v1/number", "All that is known about a phone number: evidence, and erasure.")


JSON, HTML = "application/json", "text/html"


@blp.route("/<id:phone_number>/evidence/", parameters=PATH_NUMBER)
class NumberEvidence(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("getNumberEvidence", 404)
    @blp.arguments(EvidenceArguments(), location="query")
    @blp.response(200, EVIDENCE)
    @blp.other_response(200, {"type": "string"}, content_type=HTML, example="<!doctype html>…")
    def get(self, arguments: dict[str, Any], phone_number: int) -> Response:
        """Get all that is known about a phone number

        The clients that had it, consents, suppressions, every message to it with its text, attempts and receipts, every
        message from it, and erasures, as they were at one moment. With `format=html` or `Accept: text/html` as a page
        to print, in English or Russian, that says in sentences what happened, in the order of time. docs/evidence.md
        describes the fields.

        A number that nothing is known about has empty parts. Reading is recorded in the audit log.
        """
        _check_number(phone_number)
        accepted = HTML if request.accept_mimetypes.best_match([JSON, HTML]) == HTML else JSON
        content_type = {"html": HTML, "json": JSON, None: accepted}[arguments.get("format")]
        response = Response(content_type=f"{HTML}; charset=utf-8" if content_type == HTML else JSON)
        response.vary.update(("Accept", "Accept-Language"))
        if request.method != "HEAD":
            record_reading(phone_number)
            document = (html_page if content_type == HTML else json_document)(phone_number)
            response.response = sent_in_chunks(document)
            response.call_on_close(document.close)
        return response


@blp.route("/<id:phone_number>/erase/", parameters=PATH_NUMBER)
class NumberErasure(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("eraseNumber", 404, 409)
    @blp.once
    @blp.arguments(EraseBody())
    @blp.response(200, ErasedSchema())
    def post(self, fields: dict[str, Any], phone_number: int) -> dict[str, Any]:
        """Erase what is known about a phone number

        Removes the client, whose pending messages end; the number from messages, number lists, inbound messages,
        suppressions and consents; the values of messages' texts; texts and senders of inbound messages; and the number
        from what proves suppressions and consents. Suppressions and consents keep a keyed hash, by which they hold
        again if the number is added again.

        All is one transaction. Of more than 10,000 messages, those that have ended are erased before, in parts: if the
        request breaks off, repeat it. Repeating it otherwise erases what has come since.

        Refused with 409 unless CREDENTIALS_KEY is set: the hashes are made with it.
        """
        _check_number(phone_number)
        return {**erasure.erase(phone_number, **fields)._asdict(), "remains": REMAINS}


def _check_number(phone_number: int) -> None:
    if not MIN_PHONE_NUMBER <= phone_number <= MAX_PHONE_NUMBER:
        raise NotFound(ErrorCode.NOT_FOUND)
