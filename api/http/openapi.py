"""The parts of the OpenAPI document that flask-smorest does not generate."""

from __future__ import annotations

from typing import Any

import flask_smorest
import marshmallow as ma
from werkzeug.routing import BaseConverter, ValidationError

from api.http.fields import MAX_ID, chosen_members, object_or_null_properties
from api.http.schemas import ResponseSchema
from shared.version import VERSION

DESCRIPTION = """\
Bulk text-message mailings to a directory of clients, with a ledger of the result of every message.

A trailing slash is optional on every path. Every error has the same JSON body: `code`, `status`, `message`, mostly a
`reason_code` with `reason_params`, and, where a field is wrong, `errors` by place (`json`, `csv`, `query`, `headers`)
and field.

Lists are arrays in the order of `id` (inbound messages: the newest first). The `Link` header with `rel="next"` has the
address of the next page; the last page has no such header.

Responses with one client, mailing or draft have an `ETag`. Send it in `If-Match` with a PUT, a DELETE or an approval,
and that is refused (412) if the resource was edited since. Progress of a mailing's messages does not count as an edit.
(A tag that a compressing proxy has made weak, `W/"…"`, is accepted too.) Send it in `If-None-Match` with a GET, and the
response is 304 while nothing at all has changed.

Every operation needs an API key, as `Authorization: Bearer gonets_…`. A `viewer` reads, an `operator` also writes
clients and mailings, an `admin` also creates and revokes keys and reads the audit. Requests above the rate limit are
refused (429). The response has the `X-Request-Id` of the request, or a new one; the audit has it too.

A POST may carry an `Idempotency-Key`: sent again because its response was lost, it does nothing twice. The exceptions
are imports, which change nothing when repeated, and `createKey` and `createSignInLink`, whose responses are not stored.
"""

SPEC = {
    "API_TITLE": "Gonets",
    "API_VERSION": VERSION,
    # The version that most client generators support best.
    "OPENAPI_VERSION": "3.0.3",
    "API_SPEC_OPTIONS": {"info": {"description": DESCRIPTION}, "security": [{"key": []}]},
}

ERRORS = {
    400: ("BadRequest", "The body does not match its Content-Type, or the query string is not UTF-8."),
    401: (
        "Unauthorized",
        "The API key is missing, unknown, expired or revoked. `WWW-Authenticate` says which.",
    ),
    403: (
        "Forbidden",
        "The role is not sufficient (the message names the required one), or a browser's token is missing.",
    ),
    404: ("NotFound", "The resource does not exist or was deleted."),
    408: ("RequestTimeout", "The upload took more than an hour. Nothing was changed."),
    409: (
        "Conflict",
        "The present state forbids it: another record, the status of the resource, or a request with the same "
        "Idempotency-Key that is still running. `errors` names the field.",
    ),
    412: (
        "PreconditionFailed",
        "The resource was edited since this ETag was returned, or `If-Match` holds no ETag of this API. The message "
        "says which.",
    ),
    413: ("TooLarge", "The body is larger than the API takes."),
    415: ("UnsupportedMediaType", "This Content-Type is not accepted here."),
    422: ("Invalid", "A field or a query parameter is wrong, missing or unknown. `errors` names it."),
    429: ("TooManyRequests", "Above the rate limit of this key. Retry after `Retry-After` seconds."),
    503: ("Unavailable", "The database is unavailable or overloaded. Retry after `Retry-After` seconds."),
}
"""Status: the name of its response in the document, and when it happens."""

SECURITY_SCHEME = {"type": "http", "scheme": "bearer", "description": "A key: `gonets_…`, or the value of API_KEY."}
WWW_AUTHENTICATE = {"description": "That it takes a bearer token.", "schema": {"type": "string"}}
RETRY_AFTER = {"description": "Seconds to wait before a retry.", "schema": {"type": "integer"}}
ERROR_HEADERS = {
    401: {"WWW-Authenticate": WWW_AUTHENTICATE},
    429: {"Retry-After": RETRY_AFTER},
    503: {"Retry-After": RETRY_AFTER},
}
ETAG = {"description": "The version of the resource.", "schema": {"type": "string"}}
LINK = {
    "description": 'The next page: `</v1/client/?after=100>; rel="next"`. None on the last page.',
    "schema": {"type": "string"},
}
LOCATION = {"description": "The path of the new resource.", "schema": {"type": "string"}}

