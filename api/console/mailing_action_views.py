"""Actions on a mailing as a whole: a confirmation page, then the action."""

from __future__ import annotations

from datetime import datetime

from flask import render_template, request, url_for
from werkzeug import Response

from api.clock import now
from api.console.blueprint import blp
from api.console.flash_messages import Notice, set_notice
from api.console.forms import Form, check_unchanged
from api.console.mailing_actions import RETRIED, MailingAction, refusal_of
from api.console.pending_work import current_problems
from api.holiday_calendars.queries import calendar_names
from api.mailings import services
from api.mailings.approval import approve
from api.mailings.queries import mailing_by_id, mailing_row
from api.mailings.test_send import TestSendBody, send_test_message
from api.permissions import requires
from api.principal import current_principal
from api.workers.queries import fleet
from shared.domain.approval_rules import check_approval
from shared.domain.mailing_rules import Action
from shared.domain.roles import Role
from shared.domain.sentences import Sentence
from shared.errors import Conflict

NAMES = ",".join(f"'{action}'" for action in MailingAction)
OPERATIONS = {
    MailingAction.APPROVE: "approveMailing",
    MailingAction.PAUSE: "pauseMailing",
    MailingAction.RESUME: "resumeMailing",
    MailingAction.CANCEL: "cancelMailing",
    MailingAction.RETRY_FAILED: "retryMailing",
    MailingAction.RETRY_UNKNOWN: "retryMailing",
    MailingAction.REMOVE: "deleteMailing",
}
"""What the API calls them."""


@blp.route(f"/mailings/<id:mailing_id>/<any({NAMES}):name>/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def mailing_action(mailing_id: int, name: str) -> str | Response | tuple[str, int]:
    """Asks for confirmation and performs the action."""
    action = MailingAction(name)
    form = Form({}, refused_with=409)

    def perform() -> str:
        set_notice(_perform(mailing_id, action))
        if action is MailingAction.REMOVE:
            return url_for("console.mailings")
        return url_for("console.mailing", mailing_id=mailing_id)

    done = form.submit(perform, operation=OPERATIONS[action])
    return done or ask_to_confirm(mailing_id, action, form)


@blp.route("/mailings/<id:mailing_id>/test/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def mailing_test(mailing_id: int) -> str | Response | tuple[str, int]:
    """Sends the mailing's text to one client, as a mailing of its own."""
    form = Form(request.form)

    def send() -> str:
        test_id = send_test_message(mailing_id, form.load(TestSendBody())["phone_number"])
        set_notice(Notice("test"))
        return url_for("console.mailing", mailing_id=test_id)

    done = form.submit(send, operation="testMailing")
    if done:
        return done
    shown = {"mailing": mailing_by_id(mailing_id), "form": form, "problems": current_problems(fleet())}
    return render_template("console/mailing_test.html", **shown), form.status


def ask_to_confirm(mailing_id: int, action: MailingAction, form: Form) -> tuple[str, int]:
    """The confirmation page; if the rules forbid the action, it shows why, without a button."""
    mailing = mailing_by_id(mailing_id)
    refusal = refusal_of(action, mailing_row(mailing_id), mailing["messages"], now())
    if action is MailingAction.APPROVE:
        refusal = no_approval_now(mailing_id, now())
    shown = {"mailing": mailing, "action": action, "limit": services.RETRY_LIMIT, "form": form, "refusal": refusal}
    shown["holidays"] = calendar_names().get(mailing["holiday_calendar_id"] or 0, "")
    return render_template("console/confirm.html", **shown), 409 if refusal else form.status


def no_approval_now(mailing_id: int, moment: datetime) -> Sentence | None:
    """Why the viewer may not approve the mailing; None if they may."""
    try:
        check_approval(mailing_row(mailing_id), current_principal().actor, moment)
    except Conflict as refusal:
        return refusal.sentence
    return None


def _perform(mailing_id: int, action: MailingAction) -> Notice:
    """Performs the action, and returns the notice for the next page."""
    if status := RETRIED.get(action):
        result = services.retry(mailing_id, status)
        return Notice(action.value, result.retried, result.more)
    if action is MailingAction.APPROVE:
        mailing = services.lock_mailing(mailing_id)[0]
        check_unchanged(mailing)  # what is approved is what was read
        approve(mailing)
    elif action is MailingAction.REMOVE:
        services.remove_mailing(services.lock_mailing(mailing_id)[0])
    else:
        services.apply_action(mailing_id, Action(action.value))
    return Notice(action.value)
