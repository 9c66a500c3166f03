"""Phone numbers as programs send them, and as people and spreadsheets write them."""

from __future__ import annotations

import phonenumbers
import pytest

from shared.domain.numbering_plans import REGIONS, country, international
from shared.domain.phone_numbers import (
    PhoneNumbers,
    beginnings,
    numbers_like,
    plain_code,
)
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

WRITTEN, ROUNDED = ErrorCode.PHONE_NUMBER_UNREADABLE, ErrorCode.PHONE_NUMBER_ROUNDED
SEVERAL, EXTENSION = ErrorCode.SEVERAL_PHONE_NUMBERS, ErrorCode.PHONE_EXTENSION
NATIONAL, NO_COUNTRY = ErrorCode.NATIONAL_PHONE_NUMBER, ErrorCode.PHONE_NUMBER_OF_NO_COUNTRY

ANYWHERE, RUSSIA = PhoneNumbers(), PhoneNumbers("RU")
MEANT = 79160000404
SAME_EVERYWHERE = [
    *("79160000404", "+79160000404", " 79160000404 ", "79160000404\xa0", "\ufeff79160000404", "0079160000404"),
    *("+7 (916) 000-04-04", "7(916)0000404", "(+7) 916 000 04 04", "7.916.000.04.04", "+7 – 916 – 000 – 04 – 04"),
    *("+7\u2011916\u2011000\u201104\u201104", "+7 916\u2009000\u202f04\xa004", "7916\xad000\u200b04\u206004"),
    *(
        "\u202a+79160000404\u202c",
        "‎+7 916 000 04 04‎",
        "＋７（９１６）０００－０４－０４",
        "＋７．９１６．０００．０４．０４",
        "٧٩١٦٠٠٠٠٤٠٤",
        "+7 8 916 000-04-04",
    ),
    *("'79160000404", "'+79160000404", "’79160000404", '"79160000404"', '="79160000404"', '="+79160000404"'),
    *("tel:+79160000404", "TEL:+7-916-000-04-04", "79160000404.0", "79160000404,0", "+79160000404.00"),
]
NATIONALLY = ["89160000404", "8 (916) 000-04-04", "9160000404", "916 000-04-04", "'8 916 000 04 04", "8916 0000404.0"]


@pytest.mark.parametrize("written", SAME_EVERYWHERE)
def test_a_number_is_understood_however_people_and_spreadsheets_write_it(written: str) -> None:
    assert ANYWHERE.read(written) == RUSSIA.read(written) == MEANT


@pytest.mark.parametrize("written", [one for one in NATIONALLY if one != "8916 0000404.0"])
def test_a_number_without_its_country_s_code_is_one_of_the_default_region_or_refused(written: str) -> None:
    assert RUSSIA.read(written) == MEANT
    with pytest.raises(Invalid) as refused:
        ANYWHERE.read(written)
    assert refused.value.code is NO_COUNTRY
    assert ANYWHERE.read(written, doubtful=True) != MEANT  # who only searches is not refused


@pytest.mark.parametrize(
    ("region", "written", "meant"),
    [
        ("UA", "0501234567", 380501234567),
        ("DE", "0170 1234567", 491701234567),
        ("US", "(415) 555-2671", 14155552671),
        ("US", "011 7 916 000 04 04", MEANT),
        ("GB", "+44 (0)20 7946 0958", 442079460958),
        ("IT", "06 1234 5678", 390612345678),
        ("RU", "8 10 380 50 123 45 67", 380501234567),
        # In international form, whatever the region is.
        ("RU", "380501234567", 380501234567),
        ("RU", "491701234567", 491701234567),
        ("DE", "79160000404", MEANT),
        (None, "4930123456", 4930123456),  # a line in Berlin: shorter than any mobile number
        ("DE", "380501234567", 380501234567),
        # Without the zero, which a spreadsheet has taken away.
        ("DE", "1701234567", 491701234567),
        ("BR", "11961234567", 5511961234567),
        # Countries that share a code.
        ("RU", "8 701 234 56 78", 77012345678),
        # Dialled so in the region, and in international form another country's.
        ("RU", "84951234567", 74951234567),
        (None, "84951234567", 84951234567),
        ("RU", "+84951234567", 84951234567),
    ],
)
def test_a_region_says_what_digits_without_a_plus_sign_mean(region: str | None, written: str, meant: int) -> None:
    assert PhoneNumbers(region).read(written) == meant


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        *((one, ROUNDED) for one in ("7.9161E+10", "7,91600E+10", "7.9160000404e10", "7,9E 10", "'7.9161E+10")),
        *((one, SEVERAL) for one in ("79160000413;79160000414", "79160000413, 79160000414", "1" * 18, "1" * 70_000)),
        *((one, SEVERAL) for one in ("79160000413/79160000414", "+79160000413 +79160000414", "79160000413 9160000414")),
        *((one, SEVERAL) for one in ("79160000413；79160000414", "79160000413／79160000414", "1234567，2345678")),
        *((one, EXTENSION) for one in ("+79160000404;ext=12", "79160000404 доб. 12", "79160000404 x12", "7916000#12")),
        *((one, WRITTEN) for one in ("", " ", "+", "abc", "7916-CALL-ME", "79160000404.5", "0.79160000404", "7916_00")),
        *(
            (one, WRITTEN)
            for one in ("-79160000404", "7+9160000404", "++79160000404", "+916123", "916123", "\0", "²³", "1" * 17)
        ),
        *((one, NATIONAL) for one in ("08061234567", "0501234567", "0", "0089160000404")),
        *(
            (one, NO_COUNTRY)
            for one in ("+8 916 000-04-04", "1000000", "7916123456", "791600004044", "791600004041234", "89160000404")
        ),
    ],
)
def test_what_is_no_one_number_is_refused_with_what_to_do(written: str, complaint: ErrorCode) -> None:
    with pytest.raises(Invalid) as refused:
        ANYWHERE.read(written)
    assert (refused.value.field, refused.value.code) == ("phone_number", complaint)


