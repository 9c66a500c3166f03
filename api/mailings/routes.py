"""The operations on mailings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.extensions import db
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.mailings import plans, queries, services
from api.mailings.rule_defaults import with_default_rules
from api.mailings.schemas import MailingBody, MailingSchema
from api.mailings.texts import with_saved_text
from api.messages.queries import messages_after
from api.messages.schemas import MailingMessagesArguments, MessageSchema
from api.permissions import requires
from shared.domain.mailing_rules import MailingFields, with_weekdays
from shared.domain.roles import Role
from shared.schema import Message

MAILING_ID = path_id("mailing_id", "mailing")

blp = Blueprint("Mailings", "/v1/mailing", "One text to every client that its mark matches.", editable=MailingBody())


@blp.route("/create/")
class NewMailing(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("createMailing", 409)
    @blp.once
    @blp.etag
    @blp.arguments(MailingBody())
    @blp.response(201, MailingSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any]) -> tuple[queries.MailingSummary, dict[str, str]]:
        """Add a mailing

        Its text is given as `text`, or is the present text of the template `template_id`. Its plan is stored: see
        `getMailingPlan`. Rules that are left out are those of `getSendingRules`.
        """
        fields, saved = with_saved_text(fields)
        written = MailingFields(**with_default_rules(fields))
        mailing = queries.mailing_by_id(services.add_mailing(written, saved))
        plans.plan_mailing(mailing["id"], written)
        return mailing, {"Location": url_for("Mailings.MailingById", mailing_id=mailing["id"])}


@blp.route("/")
class Mailings(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listMailings")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, MailingSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[queries.MailingSummary], dict[str, str]]:
        """List mailings with the counts of their messages"""
        return page(queries.mailings_after, arguments)


@blp.route("/<id:mailing_id>/", parameters=MAILING_ID)
class MailingById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getMailing", 404)
    @blp.etag
    @blp.response(200, MailingSchema())
    def get(self, mailing_id: int) -> queries.MailingSummary:
        """Get a mailing with the counts of its messages"""
        return queries.mailing_by_id(mailing_id)

    @requires(Role.OPERATOR)
    @blp.operation("updateMailing", 404, 409)
    @blp.etag
    @blp.arguments(MailingBody())
    @blp.response(200, MailingSchema())
    def put(self, fields: dict[str, Any], mailing_id: int) -> queries.MailingSummary:
        """Change a mailing

        Until its launch begins, every field can be changed. After that its audience, its start, `route`,
        `exclude_unknown_after` and `kind` are fixed, and a new text is for messages that have not been attempted yet.
        An ended mailing can't be changed.
        """
        mailing, before = services.lock_mailing(mailing_id)
        blp.check_etag(before)
        fields, saved = with_saved_text(fields)
        services.change_mailing(mailing, before, replace(before, **with_weekdays(fields, before.local_weekdays)), saved)
        summary = queries.mailing_by_id(mailing_id)
        db.session.commit()
        return summary

    @requires(Role.OPERATOR)
    @blp.operation("deleteMailing", 404)
    @blp.etag
    @blp.response(204)
    def delete(self, mailing_id: int) -> None:
        """Remove a mailing

        One that has been launched is cancelled and hidden. The ledger keeps its messages: see `listMessages`.
        """
        mailing, before = services.lock_mailing(mailing_id)
        blp.check_etag(before)
        services.remove_mailing(mailing)
        db.session.commit()


@blp.route("/<id:mailing_id>/message/", parameters=MAILING_ID)
class MailingMessages(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listMailingMessages", 404)
    @blp.arguments(MailingMessagesArguments(), location="query")
    @blp.response(200, MessageSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any], mailing_id: int) -> tuple[Sequence[Message], dict[str, str]]:
        """List the messages of a mailing"""
        queries.check_mailing(mailing_id)
        return page(partial(messages_after, mailing_id=mailing_id), arguments)
