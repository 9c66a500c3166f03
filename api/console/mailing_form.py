"""Writing a mailing, new or not, with what it would come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import marshmallow as ma
from flask import redirect, render_template, request, url_for
from sqlalchemy import select
from werkzeug import Response

from api.console.blueprint import blp
from api.console.forms import Form, check_unchanged, for_field, instant
from api.extensions import db
from api.fields import whole_number
from api.mailings import queries
from api.mailings.plan import PlanBody, plan
from api.mailings.schemas import MailingBody
from shared.ledger import OnUnknown
from shared.mailings import Terms

FIELDS = ("text", "mark", "start_datetime", "end_datetime", "on_unknown")


@blp.route("/mailings/new/", methods=["GET", "POST"])
def new_mailing() -> str | Response | tuple[str, int]:
    """A new mailing; one that is begun with `?like=` an old one has its text and mark."""
    if request.method != "POST":
        return _show(Form(_beginning()))
    form = Form(_typed(request.form))
    if "look" in request.form:  # without scripts, what it would come to is shown on demand
        return _show(form)
    mailing_id = form.submit(
        MailingBody(), lambda fields: queries.add_mailing(Terms(**fields)), operation="createMailing"
    )
    if mailing_id is None:
        return _show(form), 422
    return redirect(url_for("console.mailing", mailing_id=mailing_id, said="added"))


@blp.route("/mailings/<id:mailing_id>/edit/", methods=["GET", "POST"])
def edit_mailing(mailing_id: int) -> str | Response | tuple[str, int]:
    """A change to a mailing, as far as the rules still allow one."""
    mailing = queries.mailing_by_id(mailing_id)
    if request.method != "POST":
        return _show(Form(_of(mailing)), mailing)
    form = Form(_typed(request.form))
    if "look" in request.form:
        return _show(form, mailing)

    def change(fields: dict[str, Any]) -> bool:
        locked, terms = queries.lock_mailing(mailing_id)
        check_unchanged(locked)
        queries.change_mailing(locked, terms, replace(terms, **fields))
        return True

    if form.submit(MailingBody(partial=True), change, operation="updateMailing"):
        return redirect(url_for("console.mailing", mailing_id=mailing_id, said="changed"))
    return _show(form, queries.mailing_by_id(mailing_id)), 409


@blp.post("/mailings/plan/")
def plan_part() -> str:
    """What a mailing would come to, as the part of the form that a script shows while one types."""
    return render_template("console/plan.html", plan=_plan(_typed(request.form)))


def _show(form: Form, mailing: Mapping[str, Any] | None = None) -> str:
    return render_template("console/mailing_form.html", form=form, mailing=mailing, plan=_plan(form.values))


def _plan(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of whatever is right so far: what is still wrong is left out."""
    known = {name: values[name] for name in FIELDS if values.get(name)}
    try:
        return plan(PlanBody().load(known))
    except ma.ValidationError as error:
        wrong = error.normalized_messages()
        return plan(PlanBody().load({name: value for name, value in known.items() if name not in wrong}))


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    typed = {name: values[name] for name in FIELDS if name in values}
    zone = values.get("zone", "UTC")
    for name in ("start_datetime", "end_datetime"):
        if typed.get(name):
            typed[name] = instant(typed[name], zone)
    if "text" in typed:
        # A form sends line ends as CR LF (URL standard, 5.2): two septets where one was meant.
        typed["text"] = typed["text"].replace("\r\n", "\n")
    return typed


def _beginning() -> dict[str, Any]:
    now = db.session.scalars(select(queries.NOW)).one().replace(second=0, microsecond=0)
    values: dict[str, Any] = {"on_unknown": OnUnknown.RESEND.value, "mark": request.args.get("mark", "")}
    like = whole_number(request.args.get("like", ""))
    if like:
        old = queries.mailing_by_id(like)
        values |= {"text": old["text"], "mark": old["mark"], "on_unknown": old["on_unknown"].value}
    return values | {"start_datetime": _written(now), "end_datetime": _written(now + timedelta(days=1))}


def _of(mailing: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": mailing["text"],
        "mark": mailing["mark"],
        "start_datetime": _written(mailing["start_datetime"]),
        "end_datetime": _written(mailing["end_datetime"]),
        "on_unknown": mailing["on_unknown"].value,
    }


def _written(moment: Any) -> str:
    return f"{for_field(moment)}Z"
