"""The operations on the declared fields of clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.client_fields import queries, services
from api.client_fields.removal import remove_client_field
from api.client_fields.schemas import (
    REMOVE,
    ClientFieldBody,
    ClientFieldChangeBody,
    ClientFieldSchema,
    RemovalArguments,
)
from api.extensions import db
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.permissions import requires
from shared.domain.roles import Role
from shared.schema import ClientField

blp = Blueprint(
    "ClientFields",
    "/v1/client-field",
    "The declared fields of clients, whose values are their attributes.",
    editable=ClientFieldSchema(only=("label", "repeats_yearly")),
)


@blp.route("/")
class ClientFields(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listClientFields")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, ClientFieldSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[ClientField], dict[str, str]]:
        """List the fields of clients"""
        return page(queries.client_fields_after, arguments)


@blp.route("/create/")
class NewClientField(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("createClientField", 409)
    @blp.once
    @blp.etag
    @blp.arguments(ClientFieldBody())
    @blp.response(201, ClientFieldSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any]) -> tuple[ClientField, dict[str, str]]:
        """Declare a field of clients

        Its name is taken in lower case. There are at most 200 fields.
        """
        field = services.add_client_field(fields)
        return field, {"Location": url_for("ClientFields.ClientFieldById", client_field_id=field.id)}


@blp.route("/<id:client_field_id>/", parameters=path_id("client_field_id", "field"))
class ClientFieldById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getClientField", 404)
    @blp.etag
    @blp.response(200, ClientFieldSchema())
    def get(self, client_field_id: int) -> ClientField:
        """Get a field of clients"""
        return queries.client_field_by_id(client_field_id)

    @requires(Role.OPERATOR)
    @blp.operation("updateClientField", 404)
    @blp.etag
    @blp.arguments(ClientFieldChangeBody())
    @blp.response(200, ClientFieldSchema())
    def put(self, fields: dict[str, Any], client_field_id: int) -> ClientField:
        """Change a field of clients

        Its label, and whether it repeats yearly. What is left out stays as it is.
        """
        field = services.lock_client_field(client_field_id)
        blp.check_etag(field)
        field = services.change_client_field(field, fields)
        db.session.commit()
        return field

    @requires(Role.ADMIN)
    @blp.operation("deleteClientField", 404, 409)
    @blp.etag
    @blp.arguments(RemovalArguments(), location="query")
    @blp.response(204)
    def delete(self, arguments: dict[str, Any], client_field_id: int) -> None:
        """Remove a field of clients

        Refused while a saved segment, a saved template or a mailing that has not ended uses it, and while clients have
        values of it, unless `values=remove` removes them. That takes up to 20 seconds per 100,000 clients. If it is
        interrupted, remove the field again.
        """
        field = services.lock_client_field(client_field_id)
        blp.check_etag(field)
        remove_client_field(field, with_values=arguments.get("values") == REMOVE)
