"""What a person does to a mailing as a whole: first a page with what will follow, then the deed."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug import Response

from api.audit.recording import name_operation
from api.console.blueprint import blp
from api.console.forms import Form
from api.console.mailing_deeds import Deed
from api.console.trial import TrialBody, send_trial
from api.console.wordings import said
from api.extensions import db
from api.mailings import control
from api.mailings.queries import lock_mailing, mailing_by_id, remove_mailing
from shared.errors import Conflict
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
    if request.method != "POST":
        return _ask(mailing_id, deed)
    try:
        count = _do(mailing_id, deed)
        db.session.commit()
    except Conflict as error:
        db.session.rollback()
        return _ask(mailing_id, deed, refused=said(str(error))), 409
    if deed is Deed.REMOVE:
        return redirect(url_for("console.mailings", said="removed"))
    return redirect(url_for("console.mailing", mailing_id=mailing_id, said=deed.value, count=count))


@blp.route("/mailings/<id:mailing_id>/test/", methods=["GET", "POST"])
def mailing_test(mailing_id: int) -> str | Response | tuple[str, int]:
    """Sends the mailing's text to one client, as a mailing of its own."""
    form = Form(request.form)
    if request.method == "POST":
        trial = form.submit(
            TrialBody(), lambda fields: send_trial(mailing_id, fields["phone_number"]), operation="testMailing"
        )
        if trial is not None:
            return redirect(url_for("console.mailing", mailing_id=trial, said="test"))
    rendered = render_template("console/mailing_test.html", mailing=mailing_by_id(mailing_id), form=form)
    return (rendered, 422) if form.errors else rendered


def _ask(mailing_id: int, deed: Deed, **more: Any) -> str:
    mailing = mailing_by_id(mailing_id)
    return render_template("console/mailing_deed.html", mailing=mailing, deed=deed, limit=control.RETRY_LIMIT, **more)


def _do(mailing_id: int, deed: Deed) -> int | None:
    """Does it; tells how many messages it was done to, where that needs saying."""
    name_operation(OPERATIONS[deed])
    if status := RETRIED.get(deed):
        return control.retry(mailing_id, status).retried
    if deed is Deed.REMOVE:
        remove_mailing(lock_mailing(mailing_id)[0])
    else:
        control.act(mailing_id, Action(deed.value))
    return None
