"""Pagination of the console's lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import request

from api.http.fields import whole_number
from api.http.paging import first_of

ROWS = 50
PAGE_ONLY_PARAMETERS = ("from", "part")
"""Query parameters of the present page only, which links to other pages leave out."""


class Page(NamedTuple):
    """The rows of a page, and the addresses of the next and the first page, if any."""

    rows: Sequence[Any]
    next_address: str | None
    first_address: str | None
    """None on the first page."""


def paged(find: Callable[[int, int], Sequence[Any]], key: Callable[[Any], int], start: int) -> Page:
    """The page of `find(from, limit)` at the request's parameter `from`; the first page begins at `start`.

    An invalid `from` is ignored.
    """
    given = whole_number(request.args.get("from", ""))
    begin = start if given is None else given
    rows, last = first_of(find(begin, ROWS + 1), ROWS)
    following = None if last is None else address_of(key(last))
    return Page(rows, following, address_of(None) if begin != start else None)


def address_of(begin: int | None) -> str:
    """The address of this list from `begin` on; of its first page for None."""
    kept = {name: value for name, value in request.args.items() if name not in PAGE_ONLY_PARAMETERS and value}
    return f"{request.path}?{urlencode(kept | ({'from': begin} if begin is not None else {}))}"
