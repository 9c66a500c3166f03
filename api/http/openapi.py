"""The OpenAPI document: what flask-smorest doesn't find out by itself."""

from __future__ import annotations

from typing import Any

import flask_smorest
import marshmallow as ma
from werkzeug.routing import BaseConverter, ValidationError

from api.http.fields import MAX_ID, object_or_null_properties
from api.http.schemas import ResponseSchema
from shared.version import VERSION

DESCRIPTION = """\
Bulk text-message mailings to a directory of clients, with a ledger of what became of every message.

A trailing slash is optional on every path. Every error, whatever its status, answers with the same JSON: `code`,
`status`, `message`, and, where a field is to blame, `errors` by place (`json`, `csv`, `query`, `headers`) and field.

Lists are arrays in the order of `id`. The next page is where the `Link` header with `rel="next"` points to; there is
none on the last page.

What reads or writes one client or mailing answers with an `ETag`. Send it back in `If-Match` with a PUT or a DELETE,
and the write is refused (412) if somebody else has edited the resource since. Progress of a mailing's messages is no
edit. (A tag that a compressing proxy has made weak, `W/"…"`, counts as it was.) Send it in `If-None-Match` with a GET,
and the answer is 304 while nothing at all has changed.

Everything needs a key, as `Authorization: Bearer gonets_…`. A `viewer` reads, an `operator` also writes clients and
mailings, an `admin` also makes and revokes keys and reads the audit. Too many requests at once are refused (429). An
answer's `X-Request-Id` is yours, if you sent one, and stands in the audit.

A POST may carry an `Idempotency-Key`: sent again after an answer was lost, it does nothing twice. (But for
imports, which change nothing when repeated, and `createKey` and `createSignInLink`, whose answers are kept nowhere.)
"""

SPEC = {
    "API_TITLE": "Gonets",
    "API_VERSION": VERSION,
    # The version that most generators of clients know best.
    "OPENAPI_VERSION": "3.0.3",
    "API_SPEC_OPTIONS": {"info": {"description": DESCRIPTION}, "security": [{"key": []}]},
}

ERRORS = {
    400: ("BadRequest", "The body is not what it is announced as, or the query string is not UTF-8."),
    401: ("Unauthorized", "There is no key, or none that is known here and not over. `WWW-Authenticate` says which."),
    403: (
        "Forbidden",
        "The key's role may not, and the message names the one that may; or a browser's cookie came without its token.",
    ),
    404: ("NotFound", "There is no such resource, or there never was."),
    408: ("RequestTimeout", "The upload has taken more than an hour. Nothing has changed."),
    409: (
        "Conflict",
        "Not as things stand: another record, the ledger's history, or a request with the same Idempotency-Key that is "
        "still running. `errors` names it.",
    ),
    412: (
        "PreconditionFailed",
        "Somebody else has edited the resource since this ETag was answered, or `If-Match` holds none "
        "that was answered here. The message says which.",
    ),
    413: ("TooLarge", "The body is larger than the API takes."),
    415: ("UnsupportedMediaType", "The body is not announced as something that is taken here."),
    422: ("Invalid", "A field or a query parameter is wrong, missing or unknown. `errors` names it."),
    429: ("TooManyRequests", "Too many requests of this key at once. Try again after `Retry-After` seconds."),
    503: ("Unavailable", "The database is away or too busy. Try again after `Retry-After` seconds."),
}
"""Status: the name of its response in the document, and when it happens."""

SECURITY_SCHEME = {"type": "http", "scheme": "bearer", "description": "A key: `gonets_…`, or what API_KEY is set to."}
WWW_AUTHENTICATE = {"description": "That it takes a bearer token.", "schema": {"type": "string"}}
RETRY_AFTER = {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
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

IF_MATCH = {
    "description": "An `ETag` (or several, or `*`): refuse the write if the resource has been edited since. Optional.",
    "schema": {"type": "string"},
    "required": False,
}
IF_NONE_MATCH = {
    "description": "An `ETag`: answer 304 while nothing has changed. Optional.",
    "schema": {"type": "string"},
    "required": False,
}

IDEMPOTENCY_KEY = {
    "description": "Yours, and another one for each thing you mean to do. Sent again within 24 hours with the same "
    "body, it brings the same answer and does nothing; with another body 422, while the first is still running 409. "
    "Optional.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "required": False,
}


class ErrorSchema(ResponseSchema):
    """What every error answers."""

    code = ma.fields.Integer(required=True, metadata={"description": "The HTTP status.", "example": 422})
    status = ma.fields.String(
        required=True, metadata={"description": "The status in words.", "example": "Unprocessable Entity"}
    )
    message = ma.fields.String(
        required=True, metadata={"description": "What is wrong, for a person.", "example": "The request has errors."}
    )
    errors = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.List(ma.fields.String())),
        metadata={
            "description": "What is wrong with which field, by place: `json` or `csv` (the body), `query`, `headers`.",
            "example": {"json": {"operator_code": ["The operator code must occur in the phone number."]}},
        },
    )


class RestApi(flask_smorest.Api):
    """flask-smorest's API with Gonets's own responses and headers in its document."""

    DEFAULT_ERROR_RESPONSE_NAME = None  # type: ignore[assignment]

    def _register_error_handlers(self) -> None:
        """Leaves errors to api.http.errors, which is the one place that maps them."""

    def _register_responses(self) -> None:
        converter = self.ma_plugin.converter
        assert converter is not None, "the document is begun"  # noqa: S101
        converter.add_attribute_function(object_or_null_properties)
        for status, (name, description) in ERRORS.items():
            response: dict[str, Any] = {
                "description": description,
                "content": {"application/json": {"schema": ErrorSchema}},
            }
            if headers := ERROR_HEADERS.get(status):
                response["headers"] = headers
            self.spec.components.response(name, response, lazy=True)
        self.spec.components.security_scheme("key", SECURITY_SCHEME)
        self.spec.components.response("NOT_MODIFIED", {"description": "Nothing has changed."}, lazy=True)

    def _register_pagination_header(self) -> None:
        """There is none: pages are linked."""

    def _register_etag_headers(self) -> None:
        self.spec.components.parameter("IF_MATCH", "header", {"name": "If-Match", **IF_MATCH}, lazy=True)
        self.spec.components.parameter("IF_NONE_MATCH", "header", {"name": "If-None-Match", **IF_NONE_MATCH}, lazy=True)
        self.spec.components.parameter(
            "IDEMPOTENCY_KEY", "header", {"name": "Idempotency-Key", **IDEMPOTENCY_KEY}, lazy=True
        )
        self.spec.components.header("ETAG", ETAG, lazy=True)


class RowId(BaseConverter):
    """An id in a path: a bigint as PostgreSQL counts them, written in the one shortest way. All else is 404."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        """Raises ValidationError, which makes the path one that there is not."""
        if int(value) > MAX_ID:
            raise ValidationError
        return int(value)


def row_id_schema(_: RowId) -> dict[str, Any]:
    """What OpenAPI says of a RowId."""
    return {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}


def path_id(name: str, whose: str) -> list[dict[str, Any]]:
    """The documentation of a path's one parameter."""
    return [{"in": "path", "name": name, "description": f"The id of the {whose}.", "example": 1}]
