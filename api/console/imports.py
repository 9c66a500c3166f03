"""Importing clients from a file: the page's script sends it to check it, again after each choice, and to import it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any, NamedTuple

import marshmallow as ma
from flask import current_app, render_template, request, stream_with_context
from flask_babel import lazy_gettext
from werkzeug import Response
from werkzeug.exceptions import BadRequest, HTTPException

from api.audit.recorder import set_operation
from api.clients.encoding_detection import CHOICES
from api.clients.import_columns import COLUMNS
from api.clients.import_fields import declared_fields
from api.clients.import_mappings import remember, remembered_choices
from api.clients.import_options import ImportOptions
from api.clients.import_report import imported_file, preview, rejected_as_csv
from api.clients.import_upload import ClientsFile, open_upload
from api.console.blueprint import blp
from api.console.import_columns import COLUMN_LABELS, mapping_of, of_file, read_choice
from api.console.labels import translated
from api.console.phone_regions import regions
from api.http.csv_files import CsvForm, csv_response
from api.http.fields import Timezone
from api.permissions import requires
from shared.domain.client_rules import TIMEZONES
from shared.domain.numbering_plans import REGIONS
from shared.domain.phone_numbers import numbers_of
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode, Sentence
from shared.errors import FieldError

CHECK, IMPORT, REJECTED = "check", "import", "rejected"
"""The steps: a dry run; an import; a dry run that returns the file of rejected rows."""

DELIMITER_LABELS = {
    ",": lazy_gettext("comma"),
    ";": lazy_gettext("semicolon"),
    "\t": lazy_gettext("tab"),
    "|": lazy_gettext("vertical bar"),
}


@blp.get("/clients/import/")
@requires(Role.OPERATOR)
def import_clients() -> str:
    """The page to choose a file."""
    return render_template(
        "console/import.html",
        encodings=CHOICES,
        columns=COLUMNS,
        regions=regions(),
        default_region=current_app.config["DEFAULT_REGION"],
        zones=sorted(TIMEZONES),
    )


@blp.post("/clients/import/")
@requires(Role.OPERATOR)
def import_file() -> Response | str:
    """Executes the step with the file in the body, and returns its report as a part of the page.

    Also for a file that is refused. It needs no form token: importing the same file again changes nothing.
    """
    step, options, typed = _requested()
    set_operation("importClients")
    try:
        file = open_upload(request, current_app.config["MAX_IMPORT_BYTES"], options)
        if file.wrong:
            return _refused(file, options)
        with ExitStack() as stack:
            report, staging = stack.enter_context(imported_file(file, options, dry_run=step != IMPORT))
            if step == REJECTED:
                # For a spreadsheet, which the file is probably from.
                form = CsvForm(file.delimiter or ",", bom=True)
                pieces = rejected_as_csv(file, staging.rejected(), form, translated)
                response = csv_response(stream_with_context(pieces), "rejected.csv")
                response.call_on_close(stack.pop_all().close)
                return response
            if step == IMPORT and typed:
                remember(file.names, options.choices(file.names))
            mapping = mapping_of(report.columns, options) if file.delimiter else None
            return render_template(
                "console/import_report.html", report=report, file=file, labels=_labels(options), mapping=mapping
            )
    except HTTPException as error:
        return render_template("console/import_refused.html", refusal=_refusal(error))
    except FieldError as error:
        return render_template("console/import_refused.html", refusal={"sentence": translated(error.sentence)})


class Requested(NamedTuple):
    """What a request asks for."""

    step: str
    options: ImportOptions
    typed: dict[str, str]
    """What was chosen on the page, by the names of columns."""


def _requested() -> Requested:
    """What the query asks for. Raises BadRequest for invalid choices."""
    step, region, zone = (request.args.get(name, "") for name in ("step", "default_region", "default_timezone"))
    if step not in (CHECK, IMPORT, REJECTED) or region not in ("", *REGIONS):
        raise BadRequest(ErrorCode.NO_SUCH_CHOICE())
    try:
        timezone = Timezone().deserialize(zone.strip()) if zone.strip() else None
        typed = json.loads(request.args.get("columns", "{}"))
    except ma.ValidationError as error:
        raise BadRequest(str(error.messages[0])) from None
    except ValueError:
        raise BadRequest(ErrorCode.NO_SUCH_CHOICE()) from None
    if not isinstance(typed, dict) or not all(isinstance(choice, str) for choice in typed.values()):
        raise BadRequest(ErrorCode.NO_SUCH_CHOICE())
    declared = declared_fields()
    given = {name: read_choice(choice) for name, choice in typed.items()}
    options = ImportOptions(
        numbers=numbers_of(region or None),
        declared=declared,
        choices=lambda names: {**remembered_choices(names, declared), **of_file(given, names)} if names else {},
        create_fields="create_fields" in request.args,
        fill="fill" in request.args,
        default_timezone=timezone,
        removes_empty="remove_empty" in request.args,
        replaces_tags="replace_tags" in request.args,
    )
    return Requested(step, options, typed)


def _labels(options: ImportOptions) -> dict[str, Any]:
    fields = {name: one.label or name for name, one in options.declared.items()}
    return {"columns": {**fields, **COLUMN_LABELS}, "delimiters": DELIMITER_LABELS}


def _refused(file: ClientsFile, options: ImportOptions) -> str:
    """The report of a file with errors among its columns, which can be corrected on the page."""
    refusal = _wrong_columns(file.wrong)
    mapping = mapping_of(preview(file, options), options)
    return render_template("console/import_refused.html", refusal=refusal, mapping=mapping)


def _refusal(error: HTTPException) -> dict[str, Any]:
    """Why the whole file was refused: a sentence, and the errors of columns."""
    wrong: dict[str, list[Sentence]] = getattr(error, "data", {}).get("errors", {}).get("csv", {})
    return _wrong_columns(wrong) if wrong else {"sentence": translated(error.description or "")}


def _wrong_columns(wrong: dict[str, list[Sentence]]) -> dict[str, Any]:
    def columns(code: ErrorCode) -> list[str]:
        return [name for name, errors in wrong.items() if code in (error.code for error in errors)]

    named = (ErrorCode.COLUMN_MISSING, ErrorCode.COLUMN_TWICE, ErrorCode.COLUMN_UNKNOWN)
    others = [(name, error) for name, errors in wrong.items() for error in errors if error.code not in named]
    return {
        "missing": [(name, COLUMN_LABELS[name]) for name in columns(ErrorCode.COLUMN_MISSING)],
        "twice": [(name, COLUMN_LABELS.get(name, name)) for name in columns(ErrorCode.COLUMN_TWICE)],
        "unknown": columns(ErrorCode.COLUMN_UNKNOWN),
        "others": [(name, translated(error)) for name, error in others],
    }
