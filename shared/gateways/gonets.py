"""The specification's contract: `POST /send/{msgId}` with `{"id", "phone", "text"}`, success `200 {"code": 0, …}`.

The contract does not define errors, so statuses are read by RFC 9110, and by the known practice of gateways.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.gateways.base import Capabilities, OutgoingMessage, Response, Submission, SubmitResult
from shared.gateways.retry_after import retry_after
from shared.gateways.sanitize import CODE_LIMIT, reason_of, redact, shorten

HEADERS: Mapping[str, str] = {"Content-Type": "application/json", "Accept": "application/json"}


class Meaning(NamedTuple):
    """The meaning of a status. The default reason is the gateway's own message."""

    result: Result
    reason: ReasonCode = ReasonCode.PROVIDER_SAID
    perhaps_recipient: bool = False
    perhaps_duplicate: bool = False


_REDIRECT = Meaning(Result.MISCONFIGURED, ReasonCode.REDIRECTED)

STATUSES: Mapping[int, Meaning] = {
    # RFC 9110: 301-308 15.4, 401 15.5.2, 402 15.5.3, 403 15.5.4, 404 15.5.5, 405 15.5.6, 407 15.5.8, 421 15.5.20,
    # 426 15.5.22. They concern our account or its address: nothing was accepted. 402 to 404 are also used
    # for single recipients (Kannel's 403 is "Authorization failed" or "Not routable. Do not try again.").
    301: _REDIRECT,
    302: _REDIRECT,
    307: _REDIRECT,
    308: _REDIRECT,
    401: Meaning(Result.MISCONFIGURED, ReasonCode.TOKEN_REJECTED),
    402: Meaning(Result.NO_CREDIT, ReasonCode.NO_CREDIT, perhaps_recipient=True),
    403: Meaning(Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED, perhaps_recipient=True),
    404: Meaning(Result.MISCONFIGURED, ReasonCode.ADDRESS_NOT_FOUND, perhaps_recipient=True),
    405: Meaning(Result.MISCONFIGURED, ReasonCode.METHOD_NOT_ALLOWED),
    407: Meaning(Result.MISCONFIGURED, ReasonCode.PROXY_CREDENTIALS_NEEDED),
    421: Meaning(Result.MISCONFIGURED, ReasonCode.WRONG_SERVER),
    426: Meaning(Result.MISCONFIGURED, ReasonCode.PROTOCOL_REFUSED),
    # The server did not process the request: it was not complete in time (408, RFC 9110 15.5.9), or the server would
    # not risk a replay (425, RFC 8470 5.2). So nothing was delivered, and a repeat may succeed.
    408: Meaning(Result.RETRIABLE),
    425: Meaning(Result.RETRIABLE),
    # "Message with the same ID already exists" (android-sms-gateway/server, handlers/messages/3rdparty.go).
    409: Meaning(Result.REFUSED, perhaps_duplicate=True),
    429: Meaning(Result.THROTTLED),
}
"""Statuses whose meaning differs from that of their class."""

_CLIENT_ERROR = Meaning(Result.REFUSED)
_UNCLEAR = Meaning(Result.AMBIGUOUS)
"""For statuses that leave it open: a 5xx may be sent after the message was accepted."""


class GonetsAdapter:
    """The contract as an adapter. One for each gateway; any thread may use it."""

    capabilities = Capabilities(reference=True)
    """The contract does not require deduplication, so it is not declared."""

    def __init__(self) -> None:
        self._accepted: tuple[bytes | None, SubmitResult] = None, SubmitResult(Result.ACCEPTED, "200")
        """The last success body and its result, cached: nearly all bodies of a gateway are the same."""

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal, if its text is not valid Unicode."""
        message_id, phone_number, text = message.message_id, message.phone_number, message.text
        try:
            body = b'{"id":%d,"phone":%d,"text":%b}' % (message_id, phone_number, _encode_text(text))
        except UnicodeEncodeError:  # a lone surrogate: a repeat would fail as well
            return SubmitResult(Result.REFUSED, reason=reason_of(ReasonCode.TEXT_NOT_ENCODABLE))
        return Submission("POST", f"/send/{message_id}", HEADERS, body, (text, str(phone_number)))

    def read(self, response: Response, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of an HTTP response. Raises ValueError if it has no status."""
        status, body = response.status, response.body
        if status is None:
            raise ValueError("a response without a status is none")
        if status == 200 and body == self._accepted[0]:
            return self._accepted[1]
        payload = _json_object(body)
        if 200 <= status < 300:
            result = _read_success(status, payload, secrets)
            if status == 200 and result.result is Result.ACCEPTED:
                self._accepted = body, result
            return result
        return _read_error(status, response, redact(_words_of(payload), secrets))


@lru_cache(maxsize=100)
def _encode_text(text: str) -> bytes:
    # All messages of a mailing have the same text: it is encoded once, not for each client.
    return json.dumps(text, ensure_ascii=False).encode()


def _read_success(status: int, payload: Mapping[str, object] | None, secrets: Collection[str]) -> SubmitResult:
    # The contract: 200 {"code": 0, "message": "OK"}. In Python a bool is an int, but it is not a code.
    code = None if payload is None else payload.get("code")
    if type(code) is not int:
        reason = reason_of(ReasonCode.UNEXPECTED_BODY)
        return SubmitResult(Result.AMBIGUOUS, str(status), reason, not_understood=True)
    if code == 0:
        return SubmitResult(Result.ACCEPTED, str(status))
    reason = reason_of(ReasonCode.PROVIDER_SAID, redact(_words_of(payload), secrets))
    return SubmitResult(Result.RETRIABLE, shorten(str(code), CODE_LIMIT), reason)


def _read_error(status: int, response: Response, words: str) -> SubmitResult:
    meaning = STATUSES.get(status, _CLIENT_ERROR if 400 <= status < 500 else _UNCLEAR)
    wait = retry_after(response.headers, response.received_at) if status in (429, 503) else None
    # A 503 without Retry-After is like any other 5xx: the message may have been accepted.
    result = Result.THROTTLED if wait is not None else meaning.result
    own = meaning.reason is not ReasonCode.PROVIDER_SAID
    return SubmitResult(
        result,
        str(status),
        reason_of(meaning.reason, words) if own or words else None,
        retry_after=wait,
        not_understood=result is Result.AMBIGUOUS and status < 500,
        perhaps_recipient=meaning.perhaps_recipient,
        perhaps_duplicate=meaning.perhaps_duplicate,
    )


def _json_object(body: bytes) -> dict[str, object] | None:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, a number too long; nested too deeply
        return None
    return payload if isinstance(payload, dict) else None


def _words_of(payload: Mapping[str, object] | None) -> str:
    """The gateway's code and message, as far as there are any."""
    payload = payload or {}
    code, message = payload.get("code"), payload.get("message")
    words = [f"code {code}"] if isinstance(code, int | str) else []
    if isinstance(message, str):
        words.append(message)
    return ": ".join(words)
