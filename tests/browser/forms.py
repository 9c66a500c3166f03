"""The console's forms that write, each ready to be filled in and sent by a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import Page
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, add_mailing, add_running_mailing, execute, value
from tests.inbound import add_inbound_message

LAST_PHONE = "SELECT max(phone_number) FROM client"

Fill = Callable[[Page], None]


class Filled(NamedTuple):
    """A form on a page, ready to be filled in and sent."""

    path: str
    button: str
    fill: Fill = lambda page: None
    field: str | None = None
    """A field of one line, in which Enter sends the form."""
    says: str | None = None
    """What the page says once it is done, if it has the same form again."""


def a_client(ledger: Connection) -> Filled:
    phone = max(value(ledger, LAST_PHONE) or 0, 79000000000) + 1

    def fill(page: Page) -> None:
        page.get_by_label("Phone number").fill(str(phone))
        page.get_by_label("Operator code").fill("900")
        page.get_by_label("Time zone").fill("Europe/Moscow")

    return Filled("/clients/new/", "Add the client", fill, "Tag")


def a_change_of_a_client(ledger: Connection) -> Filled:
    (client_id,) = add_clients(ledger, 1)
    return Filled(
        f"/clients/{client_id}/edit/",
        "Save",
        lambda page: page.get_by_label("Tag", exact=True).fill("changed"),
        "Operator code",
    )


def a_removal_of_a_client(ledger: Connection) -> Filled:
    return Filled(f"/clients/{add_clients(ledger, 1)[0]}/remove/", "Remove")


def write(page: Page) -> None:
    page.get_by_label("Text").fill("Hello")
    page.get_by_label("Recipients").fill("nobody at all")


def a_mailing(ledger: Connection) -> Filled:
    return Filled("/mailings/new/", "Continue to review", write, "Recipients")


def a_draft(ledger: Connection) -> Filled:
    return Filled("/mailings/new/", "Save as a draft", write)


def add_draft(ledger: Connection) -> int:
    fields = """{"text": "Hello", "mark": "nobody", "on_unknown": "resend", "start_datetime": "2032-01-01T10:00:00Z",
        "end_datetime": "2032-01-02T10:00:00Z"}"""
    add = "INSERT INTO mailing_draft (fields, created_by, created_by_name) VALUES (%s, 'key:1', 'Anna') RETURNING id"
    return int(value(ledger, add, fields))


def a_change_of_a_draft(ledger: Connection) -> Filled:
    def fill(page: Page) -> None:
        page.get_by_label("Text").fill("Changed")

    return Filled(f"/mailings/drafts/{add_draft(ledger)}/edit/", "Save as a draft", fill, "Recipients")


def a_review(ledger: Connection) -> Filled:
    def fill(page: Page) -> None:
        page.get_by_label("No client has its mark").check()

    return Filled(f"/mailings/drafts/{add_draft(ledger)}/", "Schedule for", fill)


def a_removal_of_a_draft(ledger: Connection) -> Filled:
    return Filled(f"/mailings/drafts/{add_draft(ledger)}/remove/", "Delete the draft")


def waiting(ledger: Connection) -> int:
    return add_mailing(ledger, mark="nobody", starts_in=7200, ends_in=9000)


def a_change_of_a_mailing(ledger: Connection) -> Filled:
    def fill(page: Page) -> None:
        page.get_by_label("Text").fill("Changed")

    return Filled(f"/mailings/{waiting(ledger)}/edit/", "Save", fill, "Recipients")


def a_test(ledger: Connection) -> Filled:
    add_clients(ledger, 1)
    phone = value(ledger, LAST_PHONE)
    return Filled(
        f"/mailings/{waiting(ledger)}/test/",
        "Send test",
        lambda page: page.get_by_label("Phone number").fill(str(phone)),
        "Phone number",
    )


def an_undo(ledger: Connection) -> Filled:
    return Filled(f"/mailings/{waiting(ledger)}/", "Undo: back to a draft")


def action(name: str, button: str) -> Callable[[Connection], Filled]:
    def prepare(ledger: Connection) -> Filled:
        return Filled(f"/mailings/{waiting(ledger)}/{name}/", button)

    return prepare


def a_resumption(ledger: Connection) -> Filled:
    mailing_id = waiting(ledger)
    execute(ledger, "UPDATE mailing SET status = 'paused' WHERE id = %s", mailing_id)
    return Filled(f"/mailings/{mailing_id}/resume/", "Resume")


def retried(name: str) -> Callable[[Connection], Filled]:
    def prepare(ledger: Connection) -> Filled:
        mailing_id = add_running_mailing(ledger, 1, ends_in=9000)
        ended = "UPDATE message SET status = %s, ended_at = now() WHERE mailing_id = %s"
        execute(ledger, "UPDATE mailing SET status = 'paused', launched_at = now() WHERE id = %s", mailing_id)
        execute(ledger, ended, name, mailing_id)
        return Filled(f"/mailings/{mailing_id}/retry-{name}/", "Retry")

    return prepare


def a_decision(ledger: Connection) -> Filled:
    mailing_id = add_running_mailing(ledger, 1, ends_in=9000)
    execute(ledger, "UPDATE mailing SET status = 'paused', launched_at = now() WHERE id = %s", mailing_id)
    ended = (
        "UPDATE message SET status = 'unknown', in_doubt = true, ended_at = now() WHERE mailing_id = %s RETURNING id"
    )
    message_id = value(ledger, ended, mailing_id)
    return Filled(
        f"/ledger/{message_id}/", "Save the decision", lambda page: page.get_by_label("Send it again").check()
    )


def an_inbound_message(ledger: Connection) -> int:
    add_clients(ledger, 1)
    return add_inbound_message(ledger, phone_number=value(ledger, LAST_PHONE))


def a_reading(ledger: Connection) -> Filled:
    return Filled(f"/inbox/{an_inbound_message(ledger)}/", "Mark as read")


def an_unreading(ledger: Connection) -> Filled:
    message_id = an_inbound_message(ledger)
    execute(ledger, "UPDATE inbound_message SET read_at = now(), read_by = 'anna' WHERE id = %s", message_id)
    return Filled(f"/inbox/{message_id}/", "Mark as unread")


def an_answer(ledger: Connection) -> Filled:
    return Filled(
        f"/inbox/{an_inbound_message(ledger)}/",
        "Send the answer",
        lambda page: page.get_by_label("Text").fill("Yes"),
        says="The answer is being sent.",
    )


FORMS: dict[str, Callable[[Connection], Filled]] = {
    "new client": a_client,
    "edit client": a_change_of_a_client,
    "remove client": a_removal_of_a_client,
    "new mailing": a_mailing,
    "new draft": a_draft,
    "edit draft": a_change_of_a_draft,
    "review": a_review,
    "remove draft": a_removal_of_a_draft,
    "edit mailing": a_change_of_a_mailing,
    "test send": a_test,
    "undo": an_undo,
    "pause": action("pause", "Pause"),
    "resume": a_resumption,
    "cancel": action("cancel", "Cancel the mailing"),
    "remove": action("remove", "Remove"),
    "retry failed": retried("failed"),
    "retry unknown": retried("unknown"),
    "decide": a_decision,
    "mark as read": a_reading,
    "mark as unread": an_unreading,
    "answer": an_answer,
}
"""Every form that writes; tests/integration/api/test_single_submit.py sees that there are no others."""
