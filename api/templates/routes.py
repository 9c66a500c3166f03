"""The operations on saved templates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.extensions import db
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.permissions import requires
from api.templates import queries, services
from api.templates.preview import preview
from api.templates.schemas import (
    PreviewBody,
    PreviewSchema,
    TemplateBody,
    TemplateChangeBody,
    TemplateSchema,
    TemplateVersionSchema,
)
from shared.domain.roles import Role

TEMPLATE_ID = path_id("template_id", "template")

blp = Blueprint(
    "Templates",
    "/v1/template",
    "Saved texts for mailings, with fields of clients.",
    editable=TemplateSchema(only=services.FIELDS),
)


@blp.route("/")
class Templates(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listTemplates")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, TemplateSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[dict[str, Any]], dict[str, str]]:
        """List saved templates"""
        return page(queries.templates_after, arguments)


@blp.route("/create/")
class NewTemplate(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("createTemplate", 409)
    @blp.once
    @blp.etag
    @blp.arguments(TemplateBody())
    @blp.response(201, TemplateSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Add a template

        A text that is no template is refused (422), with the place in it.
        """
        template = queries.template_by_id(services.add_template(**fields))
        return template, {"Location": url_for("Templates.TemplateById", template_id=template["id"])}


@blp.route("/preview/")
class TemplatePreview(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("previewTemplate", 409)
    @blp.arguments(PreviewBody())
    @blp.response(200, PreviewSchema())
    def post(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Show the text that a template makes for a client

        Adds nothing.
        """
        return preview(**fields)


@blp.route("/<id:template_id>/", parameters=TEMPLATE_ID)
class TemplateById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getTemplate", 404)
    @blp.etag
    @blp.response(200, TemplateSchema())
    def get(self, template_id: int) -> dict[str, Any]:
        """Get a template with its present text"""
        return queries.template_by_id(template_id)

    @requires(Role.OPERATOR)
    @blp.operation("updateTemplate", 404, 409)
    @blp.etag
    @blp.arguments(TemplateChangeBody())
    @blp.response(200, TemplateSchema())
    def put(self, fields: dict[str, Any], template_id: int) -> dict[str, Any]:
        """Change a template

        What is left out stays as it is. A new text is a new revision. Mailings keep the texts that they have.
        """
        template = services.lock_template(template_id)
        before = queries.template_by_id(template_id)
        blp.check_etag(before)
        services.change_template(template, before, fields)
        changed = queries.template_by_id(template_id)
        db.session.commit()
        return changed

    @requires(Role.OPERATOR)
    @blp.operation("deleteTemplate", 404)
    @blp.etag
    @blp.response(204)
    def delete(self, template_id: int) -> None:
        """Remove a template with its history

        Mailings keep the texts that they have.
        """
        template = services.lock_template(template_id)
        blp.check_etag(queries.template_by_id(template_id))
        services.remove_template(template)
        db.session.commit()


@blp.route("/<id:template_id>/version/", parameters=TEMPLATE_ID)
class TemplateVersions(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listTemplateVersions", 404)
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, TemplateVersionSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any], template_id: int) -> tuple[Sequence[dict[str, Any]], dict[str, str]]:
        """List the texts of a template, the present one too, with their authors"""
        return page(partial(queries.versions_after, template_id), arguments)
