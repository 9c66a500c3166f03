"""The results of HTTP statuses, by RFC 9110, and by the known practice of gateways.

For what a provider's own codes do not say: adapters read those first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.gateways.base import Response, SubmitResult
from shared.gateways.retry_after import retry_after
from shared.gateways.sanitize import reason_of


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


def read_status(response: Response, words: str, statuses: Mapping[int, Meaning] = STATUSES) -> SubmitResult:
    """The result of a response that is no success. `words` are the provider's own message, with secrets masked.

    `statuses` may be a provider's own table, usually `{**STATUSES, …}`. Raises ValueError if there is no status.
    """
    status = response.status
    if status is None:
        raise ValueError("a response without a status is none")
    meaning = statuses.get(status, _CLIENT_ERROR if 400 <= status < 500 else _UNCLEAR)
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


def not_understood(response: Response) -> SubmitResult:
    """The result of a success status whose body does not follow the contract: most likely it was accepted."""
    return SubmitResult(
        Result.AMBIGUOUS, str(response.status), reason_of(ReasonCode.UNEXPECTED_BODY), not_understood=True
    )


def json_value(body: bytes) -> object:
    """The JSON value of a body; None if there is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, a number too long; nested too deeply
        return None


def json_object(body: bytes) -> dict[str, object] | None:
    """The JSON object of a body; None if there is none."""
    payload = json_value(body)
    return payload if isinstance(payload, dict) else None
