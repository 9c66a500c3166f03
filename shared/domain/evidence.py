"""What proves a suppression, a consent, or the end of one: texts by their names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

MAX_TEXTS = 20
MAX_NAME, MAX_TEXT = 100, 2000
"""Characters of the name of a text, and of a text."""

CLOCK_TOLERANCE = timedelta(minutes=1)
"""How far a time may be ahead of the database's clock before it is in the future: callers' clocks differ."""


def check_evidence(given: Mapping[str, object], field: str = "evidence", *, limit: int = MAX_TEXT) -> dict[str, str]:
    """The texts. Raises Invalid unless there is at least one, and none is longer than `limit` or anything else than a
    text.
    """
    texts = {name: text for name, text in given.items() if isinstance(text, str)}
    fits = all(len(name) <= MAX_NAME and len(text) <= limit for name, text in texts.items())
    if len(texts) < len(given) or not 1 <= len(texts) <= MAX_TEXTS or not fits:
        raise Invalid(field, ErrorCode.NOT_EVIDENCE, maximum=MAX_TEXTS, limit=limit)
    if any("\0" in part for pair in texts.items() for part in pair):
        raise Invalid(field, ErrorCode.NUL_CHARACTER)
    return texts
