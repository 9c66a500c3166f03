"""Files of suppressions and consents: the page that sends one, and its report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import marshmallow as ma
from flask import Request, current_app, render_template, request
from werkzeug.exceptions import HTTPException

from api.audit.recorder import set_operation
from api.consents.import_records import import_consents
from api.consents.schemas import ConsentImportArguments
from api.console.blueprint import blp
from api.console.forms import Form
from api.console.labels import translated, translated_errors
from api.console.phone_regions import regions
from api.console.record_labels import suppression_choices
from api.http.schemas import load_present
from api.permissions import requires
from api.record_files.importing import ImportReport
from api.suppressions.import_export import import_suppressions
from api.suppressions.schemas import SuppressionImportArguments
from shared.domain.roles import Role
from shared.domain.suppressions import SuppressionReason, SuppressionScope
from shared.errors import FieldError

SHOWN_ERRORS = 100
"""Errors of rows that the report lists."""


@blp.get("/suppressions/import/")
@requires(Role.OPERATOR)
def import_suppressions_page() -> str:
    """The page to choose a file of suppressions, or to paste numbers."""
    form = Form({"scope": SuppressionScope.EVERYTHING.value, "reason": SuppressionReason.OTHER.value})
    return render_template("console/suppressions_import.html", form=form, choices=suppression_choices(), **_regions())


@blp.post("/suppressions/file/")
@requires(Role.OPERATOR)
def suppressions_file() -> str:
    """Imports the suppressions in the body, and returns the report as a part of the page.

    It needs no form token: the same file again adds nothing.
    """
    set_operation("importSuppressions")
    return _report(import_suppressions, SuppressionImportArguments())


@blp.get("/consents/import/")
@requires(Role.OPERATOR)
def import_consents_page() -> str:
    """The page to choose a file of consents."""
    return render_template("console/consents_import.html", **_regions())


@blp.post("/consents/file/")
@requires(Role.OPERATOR)
def consents_file() -> str:
    """Imports the consents in the body, and returns the report as a part of the page.

    It needs no form token: the same file again adds nothing.
    """
    set_operation("importConsents")
    return _report(import_consents, ConsentImportArguments())


def _regions() -> dict[str, Any]:
    return {"regions": regions(), "default_region": current_app.config["DEFAULT_REGION"]}


def _report(work: Callable[[Request, dict[str, Any]], ImportReport], schema: ma.Schema) -> str:
    """Does the import, also of a file that is refused as a whole."""
    faults, done = [], None
    try:
        # What a form leaves empty is not given; an empty country means none.
        given = {name: value for name, value in request.args.items() if value or name == "default_region"}
        done = work(request, load_present(schema, given))
    except ma.ValidationError as error:
        faults = [text for texts in translated_errors(error).values() for text in texts]
    except FieldError as error:
        faults = [translated(error.sentence)]
    except HTTPException as error:
        faults = _faults_of(error)
    report = done.as_json() if done else None
    errors = done.errors[:SHOWN_ERRORS] if done else []
    return render_template("console/record_report.html", report=report, errors=errors, faults=faults)


def _faults_of(error: HTTPException) -> list[str]:
    """Why a whole file was refused: the errors of its columns, or a sentence."""
    wrong = getattr(error, "data", {}).get("errors", {}).get("csv", {})
    columns = [f"{name}: {translated(sentence)}" for name, sentences in wrong.items() for sentence in sentences]
    return columns or [translated(error.description or "")]
