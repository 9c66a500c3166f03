"""A page of a list, and the key from which the next one goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import request

from api.fields import MAX_ID

ROWS = 50


class Page(NamedTuple):
    """Some rows, and where the next ones are; nowhere on the last page."""

    rows: Sequence[Any]
    next_address: str | None
    first_address: str | None
    """None on the first page."""


def paged(find: Callable[[int, int], Sequence[Any]], key: Callable[[Any], int], start: int) -> Page:
    """The page that the request's `from` names of what `find(from, limit)` finds; the first one begins at `start`."""
    given = request.args.get("from", "")
    begin = int(given) if given.isascii() and given.isdigit() and int(given) <= MAX_ID else start
    rows = find(begin, ROWS + 1)
    following = _address(key(rows[ROWS - 1])) if len(rows) > ROWS else None
    return Page(rows[:ROWS], following, _address(None) if begin != start else None)


def _address(begin: int | None) -> str:
    kept = {name: value for name, value in request.args.items() if name != "from" and value}
    return f"{request.path}?{urlencode(kept | ({'from': begin} if begin is not None else {}))}"
