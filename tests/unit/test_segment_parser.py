"""The language of segments: what is read, what is refused in which column, and that a tree's text is its text."""

from __future__ import annotations

import random

import pytest

from shared.domain.segments.errors import SegmentError
from shared.domain.segments.parser import MAX_LENGTH, parse, to_text
from shared.domain.segments.tree import And, Condition, Event, Happened, Node, Not, Operator, Or, Relative
from shared.domain.segments.typing import MAX_CONDITIONS, MAX_DEPTH
from shared.domain.sentences import ErrorCode
from tests.segments import FIELDS, random_tree

VIP = Condition("vip", Operator.EQUAL, True)
CITY = Condition("city", Operator.EQUAL, "Казань")


def test_the_example_of_the_documentation_is_read() -> None:
    text = (
        'operator_code in (916, 926) and city = "Казань" and birthday within 7 days and not received mailing 41 '
        "and replied within last 30 days"
    )
    assert parse(text, FIELDS) == And(
        (
            Condition("operator_code", Operator.IN, ("916", "926")),
            CITY,
            Condition("birthday", Operator.WITHIN, 7),
            Not(Happened(Event.RECEIVED, 41)),
            Happened(Event.REPLIED, None, 30),
        )
    )


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("vip or vip and city = 'Казань'", Or((VIP, And((VIP, CITY))))),
        ("(vip or vip) AND CITY = «Казань»", And((Or((VIP, VIP)), CITY))),
        ("not not vip", Not(Not(VIP))),
        ("city not in (“Казань”)", Not(Condition("city", Operator.IN, ("Казань",)))),
        ("city does not exist", Not(Condition("city", Operator.EXISTS))),
        ("и\u0306од = 'и\u0306од'", Condition("йод", Operator.EQUAL, "йод")),
        ("баланс <= -1.5", Condition("баланс", Operator.LESS_OR_EQUAL, -1.5)),
        ("since < 3 days ago", Condition("since", Operator.LESS, Relative(-3))),
        ("since>=today+1 day", Condition("since", Operator.GREATER_OR_EQUAL, Relative(1))),
        ("seen = '2026-11-29 21:25+03:00'", Condition("seen", Operator.EQUAL, "2026-11-29T18:25:00.000000Z")),
        ("phone_number starts with '+7 (916)'", Condition("phone_number", Operator.STARTS_WITH, "7916")),
        ("phone_number not in list 7", Not(Condition("phone_number", Operator.IN_LIST, 7))),
        ("operator_code = 007", Condition("operator_code", Operator.EQUAL, "007")),
        ('tags contains " new\u00a0 vip"', Condition("tags", Operator.CONTAINS, "new vip")),
        ("list = '\\'a\\\\'", Condition("list", Operator.EQUAL, "'a\\")),
        ("delivered mailing 4 within 1 day", Happened(Event.DELIVERED, 4, 1)),
        ("(" * 1900 + "vip" + ")" * 1900, VIP),
    ],
)
def test_what_is_read(text: str, tree: Node) -> None:
    assert parse(text, FIELDS) == tree


def test_the_text_of_a_tree_is_read_as_that_tree() -> None:
    chosen = random.Random(17)
    for _ in range(500):
        tree = random_tree(chosen)
        text = to_text(tree)
        if len(text) <= MAX_LENGTH:
            assert parse(text, FIELDS) == tree, text


