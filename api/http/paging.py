"""Keyset pagination of lists: the cost of a page does not depend on its position."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import marshmallow as ma
from flask import request
from marshmallow.utils import get_value

from api.http.fields import WholeNumber
from api.http.openapi import LINK

Row = TypeVar("Row")

PAGE_LIMIT, MAX_PAGE_LIMIT = 100, 1000
"""Rows of a page by default, and at most."""
PAGE_HEADERS = {"Link": LINK}


class PageLimit(ma.Schema):
    """The size of a page."""

    limit = WholeNumber(
        minimum=1,
        maximum=MAX_PAGE_LIMIT,
        load_default=PAGE_LIMIT,
        metadata={"description": "How many at most.", "example": 100},
    )


class PageArguments(PageLimit):
    """The page of a list in the order of ids."""

    after = WholeNumber(
        load_default=0,
        metadata={"description": "Only rows with a greater id: the last id of the previous page.", "example": 0},
    )


def first_of(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """The rows of a page, from a query for one row more, and the last row if there is a next page."""
    return (rows[:limit], rows[limit - 1]) if len(rows) > limit else (rows, None)


def page(
    find: Callable[..., Sequence[Row]], arguments: Mapping[str, Any], *, parameter: str = "after"
) -> tuple[Sequence[Row], dict[str, str]]:
    """One page of what `find(after=…, limit=…, **filters)` finds, and a `Link` to the next if there is one.

    `parameter` is the name of the one with the last id of the previous page.
    """
    limit = arguments["limit"]
    rows, last = first_of(find(**{**arguments, "limit": limit + 1}), limit)
    if last is None:
        return rows, {}
    query = urlencode({**request.args, parameter: get_value(last, "id")})
    return rows, {"Link": f'<{request.path}?{query}>; rel="next"'}
