"""Why a message or an attempt is where it is: codes with parameters, and the English sentence of each.

Codes are stored, compared and translated; sentences are only shown. Codes are never renamed or removed, since rows
contain them. The parameter `words` is the original message of the provider or the system: one printable line of at most
200 characters, without the message's text, its phone number or a credential. `late_result` and `late_words` belong to
a result that came after the lease had expired.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple

Parameters = Mapping[str, str | int]


class ReasonCode(enum.StrEnum):
    """The values of `reason_code` in `message` and `attempt`, those from the provider's response first."""

    PROVIDER_SAID = "provider_said"
    """The reason is the provider's own message, in `words`."""
    UNEXPECTED_BODY = "unexpected_body"
    REDIRECTED = "redirected"
    TOKEN_REJECTED = "token_rejected"  # noqa: S105  a code, no token
    NO_CREDIT = "no_credit"
    NOT_ALLOWED = "not_allowed"
    ADDRESS_NOT_FOUND = "address_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    PROXY_CREDENTIALS_NEEDED = "proxy_credentials_needed"
    WRONG_SERVER = "wrong_server"
    PROTOCOL_REFUSED = "protocol_refused"
    CREDENTIALS_REJECTED = "credentials_rejected"
    SENDER_REJECTED = "sender_rejected"
    ACCOUNT_SUSPENDED = "account_suspended"
    NO_ROUTE = "no_route"
    ADDRESS_FORBIDDEN = "address_forbidden"
    CREDENTIALS_UNREADABLE = "credentials_unreadable"
    SETTINGS_INVALID = "settings_invalid"
    OPTED_OUT = "opted_out"
    TEXT_TOO_LONG = "text_too_long"
    ONLY_THIS_MESSAGE_REFUSED = "only_this_message_refused"
    ALREADY_ACCEPTED = "already_accepted"
    LOOK_UP_FOUND = "look_up_found"
    LOOK_UP_REFUSED = "look_up_refused"
    LOOK_UP_NOT_FOUND = "look_up_not_found"
    LOOK_UP_FAILED = "look_up_failed"
    CONNECTION_FAILED = "connection_failed"
    """No response, or an incomplete one; `words` has the system's error."""
    TEXT_NOT_ENCODABLE = "text_not_encodable"
    TEXT_MISSING = "text_missing"
    MISSING_VALUE = "missing_value"
    """The text of the template shows a field of which the client has no value; `field` names it."""
    TEXT_EMPTY = "text_empty"
    TEXT_OVER_LIMIT = "text_over_limit"
    TEXT_UNREADABLE = "text_unreadable"
    INTERNAL_ERROR = "internal_error"
    LEASE_EXPIRED = "lease_expired"
    SENT_MEANWHILE = "sent_meanwhile"
    WINDOW_CLOSED = "window_closed"
    MAILING_CANCELLED = "mailing_cancelled"
    CLIENT_REMOVED = "client_removed"
    NUMBER_ERASED = "number_erased"
    RESOLVED_ARRIVED = "resolved_arrived"
    RESOLVED_NOT_ARRIVED = "resolved_not_arrived"
    RESTORED = "restored"
    RECEIPT_CAME = "receipt_came"
    SUPPRESSED = "suppressed"
    NO_CONSENT = "no_consent"
    TIMEZONE_UNKNOWN = "timezone_unknown"
    NO_LOCAL_TIME = "no_local_time"
    OUTSIDE_LOCAL_WINDOW = "outside_local_window"
    OVER_CAP = "over_cap"


