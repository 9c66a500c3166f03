"""The ledger: search, and the page of one message."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from flask import current_app, render_template, request, url_for
from werkzeug import Response

from api.clients.queries import ClientRow, find_client
from api.clients.search import has_digits
from api.clock import now
from api.console.blueprint import blp
from api.console.forms import Form
from api.console.paging import Page, paged
from api.console.pending_work import current_problems
from api.gateways.queries import gateway_names
from api.http.fields import MAX_ID, whole_number
from api.http.local_time import local_moment
from api.inbound.queries import answered_by, answers_to
from api.mailings.queries import MailingRow, mailing_row
from api.mailings.schemas import ResolveBody
from api.mailings.services import check_resend, resolve
from api.messages.queries import is_poison_message, last_attempts_of, message_by_id
from api.messages.search import find_messages
from api.permissions import requires
from api.workers.queries import fleet
from shared.domain.delivery import Delivery
from shared.domain.phone_numbers import numbers_like
from shared.domain.roles import Role
from shared.domain.sentences import Sentence
from shared.domain.statuses import OPEN_STATUSES, MailingStatus, MessageStatus
from shared.errors import Conflict

ANSWERS = 20
"""The latest answers to a message, which its page shows; the inbox has all."""

SEARCHED = ("phone", "id", "mailing", "status", "delivery", "since", "until")


@blp.get("/ledger/")
@requires(Role.VIEWER)
def ledger() -> str:
    """The list of messages, or a search, latest first."""
    typed = {name: request.args.get(name, "").strip() for name in SEARCHED}
    wanted, wrong = _wanted(typed)
    found = Page((), None, None)
    if not wrong:
        found = paged(lambda before, limit: find_messages(before, limit, wanted), lambda row: int(row.id), MAX_ID)
    choices = {"status": list(MessageStatus), "delivery": list(Delivery)}
    values = {"found": found, "typed": typed, "wrong": wrong, "choices": choices}
    return render_template("console/ledger.html", last=last_attempts_of(found.rows), **values)


@blp.get("/ledger/<id:message_id>/")
@requires(Role.VIEWER)
def message(message_id: int) -> str:
    """One message, with its attempts and their results."""
    return _show(message_id, Form({}))


@blp.post("/ledger/<id:message_id>/resolve/")
@requires(Role.OPERATOR)
def resolve_message(message_id: int) -> Response | tuple[str, int]:
    """Applies a person's decision about an unknown message."""
    form = Form(request.form, refused_with=409)

    def decide() -> str:
        resolve(message_id, form.load(ResolveBody())["outcome"])
        return url_for("console.message", message_id=message_id)

    return form.submit(decide, operation="resolveMessage") or (_show(message_id, form), form.status)


def _show(message_id: int, form: Form) -> str:
    found = message_by_id(message_id)
    mailing = mailing_row(found["mailing_id"])
    client = find_client(found["client_id"])
    return render_template(
        "console/message.html",
        form=form,
        message=found,
        answers=answers_to(message_id, found["phone_number"], ANSWERS),
        answered_by=answered_by(message_id, found["phone_number"]),
        sent_alone=is_poison_message(found),
        mailing=mailing,
        client=client,
        no_resend=_no_resend(mailing, client, found["phone_number"]),
        events=_events(found),
        gateways=gateway_names(),
        problems=current_problems(fleet()) if _is_to_be_sent(found, mailing) else [],
    )


def _events(message: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The attempts, the receipts and the end of a message, each with its kind, in the order of time."""
    timed = [(attempt.started_at, "attempt", attempt) for attempt in message["made"]]
    if message["ended_at"]:
        # After the attempts, whose times are of workers' clocks.
        timed.append((max([message["ended_at"], *(at for at, *_ in timed[-1:])]), "end", None))
    timed += [(receipt.received_at, "receipt", receipt) for receipt in message["receipts"]]
    return [(kind, event) for _, kind, event in sorted(timed, key=itemgetter(0))]


def _is_to_be_sent(message: Mapping[str, Any], mailing: MailingRow) -> bool:
    return message["status"] in OPEN_STATUSES and mailing.status is MailingStatus.RUNNING


def _no_resend(mailing: MailingRow, client: ClientRow | None, phone_number: int) -> Sentence | None:
    """Why a message of the mailing can't be sent again to the client's number; None if it can."""
    try:
        check_resend(mailing, client.id if client else None, phone_number, now())
    except Conflict as refusal:
        return refusal.sentence
    return None


def _wanted(typed: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The search criteria, and the names of invalid fields."""
    wanted: dict[str, Any] = {}
    wrong = []
    if typed["phone"]:
        wanted["phone_number"] = numbers_like(typed["phone"], current_app.config["DEFAULT_REGION"])
        if not has_digits(typed["phone"]):
            wrong.append("phone")
    for field, name in (("id", "id"), ("mailing", "mailing_id")):
        number = whole_number(typed[field])
        if number is not None:
            wanted[name] = number
        elif typed[field]:
            wrong.append(field)
    if typed["status"] in list(MessageStatus):
        wanted["status"] = MessageStatus(typed["status"])
    if typed["delivery"] in list(Delivery):
        wanted["delivery"] = Delivery(typed["delivery"])
    for name in ("since", "until"):
        if typed[name]:
            moment = local_moment(typed[name], request.args.get("zone", "UTC"))
            if moment is None:
                wrong.append(name)
            else:
                wanted[name] = moment
    return wanted, wrong
