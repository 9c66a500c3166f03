"""Makes calls with a generated client, and prints what it has understood of each answer as a line of JSON.

`python client_driver.py GENERATOR PACKAGE URL KEY < CALLS`, in an environment with what the generated package needs.
This file knows nothing of the operations: it finds them by their names, and their bodies' models by their annotations.
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import pkgutil
import re
import sys
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Any

CSV = "text/csv"


def snake(name: str) -> str:
    """`If-Match` and `createClient` as Python names."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", name).replace("-", "_").lower()


def typed(annotation: Any, value: Any) -> Any:
    """The value as one of the classes that an annotation names: a model, an enum, or what parses a datetime."""
    for one in typing.get_args(annotation) or (annotation,):
        if isinstance(one, type) and isinstance(value, dict) and hasattr(one, "from_dict"):
            return one.from_dict(value)
        if isinstance(one, type) and issubclass(one, Enum):
            return one(value)
        if one.__class__ is not type and typing.get_args(one):  # Annotated
            return typed(typing.get_args(one)[0], value)
        if getattr(one, "__name__", "") == "datetime":
            return one.fromisoformat(value)
    return value


def plain(parsed: Any) -> Any:
    """A model, or a list of them, as JSON."""
    if isinstance(parsed, list):
        return [plain(one) for one in parsed]
    return parsed.to_dict() if hasattr(parsed, "to_dict") else parsed


def modules(package: str) -> Iterator[Any]:
    """All modules below a package."""
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        yield importlib.import_module(found.name)


class OpenapiPythonClient:
    """A client by openapi-python-client: a module with `sync_detailed` for each operation."""

    def __init__(self, package: str, url: str, key: str) -> None:
        client = importlib.import_module(package).AuthenticatedClient
        self._client = client(base_url=url, token=key, raise_on_unexpected_status=True)
        self._file = importlib.import_module(f"{package}.types").File
        self._calls = {
            module.__name__.rpartition(".")[2]: module.sync_detailed
            for module in modules(f"{package}.api")
            if hasattr(module, "sync_detailed")
        }

    def call(self, operation: str, arguments: dict[str, Any], body: Any) -> tuple[int, Any, str, Any]:
        function = self._calls[snake(operation)]
        hints = typing.get_type_hints(function)
        given = {snake(name): typed(hints[snake(name)], value) for name, value in arguments.items()}
        if isinstance(body, str):
            given["body"] = self._file(payload=io.BytesIO(body.encode()), mime_type=CSV)
        elif body is not None:
            given["body"] = typed(hints["body"], body)
        answer = function(client=self._client, **given)
        return answer.status_code.value, answer.parsed, answer.content.decode(), answer.headers.get("ETag")


class OpenapiGenerator:
    """A client by OpenAPI Generator's `python`: a class for each tag, with a method for each operation."""

    def __init__(self, package: str, url: str, key: str) -> None:
        root = importlib.import_module(package)
        client = root.ApiClient(root.Configuration(host=url, access_token=key))
        self._error = root.ApiException
        self._apis = [getattr(root, name)(client) for name in dir(root) if name.endswith("Api")]

    def call(self, operation: str, arguments: dict[str, Any], body: Any) -> tuple[int, Any, str, Any]:
        name = f"{snake(operation)}_with_http_info"
        function = next(getattr(api, name) for api in self._apis if hasattr(api, name))
        hints = inspect.signature(function, eval_str=True).parameters
        given = {snake(name): typed(hints[snake(name)].annotation, value) for name, value in arguments.items()}
        if isinstance(body, str):
            # Of several types it prefers whichever looks like JSON.
            given |= {"body": body.encode(), "_content_type": CSV}
        elif body is not None:
            parameter = next(name for name in hints if name.endswith("_body"))
            given[parameter] = typed(hints[parameter].annotation, body)
        try:
            answer = function(**given)
        except self._error as error:
            return error.status, error.data, error.body, None
        tag = next((value for name, value in (answer.headers or {}).items() if name.lower() == "etag"), None)
        return answer.status_code, answer.data, answer.raw_data.decode(), tag


CLIENTS: dict[str, type[OpenapiPythonClient | OpenapiGenerator]] = {
    "openapi-python-client": OpenapiPythonClient,
    "openapi-generator": OpenapiGenerator,
}


def main(generator: str, package: str, url: str, key: str) -> None:
    """Prints status, the name of the model, the answer as JSON from the model, and the answer as it came."""
    client = CLIENTS[generator](package, url, key)
    tags: list[str | None] = []
    for operation, _, arguments, body, etag_of_call in json.load(sys.stdin):
        if etag_of_call is not None:
            arguments["If-Match"] = tags[etag_of_call]
        status, parsed, raw, tag = client.call(operation, arguments, body)
        tags.append(tag)
        first = parsed[0] if isinstance(parsed, list) and parsed else parsed
        print(json.dumps([status, type(first).__name__, plain(parsed), raw], default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
