"""The console by requests: what a page is made of, what a form does, what a file holds."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.http.csv_files import CsvForm, cell
from shared.domain.phone_numbers import beginnings
from shared.domain.statuses import MessageStatus
from tests.factories import (
    add_clients,
    add_messages,
    add_running_mailing,
    change_message,
    execute,
    mailing,
    rows,
    value,
)
from tests.integration.api.calls import Answer, Caller, add_client, add_mailing
from tests.integration.api.html_forms import fields_of

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FORM = {"text": "Hello", "mark": "vip", "on_unknown": "resend", "zone": "Europe/Moscow"}
ROW = '<th scope="row">'
CLIENT = {"phone_number": "+79161234567", "operator_code": "916", "tag": "vip", "timezone": "Europe/Moscow"}


REFUSED = "reason_code = 'provider_said', reason_params = jsonb_build_object('words', 'code 7: blocked')"
"""What the gateway has said of a message, in SQL."""


def mailing_form(**changes: str) -> dict[str, str]:
    return FORM | {"start_datetime": "2032-06-02T21:00:00", "end_datetime": "2032-06-03T21:00"} | changes


def redirect_target(answer: Answer) -> str:
    """Where a form leads to when all is well."""
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"].partition("?")[0]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_language_is_the_browser_s_or_the_one_that_was_chosen(api: Caller, language: str) -> None:
    assert f'<html lang="{language}"' in api.get("/", headers={"Accept-Language": f"{language}, de;q=0.5"}).text
    other = {"en": "ru", "ru": "en"}[language]
    assert api.get(f"/preferences/?language={other}&next=/clients/").headers["Location"] == "/clients/"
    assert f'<html lang="{other}"' in api.get("/", headers={"Accept-Language": language}).text


def test_each_viewer_s_language_is_their_own(api: Caller) -> None:
    add_mailing(api)
    for language, scheduled in (("en", "scheduled"), ("ru", "запланирована"), ("en", "scheduled")):
        page = api.get("/?part=live", headers={"Accept-Language": language}).text
        assert page.count(f'aria-hidden="true"></span>{scheduled}</span>') == 1


@pytest.mark.parametrize("elsewhere", ["//example.org/", "/\\example.org/", "https://example.org/"])
def test_a_preference_does_not_redirect_to_another_site(api: Caller, elsewhere: str) -> None:
    assert api.get("/preferences/", query_string={"theme": "dark", "next": elsewhere}).headers["Location"] == "/"


def test_a_choice_that_there_is_not_is_refused(api: Caller) -> None:
    assert api.get("/preferences/?language=xx").status_code == 400


def test_a_path_that_there_is_not_is_a_page_for_a_browser_and_json_for_a_program(api: Caller) -> None:
    assert api.get("/nowhere/", headers=BROWSER).mimetype == "text/html"
    assert api.get("/mailings/77/").mimetype == "text/html"
    assert api.get("/nowhere/").json["code"] == 404
    assert api.get("/v1/nowhere/", headers=BROWSER).json["code"] == 404


def test_pages_are_not_cached(api: Caller) -> None:
    assert api.get("/clients/").headers["Cache-Control"] == "no-store"
    assert 'id="people"' in api.get("/static/icons.svg").text


def test_a_mailing_is_added_in_the_viewer_s_time_zone(api: Caller, connection: Connection) -> None:
    draft = redirect_target(api.post("/mailings/new/", data=mailing_form(text="Two\r\nlines")))
    path = redirect_target(api.post(draft, data=fields_of(api.get(draft)) | {"confirm": "nobody_matches"}))
    added = mailing(connection, int(path.split("/")[2]))
    assert added["start_datetime"] == datetime(2032, 6, 2, 18, tzinfo=UTC)
    assert value(connection, "SELECT text FROM mailing_text") == "Two\nlines"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"end_datetime": "2032-06-01T21:00"}, "The end must be after the start."),
        ({"start_datetime": "soon"}, "Must be a date and time"),
        ({"text": " "}, "Must not be empty or only white space."),
    ],
)
def test_a_mailing_that_breaks_a_rule_comes_back_as_it_was_typed(
    api: Caller, connection: Connection, change: dict[str, str], told: str
) -> None:
    answer = api.post("/mailings/new/", data=mailing_form(**change))
    assert answer.status_code == 422
    assert told in answer.text
    assert 'value="vip"' in answer.text
    assert value(connection, "SELECT count(*) FROM mailing") == 0


def test_an_edit_of_what_somebody_else_has_edited_is_refused(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    seen = mailing(connection, mailing_id)["updated_at"].astimezone(UTC).isoformat()
    change = mailing_form(updated_at=seen)
    redirect_target(api.post(f"/mailings/{mailing_id}/edit/", data=change))
    answer = api.post(f"/mailings/{mailing_id}/edit/", data=change | {"text": "Lost"})
    assert answer.status_code == 409
    assert "Somebody else has changed this" in answer.text


def test_a_change_of_the_mark_after_the_launch_is_an_error(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 1)
    seen = mailing(connection, mailing_id)["updated_at"].astimezone(UTC).isoformat()
    answer = api.post(f"/mailings/{mailing_id}/edit/", data=mailing_form(mark="others", updated_at=seen))
    assert answer.status_code == 409
    assert "can&#39;t be changed any more" in answer.text


@pytest.mark.parametrize("action", ["pause", "cancel", "remove"])
def test_an_action_is_confirmed_before_it_is_done(api: Caller, connection: Connection, action: str) -> None:
    mailing_id = add_running_mailing(connection, 2)
    before = mailing(connection, mailing_id)
    asked = api.get(f"/mailings/{mailing_id}/{action}/")
    assert "2 pending messages" in asked.text
    assert mailing(connection, mailing_id) == before
    redirect_target(api.post(f"/mailings/{mailing_id}/{action}/"))
    assert mailing(connection, mailing_id) != before
    assert value(connection, "SELECT action FROM mailing_event") == action


def test_an_action_that_comes_too_late_says_why(api: Caller, connection: Connection) -> None:
    mailing_id = add_mailing(api)
    redirect_target(api.post(f"/mailings/{mailing_id}/cancel/"))
    answer = api.post(f"/mailings/{mailing_id}/resume/")
    assert answer.status_code == 409
    assert "there is nothing to resume" in answer.text


def test_a_test_is_a_mailing_of_its_own_with_an_audience_of_one(api: Caller, connection: Connection) -> None:
    client_id, mailing_id = add_client(api), add_mailing(api, text="A test")
    there = redirect_target(api.post(f"/mailings/{mailing_id}/test/", data={"phone_number": "79161234567"}))
    trial_id = int(there.split("/")[2])
    trial = mailing(connection, trial_id)
    assert (trial["status"], trial["audience"], trial["launched_at"] is not None) == ("running", 1, True)
    assert trial["end_datetime"] - trial["start_datetime"] == timedelta(minutes=15)
    assert rows(connection, "SELECT mailing_id, client_id, status FROM message") == [(trial_id, client_id, "pending")]
    assert mailing(connection, mailing_id)["status"] == "scheduled"
    assert rows(connection, "SELECT mailing_id, action FROM mailing_event") == [(mailing_id, "test")]


def test_a_client_is_added_once(api: Caller) -> None:
    redirect_target(api.post("/clients/new/", data=CLIENT))
    again = api.post("/clients/new/", data=CLIENT)
    assert again.status_code == 422
    assert "There is another client with this phone number." in again.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 4),
        ("phone=7900000000", 3),
        ("phone=%2B7916", 1),
        ("phone=79000000001", 1),
        ("phone=0", 0),
        ("tag=sample", 3),
        ("operator_code=916", 1),
        ("tag=sample&operator_code=916", 0),
        ("phone=79&tag=sample", 3),
    ],
)
def test_clients_are_found(api: Caller, connection: Connection, query: str, found: int) -> None:
    add_clients(connection, 3)
    add_client(api)
    assert api.get(f"/clients/?{query}").text.count(ROW) == found


def test_a_prefix_covers_numbers_of_every_length() -> None:
    ranges, _ = beginnings("7916", None)
    assert ranges[0] == (7916000, 7916999)
    assert ranges[-1] == (791600000000000, 791699999999999)
    assert beginnings("79161234567", None)[0] == [
        (79161234567 * 10**more, (79161234567 + 1) * 10**more - 1) for more in range(5)
    ]


def test_lists_go_on_page_by_page(api: Caller, connection: Connection) -> None:
    add_clients(connection, 120)
    seen: list[str] = []
    address: str | None = "/clients/"
    while address:
        page = api.get(address).text
        seen += [part.partition('"')[0] for part in page.split('<th scope="row"><a href="')[1:]]
        following = page.partition('rel="next"')[0].rpartition('href="')[2] if 'rel="next"' in page else ""
        address = following.partition('"')[0].replace("&amp;", "&") or None
    assert len(seen) == len(set(seen)) == 120


def test_messages_are_found_by_what_is_known_of_them(api: Caller, connection: Connection) -> None:
    old, new = add_running_mailing(connection, 2), add_running_mailing(connection, 3)
    execute(connection, "UPDATE message SET created_at = '2026-01-01 12:00Z' WHERE mailing_id = %s", old)
    execute(connection, "UPDATE message SET status = 'failed', ended_at = now() WHERE id = 1")

    def found(query: str) -> int:
        return api.get(f"/ledger/?{query}").text.count(ROW)

    assert found("") == found("zone=UTC") == 5
    assert found(f"mailing={old}") == 2
    assert found(f"mailing={old}&status=failed") == found("status=failed") == found("id=1") == 1
    assert found("phone=%2B79000000004") == 1
    assert found("until=2026-01-01T12:01") == found("until=2026-01-01T12:01&zone=Nowhere") == 2
    # The moments themselves: from the first one on, and before the second one. The next page goes on from there.
    assert (found("since=2026-01-01T12:00"), found("until=2026-01-01T12:00")) == (5, 0)
    assert found("until=2026-01-01T12:01&from=2") == 1
    # Noon in London is three in Moscow.
    assert found("until=2026-01-01T14:59&zone=Europe/Moscow") == 0
    assert found(f"since=2026-01-01T12:01&mailing={new}") == 3
    assert found("id=none") == 0


def test_a_message_that_is_to_be_sent_alone_says_so(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    said = "Will be sent alone"
    assert said not in api.get("/ledger/1/").text

    execute(connection, "UPDATE message SET due_at = 'infinity'")

    assert said in api.get("/ledger/1/").text


def test_a_mailing_s_ledger_comes_whole_and_without_formulas(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.messages.queries.LEDGER_PAGE", 2)
    mailing_id = add_running_mailing(connection, 5)
    change_message(connection, 3, "status = 'failed', ended_at = now(), reason_code = '=HYPERLINK(\"x\")'")
    change_message(connection, 4, "reason_code = 'window_closed'")
    answer = api.get(f"/mailings/{mailing_id}/ledger.csv")
    assert answer.mimetype == "text/csv"
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["message_id"] for line in lines] == ["1", "2", "3", "4", "5"]
    assert [line["reason"] for line in lines[2:4]] == ['\'=HYPERLINK("x")', ""]
    for_excel = api.get(f"/mailings/{mailing_id}/ledger.csv", query_string={"delimiter": "semicolon", "bom": "true"})
    assert for_excel.data.decode().startswith("\ufeffmessage_id;client_id;")
    assert api.get(f"/mailings/{mailing_id}/ledger.csv?delimiter=x").status_code == 400


def test_a_line_of_csv_quotes_what_needs_it() -> None:
    values = ["a,b", None, True, -5, "-5", datetime(2026, 1, 1, tzinfo=UTC)]
    row = [cell(value) for value in values]
    assert CsvForm().lines([row]) == '"a,b",,yes,-5,\'-5,2026-01-01T00:00:00.000Z\r\n'
    assert CsvForm(";").lines([row]) == "a,b;;yes;-5;'-5;2026-01-01T00:00:00.000Z\r\n"


def test_a_mailing_s_page_adds_up_and_says_why_what_was_not_sent_was_not(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 3)
    add_messages(connection, mailing_id, 1)
    execute(
        connection,
        f"UPDATE message SET status = 'failed', ended_at = now(), {REFUSED} WHERE id <= 2",  # noqa: S608
    )
    page = api.get(f"/mailings/{mailing_id}/?part=live").text
    assert "The counts add up" in page
    assert "code 7: blocked" in page
    assert "<html" not in page


@pytest.mark.parametrize("status", [status for status in MessageStatus if status not in ("sending", "sent")])
def test_a_mailing_s_page_says_why_messages_are_in_each_status(
    api: Caller, connection: Connection, status: MessageStatus
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    ended_at = "NULL" if status is MessageStatus.PENDING else "now()"
    change_message(connection, 1, f"status = '{status}', ended_at = {ended_at}, {REFUSED}")
    page = api.get(f"/mailings/{mailing_id}/?part=live").text
    assert "code 7: blocked" in page


def test_a_form_has_a_place_for_a_token_against_forgery(api: Caller) -> None:
    mailing_id = add_mailing(api)
    for path in ("/clients/new/", "/mailings/new/", f"/mailings/{mailing_id}/cancel/", f"/mailings/{mailing_id}/test/"):
        assert 'name="csrf_token"' in api.get(path).text
