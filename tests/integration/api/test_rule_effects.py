"""What a plan says of local windows, suppressed numbers and consent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.local_windows import LocalWindow, next_permitted
from tests.factories import FIRST_PHONE, add_clients, execute
from tests.integration.api.calls import Caller, mailing_body

PATH = "/v1/mailing/plan/"
START, END = datetime(2032, 3, 27, 12, tzinfo=UTC), datetime(2032, 3, 28, 18, tzinfo=UTC)
WINDOW = {"local_from": "09:00", "local_until": "10:00", "local_weekdays": ["sunday"]}
ZONES = ("Pacific/Auckland", "Pacific/Honolulu", "Europe/Paris", "Nowhere", "Europe/Paris")


@pytest.fixture(autouse=True)
def _audience(api: Caller, connection: Connection) -> None:
    for client_id, zone in zip(add_clients(connection, len(ZONES)), ZONES, strict=True):
        execute(connection, "UPDATE client SET timezone = %s WHERE id = %s", zone, client_id)


def plan(api: Caller, **given: Any) -> Any:
    moments = {"start_datetime": START.isoformat(), "end_datetime": END.isoformat()}
    audience = given if given.keys() & {"segment", "mark"} else {"mark": "sample", **given}
    body = {name: value for name, value in mailing_body(**moments).items() if name != "mark"}
    answer = api.post(PATH, json={**body, **audience})
    assert answer.status_code == 200, answer.text
    return answer.json


def opening(zone: str) -> datetime | None:
    return next_permitted(LocalWindow(540, 600, 0b1000000), ZoneInfo(zone), START, END)


@pytest.mark.parametrize("audience", [{"mark": "sample"}, {"segment": 'tag = "sample"'}], ids=["mark", "segment"])
def test_a_plan_says_when_the_last_local_window_opens_and_for_whom_none_does(
    audience: dict[str, str], api: Caller
) -> None:
    found = plan(api, **audience, **WINDOW)
    times = found["local_times"]

    assert [(one["timezone"], one["clients"]) for one in times["zones"]] == [
        ("Europe/Paris", 2),
        ("Pacific/Auckland", 1),
        ("Pacific/Honolulu", 1),
    ]
    opens = [one["opens_at"] and datetime.fromisoformat(one["opens_at"]) for one in times["zones"]]
    assert opens == [opening("Europe/Paris"), opening("Pacific/Auckland"), None]
    assert datetime.fromisoformat(times["last_at"]) == datetime(2032, 3, 28, 7, tzinfo=UTC)  # after the change
    assert (times["no_time"], times["unknown_timezone"], times["default_timezone"]) == (1, 1, None)
    assert [one["code"] for one in found["warnings"]] == ["no_local_time", "timezone_unknown"]


def test_local_windows_that_opened_before_now_do_not_count(api: Caller) -> None:
    now = datetime.now(UTC)
    moments = {"start_datetime": now - timedelta(days=4), "end_datetime": now + timedelta(hours=1)}
    body = mailing_body(**{name: moment.isoformat() for name, moment in moments.items()}, mark="sample")
    opened = (now - timedelta(days=3)).strftime("%A").lower()
    rules = {"local_from": "00:00", "local_until": "24:00", "local_weekdays": [opened]}
    assert api.post(PATH, json=body | rules).json["local_times"]["no_time"] == 4


def test_a_default_time_zone_covers_clients_without_one(api: Caller) -> None:
    found = plan(api, **WINDOW, default_timezone="Europe/Paris")
    assert (found["local_times"]["unknown_timezone"], found["local_times"]["default_timezone"]) == (1, "Europe/Paris")
    assert [one["code"] for one in found["warnings"]] == ["no_local_time"]


def test_a_plan_knows_the_defaults_and_holidays(api: Caller) -> None:
    api.post("/v1/holiday-calendar/", json={"name": "ours", "days": [{"day": "2032-03-28"}]})
    api.put("/v1/sending-rules/", json={**WINDOW, "holiday_calendar_id": None})
    assert plan(api)["local_times"]["no_time"] == 1
    assert plan(api, local_from=None)["local_times"] is None
    api.put("/v1/sending-rules/", json={"holiday_calendar_id": api.get("/v1/holiday-calendar/").json[0]["id"]})
    assert plan(api)["local_times"]["no_time"] == 4
    assert api.post(PATH, json={"mark": "sample"}).json["local_times"] is None  # without an end


def test_a_warning_about_the_local_window_needs_a_confirmation(api: Caller) -> None:
    moments = {"start_datetime": START.isoformat(), "end_datetime": END.isoformat()}
    api.put("/v1/sending-rules/", json=WINDOW)
    draft = api.post("/v1/draft/create/", json=mailing_body(mark="sample", **moments)).json
    assert api.post(f"/v1/draft/{draft['id']}/send/", json={}).status_code == 409
    confirmed = {"confirm": ["no_local_time", "timezone_unknown"]}
    assert api.post(f"/v1/draft/{draft['id']}/send/", json=confirmed).status_code == 201


def test_a_plan_counts_who_is_suppressed_and_who_has_not_consented(api: Caller, connection: Connection) -> None:
    assert (plan(api)["suppressed"], plan(api)["without_consent"]) == (0, None)
    for phone, scope in ((1, "everything"), (2, "marketing"), (99, "everything")):
        statement = "INSERT INTO suppression (phone_number, scope, reason, source) VALUES (%s, %s, 'opted_out', 'api')"
        execute(connection, statement, FIRST_PHONE + phone, scope)
    consent = (
        "INSERT INTO consent (phone_number, given_at, method, wording, source) VALUES (%s, now(), 'a', 'b', 'api')"
    )
    for phone in (3, 4):
        execute(connection, consent, FIRST_PHONE + phone)
    execute(
        connection,
        "UPDATE consent SET withdrawn_at = now(), withdrawal_recorded_at = now(), "
        "withdrawal_evidence = '{}' WHERE phone_number = %s",
        FIRST_PHONE + 4,
    )

    assert plan(api)["suppressed"] == 2
    assert plan(api, segment='tag = "sample"', requires_consent=True)["suppressed"] == 2
    assert plan(api, kind="service")["suppressed"] == 1
    assert plan(api, requires_consent=True)["without_consent"] == 4


def test_what_takes_too_long_to_count_is_not_known(app: Flask, api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "SELECT client.timezone, pg_sleep(1) FROM client WHERE false OR true"
    monkeypatch.setattr("api.mailings.audience_rows.AudienceRows.select", lambda *_: slow)
    monkeypatch.setitem(app.config, "SEGMENT_TIMEOUT", 0.05)
    assert plan(api, **WINDOW)["local_times"] is None
