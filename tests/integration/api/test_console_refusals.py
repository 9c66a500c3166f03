"""A page with a form for something whose state forbids it says so, and has nothing to send."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from api.console.mailing_actions import MailingAction
from tests.factories import add_running_mailing, cancel, change_mailing, change_message, execute, lease, value
from tests.integration.api.calls import Caller, add_client, add_mailing
from tests.integration.api.html_forms import posting_forms

FINISHED = "status = 'finished', ended_at = now()"


@pytest.mark.parametrize("change", ["status = 'cancelled', ended_at = now()", FINISHED], ids=["cancelled", "finished"])
def test_an_ended_mailing_can_t_be_edited_and_says_so_at_once(api: Caller, connection: Connection, change: str) -> None:
    mailing_id = add_mailing(api)
    change_mailing(connection, mailing_id, change)
    page = api.get(f"/mailings/{mailing_id}/edit/")
    assert page.status_code == 409
    assert "can no longer be changed" in page.text
    assert f'href="/mailings/new/?like={mailing_id}"' in page.text
    assert len(posting_forms(page)) == 1  # to sign out


def test_an_edit_of_what_was_cancelled_meanwhile_keeps_the_text_and_can_t_be_sent_again(
    api: Caller, connection: Connection
) -> None:
    mailing_id = add_mailing(api)
    form = posting_forms(api.get(f"/mailings/{mailing_id}/edit/"))[-1]
    cancel(connection, mailing_id)
    page = api.post(f"/mailings/{mailing_id}/edit/", data=form | {"text": "Typed for long"})
    assert page.status_code == 409
    assert "Typed for long" in page.text
    assert ">Save</button>" not in page.text


@pytest.mark.parametrize(
    ("action", "change", "told"),
    [
        (MailingAction.PAUSE, "status = 'paused'", "is paused already."),
        (MailingAction.PAUSE, FINISHED, "there is nothing to pause."),
        (MailingAction.RESUME, "status = 'running'", "is running already."),
        (MailingAction.CANCEL, FINISHED, "there is nothing to cancel."),
        (MailingAction.CANCEL, "status = 'cancelled', ended_at = now()", "is cancelled already."),
        (MailingAction.RETRY_FAILED, "status = 'running'", "has no failed messages."),
        (MailingAction.RETRY_UNKNOWN, "end_datetime = now()", "has closed: nothing is sent after it."),
    ],
)
def test_an_action_that_would_be_refused_or_change_nothing_is_not_offered(
    api: Caller, connection: Connection, action: MailingAction, change: str, told: str
) -> None:
    mailing_id = add_running_mailing(connection, 1)
    change_mailing(connection, mailing_id, change)
    page = api.get(f"/mailings/{mailing_id}/{action}/")
    assert page.status_code == 409
    assert told in page.text
    assert len(posting_forms(page)) == 1
    assert 'class="consequences"' not in page.text


def test_an_action_that_was_refused_has_no_button_any_more(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 1)
    form = posting_forms(api.get(f"/mailings/{mailing_id}/pause/"))[-1]
    cancel(connection, mailing_id)
    page = api.post(f"/mailings/{mailing_id}/pause/", data=form)
    assert page.status_code == 409
    assert page.text.count("there is nothing to pause.") == 1
    assert len(posting_forms(page)) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE mailing SET end_datetime = now()", "has closed: nothing is sent after it."),
        ("UPDATE mailing SET status = 'cancelled', ended_at = now()", "is cancelled. Create a new mailing instead."),
        ("UPDATE mailing SET deleted_at = now()", "is removed: nothing of it is sent any more."),
        ("DELETE FROM client", "The client was removed: nothing is sent to them any more."),
    ],
)
def test_sending_an_unknown_message_again_is_offered_only_where_it_can_be_done(
    api: Caller, connection: Connection, change: str, told: str
) -> None:
    add_running_mailing(connection, 1)
    change_message(connection, 1, "status = 'unknown', in_doubt = true, ended_at = now()")
    choice = 'id="outcome-resend" value="resend" required'
    assert f"{choice}>" in api.get("/ledger/1/").text
    execute(connection, change)
    page = api.get("/ledger/1/").text
    assert f"{choice} disabled>" in page
    assert told in page
    assert 'id="outcome-arrived" value="arrived" required>' in page


def test_an_edit_of_a_launched_mailing_is_planned_for_what_waits(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 3, mark="vip")
    add_client(api)  # joins too late
    change_message(connection, 1, "status = 'sent', sent_at = now(), ended_at = now()")
    page = api.get(f"/mailings/{mailing_id}/edit/").text
    for part in (page, api.post(f"/mailings/estimate/?mailing={mailing_id}", data={"text": "Hello"}).text):
        assert "Pending messages</dt>\n  <dd><b>2</b>" in part
        assert "<dt>Total segments</dt>\n  <dd><b>2</b>" in part
    assert f'data-estimate="/mailings/estimate/?mailing={mailing_id}"' in page


def test_removing_a_mailing_tells_pending_messages_from_those_in_flight(api: Caller, connection: Connection) -> None:
    mailing_id = add_running_mailing(connection, 3)
    lease(connection, 1)
    page = api.get(f"/mailings/{mailing_id}/remove/").text
    assert "2 pending messages will not be sent." in page
    assert "1 message already in flight may still be delivered." in page


def test_a_mailing_that_has_not_started_is_removed_and_the_audit_log_records_it(
    api: Caller, connection: Connection
) -> None:
    mailing_id = add_mailing(api)
    deletions = "SELECT count(*) FROM audit_entry WHERE operation = 'deleteMailing'"
    before = value(connection, deletions)
    assert "The audit log records the deletion." in api.get(f"/mailings/{mailing_id}/remove/").text
    api.post(f"/mailings/{mailing_id}/remove/")
    assert value(connection, "SELECT count(*) FROM mailing") == 0
    assert value(connection, deletions) == before + 1
