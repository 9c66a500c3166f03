"""The daily report, by way of a real mail server."""

from __future__ import annotations

import email
import threading
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import time
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_gateway, add_running_mailing, change_mailing, change_message, execute, rows, value
from tests.integration.worker.conftest import OpenDatabase
from tests.ports import free_port
from tests.waiting import PATIENCE, eventually, in_background, wait_for_new_day
from worker.daily_report.mail_settings import MailSettings
from worker.daily_report.report import DailyReport

YESTERDAY = "date_trunc('day', now()) - interval '1 hour'"

OpenReport = Callable[..., DailyReport]


class Mailbox:
    """What the mail server took, and what it says to the next recipients."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusal = ""

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        mail = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture(autouse=True)
def _one_day(connection: Connection) -> None:
    wait_for_new_day(connection)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def port(mailbox: Mailbox) -> Iterator[int]:
    """The port of a mail server on this machine."""
    number = free_port()
    server = Controller(mailbox, hostname="127.0.0.1", port=number, ready_timeout=PATIENCE)
    server.start()
    yield number
    server.stop()


@pytest.fixture
def open_report(open_database: OpenDatabase, port: int) -> OpenReport:
    """Opens the report as one worker sees it."""

    def open_one(security: str = "none", timezone: str = "UTC") -> DailyReport:
        settings = MailSettings(
            to=(Address("Оля", "olya", "example.com"), Address("", "ops", "example.com")),
            sender=Address("Gonets", "gonets", "example.com"),
            at=time(0, 0),
            timezone=timezone,
            host="127.0.0.1",
            port=port,
            security=security,
            user=None,
            password=None,
        )
        return DailyReport(open_database(), settings, threading.Event())

    return open_one


def add_attempt(connection: Connection, message_id: int, result: str, at: str) -> None:
    execute(
        connection,
        f"""
        INSERT INTO attempt (message_id, number, started_at, gateway, result, worker)
        VALUES (%s, (SELECT count(*) + 1 FROM attempt WHERE message_id = %s), {at}, 'default', %s, 'left')
        """,  # noqa: S608  a moment of this file's own
        message_id,
        message_id,
        result,
    )


def body(mail: EmailMessage) -> list[str]:
    return [" ".join(line.split()) for line in mail.get_content().splitlines()]


def let_lease_expire(connection: Connection) -> None:
    execute(connection, "UPDATE daily_report SET lease_until = now() - interval '1 second'")


def test_it_counts_the_requests_of_the_day_and_no_others(
    connection: Connection, open_report: OpenReport, mailbox: Mailbox
) -> None:
    add_running_mailing(connection, 3)
    for at in (YESTERDAY, "date_trunc('day', now())", "date_trunc('day', now()) - interval '25 hours'"):
        add_attempt(connection, 1, "accepted", at)
    add_attempt(connection, 2, "ambiguous", YESTERDAY)

    assert open_report().send_if_due()

    (mail,) = mailbox.mails
    yesterday = value(connection, "SELECT (date_trunc('day', now()) - interval '1 day')::date")
    assert mail["Subject"] == f"Gonets on {yesterday}: 1 messages accepted"
    assert {"accepted 1", "ambiguous 1", "refused 0"} < set(body(mail))


def test_it_counts_what_became_of_the_messages_of_the_day(
    connection: Connection, open_report: OpenReport, mailbox: Mailbox
) -> None:
    add_running_mailing(connection, 7)
    sent = "status = 'sent', ended_at = now(), gateway_id = 1, sent_at = "
    for message_id, delivery in enumerate(("'awaiting'", "'delivered'", "'delivered'", "'undelivered'", "NULL"), 1):
        reason = "'expired'" if "undelivered" in delivery else "NULL"
        change = f"{sent}{YESTERDAY}, delivery = {delivery}, delivery_reason = {reason}"
        change_message(connection, message_id, change)
        add_attempt(connection, message_id, "accepted", YESTERDAY)
    change_message(connection, 6, f"{sent}date_trunc('day', now()), delivery = 'delivered'")
    add_attempt(connection, 6, "accepted", "date_trunc('day', now())")

    assert open_report().send_if_due()

    lines = body(mailbox.mails[0])
    begin = lines.index("Messages sent on that day, by delivery so far")
    assert lines[begin + 1 : begin + 5] == ["awaiting 1", "delivered 2", "undelivered 1", "no receipt 1"]


def test_a_time_zone_that_only_python_knows_will_do(open_report: OpenReport, mailbox: Mailbox, tmp_path: Path) -> None:
    (tmp_path / "Office").write_bytes(files("tzdata.zoneinfo.Etc").joinpath("UTC").read_bytes())
    zoneinfo.reset_tzpath([str(tmp_path)])
    try:
        assert open_report(timezone="Office").send_if_due()
    finally:
        zoneinfo.reset_tzpath()

    assert "(Office)" in body(mailbox.mails[0])[0]


def test_it_names_the_mailings_of_the_day_with_what_became_of_their_messages(
    connection: Connection, open_report: OpenReport, mailbox: Mailbox
) -> None:
    small, large = add_running_mailing(connection, 1, mark="small"), add_running_mailing(connection, 2, mark="large")
    add_running_mailing(connection, 1, mark="today")
    change_mailing(connection, small, f"launch_started_at = {YESTERDAY}, audience = 1")
    change_mailing(connection, large, f"launch_started_at = {YESTERDAY}, audience = 2")
    change_message(connection, 1, "status = 'sent', sent_at = now(), ended_at = now()")

    open_report().send_if_due()

    lines = body(mailbox.mails[0])
    place = lines.index(f"{large}, large: running, audience 2")
    assert lines[place + 1] == "2 pending"
    assert lines[place + 2 : place + 4] == [f"{small}, small: running, audience 1", "1 sent"]
    assert not any("today" in line for line in lines)


def test_it_is_sent_once_whatever_the_number_of_workers(
    connection: Connection, open_report: OpenReport, mailbox: Mailbox
) -> None:
    together = threading.Barrier(8)

    def send(report: DailyReport) -> bool:
        together.wait(30)
        return report.send_if_due()

    sending = [in_background(partial(send, open_report())) for _ in range(8)]

    assert sorted(one.result(PATIENCE) for one in sending) == [False] * 7 + [True]
    assert len(mailbox.mails) == 1
    let_lease_expire(connection)
    assert not open_report().send_if_due()


def test_what_the_server_refuses_is_tried_again_later_and_is_the_same_mail(
    connection: Connection, open_report: OpenReport, mailbox: Mailbox
) -> None:
    mailbox.refusal = "451 not now"
    assert not open_report().send_if_due()
    mailbox.refusal = ""
    assert not open_report().send_if_due(), "it rests for a while"
    let_lease_expire(connection)

    assert open_report().send_if_due()

    assert rows(connection, "SELECT tries, sent_at IS NOT NULL FROM daily_report") == [(2, True)]
    (mail,) = mailbox.mails
    assert mail["Message-ID"].startswith("<daily-report-20")


def test_a_lease_in_the_far_future_from_before_the_clock_was_set_back_delays_no_other(
    connection: Connection, open_report: OpenReport, mailbox: Mailbox
) -> None:
    mailbox.refusal = "451 not now"
    assert not open_report().send_if_due()
    mailbox.refusal = ""
    execute(connection, "UPDATE daily_report SET lease_until = now() + interval '1 hour 1 minute'")

    assert open_report().send_if_due()


def test_a_server_without_tls_gets_nothing_when_tls_is_asked_for(open_report: OpenReport, mailbox: Mailbox) -> None:
    assert not open_report("starttls").send_if_due()
    assert not mailbox.mails


def test_it_goes_to_all_recipients_and_says_that_no_reply_is_needed(open_report: OpenReport, mailbox: Mailbox) -> None:
    open_report().send_if_due()

    (mail,) = mailbox.mails
    assert mail["To"] == "Оля <olya@example.com>, ops@example.com"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "none" in body(mail)


def test_it_waits_for_a_database_that_is_not_migrated_yet(
    connection: Connection,
    open_report: OpenReport,
    mailbox: Mailbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.daily_report.report.CHECK_INTERVAL", 0.05)
    report = open_report()
    execute(connection, "ALTER TABLE daily_report RENAME TO still_to_come")
    try:
        running = in_background(report.run)
        eventually(lambda: "daily_report.not_migrated" in caplog.messages)
    finally:
        execute(connection, "ALTER TABLE still_to_come RENAME TO daily_report")

    eventually(lambda: mailbox.mails)
    report._stop.set()
    running.result(PATIENCE)


def test_it_has_a_line_for_each_gateway_if_there_are_several(
    open_report: OpenReport, connection: Connection, mailbox: Mailbox
) -> None:
    add_running_mailing(connection, 2)
    gateway_id = add_gateway(connection, "second")
    execute(connection, "UPDATE gateway SET segment_price = 0.05, currency = 'EUR' WHERE id = %s", gateway_id)
    add_attempt(connection, 1, "accepted", YESTERDAY)
    add_attempt(connection, 2, "refused", YESTERDAY)
    add_attempt(connection, 2, "accepted", YESTERDAY)
    execute(connection, "UPDATE attempt SET gateway = 'second', segments = 2, price = 0.1 WHERE number = 2")
    assert open_report().send_if_due()
    lines = body(mailbox.mails[0])
    assert "Requests to gateways, by result" in lines
    start = lines.index("Gateways: messages accepted, of requests")
    assert lines[start + 1 : start + 3] == ["default: 1 of 2", "second: 1 of 1, 2 segments, 0.1 EUR"]
