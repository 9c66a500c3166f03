"""Parsing of request bodies: strict JSON (RFC 8259), without ambiguity."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import flask
import marshmallow as ma
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

MAX_SHOWN = 100
"""Characters of a repeated name that an error shows."""

_BYTE_ORDER_MARK = "\ufeff"
_SURROGATE = re.compile("[\ud800-\udfff]")


class BodyParser(FlaskParser):
    """Loads the bodies of requests for webargs."""

    def load_json(self, req: flask.Request, schema: ma.Schema) -> Any:
        """The body's JSON.

        Raises UnsupportedMediaType (415), RequestEntityTooLarge (413), and BadRequest (400) for a malformed body.
        """
        if req.mimetype != "application/json":
            raise UnsupportedMediaType("Send the body as Content-Type: application/json.")
        return strict_json(req.get_data(cache=False))


def strict_json(body: bytes, what: str = "The body") -> Any:
    """Parses JSON in UTF-8, with or without a byte order mark (section 8.1 of RFC 8259); `what` is what errors call it.

    Raises BadRequest for what RFC 8259 forbids or warns of: NaN, a repeated name in one object (which is ambiguous),
    a number with too many digits, nesting that is too deep.
    """
    try:
        return _DECODER.decode(body.decode().removeprefix(_BYTE_ORDER_MARK))
    except UnicodeDecodeError as error:
        raise BadRequest(f"{what} is not UTF-8: byte {error.start} is out of place.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise BadRequest(f"{what} is not JSON: {error.msg} at {place}.") from error
    except RecursionError as error:
        raise BadRequest(f"{what} is nested too deep.") from error
    except _Ambiguous as error:
        raise BadRequest(f"{what} {error}") from error
    except ValueError as error:  # the interpreter's limit for digits
        raise BadRequest(f"{what} holds a number of too many digits.") from error


class _Ambiguous(ValueError):
    """What the JSON is or has, as the end of a sentence."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Ambiguous(f"has {json.dumps(name[:MAX_SHOWN], ensure_ascii=False)} more than once.")
        found[name] = value
    if any(map(_SURROGATE.search, found)):
        raise _Ambiguous("has a name with half of a surrogate pair in it.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _Ambiguous(f"is not JSON: there is no {name} in it.")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
