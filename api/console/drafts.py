"""Drafts of mailings: writing one, the review before it is sent, sending it, and taking it back."""

from __future__ import annotations

import re

from flask import current_app, redirect, render_template, request, url_for
from werkzeug import Response

from api.audit.recorder import nothing_changed
from api.console.blueprint import blp
from api.console.forms import Form, check_unchanged
from api.console.load import hindrances
from api.console.mailing_action_views import ask_about
from api.console.mailing_actions import MailingAction
from api.console.mailing_form import FIELDS, draft_fields, read_form, show_form
from api.console.review import Review, check_seen, review_of, terms_to_send
from api.mailings import drafts
from api.permissions import requires
from api.workers.queries import fleet
from shared.domain.roles import Role
from shared.schema import IdempotencyRecord, MailingDraft


@blp.route("/mailings/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_mailing() -> str | Response | tuple[str, int]:
    """A new mailing; one that is begun with `?like=` an old one has its text and mark. It becomes a draft."""
    form = read_form()

    def add() -> str:
        return _following(drafts.add_draft(_checked(form)))

    def amend(kept: IdempotencyRecord) -> str | None:
        """Going back and on again changes the draft, unless it was sent or changed elsewhere since."""
        draft_id = _draft_of(kept)
        draft = drafts.lock_draft(draft_id) if draft_id else None
        if draft is None or draft.mailing_id is not None or draft.updated_at > kept.created_at:
            return None
        drafts.change_draft(draft, _checked(form))
        return _following(draft.id)

    if request.method == "POST" and "look" not in request.form:  # without scripts, the plan is shown on demand
        done = form.submit(add, operation="createDraft", amend=amend)
        if done:
            return done
    return show_form(form)


@blp.route("/mailings/drafts/<id:draft_id>/edit/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def edit_draft(draft_id: int) -> str | Response | tuple[str, int]:
    """A change to a draft."""
    draft = drafts.draft_by_id(draft_id)
    if request.method != "POST":
        return _sent(draft) or show_form(Form(draft.fields), draft=draft)
    form = read_form()

    def change() -> str:
        locked = drafts.lock_draft(draft_id)
        check_unchanged(locked)
        drafts.change_draft(locked, _checked(form))
        return _following(draft_id)

    done = form.submit(change, operation="updateDraft") if "look" not in request.form else None
    if done:
        return done
    draft = drafts.draft_by_id(draft_id)
    if form.is_in_conflict:
        form.compare({name: draft.fields.get(name, "") for name in FIELDS}, draft.updated_at, draft.written_by_name)
    return show_form(form, draft=draft)


@blp.route("/mailings/drafts/<id:draft_id>/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def review_draft(draft_id: int) -> str | Response | tuple[str, int]:
    """What sending the draft would do, exactly; and sends it, when that is confirmed."""
    form = Form(request.form)

    def send() -> str:
        locked = drafts.lock_draft(draft_id)
        if locked.mailing_id is not None:
            nothing_changed()
        else:
            check_unchanged(locked)
            check_seen(
                review_of(locked.fields),
                audience=request.form.get("audience", ""),
                confirmed=request.form.getlist("confirm"),
            )
            drafts.send_draft(locked, terms_to_send(locked.fields)[0])
        return url_for("console.mailing", mailing_id=locked.mailing_id)

    done = form.submit(send, operation="createMailing") if request.method == "POST" else None
    draft = drafts.draft_by_id(draft_id)
    if form.is_in_conflict:
        form.compare({}, draft.updated_at, draft.written_by_name)
    return done or _sent(draft) or _show_review(form, draft, review_of(draft.fields))


@blp.route("/mailings/drafts/<id:draft_id>/remove/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def remove_draft(draft_id: int) -> str | Response | tuple[str, int]:
    """Asks whether to delete the draft, and deletes it."""
    form = Form({})

    def remove() -> str:
        drafts.remove_draft(drafts.lock_draft(draft_id))
        return url_for("console.mailings")

    done = form.submit(remove, operation="deleteDraft") if request.method == "POST" else None
    if done:
        return done
    draft = drafts.draft_by_id(draft_id)
    return _sent(draft) or (render_template("console/draft_remove.html", draft=draft, form=form), form.status)


@blp.post("/mailings/<id:mailing_id>/undo/")
@requires(Role.OPERATOR)
def undo_mailing(mailing_id: int) -> Response | tuple[str, int]:
    """Makes a mailing that has not started a draft again; once it has started, it can only be cancelled."""
    form = Form({}, refused_with=409)
    if form.is_kept:
        return redirect(url_for("console.mailing", mailing_id=mailing_id))

    def undo() -> str:
        return url_for("console.edit_draft", draft_id=drafts.take_back(mailing_id))

    return form.submit(undo, operation="undoMailing") or ask_about(mailing_id, MailingAction.CANCEL, form)


def _show_review(form: Form, draft: MailingDraft, review: Review) -> tuple[str, int]:
    confirmed = set(request.form.getlist("confirm"))
    grace = current_app.config["SEND_GRACE_SECONDS"]
    shown = {"draft": draft, "review": review, "form": form, "confirmed": confirmed, "grace": grace}
    shown["problems"] = hindrances(fleet())
    return render_template("console/review.html", **shown), form.status


def _sent(draft: MailingDraft) -> Response | None:
    """To the mailing that the draft has become, if it was sent."""
    return redirect(url_for("console.mailing", mailing_id=draft.mailing_id)) if draft.mailing_id else None


def _checked(form: Form) -> dict[str, str]:
    """The fields of the form as a draft keeps them. Raises ValidationError and Invalid: if it goes on to the review,
    for all that would keep it from being sent."""
    fields = draft_fields(form)
    if not _only_kept():
        terms_to_send(fields)
    return fields


def _only_kept() -> bool:
    return request.form.get("then") == "keep"


def _following(draft_id: int) -> str:
    if _only_kept():
        return url_for("console.mailings", _anchor=f"draft-{draft_id}")
    return url_for("console.review_draft", draft_id=draft_id)


def _draft_of(kept: IdempotencyRecord) -> int | None:
    """The draft that an earlier submission has made."""
    found = re.fullmatch(r".*(?:/mailings/drafts/|#draft-)([0-9]+)/?", kept.headers["Location"])
    return int(found[1]) if found else None
