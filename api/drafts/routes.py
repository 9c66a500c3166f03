"""The operations on drafts of mailings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import marshmallow as ma
from flask import url_for
from flask.views import MethodView
from webargs.flaskparser import abort

from api.drafts import queries, services
from api.drafts.queries import Draft
from api.drafts.schemas import DraftBody, DraftSchema, DraftVersionSchema, SendDraftBody
from api.drafts.sending import check_review, estimate_to_send, fields_to_send
from api.extensions import db
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.mailings.audience_texts import STORED_PLAN_LIMITS
from api.mailings.queries import mailing_by_id
from api.mailings.routes import MAILING_ID
from api.mailings.routes import blp as mailings_blp
from api.mailings.schemas import MailingSchema
from api.permissions import requires
from shared.domain.mailing_rules import MailingFields
from shared.domain.roles import Role
from shared.errors import Conflict, Invalid

DRAFT_ID = path_id("draft_id", "draft")

blp = Blueprint("Drafts", "/v1/draft", "Mailings that are being written: nothing is sent.", editable=DraftBody())


@blp.route("/create/")
class NewDraft(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("createDraft", 409)
    @blp.once
    @blp.etag
    @blp.arguments(DraftBody())
    @blp.response(201, DraftSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, str | None]) -> tuple[dict[str, Any], dict[str, str]]:
        """Add a draft of a mailing"""
        draft_id = services.add_draft(_stored(fields))
        return _as_json(queries.draft_by_id(draft_id)), {"Location": url_for("Drafts.DraftById", draft_id=draft_id)}


@blp.route("/")
class Drafts(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("listDrafts")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, DraftSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[dict[str, Any]], dict[str, str]]:
        """List the drafts that were not sent"""
        drafts, headers = page(queries.drafts_after, arguments)
        return [_as_json(draft) for draft in drafts], headers


@blp.route("/<id:draft_id>/", parameters=DRAFT_ID)
class DraftById(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("getDraft", 404)
    @blp.etag
    @blp.response(200, DraftSchema())
    def get(self, draft_id: int) -> dict[str, Any]:
        """Get a draft, sent or not"""
        return _as_json(queries.draft_by_id(draft_id))

    @requires(Role.OPERATOR)
    @blp.operation("updateDraft", 404, 409)
    @blp.etag
    @blp.arguments(DraftBody())
    @blp.response(200, DraftSchema())
    def put(self, fields: dict[str, str | None], draft_id: int) -> dict[str, Any]:
        """Change a draft that was not sent

        A field that is left out is removed. The fields before the change become a version of the draft.
        """
        draft = services.lock_draft(draft_id)
        blp.check_etag(_as_json(draft))
        services.change_draft(draft, _stored(fields))
        changed = _as_json(draft)
        db.session.commit()
        return changed

    @requires(Role.OPERATOR)
    @blp.operation("deleteDraft", 404, 409)
    @blp.etag
    @blp.response(204)
    def delete(self, draft_id: int) -> None:
        """Delete a draft that was not sent, with its versions"""
        draft = services.lock_draft(draft_id)
        blp.check_etag(_as_json(draft))
        services.remove_draft(draft)
        db.session.commit()


@blp.route("/<id:draft_id>/version/", parameters=DRAFT_ID)
class DraftVersions(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("listDraftVersions", 404)
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, DraftVersionSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any], draft_id: int) -> tuple[Sequence[dict[str, Any]], dict[str, str]]:
        """List the earlier versions of a draft, of which the last 50 are kept"""
        versions, headers = page(partial(queries.versions_after, queries.draft_by_id(draft_id)), arguments)
        names = ("id", "written_at", "written_by_name")
        return [
            _fields(version.fields) | {name: getattr(version, name) for name in names} for version in versions
        ], headers


@blp.route("/<id:draft_id>/send/", parameters=DRAFT_ID)
class DraftSending(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("sendDraft", 404, 409)
    @blp.once
    @blp.arguments(SendDraftBody())
    @blp.response(201, MailingSchema(), headers={"Location": LOCATION})
    def post(self, arguments: dict[str, Any], draft_id: int) -> tuple[dict[str, Any], dict[str, str]]:
        """Make a draft a mailing

        A draft that is not a valid mailing is refused (409), with its `errors` by field. A mailing whose start has
        passed starts after `SEND_GRACE_SECONDS` (30): until then, `undoMailing` makes it a draft again. Every
        warning of `planMailing` must be confirmed.
        """
        draft = services.lock_draft(draft_id)
        services.check_unsent(draft)
        fields = _sendable(draft)
        estimated = estimate_to_send(fields, STORED_PLAN_LIMITS)
        check_review(estimated, arguments.get("audience"), arguments["confirm"])
        mailing_id = services.send_draft(draft, fields, estimated)
        return mailing_by_id(mailing_id), {"Location": url_for("Mailings.MailingById", mailing_id=mailing_id)}


@mailings_blp.route("/<id:mailing_id>/undo/", parameters=MAILING_ID)
class MailingUndo(MethodView):
    @requires(Role.OPERATOR)
    @mailings_blp.operation("undoMailing", 404, 409)
    @mailings_blp.once
    @mailings_blp.response(200, DraftSchema())
    def post(self, mailing_id: int) -> dict[str, Any]:
        """Make a mailing that has not started a draft again

        The mailing is removed. The draft that it was sent from is restored; without one, a new draft is added.
        """
        return _as_json(queries.draft_by_id(services.undo_sending(mailing_id)))


def _sendable(draft: Draft) -> MailingFields:
    """The mailing that the draft makes. Responds with 409 for an invalid draft: the request itself is valid."""
    try:
        return fields_to_send(draft.fields)[0]
    except ma.ValidationError as error:
        abort(409, message="The draft has errors.", errors={"json": error.normalized_messages()})
    except Invalid as error:
        raise Conflict(error.field, error.code, **error.sentence.parameters) from error


def _stored(fields: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _fields(stored: Mapping[str, str]) -> dict[str, str | None]:
    return {name: stored.get(name) for name in DraftBody().fields}


def _as_json(draft: Draft) -> dict[str, Any]:
    names = ("id", "mailing_id", "created_by_name", "written_by_name", "created_at", "updated_at")
    return _fields(draft.fields) | {name: getattr(draft, name) for name in names}
