"""Importing clients from a file: the page's script sends it twice, to check it and to import it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from flask import current_app, render_template, request, stream_with_context
from flask_babel import gettext, lazy_gettext
from werkzeug import Response
from werkzeug.exceptions import BadRequest, HTTPException

from api.audit.recorder import set_operation
from api.clients.encoding_detection import CHOICES
from api.clients.import_columns import COLUMNS, MISSING, TWICE, UNKNOWN
from api.clients.import_report import imported_file, rejected_as_csv
from api.clients.import_staging import Reason
from api.clients.import_upload import open_upload
from api.console.blueprint import blp
from api.console.labels import translate
from api.console.phone_regions import regions
from api.http.csv_files import CsvForm, csv_response
from api.permissions import requires
from shared.domain.numbering_plans import REGIONS
from shared.domain.phone_numbers import PhoneNumbers, numbers_of
from shared.domain.roles import Role

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
                pieces = rejected_as_csv(file, staging.rejected(), form, translate_reason)
                response = csv_response(stream_with_context(pieces), "rejected.csv")
                response.call_on_close(stack.pop_all().close)
                return response
            labels = {"columns": COLUMN_LABELS, "delimiters": DELIMITER_LABELS, "reason": translate_reasons}
            return render_template("console/import_report.html", report=report, file=file, labels=labels)
    except HTTPException as error:
        return render_template("console/import_refused.html", refusal=_refusal(error))


def translate_reason(reason: str) -> str:
    """The reason for which a row or a file is refused, in the viewer's language, if it has a translation.

    If the reason ends with content of the file, the part before the colon is translated.
    """
    known = translate(reason)
    beginning, colon, end = reason.partition(": ")
    return f"{translate(beginning + ':')} {translate(end)}" if known == reason and colon else known


def translate_reasons(reason: Reason) -> str:
    """The reason of several rows, with `…` in place of numbers that differ."""
    return translate_reason(reason.reason) if "…" not in reason.reason else gettext(reason.kind).replace("#", "…")


def _requested() -> tuple[str, PhoneNumbers]:
    """The step, and the parser of phone numbers. Raises BadRequest for invalid choices."""
    step, region = (request.args.get(name, "") for name in ("step", "default_region"))
    if step not in (CHECK, IMPORT, REJECTED) or region not in ("", *REGIONS):
        raise BadRequest("There is no such choice.")
    return step, numbers_of(region or None)


def _refusal(error: HTTPException) -> dict[str, Any]:
    """Why the whole file was refused: a sentence, and the errors of header columns."""
    wrong: dict[str, list[str]] = getattr(error, "data", {}).get("errors", {}).get("csv", {})
    columns = {
        kind: [name for name, messages in wrong.items() if kind in messages] for kind in (MISSING, TWICE, UNKNOWN)
    }
    return {
        "sentence": "" if wrong else translate_reason(error.description or ""),
        "missing": [(name, COLUMN_LABELS[name]) for name in columns[MISSING]],
        "twice": [(name, COLUMN_LABELS[name]) for name in columns[TWICE]],
        "unknown": columns[UNKNOWN],
    }
