"""Reading the declaration of requests: credentials, headers, path and fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from shared.gateways.declared.contract import BodyKind, JsonField, RequestContract
from shared.gateways.declared.document import Table
from shared.gateways.declared.templates import RESERVED, Template, read_template

METHODS = ("GET", "POST", "PUT")

MAX_DEPTH = 10
"""Tables and lists in each other in a JSON body."""

RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to the transfer (RFC 9110 7.6.1)."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,60}")  # RFC 9110 5.6.2
_HEADER_TEXT = re.compile(r"[\x20-\x7e]*")
_PATH_TEXT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\-]|%[0-9A-Fa-f]{2})*")  # RFC 3986 3.3 and 3.4


def read_credential_names(root: Table) -> tuple[str, ...]:
    """The names of the account's credentials."""
    names = root.take("credentials")
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        root.mistake("credentials", 'must be a list of names of letters, digits and _, such as ["api_key"]')
        return ()
    for name in sorted(RESERVED.intersection(names)):
        root.mistake("credentials", f"must not be {name}: that is a placeholder of its own")
    if len({*names}) < len(names):
        root.mistake("credentials", "must have each name once")
    return tuple(names)


def read_headers(table: Table, constants: tuple[str, ...]) -> Mapping[str, Template]:
    """The headers, which are the same for every message of an account."""
    headers = {}
    seen: set[str] = set()
    for name in table.values:
        template = template_at(table, name, constants, "the same in every request; known here")
        if not HEADER_NAME.fullmatch(name) or name.lower() in RESERVED_HEADERS:
            table.mistake(name, "is no header that may be set")
        elif name.lower() in seen:
            table.mistake(name, "is there twice")
        elif template is not None and not _HEADER_TEXT.fullmatch(template.literals):
            table.mistake(name, "must have printable ASCII characters only")
        elif template is not None:
            headers[name] = template
        seen.add(name.lower())
    return headers


def read_basic(root: Table, constants: tuple[str, ...]) -> tuple[Template, Template] | None:
    """User and password of Basic authentication (RFC 7617)."""
    table = root.table("basic")
    if "basic" not in root.values:
        return None
    user = template_at(table, "user", constants)
    password = template_at(table, "password", constants)
    if user and ":" in user.literals:
        table.mistake("user", "must have no colon")
    table.finish()
    return (user, password) if user and password else None


def read_request(
    table: Table, known: tuple[str, ...], *others: str, in_fields: tuple[str, ...] = ()
) -> RequestContract:
    """A request, in a table that has the keys `others` as well. Only fields may have the placeholders `in_fields`."""
    method = table.text("method", METHODS, required=True) or "POST"
    path = _read_path(table, known)
    kinds = [kind.value for kind in BodyKind] if method != "GET" else [BodyKind.QUERY.value]
    fields = table.table("fields")
    body = BodyKind(table.text("body", kinds, required=bool(fields.values)) or BodyKind.QUERY)
    read = _json_field if body is BodyKind.JSON else _flat_field
    request = RequestContract(
        method, path, body, {name: read(fields, name, (*known, *in_fields)) for name in fields.values}
    )
    for other in others:
        table.take(other)
    table.finish()
    return request


def templates_in(field: JsonField | Mapping[str, JsonField]) -> Iterator[Template]:
    """All templates of a field, or of several."""
    if isinstance(field, Template):
        yield field
    elif isinstance(field, Mapping):
        for value in field.values():
            yield from templates_in(value)
    elif isinstance(field, list):
        for value in field:
            yield from templates_in(value)


def _read_path(table: Table, known: tuple[str, ...]) -> Template:
    template = template_at(table, "path", known)
    if template is None:
        return Template(("/",))
    first = template.parts[0] if template.parts else ""
    if not isinstance(first, str) or not first.startswith("/"):
        table.mistake("path", "must begin with /")
    if not _PATH_TEXT.fullmatch(template.literals):
        table.mistake("path", "must have only the characters of addresses: percent-encode all others")
    # Percent-encoding leaves `.` and `..` as they are, and servers read them as steps between folders.
    before = Template(template.parts[: _query_at(template)])
    if "text" in before.names:
        table.mistake("path", "may have {text} only after a question mark")
    if template.number:
        table.mistake("path", "may have :number only in JSON")
    return template


def _query_at(template: Template) -> int:
    """The position of the part with the question mark; the number of parts if there is none."""
    parts = template.parts
    return next((at for at, part in enumerate(parts) if isinstance(part, str) and "?" in part), len(parts))


def _flat_field(table: Table, key: str, known: tuple[str, ...]) -> JsonField:
    """A field of a form or a query, which is a text."""
    value = table.take(key)
    if type(value) is int:
        return Template((str(value),))
    if not isinstance(value, str):
        table.mistake(key, "must be a text or a whole number: there are no others in forms and queries")
        return Template(())
    template = _read(table, (key,), value, known)
    if template.number:
        table.mistake(key, "may have :number only in JSON")
    return template


def _json_field(table: Table, key: str, known: tuple[str, ...]) -> JsonField:
    return _json_value(table, (key,), table.take(key), known)


def _json_value(table: Table, path: tuple[str | int, ...], value: object, known: tuple[str, ...]) -> JsonField:
    if len(path) > MAX_DEPTH:
        table.mistake_at(path, f"has more than {MAX_DEPTH} tables and lists in each other")
        return {}
    if isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _read(table, path, value, known)
    if isinstance(value, list):
        return [_json_value(table, (*path, at), one, known) for at, one in enumerate(value)]
    if isinstance(value, dict):
        return {name: _json_value(table, (*path, name), one, known) for name, one in value.items()}
    table.mistake_at(path, "must be a text, a whole number, true, false, a list or a table")
    return {}


def template_at(table: Table, key: str, known: tuple[str, ...], why: str = "known here") -> Template | None:
    """A template that is not empty."""
    text = table.text(key, required=True)
    return None if text is None else _read(table, (key,), text, known, why)


def _read(
    table: Table, path: tuple[str | int, ...], text: str, known: tuple[str, ...], why: str = "known here"
) -> Template:
    try:
        return read_template(text, known, why)
    except ValueError as mistake:
        table.mistake_at(path, str(mistake))
        return Template(())
