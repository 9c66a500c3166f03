"""The operations on routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.extensions import db
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.message_routes import queries, services
from api.message_routes.schemas import RouteBody, RouteChangeBody, RouteSchema
from api.permissions import requires
from shared.domain.roles import Role

ROUTE_ID = path_id("route_id", "route")

blp = Blueprint("Routes", "/v1/route", "Which gateways messages may take.", editable=RouteSchema(only=services.FIELDS))


@blp.route("/")
class Routes(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listRoutes")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, RouteSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[dict[str, Any]], dict[str, str]]:
        """List routes"""
        return page(queries.routes_after, arguments)

    @requires(Role.ADMIN)
    @blp.operation("createRoute", 409)
    @blp.once
    @blp.etag
    @blp.arguments(RouteBody())
    @blp.response(201, RouteSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Add a route

        Messages of mailings that start from now on take it. A prefix or an operator code can be in one route only.
        """
        route = queries.route_by_id(services.add_route(fields))
        return route, {"Location": url_for("Routes.RouteById", route_id=route["id"])}


@blp.route("/<id:route_id>/", parameters=ROUTE_ID)
class RouteById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getRoute", 404)
    @blp.etag
    @blp.response(200, RouteSchema())
    def get(self, route_id: int) -> dict[str, Any]:
        """Get a route"""
        return queries.route_by_id(route_id)

    @requires(Role.ADMIN)
    @blp.operation("updateRoute", 404, 409)
    @blp.etag
    @blp.arguments(RouteChangeBody())
    @blp.response(200, RouteSchema())
    def put(self, fields: dict[str, Any], route_id: int) -> dict[str, Any]:
        """Change a route

        What is left out stays as it is. New gateways are also those of messages that wait, except for messages in
        doubt. Of the route `default`, only the gateways can be changed.
        """
        route = services.lock_route(route_id)
        blp.check_etag(queries.route_by_id(route_id))
        services.change_route(route, fields)
        changed = queries.route_by_id(route_id)
        db.session.commit()
        return changed

    @requires(Role.ADMIN)
    @blp.operation("deleteRoute", 404, 409)
    @blp.etag
    @blp.response(204)
    def delete(self, route_id: int) -> None:
        """Remove a route

        Refused while a mailing that has not ended names it. Messages that wait on it still take its gateways.
        """
        route = services.lock_route(route_id)
        blp.check_etag(queries.route_by_id(route_id))
        services.remove_route(route)
        db.session.commit()
