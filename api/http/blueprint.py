"""A flask-smorest blueprint with typed decorators, strict query strings, roles in the document, and optional ETags."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import marshmallow as ma
from flask import Blueprint as FlaskBlueprint
from flask import Response, request
from flask_smorest.blueprint import Blueprint as SmorestBlueprint
from flask_smorest.utils import unpack_tuple_response
from webargs.flaskparser import abort
from werkzeug.wrappers import Response as BaseResponse

from api.http import etags
from api.http.idempotency import idempotent
from api.http.json_body import BodyParser
from api.http.openapi import ERRORS
from api.http.schemas import ResponseSchema
from api.permissions import Access, declared_access
from shared.domain.roles import Role

View = TypeVar("View", bound=Callable[..., Any])

BODY_ERRORS = (413, 415)

ROLE_SENTENCES: dict[Role | Access, str] = {
    Access.UNDECLARED: "Refused for everybody.",
    Role.VIEWER: "Requires the role `viewer` or a higher one.",
    Role.OPERATOR: "Requires the role `operator` or `admin`.",
    Role.ADMIN: "Requires the role `admin`.",
}


class Blueprint(SmorestBlueprint):
    """The operations on one resource. `editable` is the schema of its editable fields."""

    ARGUMENTS_PARSER = BodyParser()

    def __init__(self, name: str, path: str, description: str, editable: ma.Schema | None = None) -> None:
        super().__init__(name, __name__, url_prefix=path, description=description)
        self._editable = editable
        self._parameters: dict[tuple[str, str], frozenset[str]] = {}
        self._prepare_doc_cbks += [_document_once, _document_etag, _document_errors, self._document_access]
        self.before_request(self._check_query)

    def route(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Registers a MethodView with and without the last slash of its path: a wrong method is a 405 on both.

        The option `parameters` documents those of the path.
        """

        def register(views: View) -> View:
            self.add_url_rule(rule, None, views, **options)
            methods = views.methods  # type: ignore[attr-defined]
            FlaskBlueprint.add_url_rule(self, rule.rstrip("/"), self._endpoints[-1], methods=methods)
            return views

        return register

    def operation(self, operation_id: str, *errors: int, **more: Any) -> Callable[[View], View]:
        """Sets a view's operationId in the OpenAPI document, and documents errors that other decorators don't."""

        def decorate(view: View) -> View:
            named: View = self.doc(operationId=operation_id, **more)(view)
            named._apidoc["errors"] = errors  # type: ignore[attr-defined]
            return named

        return decorate

    def arguments(self, schema: ma.Schema, *, location: str = "json", **options: Any) -> Callable[[View], View]:
        """Passes the loaded fields as the view's first argument."""
        return super().arguments(schema, location=location, **options)  # type: ignore[no-any-return]

    def response(
        self, status_code: int, schema: ma.Schema | dict[str, str] | None = None, **options: Any
    ) -> Callable[[View], View]:
        """Responds with the view's result as the schema dumps it; the result may be a pair with headers.

        A Response is passed on as it is; a schema in OpenAPI's own terms only documents it.
        """
        documented: Callable[[View], View] = super().response(status_code, schema, **options)
        if not isinstance(schema, ResponseSchema):
            return documented
        return lambda view: documented(_written(view, schema, status_code))

    def other_response(
        self, status_code: int, schema: ma.Schema | dict[str, str], **options: Any
    ) -> Callable[[View], View]:
        """Documents another response of the view; a dict is a schema in OpenAPI's own terms."""
        return super().alt_response(status_code, schema=schema, **options)  # type: ignore[no-any-return]

    def etag(self, view: View) -> View:
        """Adds an ETag to the view's response; a view that writes calls check_etag under the row's lock."""

        @functools.wraps(view)
        def tagged(*args: Any, **kwargs: Any) -> Response:
            response: Response = view(*args, **kwargs)
            return response if request.method == "DELETE" else etags.tagged(response, self._editable_schema.dump_fields)

        tagged._apidoc = {**view._apidoc, "tagged": True}  # type: ignore[attr-defined]
        return tagged  # type: ignore[return-value]

    def once(self, view: View) -> View:
        """Commits what the view did, together with its response if the caller sent an Idempotency-Key.

        For views that add or start something: they do not commit themselves.
        """
        once = idempotent(view)
        once._apidoc = {**view._apidoc, "once": True}  # type: ignore[attr-defined]
        return once

    def check_etag(self, etag_data: Any, etag_schema: None = None) -> None:
        """Raises PreconditionFailed (412) when the request has an If-Match that does not match the present resource.

        To be called under the row's lock: of two writers with the same tag, the second one then sees the first.
        """
        if "If-Match" in request.headers:  # optional: the specification's plain PUT and DELETE work
            etags.check_edited(self._editable_schema.dump(etag_data), request.if_match)

    @property
    def _editable_schema(self) -> ma.Schema:
        assert self._editable is not None, "a blueprint with ETags needs a schema of editable fields"  # noqa: S101
        return self._editable

    def _store_endpoint_docs(self, endpoint: str, obj: Any, parameters: Any, tags: Any, **options: Any) -> None:
        super()._store_endpoint_docs(endpoint, obj, parameters, tags, **options)
        for method, doc in self._docs[endpoint].items():
            if method != "parameters":
                self._parameters[endpoint, method] = frozenset(_query_parameters(doc))
                doc["access"] = declared_access(getattr(obj, method))

    def _check_query(self) -> None:
        """Raises 422 for query parameters that are unknown or come twice: nothing is silently ignored."""
        method = "get" if request.method == "HEAD" else request.method.lower()
        endpoint = (request.endpoint or "").rpartition(".")[2]
        known = self._parameters.get((endpoint, method))
        if known is None or not request.query_string:
            return
        given = Counter(name for name, _ in request.args.items(multi=True))
        wrong = {name: ["Unknown parameter."] for name in given if name not in known}
        wrong |= {name: ["Given more than once."] for name, times in given.items() if times > 1 and name in known}
        if wrong:
            abort(422, errors={"query": wrong})

    def _document_access(
        self, doc: dict[str, Any], doc_info: dict[str, Any], *, method: str, **_: Any
    ) -> dict[str, Any]:
        needed = doc_info["access"]
        # A cookie without the page's token may only read, whatever the role.
        may_be_forbidden = needed is not Role.VIEWER or method != "get"
        for status in (401, 403, 429) if may_be_forbidden else (401, 429):
            doc["responses"][status] = ERRORS[status][0]
        texts = (doc_info["docstring"].get("description"), ROLE_SENTENCES[needed])
        doc_info["docstring"]["description"] = "\n\n".join(text for text in texts if text)
        return doc


