"""Reading the declaration of answers: where the facts stand, and what codes and statuses mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.gateways.base import LookUp
from shared.gateways.declared.answers import PlaceKind, Places, read_place
from shared.gateways.declared.contract import ANY_CODE, AnswerContract, Meanings
from shared.gateways.declared.document import Table
from shared.gateways.http_statuses import Meaning
from shared.gateways.sanitize import CODE_LIMIT

PLACES = ("id", "code", "message", "phone", "reference", "retry_after", "segments", "price")
PLACES_OF_LOOK_UP = ("id", "code", "message", "phone", "reference")

MAX_PLACES = 5
"""Places where one fact may stand."""

RESULTS = [result.value for result in Result if result is not Result.UNREACHABLE]
"""The results that an answer can have: after an answer, the provider was not unreachable."""

LOOK_UPS = [look_up.value for look_up in LookUp if look_up is not LookUp.UNCLEAR]

REASONS: Mapping[Result, ReasonCode] = {
    Result.DUPLICATE: ReasonCode.ALREADY_ACCEPTED,
    Result.NO_CREDIT: ReasonCode.NO_CREDIT,
    Result.OPTED_OUT: ReasonCode.OPTED_OUT,
}
"""The reasons of results that have one of their own; for others it is the provider's message."""

DECLARED_REASONS: Mapping[Result, tuple[ReasonCode, ...]] = {
    Result.MISCONFIGURED: (
        ReasonCode.CREDENTIALS_REJECTED,
        ReasonCode.SENDER_REJECTED,
        ReasonCode.ACCOUNT_SUSPENDED,
        ReasonCode.NOT_ALLOWED,
    ),
    Result.REFUSED: (ReasonCode.NO_ROUTE, ReasonCode.TEXT_TOO_LONG),
}
"""The reasons that a declaration may name."""

MAY_CONCERN_RECIPIENT = (Result.MISCONFIGURED, Result.NO_CREDIT)

_STATUS = re.compile("[1-5][0-9][0-9]")

M = TypeVar("M", Meaning, LookUp)
ReadMeaning = Callable[[Table, str], M | None]


def read_answer(table: Table, *, look_up: bool = False) -> AnswerContract:
    """Where the facts stand."""
    is_json = table.text("format", ("json", "text"), required=bool(table.values)) != "text"
    kind = PlaceKind.PATH if is_json else PlaceKind.PATTERN
    places = {name: read_places(table, name, kind) for name in (PLACES_OF_LOOK_UP if look_up else PLACES)}
    table.finish()
    return AnswerContract(is_json, **places)


def read_meanings(root: Table, answer: AnswerContract) -> Meanings[Meaning]:
    """The tables `results` and `statuses` of a submission's answers."""
    meanings = _read_tables(root, _read_meaning)
    for status, by_code in meanings.by_status.items():
        if status >= 300 or status < 200:
            for code, meaning in by_code.items():
                if meaning.result is Result.ACCEPTED:
                    table, key = _slot(root.table("statuses"), status, code)
                    table.mistake(key, "must not be accepted: only statuses from 200 to 299 are")
    if not root.values.get("results") and not root.values.get("statuses"):
        root.mistake("results", "or statuses must say what is accepted")
    elif not _accepts(meanings):
        root.mistake("results", "and statuses name nothing that is accepted")
    _check_code(root, meanings, answer)
    return meanings


def read_look_up_meanings(table: Table, answer: AnswerContract) -> Meanings[LookUp]:
    """The tables `results` and `statuses` of a look-up's answers."""
    meanings = _read_tables(table, _read_look_up)
    _check_code(table, meanings, answer)
    if not table.values.get("results") and not table.values.get("statuses"):
        table.mistake("results", "or statuses must say what is found and what is not")
    return meanings


def _check_code(root: Table, meanings: Meanings[M], answer: AnswerContract) -> None:
    """Codes that have a meaning stand somewhere."""
    if not answer.code:
        if meanings.by_code:
            root.mistake("results", "needs answer.code, which says where the code stands")
        if any(code != ANY_CODE for by_code in meanings.by_status.values() for code in by_code):
            root.mistake("statuses", "needs answer.code, which says where the code stands")


def read_places(table: Table, key: str, kind: PlaceKind) -> Places:
    """The places where a fact may stand."""
    value = table.take(key)
    if value is None:
        return ()
    given = value if isinstance(value, list) else [value]
    texts = [text for text in given if isinstance(text, str) and text]
    if not 0 < len(given) <= MAX_PLACES or len(texts) < len(given):
        table.mistake(key, f"must be a {kind}, or a list of at most {MAX_PLACES} of them")
        return ()
    try:
        return tuple(read_place(text, kind) for text in texts)
    except ValueError as mistake:
        table.mistake(key, str(mistake))
        return ()


def _read_tables(root: Table, read: ReadMeaning[M]) -> Meanings[M]:
    return Meanings(_read_codes(root.table("results"), read), _read_statuses(root.table("statuses"), read))


def _read_codes(table: Table, read: ReadMeaning[M], *special: str) -> dict[str, M]:
    meanings = {}
    for code in table.values:
        if code not in special and (len(code) > CODE_LIMIT or not code.isprintable() or code in ("", ANY_CODE)):
            table.mistake(code, f"must be a code of at most {CODE_LIMIT} characters")
        elif (meaning := read(table, code)) is not None:
            meanings[code] = meaning
    return meanings


def _read_statuses(table: Table, read: ReadMeaning[M]) -> dict[int, Mapping[str, M]]:
    statuses: dict[int, Mapping[str, M]] = {}
    for status, value in table.values.items():
        if not _STATUS.fullmatch(status):
            table.mistake(status, "must be an HTTP status such as 429")
        elif isinstance(value, dict) and "result" not in value:
            statuses[int(status)] = _read_codes(table.table(status), read, ANY_CODE)
        elif (meaning := read(table, status)) is not None:
            statuses[int(status)] = {ANY_CODE: meaning}
    return statuses


def _read_meaning(table: Table, key: str) -> Meaning | None:
    """A result, or a table with the result and more."""
    if not isinstance(table.values[key], dict):
        name = table.text(key, RESULTS)
        return None if name is None else _meaning_of(Result(name))
    more = table.table(key)
    result = Result(more.text("result", RESULTS, required=True) or Result.REFUSED)
    reasons = DECLARED_REASONS.get(result, ())
    reason = None
    if reasons:
        reason = more.text("reason", reasons)
    perhaps_recipient = result in MAY_CONCERN_RECIPIENT and more.flag("perhaps_recipient")
    more.finish()
    default = _meaning_of(result)
    return Meaning(result, ReasonCode(reason) if reason else default.reason, perhaps_recipient)


def _meaning_of(result: Result) -> Meaning:
    return Meaning(result, REASONS.get(result, ReasonCode.PROVIDER_SAID))


def _read_look_up(table: Table, key: str) -> LookUp | None:
    name = table.text(key, LOOK_UPS)
    return None if name is None else LookUp(name)


def _accepts(meanings: Meanings[Meaning]) -> bool:
    tables = (meanings.by_code, *meanings.by_status.values())
    return any(meaning.result is Result.ACCEPTED for table in tables for meaning in table.values())


def _slot(statuses: Table, status: int, code: str) -> tuple[Table, str]:
    """The table and the key where a status' meaning is written."""
    value = statuses.values[str(status)]
    if isinstance(value, dict) and "result" not in value:
        return statuses.table(str(status)), code
    return statuses, str(status)
