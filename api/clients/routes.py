"""The operations on clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.clients import queries, services
from api.clients.schemas import ClientBody, ClientsArguments, ClientSchema
from api.extensions import db
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, page
from api.permissions import requires
from shared.domain.roles import Role
from shared.schema import Client

blp = Blueprint(
    "Clients", "/v1/client", "The directory: the people to whom messages can be sent.", editable=ClientBody()
)


@blp.route("/create/")
class NewClient(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("createClient", 409)
    @blp.once
    @blp.etag
    @blp.arguments(ClientBody())
    @blp.response(201, ClientSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any]) -> tuple[Client, dict[str, str]]:
        """Add a client"""
        client = services.add_client(fields)
        return client, {"Location": url_for("Clients.ClientById", client_id=client.id)}


@blp.route("/")
class Clients(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listClients")
    @blp.arguments(ClientsArguments(), location="query")
    @blp.response(200, ClientSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[Client], dict[str, str]]:
        """List clients"""
        return page(queries.clients_after, arguments)


@blp.route("/<id:client_id>/", parameters=path_id("client_id", "client"))
class ClientById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getClient", 404)
    @blp.etag
    @blp.response(200, ClientSchema())
    def get(self, client_id: int) -> Client:
        """Get a client"""
        return queries.client_by_id(client_id)

    @requires(Role.OPERATOR)
    @blp.operation("updateClient", 404, 409)
    @blp.etag
    @blp.arguments(ClientBody())
    @blp.response(200, ClientSchema())
    def put(self, fields: dict[str, Any], client_id: int) -> Client:
        """Change a client

        A new phone number applies to the client's messages that have not been attempted yet.
        """
        client = services.lock_client(client_id)
        blp.check_etag(client)
        client = services.change_client(client, fields)
        db.session.commit()
        return client

    @requires(Role.OPERATOR)
    @blp.operation("deleteClient", 404)
    @blp.etag
    @blp.response(204)
    def delete(self, client_id: int) -> None:
        """Remove a client

        Its pending messages are cancelled (`unknown` if an attempt may have been delivered). The ledger keeps them, and
        those that were sent.
        """
        client = services.lock_client(client_id)
        blp.check_etag(client)
        services.remove_client(client)
        db.session.commit()
