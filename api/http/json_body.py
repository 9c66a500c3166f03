"""Parsing of request bodies: strict JSON (RFC 8259), without ambiguity."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import flask
import marshmallow as ma
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from shared.domain.sentences import ErrorCode

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
            raise UnsupportedMediaType(ErrorCode.BODY_NOT_DECLARED_JSON())
        return strict_json(req.get_data(cache=False))


def strict_json(body: bytes, what: str = "body") -> Any:
    """Parses JSON in UTF-8, with or without a byte order mark (section 8.1 of RFC 8259); `what` is what errors call it.

    Raises BadRequest for what RFC 8259 forbids or warns of: NaN, a repeated name in one object (which is ambiguous),
    a number with too many digits, nesting that is too deep.
    """
    try:
        return _DECODER.decode(body.decode().removeprefix(_BYTE_ORDER_MARK))
    except UnicodeDecodeError as error:
        raise BadRequest(ErrorCode.JSON_NOT_UTF_8(what=what, byte=error.start)) from error
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno}
        raise BadRequest(ErrorCode.NOT_JSON(what=what, fault=error.msg, **place)) from error
    except RecursionError as error:
        raise BadRequest(ErrorCode.NESTED_TOO_DEEP(what=what)) from error
    except _Ambiguous as error:
        raise BadRequest(error.code(what=what, **error.parameters)) from error
    except ValueError as error:  # the interpreter's limit for digits
        raise BadRequest(ErrorCode.TOO_MANY_DIGITS(what=what)) from error


class _Ambiguous(ValueError):
    """The JSON has something that it should not have: `code` with `parameters`, but for `what`."""

    def __init__(self, code: ErrorCode, **parameters: str) -> None:
        super().__init__(code)
        self.code, self.parameters = code, parameters


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Ambiguous(ErrorCode.NAME_REPEATED, name=json.dumps(name[:MAX_SHOWN], ensure_ascii=False))
        found[name] = value
    if any(map(_SURROGATE.search, found)):
        raise _Ambiguous(ErrorCode.NAME_WITH_SURROGATE)
    return found


def _no_constant(name: str) -> NoReturn:
    raise _Ambiguous(ErrorCode.NOT_A_JSON_NUMBER, name=name)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
