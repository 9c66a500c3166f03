"""A mailing's ledger as a file, streamed: memory stays flat however many messages there are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime

from flask import Response, stream_with_context

from api.clients.cells import guarded
from api.console.blueprint import blp
from api.console.clients import last_attempts_of
from api.extensions import db
from api.fields import rfc_3339
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
    "last_outcome",
    "last_http_status",
    "last_detail",
)


@blp.get("/mailings/<id:mailing_id>/ledger.csv")
def mailing_ledger(mailing_id: int) -> Response:
    """Every message of a mailing, with its last attempt."""
    check_mailing(mailing_id)
    response = Response(stream_with_context(_lines(mailing_id)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f"attachment; filename=mailing-{mailing_id}.csv"
    return response


def csv_line(values: Iterable[object]) -> str:
    """One line of CSV (RFC 4180); what a spreadsheet would take for a formula is made a text."""
    line = io.StringIO()
    csv.writer(line).writerow([_cell(value) for value in values])
    return line.getvalue()


def _lines(mailing_id: int) -> Iterator[str]:
    yield csv_line(COLUMNS)
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
                        attempt and attempt.outcome.value,
                        attempt and attempt.http_status,
                        attempt and attempt.detail,
                    )
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
            return guarded(value)
        case _:
            return value
