"""Exports: how a file is to be written, and a mailing's ledger, streamed: memory stays flat however long it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import marshmallow as ma
from flask import Response, render_template, request, stream_with_context, url_for
from werkzeug.exceptions import BadRequest

from api.clients.csv_escaping import escape_formula
from api.clients.csv_format import CsvForm, CsvFormArguments
from api.clients.downloads import csv_answer
from api.console.blueprint import blp
from api.console.clients import last_attempts_of
from api.console.preferences import language
from api.extensions import db
from api.http.fields import rfc_3339
from api.mailings.queries import check_mailing
from api.messages.queries import messages_after

AT_A_TIME = 1000
"""Messages read by one statement. Between two there is no transaction: a slow reader holds nothing up."""

COLUMNS = (
    "message_id",
    "client_id",
    "phone_number",
    "status",
    "reason",
    "attempts",
    "in_doubt",
    "text_revision",
    "created_at",
    "sent_at",
    "ended_at",
    "last_result",
    "last_provider_code",
    "last_reason_code",
    "last_reason",
)


@blp.get("/clients/export/")
def export_clients() -> str:
    """In which form the directory is to be saved."""
    return _choices("/v1/client/export/", url_for("console.clients"))


@blp.get("/mailings/<id:mailing_id>/export/")
def export_ledger(mailing_id: int) -> str:
    """In which form a mailing's ledger is to be saved."""
    check_mailing(mailing_id)
    address = url_for("console.mailing_ledger", mailing_id=mailing_id)
    return _choices(address, url_for("console.mailing", mailing_id=mailing_id), mailing_id)


@blp.get("/mailings/<id:mailing_id>/ledger.csv")
def mailing_ledger(mailing_id: int) -> Response:
    """Every message of a mailing, with its last attempt. The query is CsvFormArguments."""
    check_mailing(mailing_id)
    try:
        form = CsvForm.of(**CsvFormArguments().load(request.args.to_dict(), unknown=ma.EXCLUDE))
    except ma.ValidationError:
        raise BadRequest("There is no such choice.") from None
    return csv_answer(stream_with_context(_lines(mailing_id, form)), f"mailing-{mailing_id}.csv")


def csv_line(values: Iterable[object], form: CsvForm) -> str:
    """One line of CSV; what a spreadsheet would take for a formula is made a text."""
    return form.lines([[_cell(value) for value in values]])


def _choices(address: str, back: str, mailing_id: int | None = None) -> str:
    # What Excel in the viewer's language most probably expects.
    usual = "semicolon" if language() == "ru" else "comma"
    return render_template("console/export.html", address=address, back=back, mailing_id=mailing_id, usual=usual)


def _lines(mailing_id: int, form: CsvForm) -> Iterator[str]:
    yield form.beginning + csv_line(COLUMNS, form)
    after = 0
    while messages := messages_after(after, AT_A_TIME, mailing_id=mailing_id):
        last = last_attempts_of(messages)
        lines = []
        for message in messages:
            attempt = last.get(message.id)
            lines.append(
                csv_line(
                    (
                        message.id,
                        message.client_id,
                        message.phone_number,
                        message.status.value,
                        message.reason if message.ended_at else None,
                        message.attempts,
                        message.in_doubt,
                        message.text_revision,
                        message.created_at,
                        message.sent_at,
                        message.ended_at,
                        attempt and attempt.result.value,
                        attempt and attempt.provider_code,
                        attempt and attempt.reason_code,
                        attempt and attempt.reason,
                    ),
                    form,
                )
            )
        after = messages[-1].id
        db.session.remove()
        yield "".join(lines)


def _cell(value: object) -> object:
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return rfc_3339(value)
        case str():
            return escape_formula(value)
        case _:
            return value
