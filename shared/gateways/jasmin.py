"""Jasmin's HTTP API: `POST /send` with the form `username, password, to, from, coding, content | hex-content`.

Sources: jookies/jasmin:misc/doc/sources/apis/http, and of Jasmin 0.11.1 jasmin/protocols/http/endpoints/send.py,
errors.py and validation.py. Checked with that version (tests/gateways/test_jasmin.py).

- Accepted is 200 with `Success "id"`: the message is in Jasmin's queue. Refused is `Error "words"`. Jasmin takes no
  id of ours and does not deduplicate: after a lost response the doubt remains.
- `coding` 0 is the GSM alphabet, and Jasmin encodes `content` itself; 8 is UTF-16BE in `hex-content`.
- Jasmin cuts a text that has more segments than `long_content_max_parts` of its section http-api, without a word.
  The default is 5. So the account has that number, and longer texts are refused here.
- It cuts long texts every 67 UTF-16 code units, or 153 septets, even within a pair of surrogates.
- Reports and replies arrive at an address of ours, which has to answer `ACK/Jasmin`; nothing authenticates them.

Not verified: versions other than 0.11.1; `Cannot send submit_sm`, the interceptor's errors and a failover route,
which were read in the source only.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.text_segments import Encoding, segments_of
from shared.gateways.account_checks import LINE, credential, number_option, option, optional_sender
from shared.gateways.answer_fields import id_of
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
from shared.gateways.encoding import form_headers, form_of, form_text
from shared.gateways.http_statuses import Meaning, not_understood, read_status
from shared.gateways.provider_codes import (
    CREDENTIALS_REJECTED,
    NO_CREDIT,
    NO_ROUTE,
    NOT_ALLOWED,
    NOT_ALLOWED_HERE,
    RETRIABLE,
    SENDER_REJECTED,
    STATUSES,
    THROTTLED,
    Phrase,
    read_phrase,
)
from shared.gateways.sanitize import reason_of, redact
from shared.gateways.text_checks import refusal_of, segments_cut_anywhere

CAPABILITIES = Capabilities(receipts=True, inbound=True)

ACCEPTED = re.compile(rb'\s*Success "([!#-~]{1,200})"\s*')

NO_ROUTE_FOR_ALL = Meaning(Result.MISCONFIGURED, ReasonCode.NO_ROUTE, perhaps_recipient=True)
"""No route of the user fits. Routes may depend on the number, so others may have one."""

PHRASES = (
    Phrase(403, "Authentication failure", CREDENTIALS_REJECTED),
    Phrase(403, "Cannot charge submit_sm", NO_CREDIT),
    Phrase(403, "User throughput exceeded", THROTTLED),
    Phrase(412, "No route found", NO_ROUTE_FOR_ALL),
    # No connector of the route is bound: nothing was queued.
    Phrase(412, "Failover route has no bound connectors", THROTTLED),
    Phrase(400, "Setting source address not authorized", SENDER_REJECTED),
    Phrase(400, "source_address filter mismatch", SENDER_REJECTED),
    Phrase(400, "destination_address filter mismatch", NO_ROUTE),
    Phrase(400, "Long content not authorized", NOT_ALLOWED_HERE),
    Phrase(400, "Setting hex content not authorized", NOT_ALLOWED_HERE),
    Phrase(400, "Authorization failed for user", NOT_ALLOWED),
    Phrase(500, "Cannot send submit_sm", RETRIABLE),
    Phrase(503, "InterceptorPB not", THROTTLED),
)
"""The errors of the API, by status and words. Any other 500 is an error after which a message may be queued."""

CODINGS = {Encoding.GSM_7: b"0", Encoding.UCS_2: b"8"}
"""The parameter `coding`."""

LONGEST_CREDENTIAL = 16
"""Characters of a user name or a password (send.py)."""


class JasminAdapter:
    """The API for one user of Jasmin."""

    capabilities = CAPABILITIES

    def __init__(self, account: Account) -> None:
        self._password = credential(account, "password", LINE, LONGEST_CREDENTIAL)
        username = option(account, "username", LINE, longest=LONGEST_CREDENTIAL)
        self._max_parts = number_option(account, "max_parts", 5)
        self._start = form_of({"username": username, "password": self._password, "from": optional_sender(account)})
        self._headers = form_headers(accept="text/plain")

    def segments(self, text: str) -> int:
        """As Jasmin cuts it."""
        return segments_cut_anywhere(text)

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal if Jasmin would cut its text short."""
        text, phone_number = message.text, str(message.phone_number)
        if refused := refusal_of(text):
            return refused
        if self.segments(text) > self._max_parts:
            return SubmitResult(Result.REFUSED, reason=reason_of(ReasonCode.TEXT_TOO_LONG))
        fields, encoded = _text_fields(text)
        body = b"%b&to=%b&%b" % (self._start, phone_number.encode(), fields)
        return Submission("POST", "/send", self._headers, body, (self._password, text, encoded, phone_number))

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response, with Jasmin's id if it was accepted. It names neither our id nor the recipient."""
        if response.status is not None and 200 <= response.status < 300:
            accepted = ACCEPTED.fullmatch(response.body) if response.status == 200 else None
            if accepted is None:
                return not_understood(response)
            return SubmitResult(Result.ACCEPTED, "200", provider_message_id=id_of(accepted[1].decode()))
        said = response.body.decode(errors="replace").strip().removeprefix("Error ").strip('"')
        known = read_phrase(response, said, PHRASES, secrets)
        return known or read_status(response, redact(said, secrets), STATUSES)


@lru_cache(maxsize=100)
def _text_fields(text: str) -> tuple[bytes, str]:
    """The coding and the text, and the form of the text that is a secret as well."""
    # All messages of a mailing have the same text.
    encoding, encoded = segments_of(text).encoding, text.encode("utf-16-be").hex()
    if encoding is Encoding.GSM_7:
        return b"coding=%b&content=%b" % (CODINGS[encoding], form_text(text)), encoded
    return b"coding=%b&hex-content=%b" % (CODINGS[encoding], encoded.encode()), encoded


PROVIDER = Provider(
    name="jasmin",
    title="Jasmin",
    make=JasminAdapter,
    capabilities=CAPABILITIES,
    sender_required=False,
    fields=(
        AccountField(name="username", label="User name"),
        AccountField(name="password", label="Password", secret=True),
        AccountField(name="max_parts", label="Segments of a text at most (long_content_max_parts)", default="5"),
    ),
)
