"""What is accepted as the value of a field of clients, and how it is stored."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.domain.attribute_values import join_list, split_list, stored_value, typed_text, written_text
from shared.domain.client_fields import check_name, name_from_title, plain_name
from shared.domain.field_types import FieldType
from shared.domain.segments.tree import Field
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

TEXT, NUMBER, BOOLEAN, DATE, DATETIME, LIST = (Field(f"its_{type_}", type_) for type_ in FieldType)
MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        (TEXT, " Казань\u00a0", "Казань"),
        (TEXT, "Андреи\u0306", "Андрей"),
        (TEXT, "a\nb", "a\nb"),
        (TEXT, "х" * 500, "х" * 500),
        (TEXT, " \u200b\ufeff", None),
        (NUMBER, 7, 7),
        (NUMBER, 7.0, 7),
        (NUMBER, -0.0, 0),
        (NUMBER, 999_999_999_999_999, 999_999_999_999_999),
        (NUMBER, 1234567890.12345, 1234567890.12345),
        (NUMBER, 1e-15, 1e-15),
        (BOOLEAN, False, False),
        (DATE, "2024-02-29", "2024-02-29"),
        (DATETIME, "2026-11-29T18:25:43.511+03:00", "2026-11-29T15:25:43.511000Z"),
        (DATETIME, "0099-01-01T00:00:00Z", "0099-01-01T00:00:00.000000Z"),
        (LIST, ["b", "a", " a ", ""], ["a", "b"]),
        (LIST, [], None),
        *((field, None, None) for field in (TEXT, NUMBER, BOOLEAN, DATE, DATETIME, LIST)),
    ],
)
def test_a_value_is_stored_in_one_form(field: Field, given: object, stored: object) -> None:
    assert stored_value(field, given) == stored
    assert type(stored_value(field, given)) is type(stored)
    assert stored_value(field, stored) == stored


@pytest.mark.parametrize(
    ("field", "given", "code"),
    [
        (TEXT, 7, ErrorCode.NOT_A_TEXT),
        (TEXT, "х" * 501, ErrorCode.TOO_LONG),
        (TEXT, "a\0", ErrorCode.NUL_CHARACTER),
        (TEXT, "a\ud83d", ErrorCode.HALF_A_SURROGATE_PAIR),
        (NUMBER, "7", ErrorCode.NOT_A_NUMBER),
        (NUMBER, True, ErrorCode.NOT_A_NUMBER),
        (NUMBER, float("inf"), ErrorCode.NOT_A_NUMBER),
        (NUMBER, float("nan"), ErrorCode.NOT_A_NUMBER),
        (NUMBER, 10**15, ErrorCode.NUMBER_TOO_LONG),
        (NUMBER, 10**4000, ErrorCode.NUMBER_TOO_LONG),
        (NUMBER, 0.1 + 0.2, ErrorCode.NUMBER_TOO_LONG),
        (NUMBER, 1e-16, ErrorCode.NUMBER_TOO_LONG),
        (BOOLEAN, 1, ErrorCode.NOT_TRUE_OR_FALSE),
        (DATE, "31.12.2026", ErrorCode.NOT_A_DATE),
        (DATE, "20261231", ErrorCode.NOT_A_DATE),
        (DATE, 20261231, ErrorCode.NOT_A_DATE),
        (DATE, "2026-02-29", ErrorCode.NO_SUCH_DATE),
        (DATE, "0001-01-01", ErrorCode.NO_SUCH_DATE),
        (DATETIME, "2026-11-29T18:25:43", ErrorCode.NO_UTC_OFFSET),
        (DATETIME, "2026-11-29", ErrorCode.NOT_A_MOMENT),
        (DATETIME, 1764440743, ErrorCode.NOT_A_MOMENT),
        (LIST, "a", ErrorCode.NOT_A_LIST_OF_TEXTS),
        (LIST, ["a", 7], ErrorCode.NOT_A_LIST_OF_TEXTS),
        (LIST, ["х" * 501], ErrorCode.TOO_LONG),
        (LIST, [str(number) for number in range(101)], ErrorCode.TOO_MANY_VALUES),
    ],
)
def test_another_value_is_refused_by_the_name_of_the_field(field: Field, given: object, code: ErrorCode) -> None:
    with pytest.raises(Invalid) as refused:
        stored_value(field, given)
    assert (refused.value.field, refused.value.code) == (field.name, code)


@pytest.mark.parametrize(
    ("field", "written", "stored"),
    [
        *((field, " \u00a0\ufeff", None) for field in (TEXT, NUMBER, BOOLEAN, DATE, DATETIME, LIST)),
        (TEXT, " Казань ", "Казань"),
        (NUMBER, "1250,50", 1250.5),
        (NUMBER, "1 250,50", 1250.5),
        (NUMBER, "1\u00a0250\u202f000", 1250000),
        (NUMBER, "-0.5", -0.5),
        (NUMBER, "\u22127", -7),
        (NUMBER, "007", 7),
        (BOOLEAN, "Да", True),
        (BOOLEAN, "нет", False),
        (BOOLEAN, "TRUE", True),
        (BOOLEAN, "ЛОЖЬ", False),
        (BOOLEAN, "1", True),
        (BOOLEAN, "0", False),
        (DATE, "31.12.2026", "2026-12-31"),
        (DATE, "1.2.2026", "2026-02-01"),
        (DATE, "2026-12-31", "2026-12-31"),
        (DATE, "31.12.2026 0:00:00", "2026-12-31"),
        (DATE, "2026-12-31T00:00:00", "2026-12-31"),
        (DATETIME, "2026-12-31T18:25:00Z", "2026-12-31T18:25:00.000000Z"),
        (DATETIME, "31.12.2026 18:25", "2026-12-31T15:25:00.000000Z"),
        (DATETIME, "2026-12-31 8:25:43.5", "2026-12-31T05:25:43.500000Z"),
        (DATETIME, "31.12.2026", "2026-12-30T21:00:00.000000Z"),
        (LIST, "b; a|c;", ["a", "b", "c"]),
        (LIST, '"a;b"; "c ""d"""', ["a;b", 'c "d"']),
        (LIST, '"a; b', ['"a', "b"]),
    ],
)
def test_a_cell_is_read_as_people_and_spreadsheets_write_it(field: Field, written: str, stored: object) -> None:
    assert typed_text(field, written, MOSCOW) == stored
    assert type(typed_text(field, written, MOSCOW)) is type(stored)


