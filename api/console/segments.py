"""Saved segments: the list, the page of one with its clients, and the forms that add, change and remove one."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from api.console.blueprint import blp
from api.console.condition_form import (
    ConditionForm,
    check_conditions,
    conditions_of,
    read_conditions,
    text_of,
)
from api.console.condition_view import condition_values
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form, check_unchanged
from api.console.labels import translated
from api.console.paging import paged
from api.permissions import requires
from api.segments import queries, services
from api.segments.checks import Checked, check_text
from api.segments.counts import SegmentCount, count_segment
from api.segments.queries import SegmentRow
from api.segments.schemas import SegmentBody
from shared.domain.roles import Role
from shared.errors import FieldError


@blp.get("/segments/")
@requires(Role.VIEWER)
def segments() -> str:
    """The list of segments, whose clients a script counts afterwards."""
    found = paged(queries.segments_after, lambda row: int(row.id), 0)
    return render_template("console/segment_list.html", found=found, notice=take_notice())


@blp.get("/segments/<id:segment_id>/")
@requires(Role.VIEWER)
def segment(segment_id: int) -> str:
    """One segment, with its clients now."""
    found = queries.segment_by_id(segment_id)
    return render_template("console/segment.html", segment=found, notice=take_notice(), **_counted_text(found.text))


@blp.post("/segments/<id:segment_id>/count/")
@requires(Role.VIEWER)
def segment_count(segment_id: int) -> str:
    """The number of clients of a segment, as a part of the list."""
    return render_template("console/segment_number.html", **_counted_text(queries.segment_by_id(segment_id).text))


@blp.post("/segments/count/")
@requires(Role.VIEWER)
def segment_count_part() -> str:
    """The clients of the conditions of a form, as the part of the page that a script updates during typing."""
    return render_template("console/segment_count.html", **_counted(read_conditions(request.form)))


@blp.route("/segments/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_segment() -> str | Response | tuple[str, int]:
    """Adds a segment."""
    form, conditions = Form(request.form), read_conditions(request.form)

    def add() -> str:
        name, checked = _checked(form, conditions)
        added = services.add_segment(name, checked)
        set_notice(Notice("added"))
        return url_for("console.segment", segment_id=added.id)

    done = form.submit(add, operation="createSegment") if _is_sent() else None
    return done or _show(form, conditions)


@blp.route("/segments/<id:segment_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_segment(segment_id: int) -> str | Response | tuple[str, int]:
    """Changes a segment."""
    found = queries.segment_by_id(segment_id)
    if request.method != "POST":
        return _show(Form({"name": found.name}), conditions_of(found.text), found)
    form, conditions = Form(request.form), read_conditions(request.form)

    def change() -> str:
        name, checked = _checked(form, conditions)
        locked = services.lock_segment(segment_id)
        check_unchanged(locked)
        services.change_segment(locked, name, checked)
        set_notice(Notice("changed"))
        return url_for("console.segment", segment_id=segment_id)

    done = form.submit(change, operation="updateSegment") if _is_sent() else None
    if done:
        return done
    found = queries.segment_by_id(segment_id)
    if form.is_in_conflict:
        form.values["segment"] = text_of(conditions)
        form.compare({"name": found.name, "segment": found.text}, found.updated_at, None)
    return _show(form, conditions, found)


@blp.route("/segments/<id:segment_id>/remove/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def remove_segment(segment_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and removes a segment."""
    form = Form({}, refused_with=409)

    def remove() -> str:
        services.remove_segment(services.lock_segment(segment_id))
        set_notice(Notice("removed"))
        return url_for("console.segments")

    done = form.submit(remove, operation="deleteSegment")
    if done:
        return done
    found = queries.segment_by_id(segment_id)
    return render_template("console/segment_remove.html", segment=found, form=form), form.status


def _is_sent() -> bool:
    """Whether a form is to be saved, and not only to be shown with a change."""
    return request.method == "POST" and not {"change", "preview"} & request.form.keys()


def _checked(form: Form, conditions: ConditionForm) -> tuple[str, Checked]:
    """The name and the segment. Raises ValidationError and Invalid."""
    checked = check_conditions(conditions)
    fields = SegmentBody().load({"name": form.values.get("name", ""), "text": checked.text})
    return str(fields["name"]), checked


def _counted(conditions: ConditionForm) -> dict[str, Any]:
    """The clients of conditions, or why they can't be counted."""
    if conditions.is_empty:
        return {"counted": None, "fault": ""}
    try:
        return _count(check_conditions(conditions))
    except FieldError as error:
        return {"counted": None, "fault": translated(error.sentence)}


def _counted_text(text: str) -> dict[str, Any]:
    try:
        return _count(check_text(text))
    except FieldError as error:
        return {"counted": None, "fault": translated(error.sentence)}


def _count(checked: Checked) -> dict[str, SegmentCount | str]:
    return {"counted": count_segment(checked.node), "fault": ""}


def _show(form: Form, conditions: ConditionForm, found: SegmentRow | None = None) -> tuple[str, int]:
    values = condition_values(conditions, checked=bool(form.errors))
    wrong = form.errors.get("conditions")
    shown = {"form": form, "segment": found, "wrong_conditions": wrong, **values, **_counted(conditions)}
    return render_template("console/segment_form.html", **shown), form.status
