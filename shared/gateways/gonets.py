"""The specification's contract: `POST /send/{msgId}` with `{"id", "phone", "text"}`, success `200 {"code": 0, …}`.

The contract says nothing about segments, and does not define errors, so statuses are read by RFC 9110, and by the known
practice of gateways.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.gateways.authentication import bearer
from shared.gateways.base import (
    Account,
    AccountField,
    Adapter,
    Capabilities,
    OutgoingMessage,
    Provider,
    Response,
    Submission,
    SubmitResult,
)
from shared.gateways.encoding import json_headers, json_text
from shared.gateways.http_statuses import json_object, not_understood, read_status
from shared.gateways.sanitize import CODE_LIMIT, reason_of, redact, shorten


class GonetsAdapter(Adapter):
    """The contract as an adapter. One for each gateway; any thread may use it."""

    capabilities = Capabilities(reference=True)
    """The contract does not require deduplication, so it is not declared."""

    def __init__(self, account: Account) -> None:
        self._credentials = account.credentials
        self._headers: tuple[str, Mapping[str, str]] = "", {}
        """The token and the headers with it: the token of GATEWAY_TOKEN_FILE may be replaced."""
        self._accepted: tuple[bytes | None, SubmitResult] = None, SubmitResult(Result.ACCEPTED, "200")
        """The last success body and its result, cached: nearly all bodies of a gateway are the same."""

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal, if its text is not valid Unicode."""
        message_id, phone_number, text = message.message_id, message.phone_number, message.text
        try:
            body = b'{"id":%d,"phone":%d,"text":%b}' % (message_id, phone_number, json_text(text))
        except UnicodeEncodeError:  # a lone surrogate: a repeat would fail as well
            return SubmitResult(Result.REFUSED, reason=reason_of(ReasonCode.TEXT_NOT_ENCODABLE))
        token = self._credentials["token"]
        headers = self._headers_with(token)
        return Submission("POST", f"/send/{message_id}", headers, body, (token, text, str(phone_number)))

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response, which names neither id nor recipient."""
        status, body = response.status, response.body
        if status is None:
            raise ValueError("a response without a status is none")
        if status == 200 and body == self._accepted[0]:
            return self._accepted[1]
        payload = json_object(body)
        if 200 <= status < 300:
            result = _read_success(response, payload, secrets)
            if status == 200 and result.result is Result.ACCEPTED:
                self._accepted = body, result
            return result
        return read_status(response, redact(_words_of(payload), secrets))

    def _headers_with(self, token: str) -> Mapping[str, str]:
        if self._headers[0] != token:
            self._headers = token, json_headers(bearer(token))
        return self._headers[1]


PROVIDER = Provider(
    name="gonets",
    title="Gonets",
    make=GonetsAdapter,
    capabilities=GonetsAdapter.capabilities,
    sender_required=False,
    fields=(AccountField(name="token", label="Token", secret=True),),
)


def _read_success(response: Response, payload: Mapping[str, object] | None, secrets: Collection[str]) -> SubmitResult:
    # The contract: 200 {"code": 0, "message": "OK"}. In Python a bool is an int, but it is not a code.
    code = None if payload is None else payload.get("code")
    if type(code) is not int:
        return not_understood(response)
    if code == 0:
        return SubmitResult(Result.ACCEPTED, str(response.status))
    reason = reason_of(ReasonCode.PROVIDER_SAID, redact(_words_of(payload), secrets))
    return SubmitResult(Result.RETRIABLE, shorten(str(code), CODE_LIMIT), reason)


def _words_of(payload: Mapping[str, object] | None) -> str:
    """The gateway's code and message, as far as there are any."""
    payload = payload or {}
    code, message = payload.get("code"), payload.get("message")
    words = [f"code {code}"] if isinstance(code, int | str) else []
    if isinstance(message, str):
        words.append(message)
    return ": ".join(words)
