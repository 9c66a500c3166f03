"""Each page says what keeps from being sent what it shows, and nothing is called well that nobody has seen."""

from __future__ import annotations

import re

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import (
    add_clients,
    add_contact,
    add_mailing,
    add_report,
    add_running_mailing,
    change_mailing,
    change_message,
    execute,
    lease,
)
from tests.integration.api.calls import Caller
from tests.integration.api.html_forms import fields_of

SEVERE = "alert-danger problem"
DRAFT = {"text": "Hello", "mark": "vip", "start_datetime": "2032-06-02T21:00", "end_datetime": "2032-06-03T21:00"}


def text_of(api: Caller, path: str) -> str:
    """The page without tags, in one line."""
    without_isolates = re.sub(r"</?bdi[^>]*>", "", api.get(path).text)
    return " ".join(re.sub(r"<[^>]*>", " ", without_isolates).split())


@pytest.fixture
def sent(connection: Connection) -> Connection:
    """One message was sent, so that there is something to say of the gateway."""
    add_running_mailing(connection, 1)
    change_message(connection, 1, "status = 'sent', sent_at = now(), ended_at = now()")
    return connection


def test_an_idle_gateway_is_ok_only_as_long_as_it_has_answered_lately(api: Caller, sent: Connection) -> None:
    add_report(sent)
    page = text_of(api, "/")
    assert "No problems." not in page
    assert "Gateway not reached yet No request has been made to the gateway yet" in page

    add_contact(sent, asked=3600, answered=3600)
    page = text_of(api, "/")
    assert "No problems." not in page
    assert "No known problems. Last response from the gateway:" in page
    assert "Gateway idle" in page
    assert page.count("no known problems") == 1  # of the worker

    execute(sent, "UPDATE gateway_contact SET asked_at = now(), answered_at = now()")
    page = text_of(api, "/")
    assert "No problems." in page
    assert "Gateway ok Last response from the gateway:" in page


def test_a_last_request_without_an_answer_is_said(api: Caller, sent: Connection) -> None:
    add_report(sent)
    add_contact(sent, asked=60, answered=7200, result="unreachable", words="Connection refused")
    page = text_of(api, "/")
    assert "No problem" not in page
    assert "The gateway did not respond to the last request." in page
    assert "Connection refused" in page
    assert "Last request, without a response:" in page


def test_a_worker_that_has_stopped_tells_nothing_of_the_gateway(api: Caller, sent: Connection) -> None:
    add_report(sent, stopped=True)
    add_contact(sent, asked=1, answered=1)
    page = text_of(api, "/")
    assert "Gateway unknown No worker is running. Last response from the gateway:" in page
    assert "stopped" in page
    assert " ok " not in page


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("circuit_open", "The gateway is failing."),
        ("misconfigured", "The gateway rejects our settings. Nothing is sent."),
        ("no_credit", "the account has no credit"),
        ("not_understood", "answers are not understood"),
    ],
)
def test_every_page_with_pending_messages_shows_a_gateway_problem_and_since_when(
    api: Caller, connection: Connection, state: str, told: str
) -> None:
    mailing_id = add_running_mailing(connection, 2)
    add_report(connection, ago=30)
    for ago in (15, 1):
        add_report(connection, ago=ago, state=state, provider_code="401", reason_code="token_rejected")
    add_contact(connection, asked=2, answered=600, result="misconfigured")
    draft = api.post("/mailings/new/", data=DRAFT).headers["Location"]
    since = re.compile(r"Started at:\s*<time datetime=\"([^\"]*)\"")
    for path in ("/", "/mailings/", f"/mailings/{mailing_id}/", "/ledger/1/", draft, f"/mailings/{mailing_id}/test/"):
        page = api.get(path).text
        assert told in page, path
        assert page.count(SEVERE) == 1, path
        assert "Last response from the gateway:" in page, path
        assert "code 401: The gateway does not accept the token" in page, path
        assert len(since.findall(page)) == 1, path
        assert "No problem" not in page, path

    change_mailing(connection, mailing_id, "status = 'paused'")
    assert told not in api.get("/ledger/1/").text
    change_mailing(connection, mailing_id, "status = 'running'")
    change_message(connection, 1, "status = 'sent', sent_at = now(), ended_at = now()")
    assert told not in api.get("/ledger/1/").text
    change_message(connection, 2, "status = 'sent', sent_at = now(), ended_at = now()")
    assert told not in api.get(f"/mailings/{mailing_id}/").text


