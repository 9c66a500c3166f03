"""The form that a mailing is written in, new or not, with what it would come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import marshmallow as ma
from flask import render_template, request, url_for
from sqlalchemy import select
from werkzeug import Response

from api.console.blueprint import blp
from api.console.datetimes import read_moments, shown, written
from api.console.forms import Form, check_unchanged, loaded, untouched
from api.console.history import last_editor
from api.console.notices import Notice, tell
from api.console.review import check_end, earliest_start, plan_of
from api.extensions import db
from api.http.fields import PlainText, whole_number
from api.http.schemas import RequestSchema
from api.mailings import queries
from api.mailings.estimate import Existing
from api.mailings.schemas import MailingBody
from api.permissions import requires
from shared.domain.mailing_rules import ENDED, MAX_TEXT
from shared.domain.roles import Role
from shared.domain.statuses import OnUnknown
from shared.schema import MailingDraft

FIELDS = ("text", "mark", "start_datetime", "end_datetime", "on_unknown")


class DraftBody(RequestSchema):
    """A mailing that is being written: whatever can be kept, of any length."""

    text = PlainText()
    mark = PlainText()
    start_datetime = PlainText()
    end_datetime = PlainText()
    on_unknown = ma.fields.Enum(OnUnknown, by_value=ma.fields.String)


@blp.route("/mailings/<id:mailing_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_mailing(mailing_id: int) -> str | Response | tuple[str, int]:
    """A change to a mailing, as far as the rules still allow one."""
    mailing = queries.mailing_by_id(mailing_id)
    if request.method != "POST" and mailing["status"] in ENDED:
        return render_template("console/mailing_over.html", mailing=mailing), 409
    if request.method != "POST":
        return show_form(Form(_of(mailing)), mailing=mailing)
    form = read_form()
    form.refused_with = 409

    def change() -> str:
        fields = form.load(MailingBody(partial=True))
        locked, terms = queries.lock_mailing(mailing_id)
        check_unchanged(locked)
        fields |= untouched(form.values, {"text": terms.text, "mark": terms.mark})
        after = replace(terms, **fields)
        earliest = earliest_start()
        if after.end_datetime != terms.end_datetime:
            check_end(after.end_datetime, earliest)
        if after.start_datetime != terms.start_datetime and not locked.launch_began:
            # Whoever moves the start to now can undo that as well.
            after = replace(after, start_datetime=max(after.start_datetime, earliest))
        queries.change_mailing(locked, terms, after)
        tell(Notice("changed"))
        return url_for("console.mailing", mailing_id=mailing_id)

    if "look" in request.form:  # without scripts, what it would come to is shown on demand
        return show_form(form, mailing=mailing)
    done = form.submit(change, operation="updateMailing")
    if done:
        return done
    mailing = queries.mailing_by_id(mailing_id)
    if form.is_in_conflict:
        form.compare(_of(mailing), mailing["updated_at"], last_editor(mailing_id))
    return show_form(form, mailing=mailing)


@blp.post("/mailings/plan/")
@requires(Role.VIEWER)
def plan_part() -> str:
    """What a mailing would come to, as the part of the form that a script shows while one types."""
    mailing_id = whole_number(request.args.get("mailing", ""))
    mailing = queries.mailing_by_id(mailing_id) if mailing_id else None
    plan = plan_of(read_form().values, _existing(mailing))
    return render_template("console/plan.html", plan=plan, mailing=mailing, max_text=MAX_TEXT)


def read_form() -> Form:
    """The request's form, or how a new mailing begins."""
    if request.method != "POST":
        return Form(_beginning())
    values: dict[str, Any] = {name: request.form[name] for name in FIELDS if name in request.form}
    moments = read_moments(request.form)
    if "text" in values:
        # A form sends line ends as CR LF (URL standard, 5.2): two septets where one was meant.
        values["text"] = values["text"].replace("\r\n", "\n")
    form = Form(values | moments.values, moments.errors)
    form.choices = moments.choices
    return form


def draft_fields(form: Form) -> dict[str, str]:
    """What a draft keeps of the form. Raises ValidationError for what no text of PostgreSQL can be."""
    fields = loaded(DraftBody(), form.values)
    return {name: str(value) for name, value in fields.items()}


def show_form(
    form: Form, *, mailing: Mapping[str, Any] | None = None, draft: MailingDraft | None = None
) -> tuple[str, int]:
    """The form of a mailing, of a draft, or of a new one."""
    values = {"mailing": mailing, "draft": draft, "shown": shown, "max_text": MAX_TEXT}
    plan = plan_of(form.values, _existing(mailing))
    return render_template("console/mailing_form.html", form=form, plan=plan, **values), form.status


def _existing(mailing: Mapping[str, Any] | None) -> Existing | None:
    if mailing is None:
        return None
    return Existing(mailing["id"], mailing["messages"]["pending"] if mailing["launch_started_at"] else None)


def _beginning() -> dict[str, Any]:
    now = db.session.scalars(select(queries.NOW)).one().replace(second=0, microsecond=0)
    values: dict[str, Any] = {"on_unknown": OnUnknown.RESEND.value, "mark": request.args.get("mark", "")}
    like = whole_number(request.args.get("like", ""))
    if like:
        old = queries.mailing_by_id(like)
        values |= {"text": old["text"], "mark": old["mark"], "on_unknown": old["on_unknown"].value}
    return values | {"start_datetime": written(now), "end_datetime": written(now + timedelta(days=1))}


def _of(mailing: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": mailing["text"],
        "mark": mailing["mark"],
        "start_datetime": written(mailing["start_datetime"]),
        "end_datetime": written(mailing["end_datetime"]),
        "on_unknown": mailing["on_unknown"].value,
    }
