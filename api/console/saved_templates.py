"""Saved templates: the list, the forms that add, change and remove one, its history, and the preview of a text."""

from __future__ import annotations

from functools import partial
from typing import Any

import marshmallow as ma
from flask import render_template, request, url_for
from werkzeug import Response

from api.console.blueprint import blp
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form, check_unchanged
from api.console.labels import translated, translated_errors
from api.console.paging import paged
from api.http.fields import whole_number
from api.permissions import requires
from api.templates import queries, services
from api.templates.preview import preview
from api.templates.schemas import PreviewBody, TemplateBody
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.roles import Role
from shared.domain.text_segments import segments_of
from shared.errors import FieldError


@blp.get("/templates/")
@requires(Role.VIEWER)
def saved_templates() -> str:
    """The list of templates."""
    found = paged(queries.templates_after, lambda row: int(row["id"]), 0)
    return render_template("console/saved_templates.html", found=found, notice=take_notice())


@blp.get("/templates/<id:template_id>/")
@requires(Role.VIEWER)
def saved_template(template_id: int) -> str:
    """One template, with its texts and their authors."""
    found = queries.template_by_id(template_id)
    versions = paged(partial(queries.versions_after, template_id), lambda row: int(row["id"]), 0)
    shown = preview_of({"text": found["text"]})
    return render_template(
        "console/saved_template.html", template=found, versions=versions, notice=take_notice(), **shown
    )


@blp.post("/templates/preview/")
@requires(Role.VIEWER)
def template_preview_part() -> str:
    """The text that a template makes for a client, as the part of the form that a script updates during typing."""
    return render_template("console/template_preview.html", **preview_of(_typed()))


@blp.route("/templates/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_template() -> str | Response | tuple[str, int]:
    """Adds a template."""
    form = Form(_typed())

    def add() -> str:
        template_id = services.add_template(**_fields(form))
        set_notice(Notice("added"))
        return url_for("console.saved_template", template_id=template_id)

    done = form.submit(add, operation="createTemplate") if _is_sent() else None
    return done or _show(form)


@blp.route("/templates/<id:template_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_template(template_id: int) -> str | Response | tuple[str, int]:
    """Changes a template."""
    found = queries.template_by_id(template_id)
    if request.method != "POST":
        return _show(Form({"name": found["name"], "text": found["text"]}), found)
    form = Form(_typed())

    def change() -> str:
        fields = _fields(form)
        locked = services.lock_template(template_id)
        check_unchanged(locked)
        services.change_template(locked, queries.template_by_id(template_id), fields)
        set_notice(Notice("changed"))
        return url_for("console.saved_template", template_id=template_id)

    done = form.submit(change, operation="updateTemplate") if _is_sent() else None
    if done:
        return done
    found = queries.template_by_id(template_id)
    if form.is_in_conflict:
        values = {"name": found["name"], "text": found["text"]}
        form.compare(values, found["updated_at"], found["written_by_name"])
    return _show(form, found)


@blp.route("/templates/<id:template_id>/remove/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def remove_template(template_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and removes a template."""
    form = Form({}, refused_with=409)

    def remove() -> str:
        services.remove_template(services.lock_template(template_id))
        set_notice(Notice("removed"))
        return url_for("console.saved_templates")

    done = form.submit(remove, operation="deleteTemplate")
    if done:
        return done
    found = queries.template_by_id(template_id)
    return render_template("console/template_remove.html", template=found, form=form), form.status


def preview_of(typed: dict[str, str]) -> dict[str, Any]:
    """The text for the client that is chosen, or the first one; or what is wrong with the template."""
    text, number = typed.get("text", ""), typed.get("client_id", "").strip()
    if not text.strip():
        return {"preview": None, "fault": "", "segments": segments_of(text), "max_text": MAX_TEXT}
    try:
        fields = PreviewBody().load({"text": text, **({"client_id": whole_number(number)} if number else {})})
        shown, fault = preview(**fields), ""
    except ma.ValidationError as error:
        shown, fault = None, " ".join(sentence for one in translated_errors(error).values() for sentence in one)
    except FieldError as error:
        shown, fault = None, translated(error.sentence)
    made = text if shown is None or shown["text"] is None else shown["text"]
    return {"preview": shown, "fault": fault, "segments": segments_of(made), "max_text": MAX_TEXT}


def _is_sent() -> bool:
    return request.method == "POST" and "preview" not in request.form


def _typed() -> dict[str, str]:
    """The fields of the form; it sends line ends as CR LF (URL standard, 5.2)."""
    return {name: value.replace("\r\n", "\n") for name, value in request.form.items()}


def _fields(form: Form) -> dict[str, str]:
    """The fields of a template. Raises ValidationError."""
    return {**TemplateBody().load({name: form.values.get(name, "") for name in services.FIELDS})}


def _show(form: Form, found: dict[str, Any] | None = None) -> tuple[str, int]:
    shown = preview_of(form.values)
    return render_template("console/template_form.html", form=form, template=found, **shown), form.status
