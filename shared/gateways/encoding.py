"""Values in the encodings of requests, and the headers that name those.

All messages of a plain text have the same one: it is encoded once, not for each client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote_plus, urlencode

_ENCODE_JSON = json.JSONEncoder(ensure_ascii=False).encode
"""For texts that differ: `json.dumps` makes an encoder for each."""


@lru_cache(maxsize=100)
def json_text(text: str) -> bytes:
    """A JSON string, in UTF-8."""
    return _ENCODE_JSON(text).encode()


@lru_cache(maxsize=100)
def form_text(text: str) -> bytes:
    """A value of application/x-www-form-urlencoded, in UTF-8."""
    return quote_plus(text).encode()


def form_of(fields: Mapping[str, str]) -> bytes:
    """The fields that are not empty, as a part of a form or of a query."""
    return urlencode({name: value for name, value in fields.items() if value}).encode()


def json_headers(authorization: str) -> Mapping[str, str]:
    """The headers of requests and answers in JSON. `Accept` is there since some providers answer in XML without it."""
    json_type = "application/json"
    return {"Authorization": authorization, "Content-Type": json_type, "Accept": json_type}


def form_headers(authorization: str = "", accept: str = "application/json") -> Mapping[str, str]:
    """The headers of a request in a form."""
    headers = {"Authorization": authorization} if authorization else {}
    return {**headers, "Content-Type": "application/x-www-form-urlencoded", "Accept": accept}
