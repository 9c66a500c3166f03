"""What a client must be."""

from __future__ import annotations

import pytest

from shared.domain.client_rules import DOUBTFUL_NUMBER, TIMEZONES, check_operator_code, warnings_about
from shared.errors import Invalid


@pytest.mark.parametrize("operator_code", ["916", "7", "79161234567", "67", "1234"])
def test_an_operator_code_occurs_in_the_phone_number(operator_code: str) -> None:
    check_operator_code(79161234567, operator_code)


@pytest.mark.parametrize("operator_code", ["917", "0", "97", "791612345678"])
def test_an_operator_code_that_does_not_occur_is_refused(operator_code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_operator_code(79161234567, operator_code)
    assert refused.value.field == "operator_code"


@pytest.mark.parametrize("name", ["Europe/Moscow", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+3"])
def test_a_time_zone_has_an_iana_name(name: str) -> None:
    assert name in TIMEZONES


@pytest.mark.parametrize("name", ["localtime", "posixrules", "Factory", "Europe", "posix/UTC", "right/UTC"])
def test_what_names_no_place_is_no_time_zone(name: str) -> None:
    assert name not in TIMEZONES


def test_only_a_number_that_no_country_has_is_warned_of() -> None:
    assert warnings_about(79161234567) == []
    assert warnings_about(1_000_000) == [DOUBTFUL_NUMBER]
