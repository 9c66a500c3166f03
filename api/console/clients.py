"""The directory: search, one client and the messages to it, adding, changing, removing."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import current_app, render_template, request, url_for
from werkzeug import Response

from api.audit.queries import entries_about
from api.clients import queries, services
from api.clients.queries import ClientRow
from api.clients.schemas import ClientBody, WrittenClientBody
from api.clients.search import find_clients, has_digits, ranges_of
from api.console.blueprint import blp
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form, check_unchanged, untouched
from api.console.paging import Page, paged
from api.console.phone_regions import default_region_name
from api.http.fields import MAX_ID
from api.messages.queries import last_attempts_of, texts_of
from api.messages.search import find_messages
from api.permissions import requires
from shared.domain.client_rules import TIMEZONES
from shared.domain.phone_numbers import plain_code
from shared.domain.roles import Role
from shared.domain.tag_normalization import normal

EDITS = 20
"""The latest changes to a client, which its page shows; the audit has all."""


@blp.get("/clients/")
@requires(Role.VIEWER)
def clients() -> str:
    """The list of clients, or a search."""
    wanted = {name: request.args.get(name, "").strip() for name in ("phone", "tag", "operator_code")}
    wrong = bool(wanted["phone"]) and not has_digits(wanted["phone"])
    ranges = ranges_of(wanted["phone"], current_app.config["DEFAULT_REGION"])
    tag, code = normal(wanted["tag"]), plain_code(wanted["operator_code"])
    find = partial(find_clients, ranges=ranges, tag=tag, operator_code=code)

    def key(client: ClientRow) -> int:
        return client.id if ranges is None else client.phone_number

    found = Page((), None, None) if wrong else paged(find, key, 0)
    return render_template("console/clients.html", found=found, wanted=wanted, wrong=wrong, notice=take_notice())


@blp.route("/clients/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_client() -> str | Response | tuple[str, int]:
    """Adds a client."""
    form = Form(request.form or {"phone_number": request.args.get("phone", "")})

    def add() -> str:
        client = services.add_client(form.load(WrittenClientBody()))
        set_notice(Notice("added"))
        return url_for("console.client", client_id=client.id)

    done = form.submit(add, operation="createClient") if request.method == "POST" else None
    return done or _show(form)


@blp.get("/clients/<id:client_id>/")
@requires(Role.VIEWER)
def client(client_id: int) -> str:
    """One client, with its messages and the reasons of those that were not sent."""
    found = queries.client_by_id(client_id)
    messages = paged(lambda before, limit: find_messages(before, limit, {"client_id": client_id}), _id_of, MAX_ID)
    return render_template(
        "console/client.html",
        client=found,
        messages=messages,
        texts=texts_of(messages.rows),
        last=last_attempts_of(messages.rows),
        notice=take_notice(),
        edits=entries_about("client", client_id, EDITS),
        edits_shown=EDITS,
    )


@blp.route("/clients/<id:client_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_client(client_id: int) -> str | Response | tuple[str, int]:
    """Changes a client."""
    found = queries.client_by_id(client_id)
    if request.method != "POST":
        return _show(Form(_values_of(found)), found)
    form = Form(request.form)

    def change() -> str:
        fields = form.load(WrittenClientBody(kept=found.phone_number))
        locked = services.lock_client(client_id)
        check_unchanged(locked)
        services.change_client(locked, fields | untouched(form.values, {"tag": locked.tag}))
        set_notice(Notice("changed"))
        return url_for("console.client", client_id=client_id)

    done = form.submit(change, operation="updateClient")
    if done:
        return done
    found = queries.client_by_id(client_id)
    if form.is_in_conflict:
        form.compare(_values_of(found), found.updated_at, queries.last_changed_by(found))
    return _show(form, found)


@blp.route("/clients/<id:client_id>/remove/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def remove_client(client_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and removes a client."""
    form = Form({})

    def remove() -> str:
        services.remove_client(services.lock_client(client_id))
        set_notice(Notice("removed"))
        return url_for("console.clients")

    done = form.submit(remove, operation="deleteClient") if request.method == "POST" else None
    if done:
        return done
    found = queries.client_by_id(client_id)
    waiting = queries.count_waiting(found)
    return render_template("console/client_remove.html", client=found, waiting=waiting, form=form), form.status


def _values_of(found: ClientRow) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ClientBody.Meta.fields}


def _show(form: Form, found: ClientRow | None = None) -> tuple[str, int]:
    zones = sorted(TIMEZONES)
    shown = {"form": form, "client": found, "zones": zones, "default_country": default_region_name()}
    return render_template("console/client_form.html", **shown), form.status


def _id_of(message: Any) -> int:
    return int(message.id)
