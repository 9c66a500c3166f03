"""The operations that read the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.http.openapi import path_id
from api.http.paging import PAGE_HEADERS, page
from api.messages import queries
from api.messages.schemas import MessagesArguments, MessageSchema, MessageWithAttempts
from api.permissions import requires
from shared.domain.roles import Role
from shared.schema import Message

blp = Blueprint(
    "Messages", "/v1/message", "The ledger: every message and its state, those of removed mailings included."
)


@blp.route("/")
class Messages(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listMessages")
    @blp.arguments(MessagesArguments(), location="query")
    @blp.response(200, MessageSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[Message], dict[str, str]]:
        """List messages"""
        return page(queries.messages_after, arguments)


@blp.route("/<id:message_id>/", parameters=path_id("message_id", "message"))
class MessageById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getMessage", 404)
    @blp.response(200, MessageWithAttempts())
    def get(self, message_id: int) -> dict[str, Any]:
        """Get a message with its attempts and receipts"""
        return queries.message_by_id(message_id)
