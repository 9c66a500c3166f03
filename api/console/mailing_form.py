"""The form of a mailing, with its estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from api.clock import now
from api.console.audience_choice import (
    AUDIENCE_FIELDS,
    AudienceChoice,
    audience_of,
    choosable_segments,
    has_row_errors,
    read_audience,
    sent_fields,
)
from api.console.blueprint import blp
from api.console.condition_view import condition_values
from api.console.datetimes import read_moments, shown, written
from api.console.flash_messages import Notice, set_notice
from api.console.forms import Form, check_unchanged, untouched
from api.console.review import estimate_of
from api.console.rule_inputs import RULE_FIELDS, initial_rules, read_rule_inputs, rule_choices, rules_of
from api.drafts.queries import Draft
from api.drafts.schemas import DraftBody
from api.drafts.sending import check_end, earliest_start
from api.http.fields import whole_number
from api.http.schemas import load_present
from api.mailings import queries, services
from api.mailings.estimate import Existing
from api.mailings.revisions import last_editor
from api.mailings.schemas import WrittenMailingBody
from api.message_routes.queries import route_names
from api.permissions import requires
from api.templates.queries import template_by_id, templates_after
from shared.domain.lookalikes import replace_lookalikes
from shared.domain.mailing_rules import ENDED, MAX_TEXT
from shared.domain.roles import Role
from shared.domain.statuses import OnUnknown
from shared.domain.text_segments import segments_of
from shared.errors import NotFound

OWN_FIELDS = ("text", "start_datetime", "end_datetime", "on_unknown", "route", "exclude_unknown_after")
FIELDS = (*OWN_FIELDS, *RULE_FIELDS, *AUDIENCE_FIELDS)

TEMPLATES = 200
"""Saved templates that can be chosen."""


class MailingForm(Form):
    """The form of a mailing, with the choice of its audience."""

    def __init__(self, values: Mapping[str, Any], errors: Mapping[str, list[str]] = {}) -> None:
        super().__init__(values, errors)
        self.audience: AudienceChoice | None = None
        """As it was sent; None for a form that was not, or has none."""

    def compare(self, values: Mapping[str, Any], at: datetime, by: str | None) -> None:
        """Also compares with what was not chosen for the audience."""
        if self.audience:
            self.values = {**dict.fromkeys(AUDIENCE_FIELDS, ""), **self.values}
        super().compare(values, at, by)


@blp.route("/mailings/<id:mailing_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_mailing(mailing_id: int) -> str | Response | tuple[str, int]:
    """Changes a mailing, as far as its state allows."""
    mailing = queries.mailing_by_id(mailing_id)
    if request.method != "POST" and mailing["status"] in ENDED:
        return render_template("console/mailing_ended.html", mailing=mailing), 409
    if request.method != "POST":
        return show_form(MailingForm(_values_of(mailing)), mailing=mailing)
    form = read_form()
    form.refused_with = 409

    def change() -> str:
        fields = form.load(WrittenMailingBody(partial=True))
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

    if is_only_shown():
        return show_form(form, mailing=mailing)
    done = form.submit(change, operation="updateMailing")
    if done:
        return done
    mailing = queries.mailing_by_id(mailing_id)
    if form.is_in_conflict:
        form.compare(_values_of(mailing), mailing["updated_at"], last_editor(mailing_id))
    return show_form(form, mailing=mailing)


@blp.post("/mailings/estimate/")
@requires(Role.VIEWER)
def estimate_part() -> str:
    """The estimate of a mailing, as the part of the form that a script updates during typing."""
    if request.args.get("only") == "segments":  # for an answer to an inbound message
        segments = segments_of(str(read_form().values.get("text", "")))
        return render_template("console/segments.html", segments=segments, max_text=MAX_TEXT)
    mailing_id = whole_number(request.args.get("mailing", ""))
    mailing = queries.mailing_by_id(mailing_id) if mailing_id else None
    estimate = estimate_of(read_form().values, _existing(mailing))
    return render_template("console/estimate.html", estimate=estimate, mailing=mailing, max_text=MAX_TEXT)


def read_form() -> MailingForm:
    """The request's form, or the initial values of a new mailing."""
    if request.method != "POST":
        return MailingForm(_initial_values())
    values: dict[str, Any] = {name: request.form[name] for name in OWN_FIELDS if name in request.form}
    moments = read_moments(request.form)
    if "text" in values:
        # A form sends line ends as CR LF (URL standard, 5.2): two septets where one was meant.
        values["text"] = values["text"].replace("\r\n", "\n")
        if "replace" in request.form:
            values["text"] = replace_lookalikes(values["text"])
    if request.form.get("change") == "template":
        values["text"] = _saved_text(request.form.get("template", "")) or values.get("text", "")
    values |= read_rule_inputs(request.form)
    audience = read_audience(request.form)
    form = MailingForm(values | sent_fields(request.form, audience) | moments.values, moments.errors)
    form.choices, form.audience = moments.choices, audience
    return form


