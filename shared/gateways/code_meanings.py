"""The results of a provider's own codes, which adapters have as tables of `Meaning`; and of phrases, which stand for
codes where a contract has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from shared.domain.reasons import ReasonCode
from shared.domain.results import TAKEN, Result
from shared.gateways.base import Response, SubmitResult
from shared.gateways.http_statuses import STATUSES as STATUSES_OF_RFC_9110
from shared.gateways.http_statuses import Meaning
from shared.gateways.retry_after import retry_after as seconds_of
from shared.gateways.sanitize import CODE_LIMIT, reason_of, redact, shorten

ACCEPTED = Meaning(Result.ACCEPTED)
REFUSED = Meaning(Result.REFUSED)
NO_ROUTE = Meaning(Result.REFUSED, ReasonCode.NO_ROUTE)
TEXT_TOO_LONG = Meaning(Result.REFUSED, ReasonCode.TEXT_TOO_LONG)
ID_KNOWN = Meaning(Result.REFUSED, ReasonCode.ALREADY_ACCEPTED, perhaps_duplicate=True)
"""The provider knows the id, which is a duplicate only if an earlier request of ours may have been accepted: then the
worker takes it for one. Otherwise the id was used by a request that was rejected, or by another installation with the
same account, and this message was not sent: it is refused."""
RETRIABLE = Meaning(Result.RETRIABLE)
THROTTLED = Meaning(Result.THROTTLED)
OPTED_OUT = Meaning(Result.OPTED_OUT, ReasonCode.OPTED_OUT)
NO_CREDIT = Meaning(Result.NO_CREDIT, ReasonCode.NO_CREDIT)
CREDENTIALS_REJECTED = Meaning(Result.MISCONFIGURED, ReasonCode.CREDENTIALS_REJECTED)
SENDER_REJECTED = Meaning(Result.MISCONFIGURED, ReasonCode.SENDER_REJECTED)
ACCOUNT_SUSPENDED = Meaning(Result.MISCONFIGURED, ReasonCode.ACCOUNT_SUSPENDED)
NOT_ALLOWED = Meaning(Result.MISCONFIGURED, ReasonCode.NOT_ALLOWED)
WRONG_ADDRESS = Meaning(Result.MISCONFIGURED, ReasonCode.ADDRESS_NOT_FOUND)

# Codes that are used both for the account and for single recipients.
SENDER_REJECTED_HERE = SENDER_REJECTED._replace(perhaps_recipient=True)
NOT_ALLOWED_HERE = NOT_ALLOWED._replace(perhaps_recipient=True)

STATUSES: Mapping[int, Meaning] = {
    **STATUSES_OF_RFC_9110,
    401: CREDENTIALS_REJECTED,
    # Only a provider that knows our ids could mean a duplicate, and those have a code for it.
    409: REFUSED,
}
"""HTTP statuses of providers whose contract says nothing else."""

STATUSES_OF_ACCOUNT: Mapping[int, Meaning] = {**STATUSES, 404: WRONG_ADDRESS}
"""Those of providers that never answer 404 about a recipient."""


class Phrase(NamedTuple):
    """A response that is known by its status and by words in its body, in upper or lower case."""

    status: int
    words: str
    meaning: Meaning


def read_phrase(
    response: Response, said: str, phrases: Iterable[Phrase], secrets: Collection[str] = ()
) -> SubmitResult | None:
    """The result of the first phrase that a response has; None if it has none of them. `said` is the provider's
    message."""
    for phrase in phrases:
        if response.status == phrase.status and phrase.words.lower() in said.lower():
            throttled = phrase.meaning.result is Result.THROTTLED
            wait = seconds_of(response.headers, response.received_at) if throttled else None
            return result_of(phrase.meaning, str(response.status), redact(said, secrets), retry_after=wait)
    return None


def result_of(
    meaning: Meaning,
    code: str,
    words: str = "",
    *,
    provider_message_id: str | None = None,
    retry_after: float | None = None,
    segments: int | None = None,
    price: Decimal | None = None,
) -> SubmitResult:
    """The result of a code. `words` are the provider's own message, with secrets masked; unused if it was taken.

    `retry_after` is in seconds.
    """
    own = meaning.reason is not ReasonCode.PROVIDER_SAID
    taken = meaning.result in TAKEN
    return SubmitResult(
        meaning.result,
        shorten(code, CODE_LIMIT),
        reason_of(meaning.reason, words) if own or (words and not taken) else None,
        provider_message_id=provider_message_id,
        retry_after=retry_after,
        perhaps_recipient=meaning.perhaps_recipient,
        perhaps_duplicate=meaning.perhaps_duplicate,
        segments=segments,
        price=price,
    )
