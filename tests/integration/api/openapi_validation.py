"""Whether what the API answers is what its OpenAPI document says: status, content type, and JSON field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jsonschema_rs
from flask import Flask, Response, request, request_finished

from api.auth.authentication import API_PATH

Schema = dict[str, Any]

BUG = 500
"""In no operation's answers: it is what no operation should answer."""
WITHOUT_BODY = (204, 304)
"""Werkzeug sends none of these, whatever the response holds."""


class Document:
    """The OpenAPI document, as what answers are checked against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._paths = document["paths"]
        self._responses = document["components"]["responses"]
        self._schemas = {name: _closed(schema) for name, schema in document["components"]["schemas"].items()}
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def differences(self, path: str, method: str, response: Response) -> Iterator[str]:
        """What in the answer of an operation the document does not say. A path that is not in it has no operation."""
        operation = self._paths.get(path, {}).get("get" if method == "HEAD" else method.lower())
        if operation is None or response.status_code == BUG:
            return
        call = f"{method} {path}: {response.status_code}"
        described = operation["responses"].get(str(response.status_code))
        if described is None:
            yield f"{call} is not documented"
            return
        if "$ref" in described:
            described = self._responses[described["$ref"].rpartition("/")[2]]
        content = described.get("content", {})
        if response.status_code in WITHOUT_BODY:
            return
        if response.mimetype not in content:
            yield f"{call} is {response.mimetype}, which is not documented"
        elif response.is_json and method != "HEAD":
            validator = self._validator(content["application/json"]["schema"])
            yield from (f"{call}: {error}" for error in validator.iter_errors(response.get_json()))

    def _validator(self, schema: Schema) -> jsonschema_rs.Validator:
        key = str(schema)
        if key not in self._validators:
            whole = {**_closed(schema), "components": {"schemas": self._schemas}}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self._validators[key]


@contextmanager
def every_answer_checked(document: Document, found: list[str]) -> Iterator[None]:
    """Adds what is not documented to the list, whichever application of this process answers it."""

    def check(_: Flask, response: Response, **__: Any) -> None:
        rule = request.url_rule
        if rule is not None and rule.rule.startswith(API_PATH):
            path = re.sub(r"<id:(\w+)>", r"{\1}", rule.rule.rstrip("/") + "/")
            found.extend(document.differences(path, request.method, response))

    with request_finished.connected_to(check):
        yield


def _closed(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as one of JSON Schema; an object has no properties but those that it names."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items() if name not in ("nullable", "example")}
    if schema.get("nullable"):
        closed["type"] = [schema["type"], "null"]
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
