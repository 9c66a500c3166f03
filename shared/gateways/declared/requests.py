"""Requests of a declared contract: its templates filled, each value encoded for where it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

from shared.errors import ConfigurationError
from shared.gateways.authentication import basic
from shared.gateways.base import Account
from shared.gateways.declared.contract import BodyKind, Contract, JsonField, RequestContract
from shared.gateways.declared.contract_checks import names_used
from shared.gateways.declared.templates import RECEIPT_URL, SENDER, Template

_CONTENT_TYPES = {BodyKind.FORM: "application/x-www-form-urlencoded", BodyKind.JSON: "application/json"}
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")  # RFC 9110 5.5, without obs-text and tabs

Headers = Mapping[str, str]


def constants_of(contract: Contract, account: Account) -> Mapping[str, str]:
    """The sender id, the credentials and the address for receipts by their placeholders.

    Raises ConfigurationError that names the field.
    """
    sender = account.sender
    if SENDER in names_used(contract) and not sender:
        raise ConfigurationError("sender: must be entered, since the contract has {sender}")
    if not sender.isprintable():  # lone surrogates are not printable either
        raise ConfigurationError("sender: must consist of printable characters")
    credentials = _read_credentials(account.credentials.get("credentials", ""))
    if missing := [name for name in contract.credentials if name not in credentials]:
        raise ConfigurationError(f"credentials: {', '.join(missing)} missing: enter it as name = value")
    if len(credentials) > len(contract.credentials):
        raise ConfigurationError("credentials: has names that the contract does not name")
    return {**credentials, SENDER: sender, RECEIPT_URL: account.receipt_url}


def authorization_of(contract: Contract, constants: Mapping[str, str]) -> str | None:
    """The Authorization header of Basic authentication, if the contract has it."""
    if contract.basic is None:
        return None
    user, password = (template.fill(constants) for template in contract.basic)
    if ":" in user:
        raise ConfigurationError("credentials: a user of Basic authentication must have no colon")
    return basic(user, password)


def headers_of(contract: Contract, request: RequestContract, constants: Mapping[str, str]) -> Headers:
    """The headers of a request, which are the same for every message.

    Raises ConfigurationError, without the value, for one that a header cannot have.
    """
    headers = {}
    if request.body in _CONTENT_TYPES and not any(name.lower() == "content-type" for name in contract.headers):
        headers["Content-Type"] = _CONTENT_TYPES[request.body]
    if authorization := authorization_of(contract, constants):
        headers["Authorization"] = authorization
    for name, template in contract.headers.items():
        headers[name] = template.fill(constants)
        if not _HEADER_VALUE.fullmatch(headers[name]):
            raise ConfigurationError(
                f"credentials: the header {name} cannot have these values: printable ASCII only, with no spaces around"
            )
    return headers


def without_fields_of(request: RequestContract, name: str) -> RequestContract:
    """The request without the fields that have a placeholder."""
    return replace(request, fields=dict(_kept(request.fields, name)))


def _kept(fields: Mapping[str, JsonField], name: str) -> Iterator[tuple[str, JsonField]]:
    for key, field in fields.items():
        kept = _without(field, name)
        if kept is not None:
            yield key, kept


def _without(field: JsonField, name: str) -> JsonField | None:
    """The field without what has the placeholder; None if nothing else is in it."""
    if isinstance(field, Template):
        return None if name in field.names else field
    if isinstance(field, dict):
        return dict(_kept(field, name)) or (None if field else field)
    if isinstance(field, list):
        kept = [one for one in (_without(each, name) for each in field) if one is not None]
        return kept or (None if field else field)
    return field


def path_and_body(request: RequestContract, values: Mapping[str, str]) -> tuple[str, bytes]:
    """The path with its query, and the body, for the values of a message."""
    path = request.path.fill(values, lambda value: quote(value, safe=""))
    if request.body is BodyKind.JSON:
        payload = {name: _json_value(field, values) for name, field in request.fields.items()}
        return path, json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    fields = {name: field.fill(values) for name, field in request.fields.items() if isinstance(field, Template)}
    if request.body is BodyKind.FORM:
        return path, urlencode(fields).encode()
    if fields:
        path += ("&" if "?" in path else "?") + urlencode(fields, quote_via=quote)
    return path, b""


def _json_value(field: JsonField, values: Mapping[str, str]) -> object:
    if isinstance(field, Template):
        text = field.fill(values)
        return int(text) if field.number else text
    if isinstance(field, dict):
        return {name: _json_value(one, values) for name, one in field.items()}
    if isinstance(field, list):
        return [_json_value(one, values) for one in field]
    return field


def _read_credentials(text: str) -> Mapping[str, str]:
    """The lines `name = value`. Raises ConfigurationError, without the values."""
    credentials: dict[str, str] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not (name and equals and value):
            raise ConfigurationError(f"credentials, line {number}: must be name = value")
        if name in credentials:
            raise ConfigurationError(f"credentials, line {number}: a name is there twice")
        if not value.isprintable():
            raise ConfigurationError(f"credentials, line {number}: a value must consist of printable characters")
        credentials[name] = value
    return credentials