@pytest.mark.parametrize(
    ("text", "column", "code"),
    [
        ("", 1, ErrorCode.SEGMENT_EMPTY),
        ("city = Казань", 8, ErrorCode.SEGMENT_NOT_QUOTED),
        ("since > 2026-11-29", 13, ErrorCode.SEGMENT_NOT_QUOTED),
        ("city =", 7, ErrorCode.SEGMENT_VALUE_EXPECTED),
        ("city = 'a", 8, ErrorCode.SEGMENT_QUOTE_NOT_CLOSED),
        ("vip and (vip or (vip)", 9, ErrorCode.SEGMENT_BRACKET_NOT_CLOSED),
        ("vip)", 4, ErrorCode.SEGMENT_BRACKET_NOT_OPENED),
        ("vip and", 8, ErrorCode.SEGMENT_CONDITION_EXPECTED),
        ("or vip", 1, ErrorCode.SEGMENT_CONDITION_EXPECTED),
        ("vip is true", 5, ErrorCode.SEGMENT_OPERATOR_EXPECTED),
        ("vip; DROP TABLE client", 4, ErrorCode.SEGMENT_OPERATOR_EXPECTED),
        ("city = 'a' city = 'b'", 12, ErrorCode.SEGMENT_JOIN_EXPECTED),
        ("city starts 'a'", 13, ErrorCode.SEGMENT_WORD_EXPECTED),
        ("received mailing all", 18, ErrorCode.SEGMENT_WHOLE_EXPECTED),
        ("citi = 'a'", 1, ErrorCode.SEGMENT_FIELD_LIKE),
        ("vip and abracadabra = 1", 9, ErrorCode.SEGMENT_NO_SUCH_FIELD),
        ("city", 1, ErrorCode.SEGMENT_NOT_A_BOOLEAN),
        ("age contains 'a'", 5, ErrorCode.SEGMENT_WRONG_OPERATOR),
        ("age = '5'", 7, ErrorCode.SEGMENT_NUMBER_EXPECTED),
        ("age in (1, 2, '3')", 15, ErrorCode.SEGMENT_NUMBER_EXPECTED),
        ("vip = 1", 7, ErrorCode.SEGMENT_BOOLEAN_EXPECTED),
        ("city = true", 8, ErrorCode.SEGMENT_TEXT_EXPECTED),
        ("city = today", 8, ErrorCode.SEGMENT_TEXT_EXPECTED),
        ("city = ''", 8, ErrorCode.SEGMENT_EMPTY_TEXT),
        ("since = 'tomorrow'", 9, ErrorCode.SEGMENT_DATE_EXPECTED),
        ("since = '2026-02-30'", 9, ErrorCode.NO_SUCH_DATE),
        ("since = '9999-12-31'", 9, ErrorCode.NO_SUCH_DATE),
        ("seen = '2026-11-29T25:00Z'", 8, ErrorCode.NO_SUCH_DATE),
        ("seen = '2026-11-29T18:00'", 8, ErrorCode.SEGMENT_DATETIME_EXPECTED),
        ("since in (today)", 11, ErrorCode.SEGMENT_RELATIVE_IN_LIST),
        ("since > today + 99999 days", 9, ErrorCode.SEGMENT_NOT_WHOLE),
        ("since within 1.5 days", 14, ErrorCode.SEGMENT_NOT_WHOLE),
        ("received within 99999999999 days", 17, ErrorCode.SEGMENT_NOT_WHOLE),
        ("received mailing 9223372036854775808", 18, ErrorCode.SEGMENT_NOT_WHOLE),
        ("age = 12345678901234567890", 7, ErrorCode.SEGMENT_NUMBER_TOO_LONG),
        ("age = 0.1234567890123456", 7, ErrorCode.SEGMENT_NUMBER_TOO_LONG),
        ("phone_number = 'many'", 16, ErrorCode.SEGMENT_NOT_DIGITS),
        ("city = 'a\0b'", 10, ErrorCode.NUL_CHARACTER),
        ("city = '\ud800'", 9, ErrorCode.HALF_A_SURROGATE_PAIR),
        (f"city = '{'a' * 501}'", 8, ErrorCode.SEGMENT_TEXT_TOO_LONG),
        (f"age in ({'1,' * 1000}1)", 9, ErrorCode.SEGMENT_TOO_MANY_VALUES),
        ("vip" + " and vip" * MAX_CONDITIONS, 8 * MAX_CONDITIONS + 1, ErrorCode.SEGMENT_TOO_MANY_CONDITIONS),
        ("not " * MAX_DEPTH + "vip", 1, ErrorCode.SEGMENT_TOO_DEEP),
        ("not " * 999 + "vip", 4 * (999 - MAX_DEPTH) + 1, ErrorCode.SEGMENT_TOO_DEEP),
        ("vip and vip".ljust(MAX_LENGTH + 1), MAX_LENGTH + 1, ErrorCode.SEGMENT_TOO_LONG),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_an_error_names_the_column_and_what_is_wrong(text: str, column: int, code: ErrorCode) -> None:
    with pytest.raises(SegmentError) as raised:
        parse(text, FIELDS)
    assert (raised.value.column, raised.value.fault.code) == (column, code)
    assert str(raised.value) == f"Column {column}: {raised.value.fault}"


PIECES = (
    *"()\"'«»“”,=<>!+-\\;%\0\ud800\n ",
    *FIELDS,
    *("and", "or", "not", "in", "list", "contains", "starts", "with", "exists", "does", "exist", "within", "last"),
    *("days", "day", "mailing", "true", "false", "today", "ago", "received", "delivered", "replied"),
    *("7", "-1.5", "0", "9" * 40, "1e5", "SELECT", "--", "/*", "'Казань'", '"2026-11-29"', "(" * 300, "not " * 50),
)


def test_any_text_is_a_tree_or_an_error_with_its_column() -> None:
    chosen = random.Random(17)
    read = 0
    for _ in range(5000):
        text = " ".join(chosen.choices(PIECES, k=chosen.randint(1, 12)))
        if chosen.random() < 0.5:
            valid = to_text(random_tree(chosen))
            place = chosen.randrange(len(valid))
            text = valid[:place] + text[: chosen.randint(0, 3)] + valid[place + chosen.randint(0, 2) :]
        error = error_of(text)
        read += error is None
        assert error is None or 1 <= (error.column or 0) <= len(text) + 1, text
    assert read > 100


def error_of(text: str) -> SegmentError | None:
    try:
        parse(text, FIELDS)
    except SegmentError as error:
        return error
    return None
