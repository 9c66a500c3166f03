"""The answers to callbacks: what the provider takes for a success, and errors as JSON like everywhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from api.http.errors import RETRY_LATER, error_payload
from shared.domain.sentences import ErrorCode
from shared.gateways.base import CallbackAnswer

METHODS = ("GET", "POST")


class Answer(NamedTuple):
    """A response. What every response to a callback has, its server adds."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = {}


def success(answer: CallbackAnswer) -> Answer:
    """The answer that a provider takes for a success."""
    return Answer(answer.status, answer.body, answer.content_type)


def not_found() -> Answer:
    """The answer to every address that is none, whatever is wrong with it."""
    return _error(404, ErrorCode.NOT_FOUND())


def method_not_allowed() -> Answer:
    """The answer to other methods."""
    return _error(405, ErrorCode.CALLBACK_METHOD(), Allow=", ".join(METHODS))


def too_many_requests(seconds: int) -> Answer:
    """The answer to an address from which too many callbacks were refused."""
    return _error(429, ErrorCode.TOO_MANY_REQUESTS(seconds=seconds), **{"Retry-After": str(seconds)})


def too_large(limit: int) -> Answer:
    """The answer to a body above the limit in bytes."""
    return _error(413, ErrorCode.CALLBACK_TOO_LARGE(limit=limit))


def rejected() -> Answer:
    """The answer to a callback that the provider did not make."""
    return _error(403, ErrorCode.CALLBACK_NOT_SIGNED())


def not_understood(fault: str) -> Answer:
    """The answer to a callback that does not follow the provider's contract."""
    return _error(400, ErrorCode.CALLBACK_NOT_UNDERSTOOD(fault=fault))


def unavailable() -> Answer:
    """The answer while nothing can be stored: the provider repeats the callback."""
    return _error(503, ErrorCode.DATABASE_UNAVAILABLE(), **{"Retry-After": str(RETRY_LATER)})


def gateway_unusable() -> Answer:
    """The answer while the gateway's credentials or settings cannot be read: an administrator has to correct them."""
    return _error(503, ErrorCode.GATEWAY_UNUSABLE(), **{"Retry-After": str(RETRY_LATER)})


def too_many_wait(seconds: int) -> Answer:
    """The answer while too many receipts wait to be applied."""
    return _error(503, ErrorCode.TOO_MANY_RECEIPTS_WAIT(), **{"Retry-After": str(seconds)})


def internal_error() -> Answer:
    """The answer after a bug."""
    return _error(500, ErrorCode.INTERNAL_ERROR())


def _error(status: int, message: str, **headers: str) -> Answer:
    body = json.dumps(error_payload(status, message), ensure_ascii=False).encode()
    return Answer(status, body, "application/json", headers)
