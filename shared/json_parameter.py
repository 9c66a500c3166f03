"""JSON as a parameter of a statement."""

from __future__ import annotations

import json

_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


def json_parameter(value: object) -> str:
    """The JSON of a value, for PostgreSQL to read.

    Characters are not escaped: a database whose encoding is not UTF8 refuses escapes above U+007F (PostgreSQL manual,
    8.14). Half a surrogate pair, which no database stores, becomes a question mark.
    """
    return _ENCODE(value).encode("utf-8", "replace").decode()
