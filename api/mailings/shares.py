"""Which share of a mailing goes through which gateway, at what price, as things are now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from flask import current_app
from sqlalchemy import Text, cast, func, select, union

from api.database import execute
from api.extensions import db
from api.gateways.queries import GatewayName, gateway_names
from api.mailings.audience_count import Recipients
from api.mailings.audience_rows import rows_of_audience
from api.mailings.gateway_choice import GatewayChoice
from api.mailings.segment_count import some_numbers
from api.message_routes.queries import DEFAULT_ROUTE_ID, Matching, matching_routes
from shared.domain.estimates import Spending
from shared.domain.message_routes import apportion, route_of
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


def messages_of_audience(
    recipients: Recipients, clients: int, route: str | None, *, exact: bool = False
) -> Counter[int]:
    """How many messages of a mailing that has not been launched each gateway gets, by its id.

    Of an audience of over SAMPLE_LIMIT, the first clients stand for all. Otherwise, if `exact`, each one is looked at.
    """
    routes = {one.id: one for one in matching_routes(route)}
    if not clients or not routes:
        return Counter()
    if exact and clients <= SAMPLE_LIMIT and sum(len(one.shares) for one in routes.values()) > 1:
        return _count_by_gateway(recipients, GatewayChoice(list(routes.values())))
    by_route = (
        Counter({next(iter(routes)): 1}) if len(routes) == 1 else _count_by_route(recipients, list(routes.values()))
    )
    weights: Counter[int] = Counter()
    for route_id, messages in apportion(clients, by_route).items():
        shares = routes[route_id].shares
        by_place = apportion(messages, {place: share.weight for place, share in enumerate(shares)})
        for place, share in enumerate(shares):
            if share.gateway_id is not None:
                weights[share.gateway_id] += by_place[place]
    return weights


def messages_waiting(mailing_id: int) -> Counter[int]:
    """How many messages of a launched mailing wait for each gateway, by its id."""
    messages = func.sum(func.cardinality(QueueBatch.message_ids))
    waiting = select(Path.gateway_id, messages).join(Path, Path.id == QueueBatch.path_id)
    waiting = waiting.where(QueueBatch.mailing_id == mailing_id, Path.gateway_id.is_not(None)).group_by(Path.gateway_id)
    return Counter({gateway_id: int(count) for gateway_id, count in db.session.execute(waiting)})


def priced(gateways: Mapping[int, Counter[int]]) -> list[GatewayShare]:
    """The shares of gateways, the largest first. Of each, how many messages have how many segments."""
    names, shares = gateway_names(), []
    for gateway_id, by_segments in sorted(gateways.items(), key=lambda one: (-one[1].total(), one[0])):
        messages = by_segments.total()
        segments = sum(count * number for number, count in by_segments.items())
        price, currency = price_of(names[gateway_id])
        cost = None if price is None else segments * price
        shares.append(GatewayShare(names[gateway_id].name, messages, segments, cost, currency))
    return [share for share in shares if share.messages]


def price_of(gateway: GatewayName) -> tuple[Decimal | None, str | None]:
    """The price of a segment and its currency; None for both if it is not known."""
    if gateway.segment_price is not None:
        return gateway.segment_price, gateway.currency
    config = current_app.config
    return (config["PRICE_PER_SEGMENT"], config["PRICE_CURRENCY"]) if config["PRICE_PER_SEGMENT"] else (None, None)


def costs_of(shares: Sequence[GatewayShare]) -> list[Cost]:
    """What they cost together, in each currency."""
    sums: dict[str, Decimal] = {}
    for share in shares:
        if share.cost is not None:
            currency = share.currency or ""
            sums[currency] = sums.get(currency, Decimal(0)) + share.cost
    return [Cost(cost, currency) for currency, cost in sorted(sums.items())]


def spending_of(shares: Sequence[GatewayShare], limit: Decimal | None, currency: str | None) -> Spending | None:
    """What is to be said of a spending limit on what they cost; None if there is nothing."""
    if limit is None:
        return None
    if any(share.cost is None or share.currency != currency for share in shares):
        return Spending.UNKNOWN
    return Spending.OVER_LIMIT if sum(share.cost or 0 for share in shares) > limit else None


def _count_by_gateway(recipients: Recipients, choice: GatewayChoice) -> Counter[int]:
    rows = rows_of_audience(recipients)
    found = execute(rows.numbers(), rows.parameters)
    chosen = Counter(choice.gateway_of(row.phone_number, row.operator_code, row.place) for row in found)
    return Counter({gateway_id: count for gateway_id, count in chosen.items() if gateway_id is not None})


def _count_by_route(recipients: Recipients, routes: Sequence[Matching]) -> Counter[int]:
    by_prefix = {prefix: route.id for route in routes for prefix in route.prefixes}
    by_code = {code: route.id for route in routes for code in route.operator_codes}
    longest = max(map(len, by_prefix), default=0)
    found: Counter[int] = Counter()
    if whom := recipients.by_segments:
        for _, phone_number, code in some_numbers(whom, SAMPLE_LIMIT):
            phone = str(phone_number)[:longest]
            found[route_of(phone, code, by_prefix, by_code) or DEFAULT_ROUTE_ID] += 1
        return found
    # Each by its index, as in count_audience.
    columns = select(Client.id, Client.phone_number, Client.operator_code)
    halves = (
        columns.where(column == recipients.mark, *recipients.kept).limit(SAMPLE_LIMIT)
        for column in (Client.tag, Client.operator_code)
    )
    audience = union(*(select(half.subquery()) for half in halves)).subquery("audience")
    beginning = func.left(cast(audience.c.phone_number, Text), longest)
    groups = select(beginning, audience.c.operator_code, func.count()).group_by(beginning, audience.c.operator_code)
    for phone, code, count in db.session.execute(groups):
        found[route_of(phone, code, by_prefix, by_code) or DEFAULT_ROUTE_ID] += count
    return found
