"""Checks of a text before it is submitted, and a way to count its segments."""

from __future__ import annotations

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.domain.text_segments import MULTIPART_SEGMENT_UNITS, segments_of
from shared.gateways.base import SubmitResult
from shared.gateways.sanitize import reason_of


def refusal_of(text: str, max_text: int | None = None) -> SubmitResult | None:
    """A refusal if the text is not valid Unicode, or has more than `max_text` characters; else None."""
    if max_text is not None and len(text) > max_text:
        return SubmitResult(Result.REFUSED, reason=reason_of(ReasonCode.TEXT_TOO_LONG))
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate: a repeat would fail as well
        return SubmitResult(Result.REFUSED, reason=reason_of(ReasonCode.TEXT_NOT_ENCODABLE))
    return None


def segments_cut_anywhere(text: str) -> int:
    """Segments of a text as those programs count that cut it anywhere, even within an escape or a pair of surrogates:
    one less in rare cases than `segments_of` counts."""
    segments = segments_of(text)
    if segments.count <= 1:
        return segments.count
    return -(-segments.units // MULTIPART_SEGMENT_UNITS[segments.encoding])
