"""Files of clients as programs and people make them: found out, read, and each of their rows accounted for."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from werkzeug.exceptions import HTTPException, UnsupportedMediaType

from api.clients.csv_parser import CsvFile, open_csv
from api.clients.encoding_detection import HEAD, encoding_of
from api.clients.import_rows import UnparsableRow
from api.clients.line_reader import MAX_LINE, LineReader
from shared.domain.sentences import ErrorCode

NAMES = ("phone_number", "operator_code", "tag", "timezone")
HEADER = "phone_number,operator_code,tag,timezone\r\n"
CYRILLIC = "Постоянные клиенты"


def opened(data: str | bytes, encoding: str = "") -> CsvFile:
    return open_csv(LineReader(io.BytesIO(data.encode() if isinstance(data, str) else data), encoding))


def rows_of(data: str | bytes, encoding: str = "") -> list[tuple[int, Any]]:
    """Each row with its line, as its four texts or as the reason why it has none."""
    found = []
    for line, row, _ in opened(data, encoding).rows():
        found.append((line, row.reason if isinstance(row, UnparsableRow) else tuple(row[name] for name in NAMES)))
    return found


def refusal(data: str | bytes, encoding: str = "") -> str:
    with pytest.raises(HTTPException) as raised:
        rows_of(data, encoding)
    data_of_error: dict[str, Any] = getattr(raised.value, "data", {})
    return str(data_of_error.get("errors") or raised.value.description)


def client(number: int, tag: str = "vip") -> tuple[str, ...]:
    return str(79160000000 + number), "916", tag, "Europe/Moscow"


def table(*tags: str, delimiter: str = ",", end: str = "\r\n") -> str:
    """A file with a client for each tag, which is written as it is."""
    lines = [delimiter.join(NAMES)]
    lines += [delimiter.join(client(number, tag)) for number, tag in enumerate(tags)]
    return end.join(lines) + end


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_the_delimiter_and_the_ends_of_lines_are_found_out(delimiter: str, end: str) -> None:
    data = table("a", "b", delimiter=delimiter, end=end)
    assert opened(data).delimiter == delimiter
    assert rows_of(data) == [(2, client(0, "a")), (3, client(1, "b"))]
    assert rows_of(data.rstrip("\r\n")) == rows_of(data)


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "SEP=;\r", "\r\nsep=;\r\n"])
def test_a_first_line_that_only_names_the_delimiter_is_no_row(first: str) -> None:
    assert [row for _, row in rows_of(first + table("a,b", delimiter=";"))] == [client(0, "a,b")]


def test_the_delimiter_is_what_most_of_the_columns_that_are_known_stand_between() -> None:
    file = opened(";".join((*NAMES, "a,b,c,d,e,f")))
    assert (file.delimiter, file.ignored) == (";", ["a,b,c,d,e,f"])


def test_a_delimiter_that_a_file_names_may_be_any() -> None:
    assert [row for _, row in rows_of("sep=:\r\n" + table("a", delimiter=":"))] == [client(0, "a")]


@pytest.mark.parametrize(
    "header",
    [
        "Phone_Number,OPERATOR_CODE,Tag,TimeZone",
        " phone_number , operator code,tag\t,Time Zone ",
        "Phone number,Operator code,Tag,Time zone",
        "phone-number,operatorCode,TAG,time-zone",
        "Номер телефона,Код оператора,Метка,Часовой пояс",
        "телефон,КОД ОПЕРАТОРА,тег, часовой  пояс",
        '"phone_number","operator_code","tag","timezone"',
        '"Phone\nnumber","operator_code","tag","timezone"',
        '"phone_number", "operator_code", "tag", "timezone"',
    ],
)
def test_the_columns_are_known_in_any_case_with_any_blanks_and_in_both_languages(header: str) -> None:
    assert [row for _, row in rows_of(f"{header}\r\n79160000000,916,vip,Europe/Moscow\r\n")] == [client(0)]


def test_columns_that_no_client_has_are_not_read() -> None:
    file = opened("id;Timezone;Name;phone_number;;tag;operator_code\r\n1;UTC;Анна;79160000000;;vip;916\r\n")
    assert list(file.ignored) == ["id", "Name", ""]
    ((line, row, cells),) = file.rows()
    assert (line, row) == (2, dict(zip(NAMES, ("79160000000", "916", "vip", "UTC"), strict=True)))
    assert cells == ["1", "UTC", "Анна", "79160000000", "", "vip", "916"]


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("phone_number;operator_code;tag", ["timezone", "Missing column"]),
        ("phone;code;tag;timezone", ["operator_code", "Missing column", "code", "Unknown column"]),
        ("phone_number,Phone number,operator_code,tag,timezone", ["phone_number", "Named more than once"]),
        ("79160000000,916,vip,Europe/Moscow", ["phone_number", "operator_code", "tag", "timezone", "Missing column"]),
        ("", ["phone_number", "operator_code", "tag", "timezone", "Missing column"]),
    ],
)
def test_a_header_that_does_not_do_is_refused_by_its_columns(header: str, wrong: list[str]) -> None:
    told = refusal(f"{header}\r\n79160000000,916,vip,UTC\r\n" if header else "\r\n\r\n")
    assert all(words in told for words in wrong)


@pytest.mark.parametrize(
    "header",
    [
        "x" * (MAX_LINE + 1),
        # A column's name goes on for longer than a line may be.
        f'"{"x" * 40_000}\n{"x" * 40_000}\n",{HEADER}',
    ],
)
def test_a_header_that_is_too_long_is_refused_as_such(header: str) -> None:
    assert refusal(header).startswith("The first line, which names the columns: ")


@pytest.mark.parametrize(
    ("data", "encoding", "name"),
    [
        (table(CYRILLIC).encode(), "", "utf-8"),
        (table(CYRILLIC).encode("utf-8-sig"), "", "utf-8"),
        (b"\xef\xbb\xbf" + table(CYRILLIC).encode("utf-8-sig"), "", "utf-8"),
        (table(CYRILLIC).encode("utf-16"), "", "utf-16le"),
        (table(CYRILLIC).encode("utf-16-le"), "", "utf-16le"),
        (table(CYRILLIC).encode("utf-16-be"), "", "utf-16be"),
        (b"\xfe\xff" + table(CYRILLIC).encode("utf-16-be"), "", "utf-16be"),
        (table(CYRILLIC).encode("cp1251"), "", "windows-1251"),
        (table(CYRILLIC).encode("cp1251"), "CP1251", "windows-1251"),
        (table(CYRILLIC).encode("cp866"), "ibm866", "ibm866"),
        (table(CYRILLIC).encode("koi8-r"), "KOI8-R", "koi8-r"),
        (table("Müller").encode("cp1252"), "windows-1252", "windows-1252"),
        (table(CYRILLIC).encode("utf-16"), "utf-8", "utf-16le"),  # a mark knows better
        (table(CYRILLIC).encode("utf-16-le"), "utf-8", "utf-16le"),
    ],
)
def test_the_encoding_is_found_out_or_said(data: bytes, encoding: str, name: str) -> None:
    file = opened(data, encoding)
    ((_, row, _),) = file.rows()
    assert row["tag"] in (CYRILLIC, "Müller")
    assert file.lines.encoding.name == name


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("encoding", ["cp1251", "utf-16-le", "utf-8"])
def test_a_header_in_russian_is_known_in_every_encoding(delimiter: str, encoding: str) -> None:
    header = delimiter.join(("Телефон", "Код оператора", "Метка", "Часовой пояс"))
    data = f"{header}\r\n{delimiter.join(client(0, CYRILLIC))}\r\n".encode(encoding)
    assert rows_of(data) == [(2, client(0, CYRILLIC))]


ASCII_ROWS = ["vip"] * 5000
"""More than is read at a time: nothing tells the encoding for long."""


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251"])
def test_an_encoding_that_only_a_late_row_tells_is_found_out(encoding: str) -> None:
    rows = rows_of(table(*ASCII_ROWS, CYRILLIC, "vip").encode(encoding))
    assert len(rows) == 5002
    assert rows[5000][1] == client(5000, CYRILLIC)


def test_a_late_byte_that_is_not_utf_8_is_one_line_s_fault_where_the_rest_is() -> None:
    data = table(CYRILLIC, *ASCII_ROWS, "Ж", CYRILLIC).encode().replace("Ж".encode(), b"\xc6")
    rows = rows_of(data)
    assert [row for row in rows if isinstance(row[1], str)] == [(5003, "Is not UTF-8.")]
    assert rows[-1][1] == client(5002, CYRILLIC)


def test_a_late_half_of_a_character_of_utf_16_is_one_line_s_fault() -> None:
    data = b"\xff\xfe" + table("Ж", "vip").encode("utf-16-le").replace("Ж".encode("utf-16-le"), b"\x00\xd8")
    assert rows_of(data) == [(2, "Is not UTF-16LE."), (3, client(1))]


def test_a_line_damaged_in_the_middle_is_not_taken_for_windows_1251() -> None:
    damaged = table(CYRILLIC, CYRILLIC).encode().replace(CYRILLIC.encode(), CYRILLIC.encode()[:-1] + b"!", 1)
    assert rows_of(damaged) == [(2, "Is not UTF-8."), (3, client(1, CYRILLIC))]


@pytest.mark.parametrize(
    "data",
    [
        table(CYRILLIC).encode("cp1251") + table(CYRILLIC).encode(),
        table("é", *ASCII_ROWS).encode() + table(CYRILLIC).encode("cp1251"),
    ],
)
def test_lines_that_contradict_each_other_are_refused(data: bytes) -> None:
    assert "are in different ones" in refusal(data)


def test_the_first_of_the_lines_that_contradict_each_other_is_named() -> None:
    data = table("é", "è").encode() + ",".join(client(2, CYRILLIC)).encode("cp1251")
    assert "lines 2 and 4 are in different ones" in refusal(data)


@pytest.mark.parametrize(
    ("tag", "encoding"),
    [(CYRILLIC, "cp866"), ("Постоянные", "koi8-r"), ("Müller", "cp1252"), ("José", "latin-1"), ("тест \x98", "")],
)
def test_what_is_neither_utf_8_nor_windows_1251_is_refused_and_not_misread(tag: str, encoding: str) -> None:
    data = table("vip", tag).encode(encoding) if encoding else table("vip", "т").encode("cp1251") + b"\x98\n"
    assert "say which encoding" in refusal(data)


def test_a_line_that_could_be_in_either_encoding_is_left_out_unless_it_is_said() -> None:
    data = table(CYRILLIC, "Её").encode("cp1251")
    assert rows_of(data)[1] == (3, ErrorCode.ENCODING_AMBIGUOUS())
    assert rows_of(data, "windows-1251")[1] == (3, client(1, "Её"))


@pytest.mark.parametrize(
    "tag",
    [
        *("Акция «Осень»", "Ёлка № 5", "VIP-клиент", "скидка 10 % – до 8 марта", "МегаФон", "ООО “Ромашка”", "ИП"),
        *("Київ Європа їжак", "Мінск ў", "SMSка", "Cтарые", "цена € 5…", "я"),
    ],
)
def test_what_people_write_in_windows_1251_is_read(tag: str) -> None:
    assert rows_of(table(tag).encode("cp1251")) == [(2, client(0, tag))]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"PK\x03\x04\x14\0", "CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "CSV UTF-8"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b" \r\n<html><table>", "web page"),
        (table("a").encode("utf-32"), "UTF-32"),
    ],
)
def test_what_is_no_text_is_refused_with_what_to_do(head: bytes, words: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=words):
        encoding_of(head, "")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        *((one, "utf-8") for one in ("utf8", "UTF-8", "us-ascii", "ascii")),
        *((one, "utf-16le") for one in ("utf-16", "utf16", "utf-16-le", "utf-16le")),
        *((one, "utf-16be") for one in ("utf-16-be", "UTF-16BE")),
        *((one, "windows-1251") for one in ("cp1251", "win-1251")),
        *(("cp1252", "windows-1252"), ("cp866", "ibm866"), ("866", "ibm866")),
    ],
)
def test_an_encoding_may_be_said_by_its_other_names(said: str, name: str) -> None:
    assert encoding_of(b"phone_number", said)[0].name == name


def test_what_begins_like_a_web_page_is_read_where_its_encoding_is_said() -> None:
    assert encoding_of(b"<b>;phone_number", "utf-8")[0].name == "utf-8"


def test_no_more_of_a_file_is_looked_at_than_its_beginning() -> None:
    stream = io.BytesIO(b"x" * (3 * HEAD))
    LineReader(stream)
    assert stream.tell() == HEAD


@pytest.mark.parametrize("tail", ["\x1a", "\x1a\r\n", "\x1a\x1a", "\r\n\r\n", " \r\n", "\ufeff"])
def test_what_programs_leave_at_the_end_is_no_row(tail: str) -> None:
    assert rows_of(table("a") + tail) == [(2, client(0, "a"))]


def test_the_last_line_needs_no_end() -> None:
    for tail in ("", "\x1a"):
        assert rows_of(table("a").rstrip() + tail) == [(2, client(0, "a"))]


def test_blank_lines_are_counted_and_are_no_rows() -> None:
    file = opened("\r\n" + table("a", end="\r\n\r\n") + "  \r\n")
    assert [line for line, *_ in file.rows()] == [4]
    assert file.blank_lines == 4


def test_a_line_too_long_is_no_blank_one() -> None:
    for end in ("\r\n", ""):
        assert rows_of(table("a") + " " * 100_000 + "x" + end)[1:] == [(3, "Is longer than 65,536 characters.")]
    after = rows_of(table("a", end="\r") + "x" * 100_000 + "\r" + ",".join(client(1)) + "\r")
    assert after[1:] == [(3, "Is longer than 65,536 characters."), (4, client(1))]


def test_joined_files_have_a_second_header_that_is_one_row() -> None:
    data = table("a").encode("utf-8-sig")
    assert [row for _, row in rows_of(data + data)] == [client(0, "a"), NAMES, client(0, "a")]


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ('79160000000,916,"a, ""b""",Europe/Moscow', client(0, 'a, "b"')),
        ('79160000000,916,ООО "Ромашка",Europe/Moscow', client(0, 'ООО "Ромашка"')),
        ('79160000000,916,17" screen,Europe/Moscow', client(0, '17" screen')),
        ('79160000000,916,"two\nlines",Europe/Moscow', client(0, "two\nlines")),
        ('79160000000,916,"two\r\nlines",Europe/Moscow', client(0, "two\r\nlines")),
        ('79160000000,916,"a\n\n, b",Europe/Moscow', client(0, "a\n\n, b")),
        ('79160000000, "916", "a, b", "Europe/Moscow"', client(0, "a, b")),
        ("79160000000,916,'a',Europe/Moscow", client(0, "'a'")),
        ("79160000000,916,“a”,Europe/Moscow", client(0, "“a”")),
        ("'+79160000000,916,'=1+1,Europe/Moscow", ("+79160000000", "916", "=1+1", "Europe/Moscow")),
        ("79160000000,916,a\0b,Europe/Moscow", client(0, "a\0b")),
    ],
)
def test_quotes_that_are_right_are_read(row: str, cells: tuple[str, ...]) -> None:
    assert [one for _, one in rows_of(f"{HEADER}{row}\n79160000001,916,vip,Europe/Moscow\n")] == [cells, client(1)]


