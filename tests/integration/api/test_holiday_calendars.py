"""Holiday calendars by the API: their days, those of a country, and what keeps one from being removed."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import begin_launch, value
from tests.integration.api.calls import Caller, add_mailing, mailing_body, wrong_fields

PATH = "/v1/holiday-calendar/"
DAYS = [{"day": "2032-07-14", "name": "14 juillet"}, {"day": "2032-01-01", "name": ""}]
WINDOW = {"local_from": "09:00", "local_until": "21:00"}


def add(api: Caller, **changes: Any) -> int:
    answer = api.post(PATH, json={"name": "ours", "days": DAYS, **changes})
    assert answer.status_code == 201, answer.text
    return int(answer.json["id"])


def test_a_calendar_has_its_days_in_order_and_is_changed_as_it_was_read(api: Caller) -> None:
    added = api.post(PATH, json={"name": " ours ", "source": "a law", "days": [{"day": "2032-07-14"}, DAYS[1]]})
    assert added.headers["Location"] == f"{PATH}{added.json['id']}/"
    calendar = api.get(added.headers["Location"])
    assert calendar.json == added.json
    assert calendar.json["days"] == [DAYS[1], {"day": "2032-07-14", "name": ""}]
    assert (calendar.json["name"], calendar.json["source"]) == ("ours", "a law")

    etag = {"If-Match": calendar.headers["ETag"]}
    changed = api.put(f"{PATH}1/", json={"days": DAYS[:1]}, headers=etag)
    assert changed.json["days"] == DAYS[:1]
    assert changed.json["source"] == "a law"
    assert api.put(f"{PATH}1/", json={"name": "theirs"}, headers=etag).status_code == 412
    assert api.delete(f"{PATH}1/", headers=etag).status_code == 412
    assert [one["id"] for one in api.get(PATH).json] == [1]


def test_a_calendar_has_the_public_holidays_of_a_country_in_some_years(api: Caller) -> None:
    answer = api.post(PATH, json={"name": "France", "country": "FR", "years": [2027, 2026]})
    days = {one["day"]: one["name"] for one in answer.json["days"]}
    assert len(days) == 22
    assert (days["2026-07-14"], days["2027-03-29"]) == ("Fête nationale", "Lundi de Pâques")
    assert answer.json["source"].startswith("FR: holidays ")

    moselle = api.post(PATH, json={"name": "57", "country": "FR", "subdivision": "57", "years": [2026], "source": "x"})
    assert {one["day"] for one in moselle.json["days"]} > {day for day in days if day.startswith("2026")}
    assert moselle.json["source"] == "x"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a"}, "days"),
        ({"name": "a", "days": [], "country": "FR", "years": [2026]}, "days"),
        ({"name": "a", "country": "FR"}, "years"),
        ({"name": "a", "days": [], "years": [2026]}, "years"),
        ({"name": "a", "days": [], "subdivision": "57"}, "subdivision"),
        ({"name": "a", "country": "fr", "years": [2026]}, "country"),
        ({"name": "a", "country": "XX", "years": [2026]}, "country"),
        ({"name": "a", "country": "FR", "subdivision": "nowhere", "years": [2026]}, "subdivision"),
        ({"name": "a", "country": "FR", "years": [1999]}, "years"),
        ({"name": "a", "country": "FR", "years": [2026, 2026]}, "years"),
        ({"name": "a", "country": "FR", "years": []}, "years"),
        ({"name": "", "days": []}, "name"),
        ({"name": "a", "days": [{"day": "2032-02-30"}]}, "days"),
        ({"name": "a", "days": [{"day": "20320203"}]}, "days"),
        ({"name": "a", "days": [{"day": "2032-01-01"}, {"day": "2032-01-01", "name": "again"}]}, "days"),
        ({"name": "a", "days": [{"day": "2032-01-01", "name": "x" * 201}]}, "days"),
        ({"name": "a", "days": [{"day": "2032-01-01", "note": ""}]}, "days"),
        ({"name": "a", "days": [{"day": f"{2032 + n // 28}-01-{n % 28 + 1:02}"} for n in range(1001)]}, "days"),
    ],
)
def test_what_a_calendar_cannot_have_is_refused_by_its_field(body: dict[str, Any], field: str, api: Caller) -> None:
    answer = api.post(PATH, json=body)
    assert answer.status_code == 422
    assert field in wrong_fields(answer)


def test_a_name_is_taken_until_its_calendar_is_removed(api: Caller) -> None:
    add(api)
    assert wrong_fields(api.post(PATH, json={"name": "ours", "days": []})) == {"name"}
    assert api.delete(f"{PATH}1/").status_code == 204
    assert api.get(f"{PATH}1/").status_code == 404
    assert api.get(PATH).json == []
    assert add(api) > 1


def test_a_calendar_in_use_is_not_removed_and_an_ended_mailing_keeps_it(api: Caller, connection: Connection) -> None:
    calendar_id = add(api)
    mailing_id = add_mailing(api, **WINDOW, holiday_calendar_id=calendar_id)
    refused = api.delete(f"{PATH}1/")
    assert (refused.status_code, wrong_fields(refused)) == (409, {"name"})

    assert api.post(f"/v1/mailing/{mailing_id}/cancel/").status_code == 200
    api.put("/v1/sending-rules/", json={**WINDOW, "holiday_calendar_id": calendar_id})
    assert api.delete(f"{PATH}1/").status_code == 409
    api.put("/v1/sending-rules/", json={"holiday_calendar_id": None})
    assert api.delete(f"{PATH}1/").status_code == 204

    assert api.get(f"/v1/mailing/{mailing_id}/").json["holiday_calendar_id"] == calendar_id
    assert value(connection, "SELECT count(*) FROM holiday") == 2
    new = api.post("/v1/mailing/create/", json=mailing_body(**WINDOW, holiday_calendar_id=calendar_id))
    assert wrong_fields(new) == {"holiday_calendar_id"}
    other = f"/v1/mailing/{add_mailing(api, **WINDOW)}/"
    changed = api.put(other, json=mailing_body(**WINDOW, holiday_calendar_id=calendar_id))
    assert wrong_fields(changed) == {"holiday_calendar_id"}


def test_new_days_reschedule_the_launched_mailings_that_have_the_calendar(api: Caller, connection: Connection) -> None:
    calendar_id = add(api)
    ids = [add_mailing(api, **WINDOW, holiday_calendar_id=calendar_id) for _ in range(2)] + [add_mailing(api, **WINDOW)]
    for launched in (ids[0], ids[2]):
        begin_launch(connection, launched)

    api.put(f"{PATH}1/", json={"source": "another"})
    assert value(connection, "SELECT count(*) FROM reschedule") == 0
    api.put(f"{PATH}1/", json={"days": DAYS[:1]})
    assert value(connection, "SELECT array_agg(mailing_id) FROM reschedule") == [ids[0]]
