"""Cleaning a provider's message before it is stored: one short printable line without secrets."""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus

from shared.domain.reasons import Reason, ReasonCode

WORDS_LIMIT = 200
"""Characters of a provider's message that are stored."""

CODE_LIMIT = 40
"""Characters of a provider's code that are stored."""


def redact(text: str, secrets: Collection[str] = (), limit: int = WORDS_LIMIT) -> str:
    """The text in one printable line of at most `limit` characters, with `secrets` masked."""
    if not text:
        return ""
    # The longest first: a text may contain the phone number, and would not be found after that is masked.
    spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "***")
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return shorten(" ".join(text.split()), limit)


def shorten(line: str, limit: int) -> str:
    """At most `limit` characters, the last one an ellipsis if the line was longer."""
    return line if len(line) <= limit else line[: limit - 1] + "…"


def reason_of(code: ReasonCode, words: str | None = None) -> Reason:
    """The reason with the message of the provider or the system, if there is one."""
    return Reason(code, {"words": words}) if words else Reason(code)


@lru_cache(maxsize=64)
def _spellings(secret: str) -> Iterable[str]:
    """The secret as it is, in JSON, in a form, and in an address, in case the provider quotes the request."""
    if secret.isascii() and secret.isalnum():
        return (secret,)  # it is the same in all of them
    plain = secret.encode("utf-8", "replace")
    return (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote_plus(plain),
        quote(plain),
        quote(plain, safe=""),
        html.escape(secret),
    )
