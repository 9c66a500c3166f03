"""Drafts of mailings: adding, changing, reviewing, sending and removing one, and undoing a sending."""

from __future__ import annotations

import re

from flask import current_app, redirect, render_template, request, url_for
from werkzeug import Response

from api.audit.recorder import nothing_changed
from api.console.blueprint import blp
from api.console.forms import Form, check_unchanged
from api.console.mailing_action_views import ask_to_confirm
from api.console.mailing_actions import MailingAction
from api.console.mailing_form import FIELDS, MailingForm, draft_fields, is_only_shown, read_form, show_form
from api.console.pending_work import current_problems
from api.console.review import Review, review_of
from api.console.single_submit import Earlier
from api.drafts import services
from api.drafts.queries import Draft, draft_by_id
from api.drafts.sending import check_review, estimate_to_send, fields_to_send
from api.http.fields import whole_number
from api.mailings.audience_texts import STORED_PLAN_LIMITS
from api.permissions import requires
from api.sending_rules.queries import sending_rules
from api.workers.queries import fleet
from shared.domain.roles import Role


@blp.route("/mailings/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_mailing() -> str | Response | tuple[str, int]:
    """The form of a new mailing, which is saved as a draft. With `?like=`, it has the text and mark of that mailing."""
    form = read_form()

    def add() -> str:
        return _next_address(services.add_draft(_checked(form)))

    def amend(earlier: Earlier) -> str | None:
        """Handles a repeated form with other content: changes the draft, unless it was sent or changed since."""
        draft_id = _draft_of(earlier)
        draft = services.lock_draft(draft_id) if draft_id else None
        if draft is None or draft.mailing_id is not None or draft.updated_at > earlier.at:
            return None
        services.change_draft(draft, _checked(form))
        return _next_address(draft.id)

    if request.method == "POST" and not is_only_shown():
        done = form.submit(add, operation="createDraft", amend=amend)
        if done:
            return done
    return show_form(form)


@blp.route("/mailings/drafts/<id:draft_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_draft(draft_id: int) -> str | Response | tuple[str, int]:
    """Changes a draft."""
    draft = draft_by_id(draft_id)
    if request.method != "POST":
        return _redirect_if_sent(draft) or show_form(MailingForm(draft.fields), draft=draft)
    form = read_form()

    def change() -> str:
        locked = services.lock_draft(draft_id)
        check_unchanged(locked)
        services.change_draft(locked, _checked(form))
        return _next_address(draft_id)

    done = form.submit(change, operation="updateDraft") if not is_only_shown() else None
    if done:
        return done
    draft = draft_by_id(draft_id)
    if form.is_in_conflict:
        form.compare({name: draft.fields.get(name, "") for name in FIELDS}, draft.updated_at, draft.written_by_name)
    return show_form(form, draft=draft)


@blp.route("/mailings/drafts/<id:draft_id>/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def review_draft(draft_id: int) -> str | Response | tuple[str, int]:
    """Shows the review of a draft, and sends it when that is confirmed."""
    form = Form(request.form)

    def send() -> str:
        locked = services.lock_draft(draft_id)
        if locked.mailing_id is not None:
            nothing_changed()
        else:
            check_unchanged(locked)
            fields = fields_to_send(locked.fields)[0]
            shown = whole_number(request.form.get("audience", "")) or 0
            estimated = estimate_to_send(fields, STORED_PLAN_LIMITS)
            check_review(estimated, shown, request.form.getlist("confirm"))
            services.send_draft(locked, fields, estimated)
        return url_for("console.mailing", mailing_id=locked.mailing_id)

    done = form.submit(send, operation="sendDraft")
    draft = draft_by_id(draft_id)
    if form.is_in_conflict:
        form.compare({}, draft.updated_at, draft.written_by_name)
    return done or _redirect_if_sent(draft) or _show_review(form, draft, review_of(draft.fields))


@blp.route("/mailings/drafts/<id:draft_id>/remove/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def remove_draft(draft_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and deletes the draft."""
    form = Form({})

    def remove() -> str:
        services.remove_draft(services.lock_draft(draft_id))
        return url_for("console.mailings")

    done = form.submit(remove, operation="deleteDraft")
    if done:
        return done
    draft = draft_by_id(draft_id)
    return _redirect_if_sent(draft) or (
        render_template("console/draft_remove.html", draft=draft, form=form),
        form.status,
    )


@blp.post("/mailings/<id:mailing_id>/undo/")
@requires(Role.OPERATOR)
def undo_mailing(mailing_id: int) -> Response | tuple[str, int]:
    """Makes a mailing that has not started a draft again; once it has started, it can only be cancelled."""
    form = Form({}, refused_with=409)
    if form.is_kept:
        return redirect(url_for("console.mailing", mailing_id=mailing_id))

    def undo() -> str:
        return url_for("console.edit_draft", draft_id=services.undo_sending(mailing_id))

    return form.submit(undo, operation="undoMailing") or ask_to_confirm(mailing_id, MailingAction.CANCEL, form)


def _show_review(form: Form, draft: Draft, review: Review) -> tuple[str, int]:
    confirmed = set(request.form.getlist("confirm"))
    grace = current_app.config["SEND_GRACE_SECONDS"]
    shown = {"draft": draft, "review": review, "form": form, "confirmed": confirmed, "grace": grace}
    shown["needs_approval"] = sending_rules()["requires_approval"]
    shown["problems"] = current_problems(fleet())
    return render_template("console/review.html", **shown), form.status


def _redirect_if_sent(draft: Draft) -> Response | None:
    """The redirect to the draft's mailing, if it was sent."""
    return redirect(url_for("console.mailing", mailing_id=draft.mailing_id)) if draft.mailing_id else None


def _checked(form: Form) -> dict[str, str]:
    """The fields of the form as a draft stores them. Raises ValidationError and Invalid: if the review follows, for
    everything that prevents sending."""
    fields = draft_fields(form)
    if not _only_kept():
        fields_to_send(fields)
    return fields


def _only_kept() -> bool:
    return request.form.get("then") == "keep"


def _next_address(draft_id: int) -> str:
    if _only_kept():
        return url_for("console.mailings", _anchor=f"draft-{draft_id}")
    return url_for("console.review_draft", draft_id=draft_id)


def _draft_of(earlier: Earlier) -> int | None:
    """The id of the draft that an earlier submission has added; None if it added none."""
    found = re.fullmatch(r".*(?:/mailings/drafts/|#draft-)([0-9]+)/?", earlier.address)
    return int(found[1]) if found else None
