"""Date fields of the console: opening and saving a form changes nothing that was not touched."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import execute, mailing, value
from tests.integration.api.calls import Caller, add_client, add_mailing
from tests.integration.api.html_forms import fields_of

BERLIN = "Europe/Berlin"
WINDOWS = [
    ("2027-10-31T01:30:00Z", "2027-10-31T06:00:00Z"),
    ("2027-10-30T10:00:00Z", "2027-10-31T01:45:00Z"),
    ("2027-10-31T00:45:00Z", "2027-10-31T01:15:00Z"),
    ("2027-06-02T18:25:43.511Z", "2027-06-03T18:25:43.511Z"),
    ("2027-06-02T18:25:43.511Z", "2027-06-02T18:25:43.900Z"),
    ("2027-06-02T18:25:43.511234Z", "2027-06-02T18:25:43.511235Z"),
]


def as_a_browser_shows_it(fields: dict[str, str], zone: str) -> dict[str, str]:
    """What datetimes.js makes of the form."""
    shown = dict(fields, zone=zone)
    for name in ("start_datetime", "end_datetime"):
        local = datetime.fromisoformat(fields[f"{name}_was"]).astimezone(ZoneInfo(zone))
        shown[f"{name}_shown"] = f"{local:%Y-%m-%dT%H:%M:%S}"
        shown[name] = shown[f"{name}_shown"].removesuffix(":00")  # as Chromium does
    return shown


def opened(api: Caller, mailing_id: int, zone: str = BERLIN) -> dict[str, str]:
    return as_a_browser_shows_it(fields_of(api.get(f"/mailings/{mailing_id}/edit/")), zone)


@pytest.mark.parametrize("zone", ["UTC", BERLIN])
@pytest.mark.parametrize(("start", "end"), WINDOWS)
def test_an_edit_of_the_text_alone_leaves_the_window_as_it_was(
    api: Caller, connection: Connection, start: str, end: str, zone: str
) -> None:
    mailing_id = add_mailing(api, start_datetime=start, end_datetime=end)
    data = opened(api, mailing_id, zone) | {"text": "Other"}
    assert api.post(f"/mailings/{mailing_id}/edit/", data=data).status_code == 302
    found = mailing(connection, mailing_id)
    assert found["start_datetime"] == datetime.fromisoformat(start)
    assert found["end_datetime"] == datetime.fromisoformat(end)
    assert found["text_revision"] == 2


def test_a_form_that_was_refused_still_knows_the_times_exactly(api: Caller, connection: Connection) -> None:
    start, end = WINDOWS[2]
    mailing_id = add_mailing(api, start_datetime=start, end_datetime=end)
    refused = api.post(f"/mailings/{mailing_id}/edit/", data=opened(api, mailing_id) | {"text": " "})
    assert refused.status_code == 409
    again = as_a_browser_shows_it(fields_of(refused), BERLIN) | {"text": "Other"}
    assert api.post(f"/mailings/{mailing_id}/edit/", data=again).status_code == 302
    assert mailing(connection, mailing_id)["start_datetime"] == datetime.fromisoformat(start)


def test_a_draft_keeps_the_times_of_what_it_was_exactly(api: Caller, connection: Connection) -> None:
    start, end = WINDOWS[3]
    mailing_id = add_mailing(api, start_datetime=start, end_datetime=end)
    api.post(f"/mailings/{mailing_id}/undo/", data=fields_of(api.get(f"/mailings/{mailing_id}/")))
    data = as_a_browser_shows_it(fields_of(api.get("/mailings/drafts/1/edit/")), BERLIN)
    assert api.post("/mailings/drafts/1/edit/", data=data | {"then": "keep"}).status_code == 302
    kept = value(connection, "SELECT fields FROM mailing_draft")
    assert datetime.fromisoformat(kept["start_datetime"]) == datetime.fromisoformat(start)


def test_a_time_that_clocks_skip_is_refused(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    before = mailing(connection, mailing_id)
    answer = api.post(
        f"/mailings/{mailing_id}/edit/", data=opened(api, mailing_id) | {"start_datetime": "2027-03-28T02:30"}
    )
    assert answer.status_code == 409
    assert "There is no 02:30 on that day in Europe/Berlin" in answer.text
    assert "Choose 03:30 or another time." in answer.text
    assert 'value="2027-03-28T02:30"' in answer.text
    assert mailing(connection, mailing_id) == before


@pytest.mark.parametrize(("fold", "hour"), [("0", 0), ("1", 1)])
def test_of_a_time_that_comes_twice_one_is_chosen(api: Caller, connection: Connection, fold: str, hour: int) -> None:
    mailing_id = add_mailing(api)
    data = opened(api, mailing_id) | {"start_datetime": "2027-10-31T02:30", "end_datetime": "2027-10-31T05:00"}
    answer = api.post(f"/mailings/{mailing_id}/edit/", data=data)
    assert answer.status_code == 409
    assert "02:30 occurs twice on that day in Europe/Berlin" in answer.text
    assert "The first, before clocks go back (UTC+02:00)" in answer.text
    assert "The second, after clocks went back (UTC+01:00)" in answer.text
    assert api.post(f"/mailings/{mailing_id}/edit/", data=data | {"start_datetime_fold": fold}).status_code == 302
    assert mailing(connection, mailing_id)["start_datetime"] == datetime(2027, 10, 31, hour, 30, tzinfo=UTC)


def test_a_time_zone_that_is_not_known_is_not_taken_for_utc(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    data = fields_of(api.get(f"/mailings/{mailing_id}/edit/"))
    answer = api.post(
        f"/mailings/{mailing_id}/edit/", data=data | {"zone": "Mars/Base", "start_datetime": "2032-01-01T10:00"}
    )
    assert "Unknown time zone of the browser: Mars/Base." in answer.text
    # What was not touched needs none.
    changed = data | {"zone": "Mars/Base", "text": "Other"}
    assert api.post(f"/mailings/{mailing_id}/edit/", data=changed).status_code == 302


def test_characters_that_a_field_cannot_show_stay_where_nobody_touched_them(
    api: Caller, connection: Connection
) -> None:
    mailing_id = add_mailing(api, text="Two\r\nlines\r")
    execute(connection, "UPDATE mailing SET mark = E'a\\nb'")  # as from before marks were normalised
    data = fields_of(api.get(f"/mailings/{mailing_id}/edit/")) | {
        "text": "Two\r\nlines\r\n",
        "mark": "ab",
        "on_unknown": "hold",
    }
    assert api.post(f"/mailings/{mailing_id}/edit/", data=data).status_code == 302
    found = mailing(connection, mailing_id)
    assert (found["mark"], found["text_revision"], found["on_unknown"]) == ("a\nb", 1, "hold")
    client_id = add_client(api)
    execute(connection, "UPDATE client SET tag = E'c\\nd'")
    data = fields_of(api.get(f"/clients/{client_id}/edit/")) | {"tag": "cd", "timezone": "UTC"}
    assert api.post(f"/clients/{client_id}/edit/", data=data).status_code == 302
    assert value(connection, "SELECT tag FROM client") == "c\nd"
