"""Reads of routes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, select

from api.extensions import db
from api.gateways.queries import gateway_names
from api.http.serialization import row_to_dict
from shared.domain.message_routes import ListedGateway, RoutePath, listed_gateways
from shared.domain.sentences import ErrorCode
from shared.errors import NotFound
from shared.schema import Path, Route

DEFAULT_ROUTE_ID = 1

_PRESENT = select(Route).where(Route.removed_at.is_(None))


class NamedGateway(NamedTuple):
    """A gateway of a route, by its name."""

    gateway: str
    weight: int | None


class Share(NamedTuple):
    """The share of a route's new messages that goes to a gateway now."""

    weight: int
    gateway_id: int | None


class Matching(NamedTuple):
    """A route as the choice of one for a message sees it."""

    id: int
    prefixes: Sequence[str]
    operator_codes: Sequence[str]
    shares: Sequence[Share]


def routes_after(after: int, limit: int) -> Sequence[dict[str, Any]]:
    """The routes with a greater id that are not removed, in order."""
    return _as_dicts(_PRESENT.where(Route.id > after).order_by(Route.id).limit(limit))


def route_by_id(route_id: int) -> dict[str, Any]:
    """The columns of a route, its `gateways` in order, and as `active` the names of those that get new messages now.

    Raises NotFound, also for a removed one.
    """
    found = _as_dicts(_PRESENT.where(Route.id == route_id).execution_options(populate_existing=True))
    if not found:
        raise NotFound(ErrorCode.NO_SUCH_ROUTE, route=route_id)
    return found[0]


def route_name(route_id: int | None) -> str | None:
    """The name of a route, also of a removed one; None for None."""
    return None if route_id is None else db.session.scalar(select(Route.name).where(Route.id == route_id))


def route_names() -> Sequence[str]:
    """The names of the routes that are not removed, the route `default` first."""
    return db.session.scalars(_PRESENT.with_only_columns(Route.name).order_by(Route.id)).all()


def matching_routes(name: str | None = None) -> Sequence[Matching]:
    """The routes that messages may take: the one of that name, or all that match some or all numbers, `default` first.

    None, if there is no route of that name.
    """
    routes = db.session.scalars(_PRESENT.where(Route.name == name) if name else _PRESENT.order_by(Route.id)).all()
    used = [route for route in routes if name or route.id == DEFAULT_ROUTE_ID or route.prefixes or route.operator_codes]
    paths = db.session.execute(
        select(Path.route_id, Path.weight, Path.gateway_id)
        .where(Path.route_id.in_([route.id for route in used]), Path.weight > 0)
        .order_by(Path.id)
    )
    shares: Mapping[int | None, list[Share]] = defaultdict(list)
    for row in paths:
        shares[row.route_id].append(Share(row.weight, row.gateway_id))
    return [Matching(route.id, route.prefixes, route.operator_codes, shares[route.id]) for route in used]


def paths_of_routes(*route_ids: int) -> Mapping[int, list[tuple[RoutePath, int | None]]]:
    """The paths of each route in order, each with the gateway that gets its messages now."""
    found: dict[int, list[tuple[RoutePath, int | None]]] = {route_id: [] for route_id in route_ids}
    columns = (Path.route_id, Path.weight, Path.gateway_ids, Path.id, Path.gateway_id)
    for row in db.session.execute(select(*columns).where(Path.route_id.in_(route_ids)).order_by(Path.id)):
        found[row.route_id].append((RoutePath(row.weight, tuple(row.gateway_ids), row.id), row.gateway_id))
    return found


def _as_dicts(page: Select[Route]) -> list[dict[str, Any]]:
    routes = db.session.scalars(page).all()
    paths = paths_of_routes(*(route.id for route in routes))
    return [
        row_to_dict(
            route,
            gateways=_named(listed_gateways([path for path, _ in paths[route.id]])),
            active=_names(gateway_id for path, gateway_id in paths[route.id] if path.weight and gateway_id),
        )
        for route in routes
    ]


def _named(listed: Sequence[ListedGateway]) -> list[NamedGateway]:
    names = gateway_names()
    return [NamedGateway(names[one.gateway_id].name, one.weight) for one in listed]


def _names(gateway_ids: Any) -> list[str]:
    names = gateway_names()
    return sorted({names[gateway_id].name for gateway_id in gateway_ids})
