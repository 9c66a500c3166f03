"""An import of what people and spreadsheets write: numbers, codes and tags that look the same are the same."""

from __future__ import annotations

import json

import pytest

from tests.integration.api.calls import CLIENT, Answer, Caller, client_body, wrong_fields
from tests.integration.api.test_import import CSV, HEADER, IMPORT, NDJSON, as_cells, directory, send

WRITTEN = {
    "phone_number": ["+7 (916) 123-45-67", "'79161234567", "79161234567.0", "0079161234567", "٧٩١٦١٢٣٤٥٦٧"],
    "operator_code": ["916 ", "'916", "916.0", '="916"'],
    "tag": ["vip ", "vip\xa0", "\u200bvip"],
    "timezone": ["Europe/Moscow ", "\xa0Europe/Moscow"],
}

NUMBERS = [
    *("7.9161E+10", '"7,91600E+10"', "79160000401.0", '"79160000402,0"', "+7 (916) 000-04-03", "89160000404"),
    *("79160000404", "9160000405", "79160000406 ", "'+79160000407", "tel:+79160000408", "0916123456"),
    *("79160000409;79160000410", '"=""79160000411"""'),
]
"""Cells of the lines from 2 on."""
WRONG = {
    2: "rounded",
    3: "rounded",
    7: "No country has such numbers",
    9: "No country has such numbers",
    13: "not in international form",
    14: "more than one phone number",
}
"""By line, what is said of those numbers when no region is named."""
IN_RUSSIA = {line: WRONG[line] for line in (2, 3, 13, 14)} | {8: "The same phone number as in line 7."}


@pytest.mark.parametrize("kind", [CSV, NDJSON])
def test_a_row_is_read_as_people_and_spreadsheets_write_it(api: Caller, kind: str) -> None:
    client = CLIENT | {"phone_number": "79161234567"}
    for name, written in WRITTEN.items():
        for one in written:
            row = client | {name: one}
            answer = send(api, as_cells(row) if kind == CSV else json.dumps(row), kind)
            assert answer.json["rejected"] == 0, row
            assert directory(api) == [CLIENT], row


@pytest.mark.parametrize(
    ("query", "wrong"), [("", WRONG), ("?default_region=", WRONG), ("?default_region=RU", IN_RUSSIA)]
)
def test_numbers_from_a_spreadsheet_are_one_person_s_or_refused(api: Caller, query: str, wrong: dict[int, str]) -> None:
    answer = import_into(api, query)
    said = {fault["line"]: fault["reason"] for fault in answer.json["errors"]}
    assert said.keys() == wrong.keys()
    assert all(wrong[line] in said[line] for line in wrong)
    numbers = {client["phone_number"] for client in directory(api)}
    expected = {79160000400 + last for last in (1, 2, 3, 4, 6, 7, 8, 11)}
    assert numbers == (expected | {79160000405} if query.endswith("RU") else expected)


def import_into(api: Caller, query: str) -> Answer:
    file = HEADER + "".join(f"{number},916,n,UTC\n" for number in NUMBERS)
    return api.post(IMPORT + query, data=file.encode(), content_type=CSV)


def test_an_import_of_what_no_country_has_needs_a_plus_sign(api: Caller) -> None:
    row = client_body(phone_number=79161234, operator_code="916")
    assert send(api, json.dumps(row), NDJSON).json["errors"][0]["field"] == "phone_number"
    assert send(api, json.dumps(row | {"phone_number": "+79161234"}), NDJSON).json["added"] == 1


def test_a_region_that_there_is_not_is_refused(api: Caller) -> None:
    answer = api.post(IMPORT + "?default_region=XX", data=HEADER, content_type=CSV)
    assert (answer.status_code, wrong_fields(answer, "query")) == (422, {"default_region"})


def test_a_tag_is_normalised_before_it_is_counted(api: Caller) -> None:
    tag = "я" * 100
    rows = [client_body(tag=f" {tag}\u200b\xa0"), client_body(phone_number=79161234568, tag=tag + "я")]
    answer = send(api, "\n".join(map(json.dumps, rows)), NDJSON)
    assert (answer.json["added"], answer.json["rejected"]) == (1, 1)
    assert directory(api)[0]["tag"] == tag
