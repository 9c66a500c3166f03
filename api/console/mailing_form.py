"""The form of a mailing, with its estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from api.clock import now
from api.console.blueprint import blp
from api.console.datetimes import read_moments, shown, written
from api.console.flash_messages import Notice, set_notice
from api.console.forms import Form, check_unchanged, untouched
from api.console.review import estimate_of
from api.drafts.queries import Draft
from api.drafts.schemas import DraftBody
from api.drafts.sending import check_end, earliest_start
from api.http.fields import whole_number
from api.http.schemas import load_present
from api.mailings import queries, services
from api.mailings.estimate import Existing
from api.mailings.revisions import last_editor
from api.mailings.schemas import MailingBody
from api.message_routes.queries import route_names
from api.permissions import requires
from shared.domain.mailing_rules import ENDED, MAX_TEXT
from shared.domain.roles import Role
from shared.domain.statuses import OnUnknown

FIELDS = ("text", "mark", "start_datetime", "end_datetime", "on_unknown", "route")


@blp.route("/mailings/<id:mailing_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_mailing(mailing_id: int) -> str | Response | tuple[str, int]:
    """Changes a mailing, as far as its state allows."""
    mailing = queries.mailing_by_id(mailing_id)
    if request.method != "POST" and mailing["status"] in ENDED:
        return render_template("console/mailing_ended.html", mailing=mailing), 409
    if request.method != "POST":
        return show_form(Form(_of(mailing)), mailing=mailing)
    form = read_form()
    form.refused_with = 409

    def change() -> str:
        fields = form.load(MailingBody(partial=True))
        locked, before = services.lock_mailing(mailing_id)
        check_unchanged(locked)
        fields |= untouched(form.values, {"text": before.text, "mark": before.mark})
        after = replace(before, **fields)
        earliest = earliest_start()
        if after.end_datetime != before.end_datetime:
            check_end(after.end_datetime, earliest)
        if after.start_datetime != before.start_datetime and not locked.launch_began:
            # Moving the start to now can be undone for SEND_GRACE_SECONDS, like sending a draft.
            after = replace(after, start_datetime=max(after.start_datetime, earliest))
        services.change_mailing(locked, before, after)
        set_notice(Notice("changed"))
        return url_for("console.mailing", mailing_id=mailing_id)

    if "look" in request.form:  # without scripts, the estimate is shown on demand
        return show_form(form, mailing=mailing)
    done = form.submit(change, operation="updateMailing")
    if done:
        return done
    mailing = queries.mailing_by_id(mailing_id)
    if form.is_in_conflict:
        form.compare(_of(mailing), mailing["updated_at"], last_editor(mailing_id))
    return show_form(form, mailing=mailing)


@blp.post("/mailings/estimate/")
@requires(Role.VIEWER)
def estimate_part() -> str:
    """The estimate of a mailing, as the part of the form that a script updates during typing."""
    mailing_id = whole_number(request.args.get("mailing", ""))
    mailing = queries.mailing_by_id(mailing_id) if mailing_id else None
    estimate = estimate_of(read_form().values, _existing(mailing))
    return render_template("console/estimate.html", estimate=estimate, mailing=mailing, max_text=MAX_TEXT)


def read_form() -> Form:
    """The request's form, or the initial values of a new mailing."""
    if request.method != "POST":
        return Form(_initial_values())
    values: dict[str, Any] = {name: request.form[name] for name in FIELDS if name in request.form}
    moments = read_moments(request.form)
    if "text" in values:
        # A form sends line ends as CR LF (URL standard, 5.2): two septets where one was meant.
        values["text"] = values["text"].replace("\r\n", "\n")
    form = Form(values | moments.values, moments.errors)
    form.choices = moments.choices
    return form


def draft_fields(form: Form) -> dict[str, str]:
    """The fields of the form that a draft stores. Raises ValidationError for text that PostgreSQL can't store."""
    fields = load_present(DraftBody(), form.values)
    return {name: str(value) for name, value in fields.items()}


def show_form(form: Form, *, mailing: Mapping[str, Any] | None = None, draft: Draft | None = None) -> tuple[str, int]:
    """The form of a mailing, of a draft, or of a new one."""
    values = {"mailing": mailing, "draft": draft, "shown": shown, "max_text": MAX_TEXT, "routes": route_names()}
    estimate = estimate_of(form.values, _existing(mailing))
    return render_template("console/mailing_form.html", form=form, estimate=estimate, **values), form.status


def _existing(mailing: Mapping[str, Any] | None) -> Existing | None:
    if mailing is None:
        return None
    return Existing(mailing["id"], mailing["messages"]["pending"] if mailing["launch_started_at"] else None)


def _initial_values() -> dict[str, Any]:
    start = now().replace(second=0, microsecond=0)
    values: dict[str, Any] = {"on_unknown": OnUnknown.RESEND.value, "mark": request.args.get("mark", "")}
    like = whole_number(request.args.get("like", ""))
    if like:
        old = queries.mailing_by_id(like)
        values |= {"text": old["text"], "mark": old["mark"], "on_unknown": old["on_unknown"].value}
        values |= {"route": old["route"] or ""}
    return values | {"start_datetime": written(start), "end_datetime": written(start + timedelta(days=1))}


def _of(mailing: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": mailing["text"],
        "mark": mailing["mark"],
        "start_datetime": written(mailing["start_datetime"]),
        "end_datetime": written(mailing["end_datetime"]),
        "on_unknown": mailing["on_unknown"].value,
        "route": mailing["route"] or "",
    }
