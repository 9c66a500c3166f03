"""Writes of routes: adding, changing and removing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from api.audit.recorder import name_object, nothing_changed, record_changes
from api.database import execute
from api.extensions import db
from api.gateways.services import lock_routing
from api.message_routes.queries import DEFAULT_ROUTE_ID, NamedGateway, paths_of_routes, route_by_id
from shared.domain.message_routes import ListedGateway, changed_paths, check_listed
from shared.domain.sentences import ErrorCode
from shared.errors import Conflict, Invalid, NotFound
from shared.schema import Gateway, Mailing, Route
from shared.sql import gateways as statements

FIELDS = ("name", "gateways", "prefixes", "operator_codes")


def lock_route(route_id: int) -> Route:
    """The route, locked against all other writers until the end of the transaction.

    Raises NotFound, also for a removed one.
    """
    lock_routing()
    route = db.session.get(Route, route_id, with_for_update=True, populate_existing=True)
    if route is None or route.removed_at is not None:
        raise NotFound(ErrorCode.NO_SUCH_ROUTE, route=route_id)
    return route


def route_id_of(name: str | None) -> int | None:
    """The id of the route of that name, which is not removed before the end of the transaction; None for None.

    Raises Conflict if there is none.
    """
    if name is None:
        return None
    found = select(Route.id).where(Route.name == name, Route.removed_at.is_(None)).with_for_update(read=True)
    route_id = db.session.scalar(found)
    if route_id is None:
        raise Conflict("route", ErrorCode.NO_SUCH_ROUTE, route=name)
    return route_id


def add_route(fields: Mapping[str, Any]) -> int:
    """Adds a route and returns its id. Raises Invalid and Conflict, and IntegrityError for a name in use."""
    lock_routing()
    listed = _listed(fields["gateways"])
    row = {"name": fields["name"], **_conditions(fields)}
    _check_conditions(row, apart_from=None)
    route_id = int(execute(statements.ADD_ROUTE, row).scalar_one())
    _write_paths(route_id, listed)
    name_object("route", route_id, name=fields["name"])
    return route_id


def change_route(route: Route, fields: Mapping[str, Any]) -> None:
    """Changes a locked route; what is left out stays. Messages that wait take the new gateways.

    Raises Invalid and Conflict, and IntegrityError for a name in use.
    """
    before = {name: value for name, value in route_by_id(route.id).items() if name in FIELDS}
    after = {**before, **fields, **_conditions({**before, **fields})}
    if route.id == DEFAULT_ROUTE_ID and after["name"] != before["name"]:
        raise Conflict("name", ErrorCode.ROUTE_IS_KEPT)
    if route.id == DEFAULT_ROUTE_ID and (after["prefixes"] or after["operator_codes"]):
        raise Conflict("prefixes" if after["prefixes"] else "operator_codes", ErrorCode.ROUTE_MATCHES_ALL)
    listed = _listed(after["gateways"])
    if after == before:
        nothing_changed()
        return
    _check_conditions(after, apart_from=route.id)
    record_changes(_for_audit(before), _for_audit(after))
    row = {name: after[name] for name in ("name", "prefixes", "operator_codes")}
    execute(statements.CHANGE_ROUTE, row | {"route_id": route.id}, changes=[route])
    if after["gateways"] != before["gateways"]:
        _write_paths(route.id, listed)


def remove_route(route: Route) -> None:
    """Removes a locked route. Messages that wait on it still take its gateways.

    Raises Conflict for the route `default`, and for one of a mailing that has not ended.
    """
    if route.id == DEFAULT_ROUTE_ID:
        raise Conflict("name", ErrorCode.ROUTE_IS_KEPT)
    using = select(Mailing.id).where(Mailing.route_id == route.id, Mailing.ended_at.is_(None)).order_by(Mailing.id)
    mailing_id = db.session.scalar(using.limit(1))
    if mailing_id is not None:
        raise Conflict("name", ErrorCode.ROUTE_IS_IN_USE, mailing=mailing_id)
    execute(statements.REMOVE_ROUTE, {"route_id": route.id}, changes=[route])


def _listed(named: Sequence[NamedGateway]) -> list[ListedGateway]:
    names = [one.gateway for one in named]
    found = select(Gateway.name, Gateway.id).where(Gateway.name.in_(names), Gateway.removed_at.is_(None))
    ids = {row.name: row.id for row in db.session.execute(found)}
    for place, name in enumerate(names):
        if name not in ids:
            raise Conflict("gateways", ErrorCode.NO_SUCH_GATEWAY, gateway=name)
        if name in names[:place]:
            raise Invalid("gateways", ErrorCode.GATEWAY_LISTED_TWICE, gateway=name)
    listed = [ListedGateway(ids[one.gateway], one.weight) for one in named]
    check_listed(listed)
    return listed


def _conditions(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: sorted(set(fields.get(name, ()))) for name in ("prefixes", "operator_codes")}


def _check_conditions(row: Mapping[str, Any], apart_from: int | None) -> None:
    """Raises Conflict for a condition that another route has."""
    for route in db.session.scalars(select(Route).where(Route.removed_at.is_(None), Route.id != (apart_from or 0))):
        for prefix in sorted({*row["prefixes"]} & {*route.prefixes}):
            raise Conflict("prefixes", ErrorCode.PREFIX_TAKEN, prefix=prefix, route=route.name)
        for code in sorted({*row["operator_codes"]} & {*route.operator_codes}):
            raise Conflict("operator_codes", ErrorCode.OPERATOR_CODE_TAKEN, operator_code=code, route=route.name)


def _write_paths(route_id: int, listed: Sequence[ListedGateway]) -> None:
    present = [path for path, _ in paths_of_routes(route_id)[route_id]]
    for path in changed_paths(present, listed):
        values = {"weight": path.weight, "gateway_ids": list(path.gateway_ids)}
        if path.id is None:
            execute(statements.ADD_PATH, values | {"route_id": route_id})
        else:
            execute(statements.CHANGE_PATH, values | {"path_id": path.id})


def _for_audit(fields: Mapping[str, Any]) -> dict[str, Any]:
    gateways = [one.gateway if one.weight is None else f"{one.gateway}: {one.weight}" for one in fields["gateways"]]
    return {**fields, "gateways": gateways}
