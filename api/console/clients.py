"""The directory: search, one client and what was sent to them, adding, changing, removing."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import current_app, render_template, request, url_for
from sqlalchemy import func, select, tuple_
from werkzeug import Response

from api.audit.queries import entries_about
from api.clients import queries
from api.clients.schemas import ClientBody, WrittenClientBody
from api.console.blueprint import blp
from api.console.forms import Form, check_unchanged, untouched
from api.console.list_queries import find_clients, has_digits, ranges_of
from api.console.notices import Notice, take, tell
from api.console.paging import Page, paged
from api.console.regions import default_region_name
from api.extensions import db
from api.http.fields import MAX_ID
from api.messages.search import find_messages
from api.permissions import requires
from shared.domain.client_rules import TIMEZONES
from shared.domain.labels import normal
from shared.domain.phone_numbers import plain_code
from shared.domain.roles import Role
from shared.schema import Attempt, Client, Mailing, MailingText, Message

EDITS = 20
"""Changes to a client that its page shows, the latest ones; the audit has all."""


@blp.get("/clients/")
@requires(Role.VIEWER)
def clients() -> str:
    """The clients, or those that are searched for."""
    wanted = {name: request.args.get(name, "").strip() for name in ("phone", "tag", "operator_code")}
    wrong = bool(wanted["phone"]) and not has_digits(wanted["phone"])
    ranges = ranges_of(wanted["phone"], current_app.config["DEFAULT_REGION"])
    tag, code = normal(wanted["tag"]), plain_code(wanted["operator_code"])
    find = partial(find_clients, ranges=ranges, tag=tag, operator_code=code)

    def key(client: Client) -> int:
        return client.id if ranges is None else client.phone_number

    found = Page((), None, None) if wrong else paged(find, key, 0)
    return render_template("console/clients.html", found=found, wanted=wanted, wrong=wrong, notice=take())


@blp.route("/clients/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_client() -> str | Response | tuple[str, int]:
    """A new client."""
    form = Form(request.form or {"phone_number": request.args.get("phone", "")})

    def add() -> str:
        client = queries.add_client(form.load(WrittenClientBody()))
        tell(Notice("added"))
        return url_for("console.client", client_id=client.id)

    done = form.submit(add, operation="createClient") if request.method == "POST" else None
    return done or _show(form)


@blp.get("/clients/<id:client_id>/")
@requires(Role.VIEWER)
def client(client_id: int) -> str:
    """One client: what was sent to them, and why what did not arrive did not."""
    found = queries.client_by_id(client_id)
    messages = paged(lambda before, limit: find_messages(before, limit, {"client_id": client_id}), _id, MAX_ID)
    return render_template(
        "console/client.html",
        client=found,
        messages=messages,
        texts=texts_of(messages.rows),
        last=last_attempts_of(messages.rows),
        notice=take(),
        edits=entries_about("client", client_id, EDITS),
        edits_shown=EDITS,
    )


@blp.route("/clients/<id:client_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_client(client_id: int) -> str | Response | tuple[str, int]:
    """A change to a client."""
    found = queries.client_by_id(client_id)
    if request.method != "POST":
        return _show(Form(_values_of(found)), found)
    form = Form(request.form)

    def change() -> str:
        fields = form.load(WrittenClientBody(kept=found.phone_number))
        locked = queries.lock_client(client_id)
        check_unchanged(locked)
        queries.change_client(locked, fields | untouched(form.values, {"tag": locked.tag}))
        tell(Notice("changed"))
        return url_for("console.client", client_id=client_id)

    done = form.submit(change, operation="updateClient")
    if done:
        return done
    found = queries.client_by_id(client_id)
    if form.is_in_conflict:
        form.compare(_values_of(found), found.updated_at, changed_by(found))
    return _show(form, found)


@blp.route("/clients/<id:client_id>/remove/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def remove_client(client_id: int) -> str | Response | tuple[str, int]:
    """Says what removing a client does, and does it when that is confirmed."""
    form = Form({})

    def remove() -> str:
        queries.remove_client(queries.lock_client(client_id))
        tell(Notice("removed"))
        return url_for("console.clients")

    done = form.submit(remove, operation="deleteClient") if request.method == "POST" else None
    if done:
        return done
    found = queries.client_by_id(client_id)
    waiting = queries.count_waiting(found)
    return render_template("console/client_remove.html", client=found, waiting=waiting, form=form), form.status


def texts_of(messages: Any) -> dict[tuple[int, int | None], str]:
    """What these messages say, by mailing and revision; by no revision, what the mailing says now."""
    ids = {message.mailing_id for message in messages}
    of_each = select(MailingText.mailing_id, MailingText.revision, MailingText.text, Mailing.text_revision)
    texts: dict[tuple[int, int | None], str] = {}
    for mailing_id, revision, text, current in db.session.execute(
        of_each.join(Mailing, Mailing.id == MailingText.mailing_id).where(MailingText.mailing_id.in_(ids))
    ):
        texts[mailing_id, revision] = text
        if revision == current:
            texts[mailing_id, None] = text
    return texts


def last_attempts_of(messages: Any) -> dict[int, Attempt]:
    """The last attempt of each of these messages that has had one."""
    ids = [message.id for message in messages]
    last = select(Attempt.message_id, func.max(Attempt.number)).where(Attempt.message_id.in_(ids))
    name = tuple_(Attempt.message_id, Attempt.number)
    found = db.session.scalars(select(Attempt).where(name.in_(last.group_by(Attempt.message_id))))
    return {attempt.message_id: attempt for attempt in found}


def changed_by(found: Client) -> str | None:
    """Who has given the client what it has now; none if it was an import."""
    changes = entries_about("client", found.id, 1)
    return changes[0].actor_name if changes and changes[0].at >= found.updated_at else None


def _values_of(found: Client) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ClientBody.Meta.fields}


def _show(form: Form, found: Client | None = None) -> tuple[str, int]:
    zones = sorted(TIMEZONES)
    shown = {"form": form, "client": found, "zones": zones, "default_country": default_region_name()}
    return render_template("console/client_form.html", **shown), form.status


def _id(message: Message) -> int:
    return message.id