FILE = {"type": "string", "format": "binary"}
"""The schema of a body that is passed on unchanged: generated clients treat it as a file."""

IF_MATCH = {
    "description": "An `ETag` (or several, or `*`): refuse the write if the resource was edited since. Optional.",
    "schema": {"type": "string"},
    "required": False,
}
IF_NONE_MATCH = {
    "description": "An `ETag`: respond with 304 while nothing has changed. Optional.",
    "schema": {"type": "string"},
    "required": False,
}

IDEMPOTENCY_KEY = {
    "description": "A client-generated key, unique per operation. Sent again within 24 hours with the same body, it "
    "returns the same response and does nothing; with another body it is refused with 422, while the first request is "
    "still running with 409. Optional.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "required": False,
}


class ErrorSchema(ResponseSchema):
    """The body of every error."""

    code = ma.fields.Integer(required=True, metadata={"description": "The HTTP status.", "example": 422})
    status = ma.fields.String(
        required=True, metadata={"description": "The name of the status.", "example": "Unprocessable Entity"}
    )
    message = ma.fields.String(
        required=True, metadata={"description": "The error as a sentence.", "example": "The request has errors."}
    )
    reason_code = ma.fields.String(
        metadata={
            "description": "The error as a code, which does not change: compare this. Absent if fields are malformed, "
            "and in errors of HTTP itself.",
            "example": "operator_code_elsewhere",
        }
    )
    reason_params = ma.fields.Dict(
        keys=ma.fields.String(), metadata={"description": "The parameters of the code.", "example": {}}
    )
    errors = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.List(ma.fields.String())),
        metadata={
            "description": "The errors by place and field: `json` or `csv` (the body), `query`, `headers`.",
            "example": {"json": {"operator_code": ["The operator code must occur in the phone number."]}},
        },
    )


class RestApi(flask_smorest.Api):
    """flask-smorest's API, documented with the responses and headers of Gonets."""

    DEFAULT_ERROR_RESPONSE_NAME = None  # type: ignore[assignment]

    def _register_error_handlers(self) -> None:
        """Registers none: api.http.errors handles all errors."""

    def _register_responses(self) -> None:
        converter = self.ma_plugin.converter
        assert converter is not None, "the document is begun"  # noqa: S101
        converter.add_attribute_function(object_or_null_properties)
        converter.add_attribute_function(chosen_members)
        for status, (name, description) in ERRORS.items():
            response: dict[str, Any] = {
                "description": description,
                "content": {"application/json": {"schema": ErrorSchema}},
            }
            if headers := ERROR_HEADERS.get(status):
                response["headers"] = headers
            self.spec.components.response(name, response, lazy=True)
        self.spec.components.security_scheme("key", SECURITY_SCHEME)
        self.spec.components.response("NOT_MODIFIED", {"description": "Not modified since."}, lazy=True)

    def _register_pagination_header(self) -> None:
        """Registers none: pages are linked by the header `Link`."""

    def _register_etag_headers(self) -> None:
        self.spec.components.parameter("IF_MATCH", "header", {"name": "If-Match", **IF_MATCH}, lazy=True)
        self.spec.components.parameter("IF_NONE_MATCH", "header", {"name": "If-None-Match", **IF_NONE_MATCH}, lazy=True)
        self.spec.components.parameter(
            "IDEMPOTENCY_KEY", "header", {"name": "Idempotency-Key", **IDEMPOTENCY_KEY}, lazy=True
        )
        self.spec.components.header("ETAG", ETAG, lazy=True)


rest_api = RestApi()
"""The API that resources register their blueprints with; bound to the application by create_app."""


class RowId(BaseConverter):
    """An id in a path: a positive bigint without leading zeros. Anything else is 404."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        """Raises ValidationError, on which the router responds with 404."""
        if int(value) > MAX_ID:
            raise ValidationError
        return int(value)


def row_id_schema(_: RowId) -> dict[str, Any]:
    """The OpenAPI schema of a RowId."""
    return {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}


def path_id(name: str, whose: str) -> list[dict[str, Any]]:
    """The documentation of a path's one parameter."""
    return [{"in": "path", "name": name, "description": f"The id of the {whose}.", "example": 1}]
