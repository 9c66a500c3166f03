"""The operations on inbound messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, page
from api.inbound import decisions, queries, services
from api.inbound.schemas import AnswerBody, AnswerSchema, DecisionBody, InboundMessagesArguments, InboundMessageSchema
from api.mailings.test_send import TestMessage
from api.permissions import requires
from shared.domain.roles import Role

INBOUND_MESSAGE_ID = path_id("inbound_message_id", "inbound message")

blp = Blueprint("InboundMessages", "/v1/inbound-message", "Inbound messages: what recipients write to us.")


@blp.route("/")
class InboundMessages(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listInboundMessages")
    @blp.arguments(InboundMessagesArguments(), location="query")
    @blp.response(200, InboundMessageSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[queries.InboundRow], dict[str, str]]:
        """List inbound messages, the newest first"""
        return page(queries.inbound_messages, arguments, parameter="before")


@blp.route("/<id:inbound_message_id>/", parameters=INBOUND_MESSAGE_ID)
class InboundMessageById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getInboundMessage", 404)
    @blp.response(200, InboundMessageSchema())
    def get(self, inbound_message_id: int) -> queries.InboundRow:
        """Get an inbound message"""
        return queries.inbound_message_by_id(inbound_message_id)


@blp.route("/<id:inbound_message_id>/read/", parameters=INBOUND_MESSAGE_ID)
class InboundMessageRead(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("markInboundMessageRead", 404, 409)
    @blp.once
    @blp.response(200, InboundMessageSchema())
    def post(self, inbound_message_id: int) -> queries.InboundRow:
        """Mark an inbound message as read"""
        services.mark_read(inbound_message_id)
        return queries.inbound_message_by_id(inbound_message_id)


@blp.route("/<id:inbound_message_id>/unread/", parameters=INBOUND_MESSAGE_ID)
class InboundMessageUnread(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("markInboundMessageUnread", 404, 409)
    @blp.once
    @blp.response(200, InboundMessageSchema())
    def post(self, inbound_message_id: int) -> queries.InboundRow:
        """Mark an inbound message as unread"""
        services.mark_unread(inbound_message_id)
        return queries.inbound_message_by_id(inbound_message_id)


@blp.route("/<id:inbound_message_id>/answer/", parameters=INBOUND_MESSAGE_ID)
class InboundMessageAnswer(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("answerInboundMessage", 404, 409)
    @blp.once
    @blp.arguments(AnswerBody())
    @blp.response(201, AnswerSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any], inbound_message_id: int) -> tuple[TestMessage, dict[str, str]]:
        """Answer an inbound message

        Sends one message to the client with that phone number, at once, through the gateway by which the message came,
        as a mailing of its own. Marks the message as read.
        """
        answer = services.answer(inbound_message_id, **fields)
        return answer, {"Location": url_for("Messages.MessageById", message_id=answer.message_id)}


@blp.route("/<id:inbound_message_id>/decide/", parameters=INBOUND_MESSAGE_ID)
class InboundMessageDecision(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("decideInboundMessage", 404, 409)
    @blp.once
    @blp.arguments(DecisionBody())
    @blp.response(200, InboundMessageSchema())
    def post(self, fields: dict[str, Any], inbound_message_id: int) -> queries.InboundRow:
        """Decide what an inbound message asks for

        For messages that contain a keyword among other words, and to correct what was done. A suppression that it
        records has the scope `everything`, and the message as its evidence.
        """
        decisions.decide(inbound_message_id, **fields)
        return queries.inbound_message_by_id(inbound_message_id)
