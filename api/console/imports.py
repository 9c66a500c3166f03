"""Importing clients from a file: a script of the page sends it, to see what would come of it, and then to import it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from flask import current_app, render_template, request, stream_with_context
from flask_babel import gettext, lazy_gettext
from werkzeug import Response
from werkzeug.exceptions import BadRequest, HTTPException

from api.audit.recorder import set_operation
from api.clients.encodings import CHOICES
from api.clients.file_columns import COLUMNS, MISSING, TWICE, UNKNOWN
from api.clients.import_parser import open_upload
from api.clients.import_report import imported_file, rejected_as_csv
from api.clients.staging import Reason
from api.console.blueprint import blp
from api.console.labels import said
from api.console.regions import regions
from api.extensions import db
from api.http.csv_files import CsvForm, csv_answer
from api.permissions import requires
from shared.domain.numbering_plans import REGIONS
from shared.domain.phone_numbers import PhoneNumbers, numbers_of
from shared.domain.roles import Role

CHECK, IMPORT, REJECTED = "check", "import", "rejected"
"""What is done with a file: a dry run; an import; a dry run whose answer is the file of rejected rows."""

COLUMN_WORDS = {
    "phone_number": lazy_gettext("Phone number"),
    "operator_code": lazy_gettext("Operator code"),
    "tag": lazy_gettext("Tag"),
    "timezone": lazy_gettext("Time zone"),
}
DELIMITER_WORDS = {
    ",": lazy_gettext("comma"),
    ";": lazy_gettext("semicolon"),
    "\t": lazy_gettext("tab"),
    "|": lazy_gettext("vertical bar"),
}


@blp.get("/clients/import/")
@requires(Role.OPERATOR)
def import_clients() -> str:
    """Choose a file."""
    default_region = current_app.config["DEFAULT_REGION"]
    return render_template(
        "console/import.html", encodings=CHOICES, columns=COLUMNS, regions=regions(), default_region=default_region
    )


@blp.post("/clients/import/")
@requires(Role.OPERATOR)
def import_file() -> Response | str:
    """Does the step with the file that is the body, and answers the part of a page that says what came of it.

    So it does for a file that is refused. It needs no token against being sent twice: the same file again changes
    nothing.
    """
    step, numbers = _asked()
    set_operation("importClients")
    try:
        file = open_upload(request, current_app.config["MAX_IMPORT_BYTES"])
        with ExitStack() as stack:
            report, staging = stack.enter_context(imported_file(db.engine, file, numbers, dry_run=step != IMPORT))
            if step == REJECTED:
                # For a spreadsheet, as the file that was sent probably is.
                form = CsvForm(file.delimiter or ",", bom=True)
                pieces = rejected_as_csv(file, staging.rejected(), form, reason_said)
                answer = csv_answer(stream_with_context(pieces), "rejected.csv")
                answer.call_on_close(stack.pop_all().close)
                return answer
            words = {"columns": COLUMN_WORDS, "delimiters": DELIMITER_WORDS, "reason": reasons_said}
            return render_template("console/import_report.html", report=report, file=file, words=words)
    except HTTPException as error:
        return render_template("console/import_refused.html", refusal=_refusal(error))


def reason_said(reason: str) -> str:
    """Why a row or a file is refused, in the viewer's language, as far as it is known.

    Of one that ends in something found in the file, what stands before the colon.
    """
    known = said(reason)
    beginning, colon, end = reason.partition(": ")
    return f"{said(beginning + ':')} {said(end)}" if known == reason and colon else known


def reasons_said(reason: Reason) -> str:
    """The reason of several rows, where `…` stands for numbers that differ."""
    return reason_said(reason.reason) if "…" not in reason.reason else gettext(reason.kind).replace("#", "…")


def _asked() -> tuple[str, PhoneNumbers]:
    """The step, and what reads the phone numbers. Raises BadRequest for choices that the page does not offer."""
    step, region = (request.args.get(name, "") for name in ("step", "default_region"))
    if step not in (CHECK, IMPORT, REJECTED) or region not in ("", *REGIONS):
        raise BadRequest("There is no such choice.")
    return step, numbers_of(region or None)


def _refusal(error: HTTPException) -> dict[str, Any]:
    """Why the whole file was refused: a sentence, and the columns of the first line that are to blame."""
    wrong: dict[str, list[str]] = getattr(error, "data", {}).get("errors", {}).get("csv", {})
    columns = {kind: [name for name, told in wrong.items() if kind in told] for kind in (MISSING, TWICE, UNKNOWN)}
    return {
        "sentence": "" if wrong else reason_said(error.description or ""),
        "missing": [(name, COLUMN_WORDS[name]) for name in columns[MISSING]],
        "twice": [(name, COLUMN_WORDS[name]) for name in columns[TWICE]],
        "unknown": columns[UNKNOWN],
    }