def is_only_shown() -> bool:
    """Whether the form is to be shown again, and nothing done: without scripts, that gives the estimate, replaces
    characters that look like others, changes conditions, or fills in a template or a preset."""
    return bool({"preview", "replace", "change"} & request.form.keys())


def draft_fields(form: Form) -> dict[str, str]:
    """The fields of the form that a draft stores. Raises ValidationError for text that PostgreSQL can't store."""
    fields = load_present(DraftBody(), form.values)
    return {name: str(value) for name, value in fields.items()}


def show_form(
    form: MailingForm, *, mailing: Mapping[str, Any] | None = None, draft: Draft | None = None
) -> tuple[str, int]:
    """The form of a mailing, of a draft, or of a new one."""
    audience = form.audience or audience_of(form.values)
    wrong = form.errors.get("segment")
    values = {
        **{"mailing": mailing, "draft": draft, "shown": shown, "max_text": MAX_TEXT, "routes": route_names()},
        **{"audience": audience, "segments": choosable_segments(), "saved_templates": templates_after(0, TEMPLATES)},
        **condition_values(audience.conditions, checked=bool(wrong) and has_row_errors(audience)),
        "wrong_conditions": wrong,
        "rule_choices": rule_choices(is_added=mailing is not None),
    }
    estimate = estimate_of(form.values, _existing(mailing))
    return render_template("console/mailing_form.html", form=form, estimate=estimate, **values), form.status


def _existing(mailing: Mapping[str, Any] | None) -> Existing | None:
    if mailing is None:
        return None
    waiting = mailing["messages"]["pending"] if mailing["launch_started_at"] else None
    return Existing(mailing["id"], waiting, "" if mailing["personalised"] else mailing["text"])


def _initial_values() -> dict[str, Any]:
    start = now().replace(second=0, microsecond=0)
    values: dict[str, Any] = {"on_unknown": OnUnknown.RESEND.value, "mark": request.args.get("mark", "")}
    values |= initial_rules()
    number_list = whole_number(request.args.get("list", ""))
    if number_list:
        values["segment"] = f"phone_number in list {number_list}"
    values |= {
        "segment_id": request.args.get("segment", ""),
        "text": _saved_text(request.args.get("template", "")) or "",
    }
    like = whole_number(request.args.get("like", ""))
    if like:
        old = queries.mailing_by_id(like)
        values |= {"text": old["text"], **_audience_of(old), "on_unknown": old["on_unknown"].value}
        values |= {
            **rules_of(old),
            "route": old["route"] or "",
            "exclude_unknown_after": old["exclude_unknown_after"] or "",
        }
    return values | {"start_datetime": written(start), "end_datetime": written(start + timedelta(days=1))}


def _values_of(mailing: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": mailing["text"],
        **_audience_of(mailing),
        "start_datetime": written(mailing["start_datetime"]),
        "end_datetime": written(mailing["end_datetime"]),
        "on_unknown": mailing["on_unknown"].value,
        "route": mailing["route"] or "",
        "exclude_unknown_after": mailing["exclude_unknown_after"] or "",
        **rules_of(mailing),
    }


def _audience_of(mailing: Mapping[str, Any]) -> dict[str, str]:
    """The audience of a mailing, as a draft has it."""
    return {
        "mark": mailing["mark"],
        "segment": mailing["segment"] or "",
        "segment_id": str(mailing["segment_id"] or ""),
        "excluded_segment_ids": ", ".join(map(str, mailing["excluded_segment_ids"])),
    }


def _saved_text(template_id: str) -> str | None:
    """The text of a saved template; None if there is none."""
    number = whole_number(template_id)
    if not number:
        return None
    try:
        return str(template_by_id(number)["text"])
    except NotFound:
        return None
