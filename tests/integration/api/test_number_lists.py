"""Number lists: uploaded, used by segments, removed."""

from __future__ import annotations

import gzip
from datetime import timedelta

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, add_mailing, add_segment, begin_launch, execute, rows, value
from tests.integration.api.calls import Answer, Caller, add_client, wrong_fields

PATH = "/v1/number-list/"
MOSCOW = "+7 495 123-45-67"
"""A number whose plan tells the time zone."""


def upload(api: Caller, content: str | bytes, **arguments: str) -> Answer:
    query = {"name": "a list", **arguments}
    return api.post(f"{PATH}create/", query_string=query, data=content, content_type="text/plain")


def numbers(connection: Connection, list_id: int) -> list[int]:
    found = rows(connection, "SELECT phone_number FROM number_list_entry WHERE list_id = %s ORDER BY 1", list_id)
    return [number for (number,) in found]


def test_a_list_is_read_as_people_write_numbers_and_says_what_was_rejected(api: Caller, connection: Connection) -> None:
    add_client(api)
    content = (
        'Телефон\r\n"+7 (916) 123-45-67";\r\n79161234568\r\n\r\n7.9161E+10\r\n8 916 123-45-68\r\nnobody\r\n79269999999'
    )

    answer = upload(api, content.encode("windows-1251"), default_region="RU")

    assert answer.status_code == 201, answer.text
    report = answer.json
    assert numbers(connection, report["id"]) == [79161234567, 79161234568, 79269999999]
    assert (report["name"], report["numbers"], report["repeated"], report["rejected"]) == ("a list", 3, 1, 2)
    assert [(one["line"], one["reason_code"]) for one in report["errors"]] == [
        (5, "phone_number_rounded"),
        (7, "phone_number_unreadable"),
    ]
    assert (report["clients"], report["added"], report["unmatched"], report["not_added"]) == (1, 0, 2, [])
    assert answer.headers["Location"] == f"{PATH}{report['id']}/"
    listed = {name: report[name] for name in ("id", "name", "numbers", "created_at")}
    assert api.get(PATH).json == [listed]
    assert api.get(answer.headers["Location"]).json == listed


def test_numbers_that_are_no_clients_are_added_with_what_their_plan_tells(api: Caller, connection: Connection) -> None:
    add_client(api)
    content = f"79161234567\n{MOSCOW}\n79161234568\n"

    first = upload(api, content, create_clients="true", tag=" Fair ").json
    second = upload(api, content, name="again", create_clients="true", tag="Fair", timezone="Asia/Omsk").json

    assert (first["clients"], first["added"], first["unmatched"]) == (1, 1, 1)
    assert [(one["phone_number"], one["reason_code"]) for one in first["not_added"]] == [
        (79161234568, "timezone_of_number_unknown")
    ]
    assert (second["clients"], second["added"], second["unmatched"]) == (2, 1, 0)
    added = "SELECT phone_number, operator_code, tag, timezone FROM client WHERE tag = 'Fair' ORDER BY phone_number"
    assert rows(connection, added) == [
        (74951234567, "495", "Fair", "Europe/Moscow"),
        (79161234568, "916", "Fair", "Asia/Omsk"),
    ]


def test_a_list_longer_than_one_part_is_added_and_removed_part_by_part(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.number_lists.services.BATCH", 4)
    monkeypatch.setattr("api.number_lists.new_clients.BATCH", 4)
    wanted = [79160000000 + number for number in range(10)]
    content = "".join(f"{number}\n" for number in (*wanted, *wanted[:3]))

    report = upload(api, gzip.compress(content.encode()), name="packed").status_code
    assert report == 415  # nobody said that it is packed
    packed = api.post(
        f"{PATH}create/?name=long&create_clients=true&tag=new&timezone=UTC",
        data=gzip.compress(content.encode()),
        headers={"Content-Type": "text/csv", "Content-Encoding": "gzip"},
    ).json

    assert numbers(connection, packed["id"]) == wanted
    assert (packed["numbers"], packed["repeated"], packed["added"]) == (10, 3, 10)
    assert api.delete(f"{PATH}{packed['id']}/").status_code == 204
    assert rows(connection, "SELECT FROM number_list_entry") == rows(connection, "SELECT FROM number_list") == []


@pytest.mark.parametrize(
    ("content", "arguments", "status"),
    [
        ("no number\n", {}, 422),
        ("", {}, 422),
        ("79161234567", {"name": " "}, 422),
        ("1", {"create_clients": "true"}, 422),
    ],
)
def test_an_upload_that_makes_no_list_leaves_nothing(
    content: str, arguments: dict[str, str], status: int, api: Caller, connection: Connection
) -> None:
    assert upload(api, content, **arguments).status_code == status
    assert rows(connection, "SELECT FROM number_list") == []


def test_a_name_is_that_of_one_list(api: Caller) -> None:
    assert upload(api, "79161234567").status_code == 201
    again = upload(api, "79161234567")
    assert (again.status_code, wrong_fields(again)) == (409, {"name"})
    once = api.post(f"{PATH}create/?name=b", data="1", content_type="text/plain", headers={"Idempotency-Key": "1"})
    assert once.status_code == 422
    assert api.post(f"{PATH}create/?name=b", data="1", content_type="image/png").status_code == 415


def test_what_a_killed_upload_has_left_is_never_shown_and_is_removed_a_day_later(
    api: Caller, connection: Connection
) -> None:
    left = "INSERT INTO number_list (name, updated_at) VALUES (%s, now() - %s) RETURNING id"
    old = value(connection, left, "incomplete old", timedelta(days=2))
    new = value(connection, left, "incomplete new", timedelta(hours=1))
    execute(connection, "INSERT INTO number_list_entry VALUES (%s, 79161234567)", old)
    assert api.get(PATH).json == []
    assert api.get(f"{PATH}{old}/").status_code == api.delete(f"{PATH}{new}/").status_code == 404

    upload(api, "79161234567")

    assert rows(connection, "SELECT id FROM number_list WHERE id <= %s", new) == [(new,)]


def test_a_list_stays_while_a_segment_or_a_mailing_that_is_not_launched_uses_it(
    api: Caller, connection: Connection
) -> None:
    add_clients(connection, 1)
    list_id = upload(api, "79000000001\n").json["id"]
    condition = f'tag = "x" or not (tag = "y" and phone_number in list {list_id})'
    segment, mailing_id = add_segment(connection, condition), add_mailing(connection, segment=condition)

    in_segment = api.delete(f"{PATH}{list_id}/")
    execute(connection, "UPDATE segment SET removed_at = now() WHERE id = %s", segment)
    in_mailing = api.delete(f"{PATH}{list_id}/")
    begin_launch(connection, mailing_id)
    execute(connection, "UPDATE mailing SET audience_frozen_at = now() WHERE id = %s", mailing_id)
    removed = api.delete(f"{PATH}{list_id}/")

    assert (in_segment.status_code, in_segment.json["message"][:9]) == (409, f"Segment {segment}")
    assert (in_mailing.status_code, in_mailing.json["message"][:9]) == (409, f"Mailing {mailing_id}")
    assert removed.status_code == 204