def test_a_cell_of_two_lines_may_be_a_row_s_first() -> None:
    data = 'tag,operator_code,timezone,phone_number\n"two\nlines",916,UTC,79160000000\nvip,916,UTC,79160000001\n'
    assert [row for _, row in rows_of(data)] == [
        ("79160000000", "916", "two\nlines", "UTC"),
        ("79160000001", "916", "vip", "UTC"),
    ]


GOOD = [f"{','.join(client(number))}\r\n" for number in range(300)]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ('79160001000,916,"vip,Europe/Moscow\r\n', ErrorCode.QUOTE_NOT_CLOSED()),
        ('"79160001000,916,vip,Europe/Moscow\r\n', ErrorCode.QUOTE_NOT_CLOSED()),
        ('79160001000,916,vip,"Europe/Moscow\r\n', ErrorCode.QUOTE_NOT_CLOSED()),
        ('"\r\n', ErrorCode.QUOTE_NOT_CLOSED()),
        ('79160001000,916,"a"b,UTC\r\n', ErrorCode.QUOTE_NOT_DOUBLED()),
        ('79160001000,916,"a \\"b\\" c",UTC\r\n', ErrorCode.QUOTE_NOT_DOUBLED()),
        ("79160001000,916,vip\r\n", "Has 3 columns, and the header has 4."),
        ("79160001000,916,vip,UTC,more\r\n", "Has 5 columns, and the header has 4."),
        ("x" * (3 * MAX_LINE) + "\r\n", "Is longer than 65,536 characters."),
        ('"' + "x" * (3 * MAX_LINE) + "\r\n", "Is longer than 65,536 characters."),
    ],
)
def test_a_line_that_is_no_row_rejects_no_other(wrong: str, reason: str) -> None:
    for place in (0, 150, 300):
        rows = rows_of(HEADER + "".join([*GOOD[:place], wrong, *GOOD[place:]]))
        assert rows[place] == (place + 2, reason)
        assert [row for _, row in rows if row != reason] == [client(number) for number in range(300)]


