"""What may be kept of a provider's words: one printable line, short, and without secrets."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from shared.domain.reasons import Reason, ReasonCode

WORDS_LIMIT = 200
"""Characters of a provider's words that are kept: a line of the ledger, not a page."""

CODE_LIMIT = 40
"""Characters of a provider's code that are kept."""


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """The text as words of a reason: `secrets` masked, one line, printable, at most WORDS_LIMIT characters."""
    # The longest first: a text may hold the phone number, and would no longer be found once that is masked.
    spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "***")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return shorten(" ".join(printable.split()), WORDS_LIMIT)


def shorten(line: str, limit: int) -> str:
    """At most so many characters, the last one an ellipsis if it was longer."""
    return line if len(line) <= limit else line[: limit - 1] + "…"


def reason_of(code: ReasonCode, words: str | None = None) -> Reason:
    """The reason with the provider's or the system's words, if there are any."""
    return Reason(code, {"words": words}) if words else Reason(code)


def _spellings(secret: str) -> Iterable[str]:
    """As it is, and as it stands in JSON, should the provider repeat the body of the request."""
    return secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
