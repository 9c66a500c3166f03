"""The sample is data that the directory accepts, and that reaches nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sandbox.sample_data import OPERATOR_CODE, SIZE, sample_clients, sample_mailing

CLIENTS = list(sample_clients())


def test_the_phone_numbers_are_distinct_and_like_russian_mobile_ones() -> None:
    numbers = {str(client["phone_number"]) for client in CLIENTS}
    assert len(numbers) == SIZE == 1000
    assert all(len(number) == 11 and number.startswith("7900000") for number in numbers)


def test_each_operator_code_occurs_in_its_phone_number() -> None:
    assert all(client["operator_code"] in str(client["phone_number"]) for client in CLIENTS)


def test_the_time_zones_exist_and_there_are_several() -> None:
    zones = {client["timezone"] for client in CLIENTS}
    assert len(zones) > 3
    assert all(ZoneInfo(zone).key == zone for zone in zones)


def test_there_are_several_tags_to_filter_by() -> None:
    assert {client["tag"] for client in CLIENTS} == {"new", "regular", "vip", "test"}


def test_the_mailing_is_to_all_of_them_from_now_for_an_hour() -> None:
    mailing = sample_mailing(datetime(2022, 6, 2, 18, 25, 43, 511999, tzinfo=UTC))
    assert mailing["mark"] == OPERATOR_CODE
    assert all(client["operator_code"] == mailing["mark"] for client in CLIENTS)
    assert mailing["start_datetime"] == "2022-06-02T18:25:43.511Z"
    assert mailing["end_datetime"] == "2022-06-02T19:25:43.511Z"
