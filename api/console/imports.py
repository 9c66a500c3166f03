"""Importing clients from a file: the page's script sends it twice, to check it and to import it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from flask import current_app, render_template, request, stream_with_context
from flask_babel import lazy_gettext
from werkzeug import Response
from werkzeug.exceptions import BadRequest, HTTPException

from api.audit.recorder import set_operation
from api.clients.encoding_detection import CHOICES
from api.clients.import_columns import COLUMNS
from api.clients.import_report import imported_file, rejected_as_csv
from api.clients.import_upload import open_upload
from api.console.blueprint import blp
from api.console.labels import translated
from api.console.phone_regions import regions
from api.http.csv_files import CsvForm, csv_response
from api.permissions import requires
from shared.domain.numbering_plans import REGIONS
from shared.domain.phone_numbers import PhoneNumbers, numbers_of
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode, Sentence

CHECK, IMPORT, REJECTED = "check", "import", "rejected"
"""The steps: a dry run; an import; a dry run that returns the file of rejected rows."""

COLUMN_LABELS = {
    "phone_number": lazy_gettext("Phone number"),
    "operator_code": lazy_gettext("Operator code"),
    "tag": lazy_gettext("Tag"),
    "timezone": lazy_gettext("Time zone"),
}
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
    default_region = current_app.config["DEFAULT_REGION"]
    return render_template(
        "console/import.html", encodings=CHOICES, columns=COLUMNS, regions=regions(), default_region=default_region
    )


@blp.post("/clients/import/")
@requires(Role.OPERATOR)
def import_file() -> Response | str:
    """Executes the step with the file in the body, and returns its report as a part of the page.

    Also for a file that is refused. It needs no form token: importing the same file again changes nothing.
    """
    step, numbers = _requested()
    set_operation("importClients")
    try:
        file = open_upload(request, current_app.config["MAX_IMPORT_BYTES"])
        with ExitStack() as stack:
            report, staging = stack.enter_context(imported_file(file, numbers, dry_run=step != IMPORT))
            if step == REJECTED:
                # For a spreadsheet, which the file is probably from.
                form = CsvForm(file.delimiter or ",", bom=True)
                pieces = rejected_as_csv(file, staging.rejected(), form, translated)
                response = csv_response(stream_with_context(pieces), "rejected.csv")
                response.call_on_close(stack.pop_all().close)
                return response
            labels = {"columns": COLUMN_LABELS, "delimiters": DELIMITER_LABELS}
            return render_template("console/import_report.html", report=report, file=file, labels=labels)
    except HTTPException as error:
        return render_template("console/import_refused.html", refusal=_refusal(error))


def _requested() -> tuple[str, PhoneNumbers]:
    """The step, and the parser of phone numbers. Raises BadRequest for invalid choices."""
    step, region = (request.args.get(name, "") for name in ("step", "default_region"))
    if step not in (CHECK, IMPORT, REJECTED) or region not in ("", *REGIONS):
        raise BadRequest(ErrorCode.NO_SUCH_CHOICE())
    return step, numbers_of(region or None)


def _refusal(error: HTTPException) -> dict[str, Any]:
    """Why the whole file was refused: a sentence, and the errors of header columns."""
    wrong: dict[str, list[Sentence]] = getattr(error, "data", {}).get("errors", {}).get("csv", {})

    def columns(code: ErrorCode) -> list[str]:
        return [name for name, errors in wrong.items() if code in (error.code for error in errors)]

    return {
        "sentence": "" if wrong else translated(error.description or ""),
        "missing": [(name, COLUMN_LABELS[name]) for name in columns(ErrorCode.COLUMN_MISSING)],
        "twice": [(name, COLUMN_LABELS[name]) for name in columns(ErrorCode.COLUMN_TWICE)],
        "unknown": columns(ErrorCode.COLUMN_UNKNOWN),
    }
