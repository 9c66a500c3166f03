"""The words of states, results and actions, and the sentences of rules and the ledger, in the viewer's language."""

from __future__ import annotations

import re

from flask_babel import format_decimal, gettext, lazy_gettext

from api.workers.gateway_state import GatewayState
from shared.domain.statuses import MessageStatus

WORDS = {
    "scheduled": lazy_gettext("scheduled"),
    "running": lazy_gettext("running"),
    "paused": lazy_gettext("paused"),
    "finished": lazy_gettext("finished"),
    "cancelled": lazy_gettext("cancelled"),
    "pending": lazy_gettext("pending"),
    "sending": lazy_gettext("sending"),
    "sent": lazy_gettext("sent"),
    "failed": lazy_gettext("failed"),
    "expired": lazy_gettext("expired"),
    "unknown": lazy_gettext("unknown"),
    "accepted": lazy_gettext("accepted"),
    "refused": lazy_gettext("refused"),
    "throttled": lazy_gettext("throttled"),
    "unreachable": lazy_gettext("unreachable"),
    "misconfigured": lazy_gettext("misconfigured"),
    "no_credit": lazy_gettext("no credit"),
    "duplicate": lazy_gettext("accepted before"),
    "retriable": lazy_gettext("refused for now"),
    "opted_out": lazy_gettext("opted out"),
    "not_submitted": lazy_gettext("not submitted"),
    "ambiguous": lazy_gettext("no clear answer"),
    "pause": lazy_gettext("paused by a person"),
    "resume": lazy_gettext("resumed"),
    "cancel": lazy_gettext("cancelled by a person"),
    "edit": lazy_gettext("changed"),
    "updateClient": lazy_gettext("changed"),
    "createClient": lazy_gettext("added"),
    "retry": lazy_gettext("retried"),
    "resolve": lazy_gettext("decided by a person"),
    "reopen": lazy_gettext("opened again"),
    "remove": lazy_gettext("removed"),
    "test": lazy_gettext("test sent"),
    "resend": lazy_gettext("send again"),
    "hold": lazy_gettext("do not send again"),
    "viewer": lazy_gettext("viewer"),
    "operator": lazy_gettext("operator"),
    "admin": lazy_gettext("admin"),
}
"""What people call what the ledger, the journal and the gate know by these names."""

GATEWAY_WORDS = {
    GatewayState.OK: lazy_gettext("ok"),
    GatewayState.IDLE: lazy_gettext("idle"),
    GatewayState.UNASKED: lazy_gettext("not reached yet"),
    GatewayState.NO_ANSWER: lazy_gettext("no answer"),
    GatewayState.LAST_REFUSED: lazy_gettext("account refused"),
    GatewayState.SLOWING: lazy_gettext("slowing down"),
    GatewayState.CIRCUIT_OPEN: lazy_gettext("not responding"),
    GatewayState.MISCONFIGURED: lazy_gettext("misconfigured"),
    GatewayState.NO_CREDIT: lazy_gettext("no credit"),
    GatewayState.NOT_UNDERSTOOD: lazy_gettext("answers not understood"),
}
"""What people call the states of the gateway, those that a worker reports among them."""

FIELDS = {
    "text": lazy_gettext("Text"),
    "mark": lazy_gettext("For whom"),
    "start_datetime": lazy_gettext("Start"),
    "end_datetime": lazy_gettext("End"),
    "on_unknown": lazy_gettext("When nobody knows whether a message has arrived"),
    "phone_number": lazy_gettext("Phone number"),
    "operator_code": lazy_gettext("Operator code"),
    "tag": lazy_gettext("Tag"),
    "timezone": lazy_gettext("Time zone"),
}
"""What forms call the fields of a mailing and of a client."""

MEANINGS = {
    MessageStatus.PENDING: lazy_gettext("It waits to be sent."),
    MessageStatus.SENDING: lazy_gettext("A worker is sending it right now."),
    MessageStatus.SENT: lazy_gettext(
        "The gateway accepted it. Whether it has reached the phone, only the gateway knows."
    ),
    MessageStatus.FAILED: lazy_gettext("The gateway refused it for good, or too many attempts failed."),
    MessageStatus.EXPIRED: lazy_gettext("The mailing's window closed before it could be sent."),
    MessageStatus.CANCELLED: lazy_gettext("The mailing was cancelled, or the client removed, before it was sent."),
    MessageStatus.UNKNOWN: lazy_gettext("A request left, and no answer tells whether it has arrived."),
}
"""Why a message did, or did not, arrive."""

COUNTS = frozenset({"# failed", "# unknown", "There are # clients now, and # were shown before."})
"""Sentences whose numbers count something; in others they are names, which are not grouped."""

_NUMBER = re.compile(r"\d+")


def word(name: str) -> str:
    """The word for a state, a result or an action; what has none is its own."""
    return str(WORDS.get(name, name))


def gateway_word(state: str) -> str:
    """The word for a state of the gateway, as one worker or all that is known tells it."""
    return str(GATEWAY_WORDS[GatewayState(state)])


def said(sentence: str) -> str:
    """A sentence that a rule or the ledger says in English, in the viewer's language, as far as it is known.

    Catalogues have `#` in place of each number: "Mailing # is cancelled."
    """
    bare = _NUMBER.sub("#", sentence)
    numbers = iter(_NUMBER.findall(sentence))
    known = gettext(bare)
    if known.count("#") != len(_NUMBER.findall(sentence)):
        return sentence
    written = (format_decimal(int(one)) for one in numbers) if bare in COUNTS else numbers
    return re.sub("#", lambda _: next(written), known)
