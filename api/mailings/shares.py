"""Which share of a mailing goes through which gateway, at what price, as things are now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from flask import current_app
from sqlalchemy import Text, cast, func, select, union

from api.extensions import db
from api.gateways.queries import gateway_names
from api.message_routes.queries import DEFAULT_ROUTE_ID, Matching, matching_routes
from shared.domain.routes import apportion, route_of
from shared.schema import Client, Path, QueueBatch

SAMPLE_LIMIT = 20_000
"""Clients that are counted by route, in tens of milliseconds: of a larger audience, the first ones stand for all."""


class GatewayShare(NamedTuple):
    """The messages of a mailing that one gateway gets."""

    gateway: str
    messages: int
    segments: int
    cost: Decimal | None
    """None if the price of a segment is not known."""
    currency: str | None


class Cost(NamedTuple):
    """What messages cost in one currency."""

    cost: Decimal
    currency: str


def shares_of_audience(mark: str, clients: int, route: str | None, segments: int) -> list[GatewayShare]:
    """The shares of a mailing that has not been launched, the largest first.

    `segments` is how many one text has. Of an audience of over SAMPLE_LIMIT, the first clients stand for all.
    """
    routes = {one.id: one for one in matching_routes(route)}
    if not clients or not routes:
        return []
    by_route = Counter({next(iter(routes)): 1}) if len(routes) == 1 else _count_by_route(mark, list(routes.values()))
    weights: Counter[int] = Counter()
    for route_id, messages in apportion(clients, by_route).items():
        shares = routes[route_id].shares
        by_place = apportion(messages, {place: share.weight for place, share in enumerate(shares)})
        for place, share in enumerate(shares):
            if share.gateway_id is not None:
                weights[share.gateway_id] += by_place[place]
    return _priced(weights, segments)


def shares_of_waiting(mailing_id: int, segments: int) -> list[GatewayShare]:
    """The shares of the messages of a launched mailing that wait, the largest first."""
    messages = func.sum(func.cardinality(QueueBatch.message_ids))
    waiting = select(Path.gateway_id, messages).join(Path, Path.id == QueueBatch.path_id)
    waiting = waiting.where(QueueBatch.mailing_id == mailing_id, Path.gateway_id.is_not(None)).group_by(Path.gateway_id)
    return _priced({gateway_id: int(count) for gateway_id, count in db.session.execute(waiting)}, segments)


def costs_of(shares: Sequence[GatewayShare]) -> list[Cost]:
    """What they cost together, in each currency."""
    sums: dict[str, Decimal] = {}
    for share in shares:
        if share.cost is not None:
            currency = share.currency or ""
            sums[currency] = sums.get(currency, Decimal(0)) + share.cost
    return [Cost(cost, currency) for currency, cost in sorted(sums.items())]


def _count_by_route(mark: str, routes: Sequence[Matching]) -> Counter[int]:
    by_prefix = {prefix: route.id for route in routes for prefix in route.prefixes}
    by_code = {code: route.id for route in routes for code in route.operator_codes}
    longest = max(map(len, by_prefix), default=0)
    # Each by its index, as in count_audience.
    columns = select(Client.id, Client.phone_number, Client.operator_code)
    halves = (columns.where(column == mark).limit(SAMPLE_LIMIT) for column in (Client.tag, Client.operator_code))
    audience = union(*(select(half.subquery()) for half in halves)).subquery("audience")
    beginning = func.left(cast(audience.c.phone_number, Text), longest)
    groups = select(beginning, audience.c.operator_code, func.count()).group_by(beginning, audience.c.operator_code)
    found: Counter[int] = Counter()
    for phone, code, count in db.session.execute(groups):
        found[route_of(phone, code, by_prefix, by_code) or DEFAULT_ROUTE_ID] += count
    return found


def _priced(messages: Mapping[int, int], segments: int) -> list[GatewayShare]:
    names, config = gateway_names(), current_app.config
    shares = []
    for gateway_id, count in sorted(messages.items(), key=lambda one: (-one[1], one[0])):
        gateway = names[gateway_id]
        price, currency = gateway.segment_price, gateway.currency
        if price is None and config["PRICE_PER_SEGMENT"]:
            price, currency = config["PRICE_PER_SEGMENT"], config["PRICE_CURRENCY"]
        cost = None if price is None else count * segments * price
        shares.append(GatewayShare(gateway.name, count, count * segments, cost, None if price is None else currency))
    return [share for share in shares if share.messages]
