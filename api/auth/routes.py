"""The operations on keys and sign-in links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.auth import magic_links, queries, services
from api.auth.schemas import KeyBody, KeySchema, NewKeySchema, SignInLinkSchema
from api.extensions import db
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.http.serialization import row_to_dict
from api.permissions import requires
from api.principal import current_principal
from shared.domain.roles import Role
from shared.schema import ApiKey

blp = Blueprint("Keys", "/v1/key", "API keys: who may use this API.")
links_blp = Blueprint("SignInLinks", "/v1/sign-in-link", "Links that sign a browser in without the key.")


@blp.route("/create/")
class NewKey(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("createKey")
    @blp.arguments(KeyBody())
    @blp.response(201, NewKeySchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Create a key

        The secret is shown only once, in this response. An `Idempotency-Key` is ignored: the response is not stored.
        """
        added, new = services.add_key(fields, created_by=current_principal().actor)
        db.session.commit()
        return row_to_dict(added, key=new.key), {"Location": url_for("Keys.KeyById", key_id=added.id)}


@blp.route("/")
class Keys(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("listKeys")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, KeySchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[ApiKey], dict[str, str]]:
        """List all keys, including revoked ones"""
        return page(queries.keys_after, arguments)


@blp.route("/<id:key_id>/", parameters=path_id("key_id", "key"))
class KeyById(MethodView):
    @requires(Role.ADMIN)
    @blp.operation("getKey", 404)
    @blp.response(200, KeySchema())
    def get(self, key_id: int) -> ApiKey:
        """Get a key"""
        return queries.key_by_id(key_id)

    @requires(Role.ADMIN)
    @blp.operation("revokeKey", 404)
    @blp.response(204)
    def delete(self, key_id: int) -> None:
        """Revoke a key

        This cannot be undone. Within 5 seconds the key is refused everywhere, and its sessions in browsers end.
        """
        services.revoke_key(key_id)
        db.session.commit()


@links_blp.route("/create/")
class NewSignInLink(MethodView):
    @requires(Role.VIEWER)
    @links_blp.operation("createSignInLink")
    @links_blp.response(201, SignInLinkSchema())
    def post(self) -> dict[str, Any]:
        """Create a link that signs a browser in as the caller

        It works once, within ten minutes.
        """
        token, expires_at = magic_links.add_link(current_principal().actor)
        db.session.commit()
        return {"path": url_for("sign_in.page", link=token), "expires_at": expires_at}