def test_two_quotes_with_rows_between_do_not_take_those_in() -> None:
    first, last = '79160001000,916,"vip,Europe/Moscow\r\n', '79160001001,916,vip",Europe/Moscow\r\n'
    rows = rows_of(HEADER + first + GOOD[0] + GOOD[1] + last + GOOD[2])
    assert [row for _, row in rows] == [
        *(ErrorCode.QUOTE_NOT_CLOSED(), client(0), client(1)),
        *(("79160001001", "916", 'vip"', "Europe/Moscow"), client(2)),
    ]
    # A neighbour is enough, and so is a short one.
    assert rows_of(HEADER + first + last)[0][1] == ErrorCode.QUOTE_NOT_CLOSED()
    assert rows_of(f'{HEADER}79160001000,"916,vip\r\n{GOOD[0]}79160001001,916",vip,UTC\r\n')[1][1] == client(0)


@pytest.mark.parametrize(
    ("following", "reason"),
    [
        # Short rows: each is known by its phone number.
        (b"79160001001,916\n", "Has 2 columns, and the header has 4."),
        (b"\xff\n", "Is not UTF-8."),
        (b"x" * MAX_LINE + b"\n", "Is longer than 65,536 characters."),
    ],
)
def test_a_quoted_cell_takes_in_no_line_that_is_a_row_or_can_not_be_read(following: bytes, reason: str) -> None:
    data = table(CYRILLIC).encode() + b'79160001000,916,"vip\n' + following + b'vip",UTC\n'
    assert rows_of(data)[1:3] == [(3, ErrorCode.QUOTE_NOT_CLOSED()), (4, reason)]