def test_a_problem_started_with_the_first_report_of_it_since_the_last_ok(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    for ago, state in ((300, "circuit_open"), (200, "ok"), (100, "circuit_open"), (1, "circuit_open")):
        add_report(connection, ago=ago, state=state)
    execute(connection, "UPDATE worker_report SET at = date_trunc('second', at) WHERE at < now() - interval '90 s'")
    began = re.findall(r'Started at:\s*<time datetime="([^"]*)"', api.get("/mailings/1/").text)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_char(min(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM worker_report"
            " WHERE at > now() - interval '150 s'"
        )
        assert [(one,) for one in began] == cursor.fetchall()
    execute(connection, "DELETE FROM worker_report WHERE gateway_state = 'ok'")
    assert "Started at or before:" in text_of(api, "/mailings/1/")


def test_overdue_mailings_without_a_worker_are_severe_and_counted(api: Caller, connection: Connection) -> None:
    add_clients(connection, 20, tag="vip")
    mailing_id = add_mailing(connection, mark="vip", starts_in=-300)
    for path in ("/", "/mailings/", f"/mailings/{mailing_id}/"):
        page, words = api.get(path).text, text_of(api, path)
        assert page.count(SEVERE) == 1, path
        assert "No worker is running. Nothing is sent." in words, path
        assert "1 mailing should have started:" in words, path
        assert "About 20 clients wait for that." in words, path
        assert "starts" not in words, path
    assert "should have started" in text_of(api, "/").partition("Under way")[2]
    assert "It should have started:" in text_of(api, f"/mailings/{mailing_id}/")

    add_report(connection)
    add_contact(connection, asked=1, answered=1)
    assert "Workers are running, but mailings that are due have not been started." in text_of(
        api, f"/mailings/{mailing_id}/"
    )


def test_pending_messages_without_a_worker_are_severe_and_shown_with_their_time(
    api: Caller, connection: Connection
) -> None:
    mailing_id, other = add_running_mailing(connection, 7), add_running_mailing(connection, 5)
    add_report(connection, ago=1000)
    add_contact(connection, asked=1000, answered=1000)
    page = text_of(api, f"/mailings/{mailing_id}/")
    assert "7 messages wait. Last report of a worker:" in page
    assert "12 messages wait." in text_of(api, "/")
    change_mailing(connection, other, "status = 'paused'")
    assert "No worker is running" not in text_of(api, f"/mailings/{other}/")


def test_what_does_not_run_is_not_concerned(api: Caller, connection: Connection) -> None:
    later = add_mailing(connection, starts_in=7200, ends_in=9000)
    paused = add_running_mailing(connection, 1, ends_in=9000)
    change_mailing(connection, paused, "status = 'paused'")
    for mailing_id in (later, paused):
        assert "problem" not in api.get(f"/mailings/{mailing_id}/").text


def test_a_waiting_message_has_an_attempt_and_no_reason(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 3)
    execute(
        connection,
        "INSERT INTO attempt"
        " (message_id, number, started_at, duration, gateway, result, reason_code, reason_params, worker)"
        " SELECT id, 1, now(), 1, 'default', 'ambiguous', 'connection_failed', '{\"words\": \"timed out\"}', 'w'"
        " FROM message",
    )
    reason = "reason_code = 'connection_failed', reason_params = jsonb_build_object('words', 'timed out')"
    execute(connection, f"UPDATE message SET {reason}, attempts = 1, in_doubt = true")  # noqa: S608
    lease(connection, 2)
    change_message(connection, 3, "status = 'failed', ended_at = now()")
    for message_id in (1, 2):
        page = text_of(api, f"/ledger/{message_id}/")
        assert "Reason:" not in page
        assert "The last attempt: unclear response, No answer from the gateway (timed out)." in page
        assert "Reason:" not in text_of(api, f"/clients/{message_id}/")
    assert "Reason: No answer from the gateway (timed out)." in text_of(api, "/ledger/3/")
    page = text_of(api, "/mailings/1/")
    assert "Why not sent failed No answer from the gateway (timed out) 1" in page
    assert "Last attempt of pending messages pending No answer from the gateway (timed out) 1" in page


def test_reasons_of_a_part_say_of_how_many(
    api: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.mailings.progress.MAX_SCANNED", 20)
    monkeypatch.setattr("api.mailings.progress.REASONS", 2)
    add_running_mailing(connection, 30)
    execute(connection, "UPDATE message SET status = 'expired', ended_at = now(), reason_code = 'window_closed'")
    page = text_of(api, "/mailings/1/")
    assert "expired The window closed at least 20" in page
    assert "expired: reasons of 20 of 30 messages." in page
    assert "Less frequent reasons" not in page

    words = "jsonb_build_object('words', 'code ' || mod(id, 3))"
    failed = f"status = 'failed', reason_code = 'provider_said', reason_params = {words}"
    execute(connection, f"UPDATE message SET {failed} WHERE id > 21")  # noqa: S608
    page = text_of(api, "/mailings/1/")
    assert "expired The window closed at least 20 failed The gateway said: code 0 3" in page
    assert "Less frequent reasons are not shown" in page


def test_the_speed_of_a_short_sending_is_not_given_per_minute(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 1)
    change_message(connection, 1, "status = 'sent', sent_at = now(), ended_at = now()")
    page = api.get("/mailings/1/").text
    assert "Peak: 1 per second." in page
    assert "per minute" not in page
    assert "Estimated from a sample" not in page

    add_running_mailing(connection, 900)
    execute(
        connection,
        "UPDATE message SET status = 'sent', ended_at = now(),"
        " sent_at = now() + (id / 300) * interval '1 second' WHERE mailing_id = 2",
    )
    page = api.get("/mailings/2/").text
    assert re.search(r"Peak: about [0-9]{2}0 per second\.", page)
    assert "Estimated from a sample" in page


def test_the_time_left_reckons_with_the_other_mailings(api: Caller, connection: Connection) -> None:
    add_running_mailing(connection, 100)
    add_running_mailing(connection, 500)
    for ago in (14, 9, 4):
        add_report(connection, ago=ago, accepted=50)
    add_contact(connection, asked=1, answered=1)
    assert "about 20 s left at the current speed, alongside 1 other mailing" in text_of(api, "/mailings/1/")
    assert "about 1 min left at the current speed, alongside 1 other mailing" in text_of(api, "/mailings/2/")
    add_clients(connection, 50, tag="vip")
    plan = {"text": "Hello", "mark": "vip", "start_datetime": "2022-06-02T21:00"}
    form = fields_of(api.get("/mailings/new/")) | plan
    part = " ".join(re.sub(r"<[^>]*>", " ", api.post("/mailings/estimate/", data=form).text).split())
    assert "about 15 s at the current speed, alongside 2 other mailings (600 messages wait)" in part
