"""Kannel's HTTP interface: `GET /cgi-bin/sendsms?username&password&from&to&coding&charset&text` of its smsbox.

Sources: pruiz/kannel:doc/userguide/userguide.xml (sendsms-user, "Using the HTTP interface to send SMS messages")
and pruiz/kannel:gw/smsbox.c. Checked with Debian's Kannel 1.4.5 (tests/gateways/test_kannel.py): all phrases below.

- Accepted is 202 with `0: Accepted for delivery`, or `3: Queued for later delivery` while no SMSC takes it. There
  is no id of the message, and Kannel does not deduplicate: after a lost response the doubt remains.
- Kannel cuts a text that is longer than `max-messages` of its sendsms-user, without a word. The default is 1. So
  the account has that number, and longer texts are refused here.
- It cuts long texts every 67 UTF-16 code units, or 153 septets, even within a pair of surrogates.
- The password is part of the request's URL, so a proxy may log it.
- Reports and replies arrive by GET at an address of ours (`dlr-url`, sms-service); nothing authenticates them.

Not verified: versions other than 1.4.5, and messages of a proxy between us and the smsbox.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.text_segments import Encoding, segments_of
from shared.gateways.account_checks import LINE, PATH, credential, number_option, option, optional, optional_sender
from shared.gateways.base import (
    Account,
    AccountField,
    Capabilities,
    OutgoingMessage,
    Provider,
    Response,
    Submission,
    SubmitResult,
)
from shared.gateways.encoding import form_of, form_text
from shared.gateways.http_statuses import not_understood, read_status
from shared.gateways.provider_codes import (
    CREDENTIALS_REJECTED,
    NO_ROUTE,
    RETRIABLE,
    SENDER_REJECTED,
    STATUSES,
    Phrase,
    read_phrase,
)
from shared.gateways.sanitize import reason_of, redact
from shared.gateways.text_checks import refusal_of, segments_cut_anywhere

CAPABILITIES = Capabilities(receipts=True, inbound=True)

ACCEPTED = ("0: Accepted for delivery", "3: Queued for later delivery")
"""The beginnings of the bodies of a 202."""

PHRASES = (
    Phrase(403, "Authorization failed for sendsms", CREDENTIALS_REJECTED),
    Phrase(403, "Not routable. Do not try again.", NO_ROUTE),
    Phrase(400, "Sender missing and no global set, rejected", SENDER_REJECTED),
    Phrase(400, "denied by white- and/or black-lists", NO_ROUTE),
    # The bearerbox's queue is full, or it does not take messages now: nothing was taken.
    Phrase(503, "Temporal failure, try again later.", RETRIABLE),
)
"""What smsbox answers, by status and words."""

CODINGS = {Encoding.GSM_7: "0", Encoding.UCS_2: "2"}
"""The parameter `coding`."""

DEFAULT_PATH = "/cgi-bin/sendsms"
"""The default of `sendsms-url` in smsbox's configuration."""


class KannelAdapter:
    """The interface of one sendsms-user."""

    capabilities = CAPABILITIES

    def __init__(self, account: Account) -> None:
        self._password = credential(account, "password", LINE)
        self._max_messages = number_option(account, "max_messages", 1)
        query = form_of(
            {
                "username": option(account, "username", LINE),
                "password": self._password,
                "from": optional_sender(account),
                "smsc": optional(account, "smsc"),
            }
        )
        self._start = f"{option(account, 'path', PATH, DEFAULT_PATH)}?{query.decode()}"
        self._headers: Mapping[str, str] = {"Accept": "text/plain"}

    def segments(self, text: str) -> int:
        """As Kannel cuts it."""
        return segments_cut_anywhere(text)

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal if Kannel would cut its text short."""
        text, phone_number = message.text, str(message.phone_number)
        if refused := refusal_of(text):
            return refused
        if self.segments(text) > self._max_messages:
            return SubmitResult(Result.REFUSED, reason=reason_of(ReasonCode.TEXT_TOO_LONG))
        coding = CODINGS[segments_of(text).encoding]
        path = f"{self._start}&to={phone_number}&coding={coding}&charset=UTF-8&text={form_text(text).decode()}"
        return Submission("GET", path, self._headers, b"", (self._password, text, phone_number))

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response, which names neither id nor recipient."""
        said = response.body.decode(errors="replace").strip()
        if response.status == 202 and said.startswith(ACCEPTED):
            return SubmitResult(Result.ACCEPTED, "202")
        if response.status is not None and 200 <= response.status < 300:
            return not_understood(response)
        known = read_phrase(response, said, PHRASES, secrets)
        return known or read_status(response, redact(said, secrets), STATUSES)


PROVIDER = Provider(
    name="kannel",
    title="Kannel",
    make=KannelAdapter,
    capabilities=CAPABILITIES,
    sender_required=False,
    fields=(
        AccountField(name="username", label="User name (username of the sendsms-user)"),
        AccountField(name="password", label="Password (password of the sendsms-user)", secret=True),
        AccountField(name="max_messages", label="Segments of a text at most (max-messages)", default="1"),
        AccountField(name="smsc", label="SMSC that messages are sent through (smsc-id)", required=False),
        AccountField(name="path", label="Path (sendsms-url)", required=False, default=DEFAULT_PATH),
    ),
)
