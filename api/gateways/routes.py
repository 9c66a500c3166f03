"""The operations on gateways, and the list of providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.extensions import db
from api.gateways import queries, services
from api.gateways.queries import CallbackAddresses
from api.gateways.schemas import (
    EDITABLE,
    CallbackAddressesSchema,
    GatewayBody,
    GatewayChangeBody,
    GatewaySchema,
    ProviderSchema,
)
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.permissions import requires
from shared.domain.roles import Role
from shared.gateways.base import Provider
from shared.gateways.registry import PROVIDERS

GATEWAY_ID = path_id("gateway_id", "gateway")

blp = Blueprint(
    "Gateways",
    "/v1/gateway",
    "Accounts at providers, through which messages are sent.",
    editable=GatewaySchema(only=(*EDITABLE, "credentials", "paused_at", "revision")),
)
providers_blp = Blueprint("Providers", "/v1/provider", "The providers whose contracts gateways can implement.")


@blp.route("/")
class Gateways(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("listGateways")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, GatewaySchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[dict[str, Any]], dict[str, str]]:
        """List gateways"""
        return page(queries.gateways_after, arguments)

    @requires(Role.ADMIN)
    @blp.operation("createGateway", 409)
    @blp.once
    @blp.etag
    @blp.arguments(GatewayBody())
    @blp.response(201, GatewaySchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Add a gateway

        Messages take it once a route lists it. Its credentials are encrypted, and never returned.
        """
        gateway = queries.gateway_by_id(services.add_gateway(fields))
        return gateway, {"Location": url_for("Gateways.GatewayById", gateway_id=gateway["id"])}


@blp.route("/<id:gateway_id>/", parameters=GATEWAY_ID)
class GatewayById(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("getGateway", 404)
    @blp.etag
    @blp.response(200, GatewaySchema())
    def get(self, gateway_id: int) -> dict[str, Any]:
        """Get a gateway"""
        return queries.gateway_by_id(gateway_id)

    @requires(Role.ADMIN)
    @blp.operation("updateGateway", 404, 409)
    @blp.etag
    @blp.arguments(GatewayChangeBody())
    @blp.response(200, GatewaySchema())
    def put(self, fields: dict[str, Any], gateway_id: int) -> dict[str, Any]:
        """Change a gateway

        What is left out stays as it is, each of the credentials too. Its name and provider never change. Workers notice
        within a poll. Of the gateway `default`, only receipts and price can be changed: the rest are settings of the
        workers.
        """
        gateway = services.lock_gateway(gateway_id)
        blp.check_etag(queries.gateway_by_id(gateway_id))
        services.change_gateway(gateway, fields)
        changed = queries.gateway_by_id(gateway_id)
        db.session.commit()
        return changed

    @requires(Role.ADMIN)
    @blp.operation("deleteGateway", 404, 409)
    @blp.etag
    @blp.response(204)
    def delete(self, gateway_id: int) -> None:
        """Remove a gateway

        Refused while a route lists it, messages are in flight or in doubt at it, or messages wait for it alone. The
        ledger keeps its name.
        """
        gateway = services.lock_gateway(gateway_id)
        blp.check_etag(queries.gateway_by_id(gateway_id))
        services.remove_gateway(gateway)
        db.session.commit()


@blp.route("/<id:gateway_id>/pause/", parameters=GATEWAY_ID)
class GatewayPause(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("pauseGateway", 404, 409)
    @blp.once
    @blp.etag
    @blp.response(200, GatewaySchema())
    def post(self, gateway_id: int) -> dict[str, Any]:
        """Pause a gateway

        Within a poll, workers submit nothing to it any more. Messages that may take another gateway do; those in doubt
        wait.
        """
        services.pause_gateway(services.lock_gateway(gateway_id))
        return queries.gateway_by_id(gateway_id)


@blp.route("/<id:gateway_id>/resume/", parameters=GATEWAY_ID)
class GatewayResume(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("resumeGateway", 404, 409)
    @blp.once
    @blp.etag
    @blp.response(200, GatewaySchema())
    def post(self, gateway_id: int) -> dict[str, Any]:
        """Resume a paused gateway"""
        services.resume_gateway(services.lock_gateway(gateway_id))
        return queries.gateway_by_id(gateway_id)


@blp.route("/<id:gateway_id>/callbacks/", parameters=GATEWAY_ID)
class GatewayCallbacks(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("getGatewayCallbacks", 404)
    @blp.response(200, CallbackAddressesSchema())
    def get(self, gateway_id: int) -> CallbackAddresses:
        """Get the addresses that the provider of a gateway calls

        They contain a secret: enter them at the provider, and show them to nobody else.
        """
        return queries.callback_addresses(gateway_id)


@blp.route("/<id:gateway_id>/callbacks/rotate/", parameters=GATEWAY_ID)
class GatewayCallbacksRotate(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("rotateGatewayCallbacks", 404)
    @blp.response(200, CallbackAddressesSchema())
    def post(self, gateway_id: int) -> CallbackAddresses:
        """Give a gateway new addresses for its provider

        The old ones are refused within five seconds, also for messages that are on their way: their receipts are lost
        unless the provider is told the new address meanwhile.
        """
        services.renew_callback_addresses(services.lock_gateway(gateway_id))
        renewed = queries.callback_addresses(gateway_id)
        db.session.commit()
        return renewed


@providers_blp.route("/")
class Providers(MethodView):
    @requires(Role.ADMIN)
    @providers_blp.operation("listProviders")
    @providers_blp.response(200, ProviderSchema(many=True))
    def get(self) -> Sequence[Provider]:
        """List providers, with the fields of their accounts"""
        return list(PROVIDERS.values())