@pytest.mark.parametrize(
    ("field", "written", "code"),
    [
        (NUMBER, "много", ErrorCode.NOT_A_NUMBER),
        (NUMBER, "1,234.5", ErrorCode.NOT_A_NUMBER),
        (NUMBER, "12 34", ErrorCode.NOT_A_NUMBER),
        (NUMBER, "٣", ErrorCode.NOT_A_NUMBER),
        (NUMBER, "7" * 70_000, ErrorCode.NOT_A_NUMBER),
        (NUMBER, "7.9161E+10", ErrorCode.NUMBER_ROUNDED),
        (NUMBER, "1234567890123456", ErrorCode.NUMBER_TOO_LONG),
        (BOOLEAN, "может быть", ErrorCode.NOT_YES_OR_NO),
        (DATE, "12/31/2026", ErrorCode.DATE_AMBIGUOUS),
        (DATE, "2026/12/31", ErrorCode.DATE_AMBIGUOUS),
        (DATE, "31.12.26", ErrorCode.NOT_A_DATE),
        (DATE, "31.12.2026 18:25", ErrorCode.NOT_A_DATE),
        (DATE, "31.02.2026", ErrorCode.NO_SUCH_DATE),
        (DATETIME, "12/31/2026 18:25", ErrorCode.DATE_AMBIGUOUS),
        (DATETIME, "T" * 70_000, ErrorCode.NOT_A_MOMENT),
        (DATETIME, "31.12.2026 25:00", ErrorCode.IMPOSSIBLE_MOMENT),
    ],
)
def test_an_unclear_cell_is_refused(field: Field, written: str, code: ErrorCode) -> None:
    with pytest.raises(Invalid) as refused:
        typed_text(field, written, MOSCOW)
    assert (refused.value.field, refused.value.code) == (field.name, code)


def test_a_time_without_an_offset_needs_a_time_zone() -> None:
    with pytest.raises(Invalid) as refused:
        typed_text(DATETIME, "31.12.2026 18:25")
    assert refused.value.code is ErrorCode.NO_UTC_OFFSET


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (TEXT, 'a;"b"\n=c'),
        (NUMBER, 1e-15),
        (NUMBER, -1234567890.12345),
        (NUMBER, 999_999_999_999_999),
        (BOOLEAN, True),
        (BOOLEAN, False),
        (DATE, "0099-01-31"),
        (DATETIME, "2026-11-29T18:25:43.511000Z"),
        (LIST, ["", '"', ";", "a", 'a"b;c|d', "б"][1:]),
    ],
)
def test_what_is_written_is_read_as_the_same_value(field: Field, value: Any) -> None:
    assert typed_text(field, written_text(value)) == value


def test_a_list_in_a_cell_has_its_texts_in_order() -> None:
    texts = ["vip", "a;b", '"', "a|b", 'say "hi"', "x"]
    assert split_list(join_list(texts)) == texts


@pytest.mark.parametrize("name", ["city", "город_1", "_x", "ё", "a" * 40])
def test_a_name_has_letters_of_any_alphabet_digits_and_underscores(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *((name, ErrorCode.NOT_A_FIELD_NAME) for name in ("", "1st", "City", "a b", "a-b", "и\u0306", "a" * 41)),
        *((name, ErrorCode.FIELD_NAME_RESERVED) for name in ("tag", "tags", "phone_number", "and", "received", "id")),
    ],
)
def test_another_name_is_refused(name: str, code: ErrorCode) -> None:
    with pytest.raises(Invalid) as refused:
        check_name(name)
    assert refused.value.code is code


def test_a_name_is_made_of_a_title() -> None:
    assert plain_name(" ГОРОД ") == "город"
    assert name_from_title("Дата покупки (последней)") == "дата_покупки_последней"
    assert name_from_title("2-й телефон") == "_2_й_телефон"
    assert name_from_title("tag") == "_tag"
    assert name_from_title("№ 7!") is None
    assert len(name_from_title("a" * 50) or "") == 40