def test_a_quoted_cell_takes_in_no_more_than_a_line_may_have() -> None:
    half = "x" * 40_000
    assert rows_of(f'{HEADER}79160001000,916,"{half}\n{half}\n",UTC\n')[0] == (2, ErrorCode.QUOTE_NOT_CLOSED())


def test_whatever_quotes_a_file_has_every_line_is_accounted_for() -> None:
    """A line is in one row, or is blank; a row begins after the lines of the one before."""
    chance = random.Random(20261128)
    for _ in range(400):
        pieces = [chance.choice([*'"""",;\n\n\r', "\r\n", "x", "79160000000", "916", "UTC", "Ж"]) for _ in range(60)]
        text = "".join(pieces)
        lines = io.StringIO(text, newline="").readlines()
        file = opened("phone_number,operator_code,tag,timezone\n" + text)
        found = list(file.rows())
        begun = [line for line, *_ in found]
        assert begun == sorted(set(begun))
        in_cells = 0
        for _, row, cells in found:
            if not isinstance(row, UnparsableRow):
                in_cells += sum(len(io.StringIO(f"{cell}.", newline="").readlines()) - 1 for cell in cells or ())
        assert len(found) + in_cells + file.blank_lines == len(lines)


def test_quotes_that_never_end_cost_no_more_than_what_they_may_take_in() -> None:
    data = HEADER + '"x\r\n' * 3000
    assert [row for _, row in rows_of(data)] == [ErrorCode.QUOTE_NOT_CLOSED()] * 3000
