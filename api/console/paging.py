"""A page of a list, and the key from which the next one goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import request

from api.http.fields import whole_number
from api.http.paging import first_of

ROWS = 50
OF_ONE_PAGE = ("from", "part")
"""Parameters that say something of the page that was asked for, and nothing of the next."""


class Page(NamedTuple):
    """Some rows, and where the next ones are; nowhere on the last page."""

    rows: Sequence[Any]
    next_address: str | None
    first_address: str | None
    """None on the first page."""


def paged(find: Callable[[int, int], Sequence[Any]], key: Callable[[Any], int], start: int) -> Page:
    """The page that the request's `from` names of what `find(from, limit)` finds; the first one begins at `start`.

    A `from` that is no whole number is left out of account.
    """
    given = whole_number(request.args.get("from", ""))
    begin = start if given is None else given
    rows, last = first_of(find(begin, ROWS + 1), ROWS)
    following = None if last is None else address_of(key(last))
    return Page(rows, following, address_of(None) if begin != start else None)


def address_of(begin: int | None) -> str:
    """This list from there on; from its beginning, if there is none."""
    kept = {name: value for name, value in request.args.items() if name not in OF_ONE_PAGE and value}
    return f"{request.path}?{urlencode(kept | ({'from': begin} if begin is not None else {}))}"
