"""The bodies of claimed messages: their mailing's text, or what its template makes of the values that were fixed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from shared.domain.reasons import WITHOUT_TEXT, Reason, ReasonCode
from shared.domain.results import Result
from shared.domain.templates import RenderError, StoredText
from shared.gateways.base import SubmitResult
from worker.claim_rows import ClaimedRow
from worker.claimed_message import AttemptResult, ClaimedMessage
from worker.text_cache import Key

log = logging.getLogger(__name__)

Body = str | Reason
"""The body of a message; if it has none, the reason."""

TEXT_MISSING = Reason(ReasonCode.TEXT_MISSING)
"""The text was deleted by hand, so a retry would not find it either."""


def bodies_of(rows: Sequence[ClaimedRow], texts: Mapping[Key, StoredText]) -> list[Body]:
    """The bodies of these messages, in the same order. `texts` are those that there are."""
    return [_body(texts.get((row.mailing_id, row.text_revision)), row.text_values) for row in rows]


def _body(text: StoredText | None, values: Sequence[str | None] | None) -> Body:
    if text is None:
        return TEXT_MISSING
    try:
        return text.body(values) or TEXT_MISSING
    except RenderError as error:
        return error.reason


def refused(message: ClaimedMessage, reason: Reason) -> AttemptResult:
    """The result of an attempt that ends a message because it has no body: no request leaves."""
    # That clients have no value is no fault, and may be so for many: the ledger says for which.
    if reason.code not in WITHOUT_TEXT:
        log.error("message.text_missing", extra={**message.log_fields(), "reason_code": reason.code.value})
    return AttemptResult(
        message, SubmitResult(Result.REFUSED, reason=reason), started_at=message.claim.at, duration=0.0
    )
