"""The declared fields of clients: the list, and the forms that add, change and remove one."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from flask_babel import gettext
from werkzeug import Response

from api.audit.recorder import nothing_changed
from api.client_fields import queries, removal, services
from api.client_fields.queries import FieldRow
from api.client_fields.schemas import REMOVE, ClientFieldBody, ClientFieldChangeBody
from api.console.attribute_inputs import label_of
from api.console.blueprint import blp
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form, check_unchanged
from api.console.labels import FIELD_TYPES
from api.http.schemas import load_present
from api.permissions import requires
from shared.domain.client_fields import MAX_FIELDS
from shared.domain.field_types import FieldType
from shared.domain.roles import Role
from shared.errors import NotFound

REPEATS = "repeats_yearly"


@blp.get("/clients/fields/")
@requires(Role.VIEWER)
def client_fields() -> str:
    """The list of fields."""
    found = [(field, label_of(field)) for field in queries.client_fields_after(0, MAX_FIELDS)]
    return render_template("console/client_fields.html", fields=found, types=FIELD_TYPES, notice=take_notice())


@blp.route("/clients/fields/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_client_field() -> str | Response | tuple[str, int]:
    """Declares a field."""
    form = Form(request.form or {"type": FieldType.TEXT.value})

    def add() -> str:
        services.add_client_field(_load(form, ClientFieldBody()))
        set_notice(Notice("added"))
        return url_for("console.client_fields")

    done = form.submit(add, operation="createClientField")
    return done or _show(form)


@blp.route("/clients/fields/<id:client_field_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_client_field(client_field_id: int) -> str | Response | tuple[str, int]:
    """Changes a field."""
    field = queries.client_field_by_id(client_field_id)
    if request.method != "POST":
        return _show(Form(_values_of(field)), field)
    form = Form(request.form)

    def change() -> str:
        fields = _load(form, ClientFieldChangeBody())
        locked = services.lock_client_field(client_field_id)
        check_unchanged(locked)
        services.change_client_field(locked, fields)
        set_notice(Notice("changed"))
        return url_for("console.client_fields")

    done = form.submit(change, operation="updateClientField")
    if done:
        return done
    field = queries.client_field_by_id(client_field_id)
    if form.is_in_conflict:
        form.compare({"label": field.label}, field.updated_at, None)
    return _show(form, field)


@blp.route("/clients/fields/<id:client_field_id>/remove/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def remove_client_field(client_field_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and removes a field, with its values if that is confirmed, too."""
    form = Form(request.form, refused_with=409)

    def remove() -> str:
        try:
            field = services.lock_client_field(client_field_id)
            removal.remove_client_field(field, with_values=form.values.get("values") == REMOVE)
        except NotFound:
            # It commits several times, so an earlier submission of the form may have removed the field by now.
            nothing_changed()
        set_notice(Notice("removed"))
        return url_for("console.client_fields")

    done = form.submit(remove, operation="deleteClientField")
    if done:
        return done
    field = queries.client_field_by_id(client_field_id)
    shown = {"field": field, "name": label_of(field), "form": form}
    return render_template("console/client_field_remove.html", **shown), form.status


def _values_of(field: FieldRow) -> dict[str, Any]:
    return {"label": field.label, **({REPEATS: "on"} if field.repeats_yearly else {})}


def _load(form: Form, body: ClientFieldBody | ClientFieldChangeBody) -> dict[str, Any]:
    """The fields of the form; a box that is not ticked is not sent. Raises ValidationError."""
    typed = {name: value for name, value in form.values.items() if name != REPEATS}
    return load_present(body, typed) | {REPEATS: REPEATS in form.values}


def _show(form: Form, field: FieldRow | None = None) -> tuple[str, int]:
    name = label_of(field) if field else ""
    shown: dict[str, Any] = {"form": form, "field": field, "name": name, "types": FIELD_TYPES}
    # Of what another person has changed, the form shows the title.
    shown |= {"field_names": {"label": gettext("Title")}}
    return render_template("console/client_field_form.html", **shown), form.status
