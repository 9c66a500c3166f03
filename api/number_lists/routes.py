"""The operations on number lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import current_app, request, url_for
from flask.views import MethodView
from werkzeug.exceptions import UnsupportedMediaType

from api.clients.import_upload import open_body
from api.clients.line_reader import LineReader
from api.http.blueprint import Blueprint
from api.http.idempotency import refuse_key
from api.http.openapi import FILE, LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.number_lists import queries, services
from api.number_lists.new_clients import NewClients
from api.number_lists.number_lines import NumberLines
from api.number_lists.schemas import NumberListSchema, UploadArguments, UploadedSchema
from api.permissions import requires
from shared.domain.phone_numbers import numbers_of
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode, code_of
from shared.schema import NumberList

LIST_ID = path_id("number_list_id", "list")

FILE_TYPES = ("text/plain", "text/csv")
FILES = {kind: {"schema": FILE, "example": "+7 916 123-45-67\r\n79161234568\r\n"} for kind in FILE_TYPES}

blp = Blueprint("NumberLists", "/v1/number-list", "Uploaded phone numbers, for segments: `phone_number in list 7`.")


@blp.route("/create/")
class NewNumberList(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("createNumberList", 400, 408, 409, 413, 415, requestBody={"required": True, "content": FILES})
    @blp.arguments(UploadArguments(), location="query")
    @blp.response(201, UploadedSchema(), headers={"Location": LOCATION})
    def post(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Upload a number list

        Send one phone number a line, as people and spreadsheets write them, optionally with `Content-Encoding: gzip`.
        The encoding is detected. A line that is no number is rejected and named in the response; the others are in the
        list, each once.
        """
        refuse_key("a second list of this name is refused.")
        uploaded = services.upload(arguments["name"], _lines(arguments), _new_clients(arguments))
        location = url_for("NumberLists.NumberListById", number_list_id=uploaded.number_list.id)
        return _report(uploaded), {"Location": location}


@blp.route("/")
class NumberLists(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listNumberLists")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, NumberListSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[NumberList], dict[str, str]]:
        """List the number lists"""
        return page(queries.number_lists_after, arguments)


@blp.route("/<id:number_list_id>/", parameters=LIST_ID)
class NumberListById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getNumberList", 404)
    @blp.response(200, NumberListSchema())
    def get(self, number_list_id: int) -> NumberList:
        """Get a number list, without the numbers"""
        return queries.number_list_by_id(number_list_id)

    @requires(Role.OPERATOR)
    @blp.operation("deleteNumberList", 404, 409)
    @blp.response(204)
    def delete(self, number_list_id: int) -> None:
        """Remove a number list

        Refused while a saved segment, or a mailing that has not been launched, uses it.
        """
        services.remove(number_list_id)


def _lines(arguments: dict[str, Any]) -> NumberLines:
    """The file in the request's body. Raises UnsupportedMediaType for one that is not declared as such a file."""
    if request.mimetype not in FILE_TYPES:
        raise UnsupportedMediaType(ErrorCode.NUMBER_LIST_FILE_TYPE())
    stream = open_body(request, current_app.config["MAX_IMPORT_BYTES"])
    region = arguments.get("default_region", current_app.config["DEFAULT_REGION"])
    return NumberLines(LineReader(stream, request.mimetype_params.get("charset", "")), numbers_of(region))


def _new_clients(arguments: dict[str, Any]) -> NewClients | None:
    return NewClients(arguments["tag"], arguments.get("timezone")) if arguments["create_clients"] else None


def _report(uploaded: services.Uploaded) -> dict[str, Any]:
    """The list and its report as UploadedSchema has them."""
    listed, lines, matched = uploaded.number_list, uploaded.lines, uploaded.matched
    return {
        **{name: getattr(listed, name) for name in ("id", "name", "numbers", "created_at")},
        "repeated": uploaded.repeated,
        "rejected": lines.rejected,
        "errors": [
            {"line": fault.line, "reason": fault.reason, "reason_code": code_of(fault.reason)} for fault in lines.faults
        ],
        **{name: getattr(matched, name) for name in ("clients", "added", "unmatched")},
        "not_added": [
            {"phone_number": fault.phone_number, "reason": fault.reason, "reason_code": code_of(fault.reason)}
            for fault in matched.faults
        ],
    }
