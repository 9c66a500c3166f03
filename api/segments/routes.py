"""The operations on segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.extensions import db
from api.http.blueprint import Blueprint
from api.http.openapi import LOCATION, path_id
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.permissions import requires
from api.segments import queries, services
from api.segments.checks import check_body, check_choice
from api.segments.counts import count_segment
from api.segments.schemas import (
    SegmentBody,
    SegmentChangeBody,
    SegmentClientsSchema,
    SegmentCountBody,
    SegmentSchema,
)
from shared.domain.roles import Role

SEGMENT_ID = path_id("segment_id", "segment")

blp = Blueprint(
    "Segments", "/v1/segment", "Conditions on clients.", editable=SegmentSchema(only=("name", "text", "tree"))
)


@blp.route("/")
class Segments(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listSegments")
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, SegmentSchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any]) -> tuple[Sequence[queries.SegmentRow], dict[str, str]]:
        """List saved segments"""
        return page(queries.segments_after, arguments)


@blp.route("/create/")
class NewSegment(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("createSegment", 409)
    @blp.once
    @blp.etag
    @blp.arguments(SegmentBody())
    @blp.response(201, SegmentSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, Any]) -> tuple[queries.SegmentRow, dict[str, str]]:
        """Save a segment

        As a text or as a tree; the response has both. An error names the column of the text, or the node of the tree.
        """
        segment = services.add_segment(fields["name"], check_body(fields))
        return segment, {"Location": url_for("Segments.SegmentById", segment_id=segment.id)}


@blp.route("/count/")
class SegmentCount(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("countSegment")
    @blp.arguments(SegmentCountBody())
    @blp.response(200, SegmentClientsSchema())
    def post(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Count the clients of a segment

        By the directory and the ledger as they are now. Adds nothing.
        """
        checked = check_choice(fields)
        counted = count_segment(checked.node, fields["excluded_segment_ids"])
        return {**counted._asdict(), "text": checked.text, "tree": checked.tree}


@blp.route("/<id:segment_id>/", parameters=SEGMENT_ID)
class SegmentById(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("getSegment", 404)
    @blp.etag
    @blp.response(200, SegmentSchema())
    def get(self, segment_id: int) -> queries.SegmentRow:
        """Get a saved segment"""
        return queries.segment_by_id(segment_id)

    @requires(Role.OPERATOR)
    @blp.operation("updateSegment", 404, 409)
    @blp.etag
    @blp.arguments(SegmentChangeBody())
    @blp.response(200, SegmentSchema())
    def put(self, fields: dict[str, Any], segment_id: int) -> queries.SegmentRow:
        """Change a saved segment

        What is left out stays as it is. Mailings that have not been launched use it as it is when they are launched;
        a change of its conditions takes their approvals back.
        """
        checked = check_body(fields) if {"text", "tree"} & fields.keys() else None
        segment = services.lock_segment(segment_id)
        blp.check_etag(segment)
        services.change_segment(segment, fields.get("name"), checked)
        db.session.commit()
        return segment

    @requires(Role.OPERATOR)
    @blp.operation("deleteSegment", 404, 409)
    @blp.etag
    @blp.response(204)
    def delete(self, segment_id: int) -> None:
        """Remove a saved segment

        Refused while a mailing that has not been launched uses it.
        """
        segment = services.lock_segment(segment_id)
        blp.check_etag(segment)
        services.remove_segment(segment)
        db.session.commit()
