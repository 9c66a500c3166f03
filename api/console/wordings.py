"""The words of states, outcomes and actions, and the sentences of rules and the ledger, in the viewer's language."""

from __future__ import annotations

import re

from flask_babel import gettext, lazy_gettext

from shared.ledger import MessageStatus

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
    "unauthorized": lazy_gettext("account refused"),
    "ambiguous": lazy_gettext("no clear answer"),
    "ok": lazy_gettext("ok"),
    "slowing": lazy_gettext("slowing down"),
    "open": lazy_gettext("in trouble"),
    "no_credit": lazy_gettext("no credit"),
    "not_understood": lazy_gettext("answers not understood"),
    "pause": lazy_gettext("paused by a person"),
    "resume": lazy_gettext("resumed"),
    "cancel": lazy_gettext("cancelled by a person"),
    "retry": lazy_gettext("retried"),
    "resolve": lazy_gettext("decided by a person"),
    "reopen": lazy_gettext("opened again"),
    "remove": lazy_gettext("removed"),
    "test": lazy_gettext("test sent"),
    "viewer": lazy_gettext("viewer"),
    "operator": lazy_gettext("operator"),
    "admin": lazy_gettext("admin"),
}
"""What people call what the ledger, the journal and the gate know by these names."""

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

_NUMBER = re.compile(r"\d+")


def word(name: str) -> str:
    """The word for a state, an outcome or an action; what has none is its own."""
    return str(WORDS.get(name, name))


def said(sentence: str) -> str:
    """A sentence that a rule or the ledger says in English, in the viewer's language, as far as it is known.

    Catalogues have `#` in place of each number: "Mailing # is cancelled."
    """
    numbers = iter(_NUMBER.findall(sentence))
    known = gettext(_NUMBER.sub("#", sentence))
    if known.count("#") != len(_NUMBER.findall(sentence)):
        return sentence
    return re.sub("#", lambda _: next(numbers), known)
