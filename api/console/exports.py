"""Exports: the choice of format, and a mailing's ledger, streamed with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import marshmallow as ma
from flask import Response, render_template, request, stream_with_context, url_for
from werkzeug.exceptions import BadRequest

from api.console.blueprint import blp
from api.console.preferences import language
from api.gateways.queries import gateway_names
from api.http.csv_files import CsvForm, CsvFormArguments, cell, csv_response
from api.mailings.queries import check_mailing
from api.messages.queries import AttemptRow, MessageRow, ledger_pages
from api.permissions import requires
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode

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
    "gateway",
    "last_provider_message_id",
    "last_segments",
    "last_price",
    "currency",
    "delivery",
    "delivery_at",
    "delivery_reason",
    "delivery_code",
    "delivery_conflicting",
    "parts",
    "parts_delivered",
    "text",
)


@blp.get("/clients/export/")
@requires(Role.VIEWER)
def export_clients() -> str:
    """The choice of format for the directory."""
    return export_choices("clients", "/v1/client/export/", url_for("console.clients"))


@blp.get("/mailings/<id:mailing_id>/export/")
@requires(Role.VIEWER)
def export_ledger(mailing_id: int) -> str:
    """The choice of format for a mailing's ledger."""
    check_mailing(mailing_id)
    address = url_for("console.mailing_ledger", mailing_id=mailing_id)
    return export_choices("ledger", address, url_for("console.mailing", mailing_id=mailing_id), mailing_id)


@blp.get("/mailings/<id:mailing_id>/ledger.csv")
@requires(Role.VIEWER)
def mailing_ledger(mailing_id: int) -> Response:
    """Every message of a mailing, with its last attempt. The query is CsvFormArguments."""
    check_mailing(mailing_id)
    form = requested_form()
    return csv_response(stream_with_context(_lines(mailing_id, form)), f"mailing-{mailing_id}.csv")


def requested_form() -> CsvForm:
    """The form of CSV that the query asks for, as CsvFormArguments. Raises BadRequest."""
    try:
        return CsvForm.of(**CsvFormArguments().load(request.args.to_dict(), unknown=ma.EXCLUDE))
    except ma.ValidationError:
        raise BadRequest(ErrorCode.NO_SUCH_CHOICE()) from None


def export_choices(of: str, address: str, back: str, mailing_id: int | None = None) -> str:
    """The page that chooses the format of what `address` exports: `of` is clients, ledger or suppressions."""
    # The delimiter that Excel probably expects in the viewer's language.
    usual = "semicolon" if language() == "ru" else "comma"
    shown = {"of": of, "address": address, "back": back, "mailing_id": mailing_id, "usual": usual}
    return render_template("console/export.html", **shown)


def _lines(mailing_id: int, form: CsvForm) -> Iterator[str]:
    yield form.beginning + form.lines([COLUMNS])
    for rows in ledger_pages(mailing_id):
        yield form.lines([cell(value) for value in _columns(*row)] for row in rows)


def _columns(message: MessageRow, attempt: AttemptRow | None, text: str | None) -> tuple[object, ...]:
    gateway = None if message.gateway_id is None else gateway_names()[message.gateway_id]
    return (
        message.id,
        message.client_id,
        message.phone_number or "",
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
        gateway and gateway.name,
        attempt and attempt.provider_message_id,
        attempt and attempt.segments,
        attempt and attempt.price,
        gateway and gateway.currency,
        message.known_delivery and message.known_delivery.value,
        message.delivery_at,
        message.delivery_reason and message.delivery_reason.value,
        message.delivery_code,
        message.delivery_conflicting,
        message.parts,
        message.parts_delivered,
        text,
    )
