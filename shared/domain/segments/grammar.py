"""The grammar of segments, read with lark into drafts: conditions whose parts know where they stand in the text.

It is LALR(1), so that the time and the stack of the parser do not depend on how a text is nested. Names of fields and
keywords are distinguished by their positions: `list = "a"` is a condition on a field `list`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from lark import Lark, Token, Transformer, v_args

from shared.domain.segments.errors import SegmentError
from shared.domain.segments.tree import And, Event, Not, Operator, Or
from shared.domain.segments.typing import MAX_CONDITIONS, MAX_DEPTH
from shared.domain.sentences import ErrorCode

STRING = r"""(?:"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'|«[^»]*»|“[^”]*”)"""

GRAMMAR = rf"""
?start: any
?any: all | all (_OR all)+                              -> any_of
?all: negatable | negatable (_AND negatable)+           -> all_of
?negatable: NOT negatable                               -> negated
    | primary
?primary: _LEFT any _RIGHT | condition | event

?condition: NAME                                        -> is_true
    | NAME COMPARISON value                             -> compared
    | NAME CONTAINS value                               -> compared
    | NAME STARTS WITH value                            -> starts_with
    | NAME IN _LEFT value (_COMMA value)* _RIGHT        -> one_of
    | NAME NOT IN _LEFT value (_COMMA value)* _RIGHT    -> none_of
    | NAME IN LIST NUMBER                               -> in_list
    | NAME NOT IN LIST NUMBER                           -> not_in_list
    | NAME EXISTS                                       -> exists
    | NAME DOES NOT EXIST                               -> does_not_exist
    | NAME WITHIN NUMBER _DAYS                          -> within
    | NAME WITHIN LAST NUMBER _DAYS                     -> within_last

?event: EVENT                                           -> ever
    | EVENT _MAILING NUMBER                             -> of_mailing
    | EVENT WITHIN NUMBER _DAYS                         -> lately
    | EVENT WITHIN LAST NUMBER _DAYS                    -> lately
    | EVENT _MAILING NUMBER WITHIN NUMBER _DAYS         -> of_mailing_lately
    | EVENT _MAILING NUMBER WITHIN LAST NUMBER _DAYS    -> of_mailing_lately

?value: STRING                                          -> literal
    | NUMBER                                            -> literal
    | TRUE                                              -> literal
    | FALSE                                             -> literal
    | TODAY                                             -> today
    | TODAY SIGN NUMBER _DAYS                           -> today
    | NUMBER _DAYS AGO                                  -> days_ago

_AND.2: /and\b/i
_OR.2: /or\b/i
NOT.2: /not\b/i
EVENT.2: /(received|delivered|undelivered|replied)\b/i
CONTAINS.2: /contains\b/i
STARTS.2: /starts\b/i
WITH.2: /with\b/i
IN.2: /in\b/i
LIST.2: /list\b/i
EXISTS.2: /exists\b/i
EXIST.2: /exist\b/i
DOES.2: /does\b/i
WITHIN.2: /within\b/i
LAST.2: /last\b/i
_DAYS.2: /days?\b/i
_MAILING.2: /mailing\b/i
TRUE.2: /true\b/i
FALSE.2: /false\b/i
TODAY.2: /today\b/i
AGO.2: /ago\b/i
COMPARISON: /!=|<=|>=|=|<|>/
SIGN: /[+-]/
NUMBER: /-?[0-9]+(\.[0-9]+)?(?![\w.])/
NAME: /(?!(?:and|or)\b)\w+/i
STRING: /{STRING}/
_LEFT: "("
_RIGHT: ")"
_COMMA: ","
%ignore /[\s\ufeff\u200b]+/
"""


class Written(NamedTuple):
    """A value as it was written, and where."""

    kind: Literal["string", "number", "boolean", "days"]
    text: str
    start: int


class Leaf(NamedTuple):
    """A condition as it was written."""

    name: Token
    """The field, or the event."""
    operator: Operator | Event
    operator_start: int
    values: Sequence[Written] = ()
    mailing: Token | None = None
    days: Token | None = None
    is_negated: bool = False
    """By `not in` or `does not exist`."""

    @property
    def start(self) -> int:
        return _start(self.name)

    @property
    def depth(self) -> int:
        return 2 if self.is_negated else 1

    @property
    def conditions(self) -> int:
        return 1


class Branch(NamedTuple):
    """What joins conditions, as it was written."""

    kind: type[And] | type[Or] | type[Not]
    nodes: Sequence[Draft]
    start: int
    depth: int
    conditions: int


Draft = Leaf | Branch


def _start(token: Token) -> int:
    return token.start_pos or 0


def _branch(kind: type[And] | type[Or] | type[Not], nodes: Sequence[Draft], start: int) -> Branch:
    depth = 1 + max(node.depth for node in nodes)
    if depth > MAX_DEPTH:
        raise SegmentError(ErrorCode.SEGMENT_TOO_DEEP(limit=MAX_DEPTH), column=start + 1)
    conditions = sum(node.conditions for node in nodes)
    if conditions > MAX_CONDITIONS:
        fault = ErrorCode.SEGMENT_TOO_MANY_CONDITIONS(limit=MAX_CONDITIONS)
        raise SegmentError(fault, column=nodes[-1].start + 1)
    return Branch(kind, nodes, start, depth, conditions)


@v_args(inline=True)
class _Drafts(Transformer[Token, Draft]):
    """What each rule of the grammar is. It has no state: one parser serves all threads."""

    def any_of(self, *nodes: Draft) -> Draft:
        return _branch(Or, nodes, nodes[0].start)

    def all_of(self, *nodes: Draft) -> Draft:
        return _branch(And, nodes, nodes[0].start)

    def negated(self, word: Token, node: Draft) -> Draft:
        return _branch(Not, (node,), _start(word))

    def is_true(self, name: Token) -> Draft:
        start = _start(name)
        return Leaf(name, Operator.EQUAL, start, (Written("boolean", "true", start),))

    def compared(self, name: Token, operator: Token, value: Written) -> Draft:
        return Leaf(name, Operator(operator.lower()), _start(operator), (value,))

    def starts_with(self, name: Token, starts: Token, _: Token, value: Written) -> Draft:
        return Leaf(name, Operator.STARTS_WITH, _start(starts), (value,))

    def one_of(self, name: Token, word: Token, *values: Written) -> Draft:
        return Leaf(name, Operator.IN, _start(word), values)

    def none_of(self, name: Token, word: Token, _: Token, *values: Written) -> Draft:
        return Leaf(name, Operator.IN, _start(word), values, is_negated=True)

    def in_list(self, name: Token, word: Token, _: Token, number: Token) -> Draft:
        return Leaf(name, Operator.IN_LIST, _start(word), (_written(number),))

    def not_in_list(self, name: Token, word: Token, _in: Token, _list: Token, number: Token) -> Draft:
        return Leaf(name, Operator.IN_LIST, _start(word), (_written(number),), is_negated=True)

    def exists(self, name: Token, word: Token) -> Draft:
        return Leaf(name, Operator.EXISTS, _start(word))

    def does_not_exist(self, name: Token, word: Token, *_: Token) -> Draft:
        return Leaf(name, Operator.EXISTS, _start(word), is_negated=True)

    def within(self, name: Token, word: Token, number: Token) -> Draft:
        return Leaf(name, Operator.WITHIN, _start(word), (_written(number),))

    def within_last(self, name: Token, word: Token, _: Token, number: Token) -> Draft:
        return Leaf(name, Operator.WITHIN_LAST, _start(word), (_written(number),))

    def ever(self, name: Token) -> Draft:
        return _happened(name)

    def of_mailing(self, name: Token, mailing: Token) -> Draft:
        return _happened(name, mailing)

    def lately(self, name: Token, *words: Token) -> Draft:
        return _happened(name, days=words[-1])

    def of_mailing_lately(self, name: Token, mailing: Token, *words: Token) -> Draft:
        return _happened(name, mailing, words[-1])

    def literal(self, token: Token) -> Written:
        return _written(token)

    def today(self, word: Token, sign: str = "", number: str = "0") -> Written:
        return Written("days", sign + number, _start(word))

    def days_ago(self, number: Token, _: Token) -> Written:
        return Written("days", f"-{number}", _start(number))


_KINDS: dict[str, Literal["string", "number", "boolean"]] = {
    "STRING": "string",
    "NUMBER": "number",
    "TRUE": "boolean",
    "FALSE": "boolean",
}


def _written(token: Token) -> Written:
    return Written(_KINDS[token.type], str(token), _start(token))


def _happened(name: Token, mailing: Token | None = None, days: Token | None = None) -> Leaf:
    return Leaf(name, Event(name.lower()), _start(name), mailing=mailing, days=days)


@lru_cache(maxsize=1)
def parser() -> Lark:
    """The parser, which is made when the first segment is read. It raises lark's UnexpectedInput, and SegmentError."""
    return Lark(GRAMMAR, parser="lalr", transformer=_Drafts(), maybe_placeholders=False)
