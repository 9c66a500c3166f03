"""Erasing what is known about a phone number, with or without a client."""

from __future__ import annotations

from flask import render_template, request, url_for
from werkzeug import Response

from api.console.blueprint import blp
from api.console.flash_messages import Notice, set_notice
from api.console.forms import Form
from api.console.record_forms import load_evidence
from api.numbers.erasure import erase
from api.numbers.schemas import EraseBody
from api.permissions import requires
from shared.domain.client_rules import MAX_PHONE_NUMBER, MIN_PHONE_NUMBER
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode
from shared.errors import NotFound


@blp.route("/numbers/<id:phone_number>/erase/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def erase_number(phone_number: int) -> str | Response | tuple[str, int]:
    """Asks for the number once more, a reason and evidence, and erases it."""
    if not MIN_PHONE_NUMBER <= phone_number <= MAX_PHONE_NUMBER:
        raise NotFound(ErrorCode.NOT_FOUND)
    form = Form(request.form if request.method == "POST" else {"suppress": "on"})

    def erase_it() -> str:
        values = {**form.values, "suppress": "suppress" in form.values}
        values["confirm"] = "".join(str(values.get("confirm", "")).split())
        erased = erase(phone_number, **load_evidence(Form(values), EraseBody()))
        set_notice(Notice("erased", erased.messages))
        return url_for("console.clients")

    done = form.submit(erase_it, operation="eraseNumber")
    if done:
        return done
    return render_template("console/number_erase.html", number=phone_number, form=form), form.status
