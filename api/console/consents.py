"""Consents: the list, the page of one, adding and withdrawing one."""

from __future__ import annotations

from functools import partial

from flask import render_template, request, url_for
from werkzeug import Response

from api.consents import queries, services
from api.consents.schemas import MARKETING, WithdrawalBody, WrittenConsentBody
from api.console.blueprint import blp
from api.console.datetimes import read_moments, shown
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form
from api.console.paging import Page, paged
from api.console.phone_regions import default_region_name
from api.console.record_forms import load_evidence, read_search
from api.console.record_labels import evidence_rows, who
from api.http.fields import MAX_ID
from api.ledger_labels import SOURCES
from api.permissions import requires
from api.record_files.schemas import with_note
from shared.domain.roles import Role
from shared.domain.suppressions import RecordSource


@blp.get("/consents/")
@requires(Role.VIEWER)
def consents() -> str:
    """The list of consents, or a search, latest first."""
    search = read_search()
    find = partial(queries.consents_before, phone_numbers=search.phone_numbers, in_force=search.in_force)
    found = Page((), None, None) if search.is_wrong else paged(find, lambda row: int(row.id), MAX_ID)
    return render_template("console/consents.html", found=found, search=search, notice=take_notice())


@blp.get("/consents/<id:consent_id>/")
@requires(Role.VIEWER)
def consent(consent_id: int) -> str:
    """One consent, with its wording and what proves it."""
    found = queries.consent_by_id(consent_id)
    return render_template(
        "console/consent.html",
        consent=found,
        evidence=evidence_rows(found.evidence),
        withdrawal_evidence=evidence_rows(found.withdrawal_evidence),
        sources=SOURCES,
        notice=take_notice(),
        who=who,
    )


@blp.route("/consents/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_consent() -> str | Response | tuple[str, int]:
    """Records a consent."""
    form = Form({"phone_number": request.args.get("phone", ""), "purpose": MARKETING})
    if request.method == "POST":
        form = _read_form("given_at")

    def add() -> str:
        fields = form.load(WrittenConsentBody())
        given = {name: value for name, value in fields.items() if name not in ("evidence", "note")}
        recorded = services.add_consent(given, with_note(fields), RecordSource.CONSOLE)
        set_notice(Notice("added" if recorded.is_new else "known"))
        return url_for("console.consent", consent_id=recorded.consent.id)

    done = form.submit(add, operation="createConsent")
    if done:
        return done
    shown_form = {"form": form, "shown": shown, "default_country": default_region_name()}
    return render_template("console/consent_form.html", **shown_form), form.status


@blp.route("/consents/<id:consent_id>/withdraw/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def withdraw_consent(consent_id: int) -> str | Response | tuple[str, int]:
    """Asks for what proves a withdrawal, and records it."""
    form = _read_form("withdrawn_at")

    def withdraw() -> str:
        fields = load_evidence(form, WithdrawalBody())
        services.withdraw_consent(consent_id, fields["evidence"], fields["withdrawn_at"])
        set_notice(Notice("withdrawn"))
        return url_for("console.consent", consent_id=consent_id)

    done = form.submit(withdraw, operation="withdrawConsent")
    if done:
        return done
    found = queries.consent_by_id(consent_id)
    return render_template("console/consent_withdraw.html", consent=found, form=form, shown=shown), form.status


def _read_form(moment: str) -> Form:
    """The request's form, with a time that may be left out."""
    moments = read_moments(request.form, [moment])
    values = dict(request.form) | moments.values
    if not values.get(moment):
        values.pop(moment, None)
    form = Form(values, moments.errors)
    form.choices = moments.choices
    return form
