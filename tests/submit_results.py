"""Results of submissions, as tests make them up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.gateways.base import SubmitResult
from shared.gateways.sanitize import reason_of


class Answer(NamedTuple):
    """A response over HTTP."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    received_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


def submitted(
    result: Result, code: int | None = None, words: str | None = None, reason: ReasonCode | None = None, **facts: Any
) -> SubmitResult:
    """A result with these words of the provider's; without a code, of the system's."""
    if reason is None and words is not None:
        reason = ReasonCode.CONNECTION_FAILED if code is None else ReasonCode.PROVIDER_SAID
    return SubmitResult(
        result, None if code is None else str(code), None if reason is None else reason_of(reason, words), **facts
    )