SENTENCES = {
    ReasonCode.PROVIDER_SAID: "The gateway said:",
    ReasonCode.UNEXPECTED_BODY: "A success status without the body that goes with it",
    ReasonCode.REDIRECTED: "The gateway redirects to another address; change the address of the gateway",
    ReasonCode.TOKEN_REJECTED: "The gateway does not accept the token",
    ReasonCode.NO_CREDIT: "The gateway says that the account has no credit",
    ReasonCode.NOT_ALLOWED: "The gateway does not let this token send",
    ReasonCode.ADDRESS_NOT_FOUND: "The gateway has no such address; check the address of the gateway",
    ReasonCode.METHOD_NOT_ALLOWED: "The gateway does not take this request here; check the address of the gateway",
    ReasonCode.PROXY_CREDENTIALS_NEEDED: "The gateway is behind a proxy that asks for credentials",
    ReasonCode.WRONG_SERVER: "The gateway is not the server of this address; check the address of the gateway",
    ReasonCode.PROTOCOL_REFUSED: "The gateway asks for another protocol; check the address of the gateway",
    ReasonCode.CREDENTIALS_REJECTED: "The gateway does not accept the credentials",
    ReasonCode.SENDER_REJECTED: "The gateway does not accept the sender id",
    ReasonCode.ACCOUNT_SUSPENDED: "The gateway has suspended the account",
    ReasonCode.NO_ROUTE: "The gateway cannot send to this number",
    ReasonCode.ADDRESS_FORBIDDEN: "The gateway is in a network that GATEWAY_ALLOWED_NETWORKS does not name",
    ReasonCode.CREDENTIALS_UNREADABLE: "The worker cannot decrypt the credentials; check CREDENTIALS_KEY",
    ReasonCode.SETTINGS_INVALID: "The settings of the gateway cannot be used",
    ReasonCode.OPTED_OUT: "The recipient has opted out at the gateway",
    ReasonCode.TEXT_TOO_LONG: "The text is longer than the gateway allows",
    ReasonCode.ONLY_THIS_MESSAGE_REFUSED: "The gateway refuses this message and accepts others",
    ReasonCode.ALREADY_ACCEPTED: "The gateway has this message already",
    ReasonCode.LOOK_UP_FOUND: "The gateway was asked and has this message; nothing was sent again",
    ReasonCode.LOOK_UP_REFUSED: "The gateway was asked: it had refused this message",
    ReasonCode.LOOK_UP_NOT_FOUND: "The gateway was asked and did not have this message, so it was sent",
    ReasonCode.LOOK_UP_FAILED: "The gateway was asked about an earlier attempt, and did not say; nothing was sent",
    ReasonCode.CONNECTION_FAILED: "No answer from the gateway",
    ReasonCode.TEXT_NOT_ENCODABLE: "The text cannot be encoded in UTF-8",
    ReasonCode.TEXT_MISSING: "The mailing's text is missing; no request left",
    ReasonCode.MISSING_VALUE: "The client has no value of the field %(field)s; no request left",
    ReasonCode.TEXT_OVER_LIMIT: "The text of the template is too long for this client; no request left",
    ReasonCode.TEXT_EMPTY: "The text of the template is empty for this client; no request left",
    ReasonCode.TEXT_UNREADABLE: "The mailing's template can't be read; no request left",
    ReasonCode.INTERNAL_ERROR: "An error of ours while it was sent",
    ReasonCode.LEASE_EXPIRED: "The lease expired before the worker recorded a result",
    ReasonCode.SENT_MEANWHILE: "An earlier attempt turned out to be accepted while this one was in flight",
    ReasonCode.WINDOW_CLOSED: "The window closed",
    ReasonCode.MAILING_CANCELLED: "The mailing was cancelled",
    ReasonCode.CLIENT_REMOVED: "The client was removed",
    ReasonCode.NUMBER_ERASED: "The data about the number was erased",
    ReasonCode.RESOLVED_ARRIVED: "A person said that it had arrived",
    ReasonCode.RESOLVED_NOT_ARRIVED: "A person said that it had not arrived",
    ReasonCode.RESTORED: "The database was restored from a backup; it may have been sent before",
    ReasonCode.RECEIPT_CAME: "A receipt says that the gateway has it",
    ReasonCode.SUPPRESSED: "The number is suppressed: it must not be written to",
    ReasonCode.NO_CONSENT: "There is no consent to marketing from this number",
    ReasonCode.TIMEZONE_UNKNOWN: "The time zone of the client is not known, and the mailing has no default",
    ReasonCode.NO_LOCAL_TIME: "The local window does not open for this client before the mailing's end",
    ReasonCode.OUTSIDE_LOCAL_WINDOW: "It waits until the local window opens for this client",
    ReasonCode.OVER_CAP: "The number has had as many marketing messages as a cap allows",
}
"""A sentence for each code, without its full stop: the parameter `words` may follow in brackets."""

WITHOUT_TEXT = (ReasonCode.MISSING_VALUE, ReasonCode.TEXT_EMPTY, ReasonCode.TEXT_OVER_LIMIT)
"""Why a template made no text for a client. No request of such a message has ever left, since what is fixed at its
first claim makes the same text in every attempt, or none."""

BY_RULES = (
    ReasonCode.SUPPRESSED,
    ReasonCode.NO_CONSENT,
    ReasonCode.TIMEZONE_UNKNOWN,
    ReasonCode.NO_LOCAL_TIME,
    ReasonCode.OUTSIDE_LOCAL_WINDOW,
    ReasonCode.OVER_CAP,
)
"""Why a claim takes messages back that it has just leased."""

REFUSED_WITHOUT_WORDS = "The gateway refused it without a word"
"""The sentence of PROVIDER_SAID if the provider said nothing."""

RESULT_CAME_LATER = "the result came later: %(result)s"
"""Follows the sentence of an attempt whose result came after its lease had expired."""


class Reason(NamedTuple):
    """A code with its parameters."""

    code: ReasonCode
    parameters: Parameters = {}

    @property
    def sentence(self) -> str:
        """In English, in one line."""
        return sentence(self.code, self.parameters)


def sentence(
    code: str,
    parameters: Parameters | None,
    translate: Callable[[str], str] = str,
    label_of: Callable[[str], str] = str,
) -> str:
    """The sentence of a code with its parameters; for a code of a later version, the code itself.

    In English, unless `translate` gives the sentences, and `label_of` the names of results, in another language.
    """
    given = parameters or {}
    words = given.get("words")
    try:
        text = translate(SENTENCES[ReasonCode(code)])
    except ValueError:
        text = code
    if code == ReasonCode.MISSING_VALUE:
        text %= {"field": given.get("field", "")}
    elif code == ReasonCode.PROVIDER_SAID:
        text = f"{text} {words}" if words else translate(REFUSED_WITHOUT_WORDS)
    elif words:
        text = f"{text} ({words})"
    if late := given.get("late_result"):
        text += "; " + translate(RESULT_CAME_LATER) % {"result": label_of(str(late))}
        text += f" ({given['late_words']})" if given.get("late_words") else ""
    return text
