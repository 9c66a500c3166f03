"""Reading answers by a declared contract."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal

from shared.domain.reasons import ReasonCode
from shared.domain.results import TAKEN, Result
from shared.gateways.answer_fields import ID_LIMIT, digits_of, is_another_recipient
from shared.gateways.base import LookUp, LookUpResult, OutgoingMessage, Response, SubmitResult
from shared.gateways.code_meanings import result_of
from shared.gateways.declared.answers import Places, first_at, parse, values_at
from shared.gateways.declared.contract import AnswerContract, Meanings
from shared.gateways.http_statuses import Meaning, not_understood, read_status
from shared.gateways.retry_after import retry_after
from shared.gateways.sanitize import reason_of, redact

REVEALING = 6
"""Characters from which a secret within a provider's id is no coincidence."""

_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_SEGMENTS = re.compile("[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True)
class Facts:
    """A value in an answer."""

    code: str | None
    has_code: bool
    """Also true if there is something in its place that is no single code."""
    provider_message_id: str | None
    words: str
    """The provider's code and message, with secrets masked."""
    of_another: bool
    """It names another recipient, or another id of ours."""
    confirms: bool
    """The body has what an acceptance has: then the status tells that it is one."""
    is_complete: bool
    """The body is what the contract's format says."""
    retry_after: float | None
    segments: int | None
    price: Decimal | None


def facts_in(response: Response, contract: AnswerContract, message: OutgoingMessage, secrets: Collection[str]) -> Facts:
    """The facts in the response to a request about a message."""
    answer = parse(response.body, is_json=contract.is_json)
    codes = values_at(contract.code, answer)
    code = codes[0] if len(set(codes)) == 1 else None
    provider_id = first_at(contract.id, answer)
    said = first_at(contract.message, answer)
    words = ": ".join([*([f"code {code}"] if code else []), *([said] if said else [])])
    seconds, segments, price = (
        _number(contract.retry_after, answer, _DECIMAL),
        _number(contract.segments, answer, _SEGMENTS),
        _number(contract.price, answer, _DECIMAL),
    )
    # A body that ought to have an id or a code does not confirm an acceptance without it.
    confirms = not codes and (provider_id is not None if contract.id else not contract.code)
    return Facts(
        code=code,
        has_code=bool(codes),
        provider_message_id=_presentable_id(provider_id, secrets),
        words=redact(words, secrets),
        of_another=_of_another(contract, answer, message),
        confirms=confirms,
        is_complete=contract.is_json and isinstance(answer, dict | list),
        retry_after=None if seconds is None else float(seconds),
        segments=None if segments is None else int(segments),
        price=None if price is None else Decimal(price),
    )


def submit_result(response: Response, facts: Facts, meanings: Meanings[Meaning]) -> SubmitResult:
    """The result of a submission. Raises ValueError if the response has no status."""
    status = _status_of(response)
    if facts.of_another:
        return not_understood(response)
    code, meaning = facts.code or "", meanings.of_code(status, facts.code)
    if meaning is None or not _fits(meaning.result, status):
        code, meaning = str(status), meanings.of_status(status)
        if meaning and meaning.result in TAKEN and status < 300 and not facts.confirms:
            meaning = None
    if meaning is None:
        result = not_understood(response) if 200 <= status < 300 else read_status(response, facts.words)
    else:
        result = _result_of(meaning, code, facts)
    if result.result is Result.THROTTLED and result.retry_after is None:
        wait = retry_after(response.headers, response.received_at)
        return replace(result, retry_after=facts.retry_after if wait is None else wait)
    return result


def look_up_result(response: Response, facts: Facts, meanings: Meanings[LookUp]) -> LookUpResult:
    """The meaning of a look-up's answer. Raises ValueError if the response has no status."""
    status = _status_of(response)
    code, outcome = facts.code, meanings.of_code(status, facts.code) if status < 500 else None
    if outcome is None:
        code = str(status)
        outcome = meanings.of_status(status) if _tells_by_status(meanings.of_status(status), status, facts) else None
    if outcome is None or facts.of_another:
        code, outcome = str(status), LookUp.UNCLEAR
    said = outcome in (LookUp.REFUSED, LookUp.UNCLEAR) and facts.words
    return LookUpResult(
        outcome,
        code,
        reason_of(ReasonCode.PROVIDER_SAID, facts.words) if said else None,
        None if outcome is LookUp.UNCLEAR else facts.provider_message_id,
    )


def _tells_by_status(outcome: LookUp | None, status: int, facts: Facts) -> bool:
    """Whether a status whose code says nothing is enough.

    A code that is not declared may say anything, a redirect or an error of the server says nothing, and an error page
    with a success status is no list without messages.
    """
    if facts.has_code:
        return False
    if 200 <= status < 300:
        return facts.is_complete if outcome is LookUp.NOT_FOUND else facts.confirms
    return 400 <= status < 500


def _status_of(response: Response) -> int:
    if response.status is None:
        raise ValueError("a response without a status is none")
    return response.status


def _fits(result: Result, status: int) -> bool:
    """Whether a code may say so with this status: an error's body tells of no acceptance."""
    if result is Result.ACCEPTED:
        return 200 <= status < 300
    return result is not Result.DUPLICATE or 200 <= status < 300 or 400 <= status < 500


def _result_of(meaning: Meaning, code: str, facts: Facts) -> SubmitResult:
    if meaning.result not in TAKEN:
        return result_of(meaning, code, facts.words)
    return result_of(
        meaning,
        code,
        facts.words,
        provider_message_id=facts.provider_message_id,
        segments=facts.segments,
        price=facts.price,
    )


def _number(places: Places, answer: object, form: re.Pattern[str]) -> str | None:
    value = first_at(places, answer)
    return value if value is not None and form.fullmatch(value) else None


def _presentable_id(value: str | None, secrets: Collection[str]) -> str | None:
    """The provider's id; None for one that cannot be stored, or that shows what must not be shown."""
    if value is None or len(value) > ID_LIMIT or not value.isprintable():
        return None
    revealing = any(secret == value or (len(secret) >= REVEALING and secret in value) for secret in secrets if secret)
    return None if revealing else value


def _of_another(contract: AnswerContract, answer: object, message: OutgoingMessage) -> bool:
    # A value at such a place that is no number or no id is not ours either.
    phones = values_at(contract.phone, answer)
    references = values_at(contract.reference, answer)
    return any(not digits_of(phone) or is_another_recipient(phone, message) for phone in phones) or any(
        reference != str(message.message_id) for reference in references
    )
