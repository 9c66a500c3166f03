"""What a person does to a mailing as a whole: first a page with what will follow, then the deed."""

from __future__ import annotations

from flask import render_template, request, url_for
from werkzeug import Response

from api.console.blueprint import blp
from api.console.forms import Form
from api.console.mailing_deeds import Deed
from api.console.trial import TrialBody, send_trial
from api.mailings import control
from api.mailings.queries import lock_mailing, mailing_by_id, remove_mailing
from shared.ledger import MessageStatus
from shared.mailings import Action

NAMES = ",".join(f"'{deed}'" for deed in Deed)
OPERATIONS = {
    Deed.PAUSE: "pauseMailing",
    Deed.RESUME: "resumeMailing",
    Deed.CANCEL: "cancelMailing",
    Deed.RETRY_FAILED: "retryMailing",
    Deed.RETRY_UNKNOWN: "retryMailing",
    Deed.REMOVE: "deleteMailing",
}
"""What the API calls them."""
RETRIED = {Deed.RETRY_FAILED: MessageStatus.FAILED, Deed.RETRY_UNKNOWN: MessageStatus.UNKNOWN}


@blp.route(f"/mailings/<id:mailing_id>/<any({NAMES}):name>/", methods=["GET", "POST"])
def mailing_deed(mailing_id: int, name: str) -> str | Response | tuple[str, int]:
    """Says what the deed would change, and does it when that is confirmed."""
    deed = Deed(name)
    form = Form({})

    def do() -> str:
        count = _do(mailing_id, deed)
        if deed is Deed.REMOVE:
            return url_for("console.mailings", said="removed")
        return url_for("console.mailing", mailing_id=mailing_id, said=deed.value, count=count)

    done = form.submit(do, operation=OPERATIONS[deed]) if request.method == "POST" else None
    return done or ask_about(mailing_id, deed, form)


@blp.route("/mailings/<id:mailing_id>/test/", methods=["GET", "POST"])
def mailing_test(mailing_id: int) -> str | Response | tuple[str, int]:
    """Sends the mailing's text to one client, as a mailing of its own."""
    form = Form(request.form)

    def send() -> str:
        trial = send_trial(mailing_id, form.load(TrialBody())["phone_number"])
        return url_for("console.mailing", mailing_id=trial, said="test")

    done = form.submit(send, operation="testMailing") if request.method == "POST" else None
    if done:
        return done
    return render_template("console/mailing_test.html", mailing=mailing_by_id(mailing_id), form=form), form.status


def ask_about(mailing_id: int, deed: Deed, form: Form) -> tuple[str, int]:
    """The page that says what will follow; what the ledger's state forbids is told there."""
    shown = {"mailing": mailing_by_id(mailing_id), "deed": deed, "limit": control.RETRY_LIMIT, "form": form}
    return render_template("console/mailing_deed.html", **shown), 409 if form.errors else 200


def _do(mailing_id: int, deed: Deed) -> int | None:
    """Does it; tells how many messages it was done to, where that needs saying."""
    if status := RETRIED.get(deed):
        return control.retry(mailing_id, status).retried
    if deed is Deed.REMOVE:
        remove_mailing(lock_mailing(mailing_id)[0])
    else:
        control.act(mailing_id, Action(deed.value))
    return None