def _written(view: View, schema: ResponseSchema, status_code: int) -> View:
    """The view, whose result the schema writes as JSON."""

    @functools.wraps(view)
    def written(*args: Any, **kwargs: Any) -> Any:
        result, status, headers = unpack_tuple_response(view(*args, **kwargs))
        if not isinstance(result, BaseResponse):
            result = Response(f"{schema.dumps(result)}\n", status_code, mimetype="application/json")
        return result, status, headers

    return written  # type: ignore[return-value]


def _query_parameters(doc: Mapping[str, Any]) -> list[str]:
    locations = doc.get("arguments", {}).get("parameters", [])
    return [name for location in locations if location["in"] == "query" for name in location["schema"].fields]


def _document_errors(doc: dict[str, Any], doc_info: Mapping[str, Any], **_: Any) -> dict[str, Any]:
    body = BODY_ERRORS if "requestBody" in doc else ()
    for status in sorted({*body, *doc_info.get("errors", ()), 400, 422, 503}):
        doc["responses"][status] = ERRORS[status][0]
    return doc


def _document_once(doc: dict[str, Any], doc_info: Mapping[str, Any], **_: Any) -> dict[str, Any]:
    if doc_info.get("once"):
        doc.setdefault("parameters", []).append("IDEMPOTENCY_KEY")
    return doc


def _document_etag(doc: dict[str, Any], doc_info: Mapping[str, Any], *, method: str, **_: Any) -> dict[str, Any]:
    if not doc_info.get("tagged"):
        return doc
    if method == "get":
        doc["responses"][304] = "NOT_MODIFIED"
        doc.setdefault("parameters", []).append("IF_NONE_MATCH")
    if method in ("put", "delete") or 412 in doc_info.get("errors", ()):
        doc["responses"][412] = ERRORS[412][0]
        doc.setdefault("parameters", []).append("IF_MATCH")
    if method != "delete":
        for status in doc_info["success_status_codes"]:
            doc["responses"][status].setdefault("headers", {})["ETag"] = "ETAG"
    return doc
