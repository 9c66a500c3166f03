"""The directory: search, one client and the messages to it, adding, changing, removing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import marshmallow as ma
from flask import current_app, render_template, request, url_for
from werkzeug import Response

from api.audit.queries import entries_about
from api.client_fields.queries import FieldRow, usable_fields
from api.clients import queries, services
from api.clients.queries import ClientRow
from api.clients.schemas import SPECIFIED, WrittenClientBody
from api.clients.search import find_clients, has_digits, ranges_of
from api.consents.queries import consents_before
from api.console.attribute_inputs import (
    field_names,
    input_name,
    label_of,
    read_attributes,
    read_moments_of,
    shown_value,
    written_values,
)
from api.console.blueprint import blp
from api.console.datetimes import shown as shown_moment
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form, check_unchanged, untouched
from api.console.paging import Page, paged
from api.console.phone_regions import default_region_name
from api.http.fields import MAX_ID, whole_number
from api.http.schemas import load_present
from api.ledger_labels import REASONS, SCOPES
from api.messages.queries import last_attempts_of
from api.messages.search import find_messages
from api.messages.texts import texts_of
from api.permissions import requires
from api.suppressions.queries import suppressions_before
from shared.domain.attribute_values import join_list, split_list
from shared.domain.client_rules import TIMEZONES
from shared.domain.phone_numbers import plain_code
from shared.domain.roles import Role
from shared.domain.tag_normalization import normal

SEARCHED = ("phone", "tag", "operator_code", "external_id", "unknown")
"""The fields of a search."""

RECORDS = 10
"""The latest suppressions and consents of the number, which the page of a client shows."""

EDITS = 20
"""The latest changes to a client, which its page shows; the audit has all."""


@blp.get("/clients/")
@requires(Role.VIEWER)
def clients() -> str:
    """The list of clients, or a search."""
    wanted = {name: request.args.get(name, "").strip() for name in SEARCHED}
    unknown = whole_number(wanted["unknown"])
    wrong = [
        *(["phone"] if wanted["phone"] and not has_digits(wanted["phone"]) else ()),
        *(["unknown"] if wanted["unknown"] and not unknown else ()),
    ]
    ranges = ranges_of(wanted["phone"], current_app.config["DEFAULT_REGION"])
    tag, code = normal(wanted["tag"]), plain_code(wanted["operator_code"])
    id_elsewhere = wanted["external_id"]
    find = partial(find_clients, ranges=ranges, tag=tag, operator_code=code, external_id=id_elsewhere, unknown=unknown)

    def key(client: ClientRow) -> int:
        return client.id if ranges is None else client.phone_number

    found = Page((), None, None) if wrong else paged(find, key, 0)
    return render_template("console/clients.html", found=found, wanted=wanted, wrong=wrong, notice=take_notice())


@blp.route("/clients/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_client() -> str | Response | tuple[str, int]:
    """Adds a client."""
    declared = usable_fields()
    form = _read_form(declared) if request.form else Form({"phone_number": request.args.get("phone", "")})

    def add() -> str:
        client = services.add_client(_load(form, WrittenClientBody(), declared, {}))
        set_notice(Notice("added"))
        return url_for("console.client", client_id=client.id)

    done = form.submit(add, operation="createClient")
    return done or _show(form, declared)


@blp.get("/clients/<id:client_id>/")
@requires(Role.VIEWER)
def client(client_id: int) -> str:
    """One client, with its messages and the reasons of those that were not sent."""
    found = queries.client_by_id(client_id)
    declared = usable_fields()
    messages = paged(
        lambda before, limit: find_messages(before, limit, {"client_id": client_id}), lambda row: int(row.id), MAX_ID
    )
    return render_template(
        "console/client.html",
        client=found,
        attributes=[
            (label_of(field), shown_value(found.attributes[field.name], field.type))
            for field in declared
            if field.name in found.attributes
        ],
        field_names=field_names(declared),
        messages=messages,
        texts=texts_of(messages.rows),
        last=last_attempts_of(messages.rows),
        notice=take_notice(),
        suppressions=suppressions_before(MAX_ID, RECORDS, [found.phone_number]),
        consents=consents_before(MAX_ID, RECORDS, [found.phone_number]),
        records_shown=RECORDS,
        scopes=SCOPES,
        reasons=REASONS,
        edits=entries_about("client", client_id, EDITS),
        edits_shown=EDITS,
    )


@blp.route("/clients/<id:client_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_client(client_id: int) -> str | Response | tuple[str, int]:
    """Changes a client."""
    found = queries.client_by_id(client_id)
    declared = usable_fields()
    if request.method != "POST":
        return _show(Form(_values_of(found, declared)), declared, found)
    form = _read_form(declared)

    def change() -> str:
        locked = services.lock_client(client_id)
        fields = _load(form, WrittenClientBody(kept=found.phone_number), declared, locked.attributes)
        check_unchanged(locked)
        services.change_client(locked, fields | untouched(form.values, {"tag": locked.tag}))
        set_notice(Notice("changed"))
        return url_for("console.client", client_id=client_id)

    done = form.submit(change, operation="updateClient")
    if done:
        return done
    found = queries.client_by_id(client_id)
    if form.is_in_conflict:
        form.compare(_values_of(found, declared), found.updated_at, queries.last_changed_by(found))
    return _show(form, declared, found)


@blp.route("/clients/<id:client_id>/remove/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def remove_client(client_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and removes a client."""
    form = Form({})

    def remove() -> str:
        services.remove_client(services.lock_client(client_id))
        set_notice(Notice("removed"))
        return url_for("console.clients")

    done = form.submit(remove, operation="deleteClient")
    if done:
        return done
    found = queries.client_by_id(client_id)
    waiting = queries.count_waiting(found)
    return render_template("console/client_remove.html", client=found, waiting=waiting, form=form), form.status


def _values_of(found: ClientRow, declared: Sequence[FieldRow]) -> dict[str, Any]:
    return {
        **{name: getattr(found, name) for name in SPECIFIED},
        "external_id": found.external_id or "",
        "tags": join_list(found.tags),
        **written_values(declared, found.attributes),
    }


def _read_form(declared: Sequence[FieldRow]) -> Form:
    moments = read_moments_of(declared, request.form)
    form = Form(dict(request.form) | moments.values, moments.errors)
    form.choices = moments.choices
    return form


def _load(
    form: Form, body: WrittenClientBody, declared: Sequence[FieldRow], attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a client with these attributes. What the form does not have stays. Raises ValidationError."""
    values = dict(form.values)
    errors: dict[str, list[str]] = {}
    no_external_id = "external_id" in values and not values["external_id"].strip()
    if no_external_id:
        del values["external_id"]
    if "tags" in values:
        values["tags"] = split_list(values["tags"])
    fields: dict[str, Any] = {}
    try:
        values["attributes"] = read_attributes(declared, form.values, attributes)
    except ma.ValidationError as error:
        errors |= error.normalized_messages()
    try:
        fields = load_present(body, values)
    except ma.ValidationError as error:
        errors |= error.normalized_messages()
    if errors:
        raise ma.ValidationError(errors)
    return fields | ({"external_id": None} if no_external_id else {})


def _show(form: Form, declared: Sequence[FieldRow], found: ClientRow | None = None) -> tuple[str, int]:
    zones = sorted(TIMEZONES)
    page = render_template(
        "console/client_form.html",
        form=form,
        client=found,
        zones=zones,
        default_country=default_region_name(),
        inputs=[(field, input_name(field), label_of(field)) for field in declared],
        field_names=field_names(declared),
        shown=shown_moment,
    )
    return page, form.status
