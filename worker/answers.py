"""What the gateway's answer means for a message. Rules only: no network, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.domain.statuses import Outcome

DETAIL_LIMIT = 200
"""The longest detail, in characters: a line of the ledger, not a page."""


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What one request to the gateway brought.

    `detail` is one printable line of at most `DETAIL_LIMIT` characters, without the message's text or the token.
    `retry_after` is in seconds, already capped, and only said when throttled. `final` is said of a refusal that no
    repeat can change. `words` are the gateway's own, without ours.
    """

    outcome: Outcome
    http_status: int | None = None
    detail: str | None = None
    retry_after: float | None = None
    final: bool = False
    words: str | None = None

    @property
    def not_understood(self) -> bool:
        """Whether it is an answer, and no error, that the contract does not know: a success status with another body.

        Most likely it is an acceptance, in other words.
        """
        return self.outcome is Outcome.AMBIGUOUS and self.http_status is not None and self.http_status < 500


# Statuses that speak of our account: where we send, with what credentials and with what credit. Nothing was taken.
# Whether one of them is the message's own after all, worker/lanes/account_refusals.py says. Sections of RFC 9110:
# 301-308 15.4, 401 15.5.2, 402 15.5.3, 403 15.5.4, 404 15.5.5, 405 15.5.6, 407 15.5.8, 421 15.5.20, 426 15.5.22.
_ELSEWHERE = "redirects to another address; GATEWAY_URL needs changing"
_MISADDRESSED = {
    301: _ELSEWHERE,
    302: _ELSEWHERE,
    307: _ELSEWHERE,
    308: _ELSEWHERE,
    401: "does not accept the token",
    402: "says that the account has no credit",
    403: "does not let this token send",
    404: "has no such address; check GATEWAY_URL",
    405: "takes no POST at this address; check GATEWAY_URL",
    407: "is behind a proxy that asks for credentials",
    421: "is not the server of this address; check GATEWAY_URL",
    426: "asks for another protocol; check GATEWAY_URL",
}

# The server says that it did not take the request up: it got tired of waiting for the whole of it (408, RFC 9110
# 15.5.9), or would not risk a replay (425, RFC 8470 5.2). So nothing was delivered, and a repeat may well pass.
_NOT_TAKEN_UP = frozenset({408, 425})

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def classify_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    retry_after_cap: float,
    hide: Collection[str] = (),
) -> SubmitResult:
    """Says what an HTTP answer means for the message.

    `now` is our clock, for a `Retry-After` that is a date, when the answer carries no date of its own;
    `retry_after_cap` is in seconds; what is in `hide` is masked in the detail, should the gateway echo it.
    """
    said = _json_object(body)
    if 200 <= status < 300:
        return _read_success(status, said, hide)
    detail = sanitize_detail(_words_of(said), hide) or None
    if status in (429, 503):
        wait = _retry_after(headers, now, retry_after_cap)
        # A 503 that does not say when to come back is a 5xx like any other: the message may have been taken.
        if wait is not None or status == 429:
            return SubmitResult(Outcome.THROTTLED, status, detail, retry_after=wait)
    if status in _MISADDRESSED:
        hint = f"the gateway {_MISADDRESSED[status]}"
        return SubmitResult(Outcome.UNAUTHORIZED, status, with_words(hint, detail), words=detail)
    if 400 <= status < 500:
        return SubmitResult(Outcome.REFUSED, status, detail, final=status not in _NOT_TAKEN_UP)
    return SubmitResult(Outcome.AMBIGUOUS, status, detail)


def sanitize_detail(text: str, hide: Collection[str] = ()) -> str:
    """The text as a detail: `hide` masked, one line, printable, short."""
    # The longest first: a text may hold the phone number, and would no longer be found once that is masked.
    spellings = {spelling for secret in hide if secret for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "***")
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= DETAIL_LIMIT else line[: DETAIL_LIMIT - 1] + "…"


def with_words(sentence: str, words: str | None) -> str:
    """Our sentence as a detail, with the gateway's own words in brackets."""
    return sanitize_detail(f"{sentence} ({words})" if words else sentence)


def _spellings(secret: str) -> Iterable[str]:
    """As it is, and as it stands in JSON, should the gateway repeat the body of the request."""
    return secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]


def _read_success(status: int, said: dict[str, object] | None, hide: Collection[str]) -> SubmitResult:
    # The contract: 200 {"code": 0, "message": "OK"}. A bool is an int to Python, and no code.
    code = None if said is None else said.get("code")
    if type(code) is not int:
        return SubmitResult(Outcome.AMBIGUOUS, status, "a success status without the body that goes with it")
    if code == 0:
        return SubmitResult(Outcome.ACCEPTED, status)
    return SubmitResult(Outcome.REFUSED, status, sanitize_detail(_words_of(said), hide))


def _json_object(body: bytes) -> dict[str, object] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, an endless number; nested past the stack
        return None
    return said if isinstance(said, dict) else None


def _words_of(said: dict[str, object] | None) -> str:
    """What the gateway itself says: its code and message, as far as there are any."""
    said = said or {}
    code, message = said.get("code"), said.get("message")
    words = [f"code {code}"] if isinstance(code, int | str) else []
    if isinstance(message, str):
        words.append(message)
    return ": ".join(words)


def _retry_after(headers: Mapping[str, str], now: datetime, cap: float) -> float | None:
    """Seconds to wait by `Retry-After` (RFC 9110 10.2.3): a number of seconds or a date; None for anything else."""
    value = _field(headers, "retry-after")
    if _SECONDS.fullmatch(value):
        return min(float(value), cap)
    until = _http_date(value)
    if until is None:
        return None
    # Their date against their clock: ours may be wrong.
    since = _http_date(_field(headers, "date")) or now
    return min(max((until - since).total_seconds(), 0.0), cap)


def _field(headers: Mapping[str, str], name: str) -> str:
    return next((value.strip() for key, value in headers.items() if key.lower() == name), "")


def _http_date(value: str) -> datetime | None:
    """A date in any of the three forms of RFC 9110 5.6.7, which the parser of mail dates reads as well."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # The asctime form names no zone: it is always GMT.
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
