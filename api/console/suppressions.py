"""Suppressions: the list, the page of one, adding and lifting one."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from api.console.blueprint import blp
from api.console.exports import export_choices
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form
from api.console.paging import Page, paged
from api.console.phone_regions import default_region_name
from api.console.record_forms import load_evidence, read_search
from api.console.record_labels import COVERS, evidence_rows, suppression_choices, who
from api.gateways.queries import gateway_id_of, gateway_names
from api.http.fields import MAX_ID
from api.ledger_labels import REASONS, SCOPES, SOURCES
from api.permissions import requires
from api.record_files.schemas import with_note
from api.suppressions import queries, services
from api.suppressions.schemas import LiftBody, WrittenSuppressionBody
from shared.domain.roles import Role
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope, check_gateway


@blp.get("/suppressions/")
@requires(Role.VIEWER)
def suppressions() -> str:
    """The list of suppressions, or a search, latest first."""
    search = read_search()
    scope = request.args.get("scope", "")
    wanted = SuppressionScope(scope) if scope in list(SuppressionScope) else None
    find = partial(
        queries.suppressions_before, phone_numbers=search.phone_numbers, scope=wanted, in_force=search.in_force
    )
    found = Page((), None, None) if search.is_wrong else paged(find, lambda row: int(row.id), MAX_ID)
    return render_template(
        "console/suppressions.html", found=found, search=search, scope=scope, notice=take_notice(), **_words()
    )


@blp.get("/suppressions/<id:suppression_id>/")
@requires(Role.VIEWER)
def suppression(suppression_id: int) -> str:
    """One suppression, with what proves it and its end."""
    found = queries.suppression_by_id(suppression_id)
    return render_template(
        "console/suppression.html",
        suppression=found,
        evidence=evidence_rows(found.evidence),
        lift_evidence=evidence_rows(found.lift_evidence),
        notice=take_notice(),
        who=who,
        **_words(),
    )


@blp.route("/suppressions/new/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def new_suppression() -> str | Response | tuple[str, int]:
    """Records a suppression."""
    initial = {"phone_number": request.args.get("phone", ""), "scope": SuppressionScope.EVERYTHING.value}
    form = Form(request.form or {**initial, "reason": SuppressionReason.OPTED_OUT.value})

    def add() -> str:
        fields = form.load(WrittenSuppressionBody())
        check_gateway(fields["scope"], fields["gateway"])
        recorded = services.add_suppression(
            fields["phone_number"],
            fields["scope"],
            fields["reason"],
            RecordSource.CONSOLE,
            gateway_id=gateway_id_of(fields["gateway"]),
            evidence=with_note(fields),
        )
        set_notice(Notice("added" if recorded.is_new else "known", recorded.cancelled))
        return url_for("console.suppression", suppression_id=recorded.suppression.id)

    done = form.submit(add, operation="createSuppression")
    if done:
        return done
    shown = {"form": form, "choices": suppression_choices(), "default_country": default_region_name()}
    return render_template("console/suppression_form.html", **shown), form.status


@blp.route("/suppressions/<id:suppression_id>/lift/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def lift_suppression(suppression_id: int) -> str | Response | tuple[str, int]:
    """Asks for what proves that a suppression is to be lifted, and lifts it."""
    form = Form(request.form)

    def lift() -> str:
        services.lift_suppression(suppression_id, load_evidence(form, LiftBody())["evidence"])
        set_notice(Notice("lifted"))
        return url_for("console.suppression", suppression_id=suppression_id)

    done = form.submit(lift, operation="liftSuppression")
    if done:
        return done
    found = queries.suppression_by_id(suppression_id)
    return render_template("console/suppression_lift.html", suppression=found, form=form, **_words()), form.status


@blp.get("/suppressions/export/")
@requires(Role.VIEWER)
def export_suppressions() -> str:
    """The choice of format for the suppressions in force."""
    return export_choices("suppressions", "/v1/suppression/export/", url_for("console.suppressions"))


def _words() -> dict[str, Any]:
    """The labels of all that a suppression has, by its values."""
    words = {"scopes": SCOPES, "covers": COVERS, "reasons": REASONS, "sources": SOURCES}
    return {**words, "gateway_names": gateway_names()}
