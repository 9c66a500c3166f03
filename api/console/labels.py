"""The labels of states, outcomes and actions, and the sentences of rules and the ledger, in the viewer's language."""

from __future__ import annotations

import re

from flask_babel import format_decimal, gettext, lazy_gettext

from api.messages import schemas as messages
from api.workers.gateway_state import GatewayState
from shared.domain.reasons import Parameters, ReasonCode

LABELS = {
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
    "ambiguous": lazy_gettext("unclear response"),
    "pause": lazy_gettext("paused by a user"),
    "resume": lazy_gettext("resumed"),
    "cancel": lazy_gettext("cancelled by a user"),
    "edit": lazy_gettext("changed"),
    "updateClient": lazy_gettext("changed"),
    "createClient": lazy_gettext("added"),
    "retry": lazy_gettext("retried"),
    "resolve": lazy_gettext("resolved by a user"),
    "reopen": lazy_gettext("reopened"),
    "remove": lazy_gettext("removed"),
    "test": lazy_gettext("test sent"),
    "resend": lazy_gettext("send again"),
    "hold": lazy_gettext("do not send again"),
    "viewer": lazy_gettext("viewer"),
    "operator": lazy_gettext("operator"),
    "admin": lazy_gettext("admin"),
}
"""The labels of states, outcomes, operations and roles, by their names in the ledger and the API."""

GATEWAY_LABELS = {
    GatewayState.OK: lazy_gettext("ok"),
    GatewayState.IDLE: lazy_gettext("idle"),
    GatewayState.UNASKED: lazy_gettext("not reached yet"),
    GatewayState.NO_ANSWER: lazy_gettext("no response"),
    GatewayState.LAST_REFUSED: lazy_gettext("account refused"),
    GatewayState.SLOWING: lazy_gettext("slowing down"),
    GatewayState.OPEN: lazy_gettext("failing"),
    GatewayState.REFUSED: lazy_gettext("account refused"),
    GatewayState.NO_CREDIT: lazy_gettext("no credit"),
    GatewayState.NOT_UNDERSTOOD: lazy_gettext("answers not understood"),
}
"""The labels of the states of the gateway, those that a worker reports among them."""

FIELDS = {
    "text": lazy_gettext("Text"),
    "mark": lazy_gettext("Recipients"),
    "start_datetime": lazy_gettext("Start"),
    "end_datetime": lazy_gettext("End"),
    "on_unknown": lazy_gettext("If it is not known whether a message was delivered"),
    "phone_number": lazy_gettext("Phone number"),
    "operator_code": lazy_gettext("Operator code"),
    "tag": lazy_gettext("Tag"),
    "timezone": lazy_gettext("Time zone"),
}
"""The labels of the fields of a mailing and of a client."""

MEANINGS = {status: lazy_gettext(meaning) for status, meaning in messages.MEANINGS.items()}
"""What each state of a message means."""

REASONS = {
    ReasonCode.UNEXPECTED_BODY: lazy_gettext("A success status without the body that goes with it"),
    ReasonCode.REDIRECTED: lazy_gettext("The gateway redirects to another address; GATEWAY_URL needs changing"),
    ReasonCode.TOKEN_REJECTED: lazy_gettext("The gateway does not accept the token"),
    ReasonCode.NO_CREDIT: lazy_gettext("The gateway says that the account has no credit"),
    ReasonCode.NOT_ALLOWED: lazy_gettext("The gateway does not let this token send"),
    ReasonCode.ADDRESS_NOT_FOUND: lazy_gettext("The gateway has no such address; check GATEWAY_URL"),
    ReasonCode.METHOD_NOT_ALLOWED: lazy_gettext("The gateway takes no POST at this address; check GATEWAY_URL"),
    ReasonCode.PROXY_CREDENTIALS_NEEDED: lazy_gettext("The gateway is behind a proxy that asks for credentials"),
    ReasonCode.WRONG_SERVER: lazy_gettext("The gateway is not the server of this address; check GATEWAY_URL"),
    ReasonCode.PROTOCOL_REFUSED: lazy_gettext("The gateway asks for another protocol; check GATEWAY_URL"),
    ReasonCode.ONLY_THIS_MESSAGE_REFUSED: lazy_gettext("The gateway refuses this message and accepts others"),
    ReasonCode.ALREADY_ACCEPTED: lazy_gettext("The gateway has this message already"),
    ReasonCode.CONNECTION_FAILED: lazy_gettext("No answer from the gateway"),
    ReasonCode.TEXT_NOT_ENCODABLE: lazy_gettext("The text cannot be encoded in UTF-8"),
    ReasonCode.TEXT_MISSING: lazy_gettext("The mailing's text is missing; no request left"),
    ReasonCode.INTERNAL_ERROR: lazy_gettext("An error of ours while it was sent"),
    ReasonCode.LEASE_EXPIRED: lazy_gettext("The lease expired before the worker recorded a result"),
    ReasonCode.SENT_MEANWHILE: lazy_gettext(
        "An earlier attempt turned out to be accepted while this one was in flight"
    ),
    ReasonCode.WINDOW_CLOSED: lazy_gettext("The window closed"),
    ReasonCode.MAILING_CANCELLED: lazy_gettext("The mailing was cancelled"),
    ReasonCode.CLIENT_REMOVED: lazy_gettext("The client was removed"),
    ReasonCode.RESOLVED_ARRIVED: lazy_gettext("A person said that it had arrived"),
    ReasonCode.RESOLVED_NOT_ARRIVED: lazy_gettext("A person said that it had not arrived"),
    ReasonCode.RESTORED: lazy_gettext("The database was restored from a backup; it may have been sent before"),
}
"""The sentences of shared/domain/reasons.py, but for that of PROVIDER_SAID, which has the provider's words in it."""

COUNTS = frozenset({"# failed", "# unknown", "There are # clients now, and # were shown before."})
"""Sentences whose numbers count something; in others they are names, which are not grouped."""

_NUMBER = re.compile(r"\d+")


def label(name: str) -> str:
    """The label of a state, an outcome or an action; the name itself where there is none."""
    return str(LABELS.get(name, name))


def gateway_label(state: str) -> str:
    """The label of a state of the gateway, by one worker's report or by all that is known."""
    return str(GATEWAY_LABELS[GatewayState(state)])


def reason(code: str | None, params: Parameters | None) -> str:
    """Why a message is where it is, in the viewer's language; empty if that is not said."""
    words = (params or {}).get("words")
    if code is None:
        return ""
    if code == ReasonCode.PROVIDER_SAID:
        told = gettext("The gateway said: %(words)s", words=words)
        return told if words else gettext("The gateway refused it without a word")
    # A later version may have codes that this one does not know.
    text = str(REASONS[ReasonCode(code)]) if code in REASONS else code
    return f"{text} ({words})" if words else text


def translate(sentence: str) -> str:
    """An English sentence of a rule or of the ledger in the viewer's language; as it is where the catalogue lacks it.

    Catalogues have `#` in place of each number: "Mailing # is cancelled."
    """
    bare = _NUMBER.sub("#", sentence)
    numbers = iter(_NUMBER.findall(sentence))
    known = gettext(bare)
    if known.count("#") != len(_NUMBER.findall(sentence)):
        return sentence
    written = (format_decimal(int(digits)) for digits in numbers) if bare in COUNTS else numbers
    return re.sub("#", lambda _: next(written), known)
