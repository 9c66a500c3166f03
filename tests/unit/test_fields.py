"""What the fields of the API take, and how they answer it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import marshmallow as ma
import pytest

from api.http.fields import MAX_ID, Instant, Label, PhoneNumber, PlainText, Region, Timezone, WholeNumber

INSTANT = Instant(metadata={})
MOSCOW = timezone(timedelta(hours=3))


def refusal(field: ma.fields.Field[Any], value: object) -> str:
    with pytest.raises(ma.ValidationError) as refused:
        field.deserialize(value)
    return " ".join(map(str, refused.value.messages))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (1_000_000, 1_000_000),
        (79161234567, 79161234567),
        (999_999_999_999_999, 999_999_999_999_999),
        ("79161234567", 79161234567),
        ("+79161234567", 79161234567),
        ("1000000", 1_000_000),
        (" +7 916 123 45 67 ", 79161234567),
    ],
)
def test_a_phone_number_is_an_integer_or_digits(written: int | str, meant: int) -> None:
    assert PhoneNumber().deserialize(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        999_999,
        1_000_000_000_000_000,
        0,
        -79161234567,
        79161234567.0,
        float("inf"),
        True,
        "",
        "+",
        "123456",
        "1234567890123456",
        "079161234567",
        "+079161234567",
        "++79161234567",
        "-79161234567",
        "7916 123-45-67",
        "79161234567\n",
        "79161234567.0",
        "7e10",
        "٧٩١٦١٢٣٤٥٦٧",
        "７９１６１２３４５６７",
        "7916_1234567",
        [79161234567],
        {"number": 79161234567},
    ],
)
def test_what_is_no_phone_number_is_refused(written: object) -> None:
    assert "phone number in international form" in refusal(PhoneNumber(), written)


@pytest.mark.parametrize(("written", "meant"), [("RU", "RU"), ("ru", "RU"), ("", None)])
def test_a_region_is_two_letters_or_none(written: str, meant: str | None) -> None:
    assert Region(metadata={}).deserialize(written) == meant


@pytest.mark.parametrize("written", ["XX", "RUS", "7", "001", " RU", "Russia"])
def test_what_is_no_region_is_refused(written: str) -> None:
    assert "two letters of a country" in refusal(Region(metadata={}), written)


def test_a_label_is_kept_as_what_can_be_seen_of_it() -> None:
    assert Label().deserialize(" gold\xa0club\u200b") == "gold club"
    assert "Must not contain" in refusal(Label(), "a\0b")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../etc/passwd",
        "/etc/localtime",
        "Europe",
        "Europe/",
        "europe/moscow",
        "Europe/Moscow ",
        "localtime",
        "posixrules",
        "Factory",
        "Mars/Olympus_Mons",
        "Europe/Moscow/" + "x" * 10_000,
        "UTC+3",
        "+03:00",
    ],
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    assert "name of an IANA time zone" in refusal(Timezone(), name)


@pytest.mark.parametrize("value", ["UTC\0", "\0", "a\ud800", "\udfff"])
def test_a_text_that_the_database_could_not_keep_is_refused(value: str) -> None:
    assert "Must not contain" in refusal(PlainText(), value)
    assert "Must not contain" in refusal(Timezone(), value)


@pytest.mark.parametrize("value", [5, 5.0, True, ["a"], {"a": "b"}])
def test_a_text_is_a_string(value: object) -> None:
    assert refusal(PlainText(), value) == "Not a valid string."


@pytest.mark.parametrize("value", ["", "Привет", "😀", "a\n\tb", "\x7f\x85\ufeff"])
def test_every_other_text_is_kept_as_it_is(value: str) -> None:
    assert PlainText().deserialize(value) == value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2022-06-02T18:25:43.511Z", datetime(2022, 6, 2, 18, 25, 43, 511_000, UTC)),
        ("2022-06-02T18:25:43Z", datetime(2022, 6, 2, 18, 25, 43, 0, UTC)),
        ("2022-06-02t18:25:43z", datetime(2022, 6, 2, 18, 25, 43, 0, UTC)),
        ("2022-06-02 18:25:43Z", datetime(2022, 6, 2, 18, 25, 43, 0, UTC)),
        ("2022-06-02T21:25:43.000001+03:00", datetime(2022, 6, 2, 18, 25, 43, 1, UTC)),
        ("2022-06-02T21:25:43.000001+0300", datetime(2022, 6, 2, 18, 25, 43, 1, UTC)),
        ("2022-06-02T18:25:43-00:00", datetime(2022, 6, 2, 18, 25, 43, 0, UTC)),
        ("2022-06-02T23:59:59.999999999Z", datetime(2022, 6, 2, 23, 59, 59, 999_999, UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2022-01-01T00:00:00+23:59", datetime(2021, 12, 31, 0, 1, tzinfo=UTC)),
        ("0002-01-01T00:00:00Z", datetime(2, 1, 1, tzinfo=UTC)),
        ("9998-12-31T23:59:59Z", datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_in_utc(written: str, meant: datetime) -> None:
    read = INSTANT.deserialize(written)
    assert read == meant
    assert read.tzinfo is UTC


@pytest.mark.parametrize("written", ["2022-06-02T18:25:43", "2022-06-02T18:25:43.511", "2022-06-02 18:25:43"])
def test_a_moment_without_its_offset_is_refused_and_told_why(written: str) -> None:
    assert "Missing UTC offset; append Z" in refusal(INSTANT, written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "2022-06-02",
        "2022-06-02Z",
        "18:25:43Z",
        "2022-06-02T18:25Z",
        "2022-06-02T18:25:43.Z",
        "2022-06-02T18:25:43,511Z",
        "2022-06-02T18:25:43.1234567890Z",
        "20220602T182543Z",
        "2022-W22-4T18:25:43Z",
        "2022-6-2T18:25:43Z",
        "10000-01-01T00:00:00Z",
        "-2022-06-02T18:25:43Z",
        "2022-06-02T18:25:43+03",
        "2022-06-02T18:25:43+24:00",
        "2022-06-02T18:25:43+03:60",
        "2022-06-02T18:25:43+03:00:30",
        "2022-06-02T18:25:43 Z",
        "2022-06-02T18:25:43Z\n",
        "٢٠٢٢-06-02T18:25:43Z",
        "now",
        "Thu, 02 Jun 2022 18:25:43 GMT",
        1654194343,
        1654194343.511,
        True,
        ["2022-06-02T18:25:43Z"],
    ],
)
def test_what_is_no_moment_is_refused(written: object) -> None:
    assert "(RFC 3339)" in refusal(INSTANT, written)


@pytest.mark.parametrize(
    "written",
    [
        "2022-13-01T00:00:00Z",
        "2022-00-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2022-06-31T00:00:00Z",
        "2022-06-02T24:00:00Z",
        "2022-06-02T18:60:00Z",
        "2016-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "0001-06-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_moment_that_there_is_not_is_refused(written: str) -> None:
    assert "Not a valid moment" in refusal(INSTANT, written)


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2022, 6, 2, 18, 25, 43, 511_000, UTC), "2022-06-02T18:25:43.511Z"),
        (datetime(2022, 6, 2, 21, 25, 43, 0, MOSCOW), "2022-06-02T18:25:43.000Z"),
        (datetime(2022, 6, 2, 18, 25, 43, 511_001, UTC), "2022-06-02T18:25:43.511001Z"),
        (datetime(2, 1, 1, tzinfo=UTC), "0002-01-01T00:00:00.000Z"),
        (None, None),
    ],
)
def test_a_moment_is_answered_in_utc_with_milliseconds_where_they_do(
    moment: datetime | None, written: str | None
) -> None:
    assert INSTANT._serialize(moment, None, None) == written


@pytest.mark.parametrize(("written", "meant"), [("0", 0), ("00100", 100), (str(MAX_ID), MAX_ID)])
def test_a_number_in_a_query_is_ascii_digits(written: str, meant: int) -> None:
    assert WholeNumber(metadata={}).deserialize(written) == meant


@pytest.mark.parametrize(
    "written", ["", " 1", "1 ", "+1", "-1", "1.0", "1e2", "0x1", "1_0", "１", "١", str(MAX_ID + 1), "9" * 5000]
)
def test_what_is_no_number_in_a_query_is_refused(written: str) -> None:
    assert "Must be a whole number from 0" in refusal(WholeNumber(metadata={}), written)