def test_a_program_may_send_a_plus_sign_and_blanks_and_what_no_country_has() -> None:
    for written in (MEANT, "79160000404", "+79160000404", " +7 916 000 04 04 ", "7\xa0916\u202f0000404"):
        assert ANYWHERE.exactly(written) == RUSSIA.exactly(written) == MEANT
    assert ANYWHERE.exactly(1000000) == 1000000
    assert ANYWHERE.exactly("89160000404") == ANYWHERE.exactly(89160000404) == 89160000404
    assert RUSSIA.exactly("8 9160000404") == RUSSIA.exactly(89160000404) == RUSSIA.exactly(9160000404) == MEANT
    assert RUSSIA.exactly("+89160000404") == 89160000404
    assert RUSSIA.exactly(1000000) == 1000000
    assert PhoneNumbers("UA").exactly("0501234567") == 380501234567


@pytest.mark.parametrize("written", ["7(916)0000404", "7916-0000404", "'79160000404", "٧٩١٦٠٠٠٠٤٠٤", "79160000404.0"])
def test_a_program_may_not_send_what_people_write(written: str) -> None:
    for numbers in (ANYWHERE, RUSSIA):
        with pytest.raises(Invalid):
            numbers.exactly(written)


def test_only_complete_national_numbers_pass_the_fast_check() -> None:
    for numbers in (ANYWHERE, RUSSIA):
        assert numbers.is_plain(str(MEANT))
        for written in ("7916000040", "791600004044", "7916-000404", "7916 000404", "+7916000040", "07916000040", ""):
            assert not numbers.is_plain(written), written


def test_the_fast_check_agrees_with_the_library() -> None:
    kinds = phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE
    plain = 0
    for region in REGIONS:
        found = country(region)
        for example in filter(None, (phonenumbers.example_number_for_type(region, kind) for kind in kinds)):
            number = phonenumbers.national_significant_number(example)
            for end in ("", "0", "7", "12", "999", "4567"):
                national = number[: len(number) - len(end)] + end
                for digits in (national, found.trunk + national, found.code + national):
                    said = international(digits, region)
                    assert found.mobile(digits) in (None, said), (region, digits)
                    if found.is_unambiguous(digits):
                        assert said in (None, digits), (region, digits)
                    plain += said in (found.mobile(digits), digits)
    assert plain > 5000


def test_the_beginning_of_a_number_is_looked_for_with_and_without_its_country_s_code() -> None:
    def covers(typed: str, region: str | None) -> tuple[bool, bool]:
        both = beginnings(typed, region)
        return tuple(any(low <= MEANT <= high for low, high in ranges) for ranges in both)  # type: ignore[return-value]

    for region in (None, "RU"):
        assert covers("7916", region) == covers("+7 (916", region) == covers("0079 16", region) == (True, False)
        assert covers("8 916", region) == covers("8916", region) == covers("916 000", region) == (False, True)
        assert covers("917", region) == covers("8917", region) == covers("0916", region) == (False, False)
        assert beginnings("", region) == beginnings("x", region) == ([], [])
        for typed in ("7916", "+7916"):
            assert beginnings(typed, region)[0][-1] == (791600000000000, 791699999999999)
        assert MEANT in numbers_like("8 (916) 000-04-04", region)
        assert MEANT in numbers_like("9160000404", region)
        assert numbers_like("+7 916 000-04-04", region) == [MEANT]
        assert numbers_like("9" * 5000, region) == []
    assert beginnings("0916", "RU") == ([], [])
    assert covers("0050", "UA") == (False, False)
    assert beginnings("050", "UA")[1][0] == (380500000000, 380509999999)


@pytest.mark.parametrize("code", ["916", " 916", "'916", "916.0", "916,0", '="916"', "916\xa0", "\u200b916"])
def test_an_operator_code_is_understood_however_a_spreadsheet_writes_it(code: str) -> None:
    assert plain_code(code) == "916"


@pytest.mark.parametrize("code", ["", "abc", "'abc", "9.16", "916.5", "91 6", "९१६", "'९१६"])
def test_what_is_no_operator_code_is_left_for_the_schema_to_refuse(code: str) -> None:
    assert plain_code(code) == code
