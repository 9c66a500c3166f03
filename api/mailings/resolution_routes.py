"""The operation that resolves an unknown message."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from api.http.openapi import path_id
from api.mailings.schemas import ResolveBody
from api.mailings.services import resolve
from api.messages import queries
from api.messages.routes import blp
from api.messages.schemas import MessageWithAttempts
from api.permissions import requires
from shared.domain.roles import Role

__all__ = ["blp"]


@blp.route("/<id:message_id>/resolve/", parameters=path_id("message_id", "message"))
class MessageResolution(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("resolveMessage", 404, 409)
    @blp.once
    @blp.arguments(ResolveBody())
    @blp.response(200, MessageWithAttempts())
    def post(self, arguments: dict[str, Any], message_id: int) -> dict[str, Any]:
        """Resolve a message that is `unknown`

        `arrived` makes it `sent`, `not_arrived` makes it `failed`. `resend` makes it `pending` again, inside the
        mailing's window, with the same id and text: it may be delivered twice if it was delivered before.
        """
        resolve(message_id, arguments["outcome"])
        return queries.message_by_id(message_id)
