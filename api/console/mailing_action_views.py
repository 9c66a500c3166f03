"""What a person does to a mailing as a whole: first a page with what will follow, then the deed."""

from __future__ import annotations

from flask import render_template, request, url_for
from sqlalchemy import select
from werkzeug import Response

from api.console.blueprint import blp
from api.console.forms import Form
from api.console.load import hindrances
from api.console.mailing_actions import RETRIED, MailingAction, refusal_of
from api.console.notices import Notice, tell
from api.extensions import db
from api.mailings import services
from api.mailings.queries import NOW, lock_mailing, mailing_by_id, remove_mailing
from api.mailings.test_send import TestSendBody, send_test_message
from api.workers.queries import fleet
from shared.domain.mailing_rules import Action
from shared.schema import Mailing

NAMES = ",".join(f"'{deed}'" for deed in MailingAction)
OPERATIONS = {
    MailingAction.PAUSE: "pauseMailing",
    MailingAction.RESUME: "resumeMailing",
    MailingAction.CANCEL: "cancelMailing",
    MailingAction.RETRY_FAILED: "retryMailing",
    MailingAction.RETRY_UNKNOWN: "retryMailing",
    MailingAction.REMOVE: "deleteMailing",
}
"""What the API calls them."""


@blp.route(f"/mailings/<id:mailing_id>/<any({NAMES}):name>/", methods=["GET", "POST"])
def mailing_deed(mailing_id: int, name: str) -> str | Response | tuple[str, int]:
    """Says what the deed would change, and does it when that is confirmed."""
    deed = MailingAction(name)
    form = Form({}, refused_with=409)

    def do() -> str:
        tell(_do(mailing_id, deed))
        if deed is MailingAction.REMOVE:
            return url_for("console.mailings")
        return url_for("console.mailing", mailing_id=mailing_id)

    done = form.submit(do, operation=OPERATIONS[deed]) if request.method == "POST" else None
    return done or ask_about(mailing_id, deed, form)


@blp.route("/mailings/<id:mailing_id>/test/", methods=["GET", "POST"])
def mailing_test(mailing_id: int) -> str | Response | tuple[str, int]:
    """Sends the mailing's text to one client, as a mailing of its own."""
    form = Form(request.form)

    def send() -> str:
        trial = send_test_message(mailing_id, form.load(TestSendBody())["phone_number"])
        tell(Notice("test"))
        return url_for("console.mailing", mailing_id=trial)

    done = form.submit(send, operation="testMailing") if request.method == "POST" else None
    if done:
        return done
    shown = {"mailing": mailing_by_id(mailing_id), "form": form, "problems": hindrances(fleet())}
    return render_template("console/mailing_test.html", **shown), form.status


def ask_about(mailing_id: int, deed: MailingAction, form: Form) -> tuple[str, int]:
    """The page that says what will follow, and asks; if the ledger's state forbids it, why, and there is no button."""
    report = mailing_by_id(mailing_id)
    now = db.session.scalars(select(NOW)).one()
    refusal = refusal_of(deed, db.session.get_one(Mailing, mailing_id), report["messages"], now)
    shown = {"mailing": report, "deed": deed, "limit": services.RETRY_LIMIT, "form": form, "refusal": refusal}
    return render_template("console/mailing_deed.html", **shown), 409 if refusal else form.status


def _do(mailing_id: int, deed: MailingAction) -> Notice:
    """Does it, and answers what there is to tell."""
    if status := RETRIED.get(deed):
        done = services.retry(mailing_id, status)
        return Notice(deed.value, done.retried, done.more)
    if deed is MailingAction.REMOVE:
        remove_mailing(lock_mailing(mailing_id)[0])
    else:
        services.apply_action(mailing_id, Action(deed.value))
    return Notice(deed.value)
