"""Which gateway gets the message to a client, as things are now: the function `path_of` of the database, in Python."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from api.message_routes.queries import DEFAULT_ROUTE_ID, Matching
from shared.domain.message_routes import route_of

PLACE = "hashint8(client.id)::bigint + 2147483648"
"""The number of a client that chooses among the weights of a route, as in `path_of`."""


class _Weighted(NamedTuple):
    """The gateways of a route, each with the sum of the weights up to its own."""

    until: Sequence[int]
    gateway_ids: Sequence[int | None]

    def gateway_at(self, place: int) -> int | None:
        return self.gateway_ids[bisect_right(self.until, place % self.until[-1])] if self.until else None


class GatewayChoice:
    """The choice among some routes: all that match numbers, or one alone, which then gets every message."""

    def __init__(self, routes: Sequence[Matching]) -> None:
        self._by_prefix = {prefix: route.id for route in routes for prefix in route.prefixes}
        self._by_code = {code: route.id for route in routes for code in route.operator_codes}
        self._routes = {
            route.id: _Weighted(
                list(accumulate(share.weight for share in route.shares)), [share.gateway_id for share in route.shares]
            )
            for route in routes
        }
        self._only = next(iter(self._routes.values())) if len(self._routes) == 1 else None

    def gateway_of(self, phone_number: int, operator_code: str, place: int) -> int | None:
        """The gateway of the message to a client; None if its route has none. `place` is PLACE."""
        route = self._only
        if route is None:
            route_id = route_of(str(phone_number), operator_code, self._by_prefix, self._by_code) or DEFAULT_ROUTE_ID
            route = self._routes.get(route_id)
        return route.gateway_at(place) if route else None
