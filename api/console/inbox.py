"""Inbound messages: the list, conversations, and answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flask import current_app, request, url_for
from werkzeug import Response

from api.clients.queries import ClientRow, client_by_id, find_client
from api.clients.search import has_digits
from api.console.blueprint import blp, page
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form
from api.console.paging import Page, paged
from api.gateways.queries import gateway_names
from api.http.fields import MAX_ID
from api.inbound import decisions, services
from api.inbound.queries import InboundRow, count_unread, inbound_message_by_id, inbound_messages
from api.inbound.schemas import DECISIONS, AnswerBody, DecisionBody
from api.messages.queries import MessageRow
from api.messages.search import find_messages
from api.messages.texts import texts_of
from api.permissions import requires
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.phone_numbers import numbers_like
from shared.domain.roles import Role
from shared.domain.sentences import Sentence
from shared.domain.text_segments import segments_of
from shared.errors import Conflict

MANY = 100
"""Unread messages from which on the navigation does not show how many there are."""

LATEST = 50
"""The latest messages of a conversation, which its page shows."""


class Entry(NamedTuple):
    """A message of a conversation: ours, or an inbound one."""

    at: datetime
    text: str
    message: MessageRow | None = None
    inbound: InboundRow | None = None


@blp.app_template_global()
def unread_inbound() -> int:
    """The number of unread inbound messages, up to MANY, for the navigation of each page."""
    return count_unread(MANY)


@blp.get("/inbox/")
@requires(Role.VIEWER)
def inbox() -> str:
    """The list of inbound messages, or a search, the newest first."""
    typed = {name: request.args.get(name, "").strip() for name in ("phone", "show")}
    wanted: dict[str, Any] = {typed["show"]: True} if typed["show"] in ("unread", "undecided") else {}
    wrong = bool(typed["phone"]) and not has_digits(typed["phone"])
    if typed["phone"] and not wrong:
        wanted["phone_number"] = numbers_like(typed["phone"], current_app.config["DEFAULT_REGION"])
    found = Page((), None, None)
    if not wrong:
        found = paged(lambda before, limit: inbound_messages(before, limit, **wanted), lambda row: int(row.id), MAX_ID)
    return page("inbox", found=found, typed=typed, wrong=wrong, gateways=gateway_names())


@blp.get("/inbox/<id:inbound_message_id>/")
@requires(Role.VIEWER)
def inbound_message(inbound_message_id: int) -> str:
    """An inbound message, with the conversation that it belongs to."""
    return _show(inbound_message_by_id(inbound_message_id), Form({}))


@blp.get("/clients/<id:client_id>/conversation/")
@requires(Role.VIEWER)
def conversation(client_id: int) -> str:
    """What a client wrote, and what was sent to them."""
    client = client_by_id(client_id)
    entries = _conversation_with(client)
    last = next((entry.inbound for entry in reversed(entries) if entry.inbound), None)
    return _show_conversation(url_for("console.conversation", client_id=client_id), client, entries, last, Form({}))


@blp.post("/inbox/<id:inbound_message_id>/read/")
@requires(Role.OPERATOR)
def read_inbound(inbound_message_id: int) -> Response | tuple[str, int]:
    """Marks an inbound message as read."""
    return _mark(inbound_message_id, services.mark_read, "markInboundMessageRead")


@blp.post("/inbox/<id:inbound_message_id>/unread/")
@requires(Role.OPERATOR)
def unread_inbound_again(inbound_message_id: int) -> Response | tuple[str, int]:
    """Marks an inbound message as unread."""
    return _mark(inbound_message_id, services.mark_unread, "markInboundMessageUnread")


@blp.post("/inbox/<id:inbound_message_id>/decide/")
@requires(Role.OPERATOR)
def decide_inbound(inbound_message_id: int) -> Response | tuple[str, int]:
    """Decides what an inbound message asks for."""
    form = Form({"decision": request.form.get("decision", "")})

    def work() -> str:
        decisions.decide(inbound_message_id, **form.load(DecisionBody()))
        return url_for("console.inbound_message", inbound_message_id=inbound_message_id)

    done = form.submit(work, operation="decideInboundMessage")
    return done or (_show(inbound_message_by_id(inbound_message_id), form), form.status)


@blp.post("/inbox/<id:inbound_message_id>/answer/")
@requires(Role.OPERATOR)
def answer_inbound(inbound_message_id: int) -> Response | tuple[str, int]:
    """Answers an inbound message."""
    # A form sends line ends as CR LF (URL standard, 5.2): two septets where one was meant.
    form = Form({"text": request.form.get("text", "").replace("\r\n", "\n")})

    def send() -> str:
        services.answer(inbound_message_id, **form.load(AnswerBody()))
        set_notice(Notice("answered"))
        return url_for("console.inbound_message", inbound_message_id=inbound_message_id)

    done = form.submit(send, operation="answerInboundMessage")
    return done or (_show(inbound_message_by_id(inbound_message_id), form), form.status)


def _mark(inbound_message_id: int, mark: Callable[[int], None], operation: str) -> Response | tuple[str, int]:
    form = Form({})

    def work() -> str:
        mark(inbound_message_id)
        return url_for("console.inbound_message", inbound_message_id=inbound_message_id)

    done = form.submit(work, operation=operation)
    return done or (_show(inbound_message_by_id(inbound_message_id), form), form.status)


def _show(message: InboundRow, form: Form) -> str:
    client = None if message.client_id is None else find_client(message.client_id)
    if client is not None:
        entries = _conversation_with(client)
    elif message.phone_number is not None:
        number = message.phone_number
        sent = find_messages(MAX_ID, LATEST, {"phone_number": number})
        entries = _entries(sent, inbound_messages(None, LATEST, phone_number=number))
    else:
        entries = _entries((), (message,))
    address = url_for("console.inbound_message", inbound_message_id=message.id)
    return _show_conversation(address, client, entries, message, form)


def _show_conversation(
    address: str, client: ClientRow | None, entries: Sequence[Entry], last: InboundRow | None, form: Form
) -> str:
    """`address` is that of the page, and `last` the message that is answered."""
    return page(
        "conversation",
        address=address,
        client=client,
        entries=entries[-LATEST:],
        has_more=len(entries) > LATEST,
        latest=LATEST,
        message=last,
        refusal=None if last is None else _refusal_of_answer(last),
        decisions=[one for one in DECISIONS if last is not None and last.phone_number and one is not last.decision],
        form=form,
        segments=segments_of(str(form.values.get("text", ""))),
        max_text=MAX_TEXT,
        gateways=gateway_names(),
        notice=take_notice(),
    )


def _conversation_with(client: ClientRow) -> list[Entry]:
    sent = find_messages(MAX_ID, LATEST + 1, {"client_id": client.id})
    # What came from this number before the client was added, and from their earlier numbers.
    written = (
        *inbound_messages(None, LATEST + 1, phone_number=client.phone_number),
        *inbound_messages(None, LATEST + 1, client_id=client.id),
    )
    return _entries(sent, written)


def _entries(sent: Sequence[MessageRow], written: Sequence[InboundRow]) -> list[Entry]:
    """These messages in the order of time, each inbound one once."""
    texts = texts_of(sent)
    ours = [
        Entry(
            message.sent_at or message.ended_at or message.created_at,
            texts[message.id].text,
            message=message,
        )
        for message in sent
    ]
    theirs = [Entry(message.received_at, message.text, inbound=message) for message in dict.fromkeys(written)]
    return sorted((*ours, *theirs), key=lambda entry: entry.at)


def _refusal_of_answer(message: InboundRow) -> Sentence | None:
    """Why a message cannot be answered; None if it can be."""
    try:
        services.check_answer(message)
    except Conflict as refusal:
        return refusal.sentence
    return None
