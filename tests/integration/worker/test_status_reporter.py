"""The workers' reports: what they say, how often, and how long they are kept."""

from __future__ import annotations

import time

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.domain.statuses import Outcome
from shared.domain.worker_status import EVERY, GatewayHealth
from tests.factories import execute, rows, value
from tests.integration.worker.conftest import OpenDatabase
from worker.answers import SubmitResult
from worker.telemetry.status_reporter import Contact, StatusReporter, WorkerStatus

GOOD = WorkerStatus(GatewayHealth.OK, in_hand=3, send_limit=16)
BAD = WorkerStatus(GatewayHealth.REFUSED, in_hand=0, send_limit=16)

ACCEPTED = SubmitResult(Outcome.ACCEPTED, 200)
TIMED_OUT = SubmitResult(Outcome.AMBIGUOUS, None, "timed out")
REFUSED = SubmitResult(Outcome.UNAUTHORIZED, 401, "the gateway does not accept the token")


@pytest.fixture
def reporter(open_database: OpenDatabase) -> StatusReporter:
    return StatusReporter(open_database(), "left")


def test_a_report_says_what_was_done_and_how_things_stand(reporter: StatusReporter, connection: Connection) -> None:
    reporter.count([ACCEPTED, ACCEPTED, REFUSED])
    reporter.report(GOOD)

    question = (
        "SELECT worker, accepted, unauthorized, ambiguous, in_hand, send_limit, gateway, detail FROM worker_report"
    )
    assert rows(connection, question) == [("left", 2, 1, 0, 3, 16, "ok", None)]


def test_what_was_reported_is_not_reported_again(reporter: StatusReporter, connection: Connection) -> None:
    reporter.count([ACCEPTED])
    reporter.report(GOOD)
    reporter.count([ACCEPTED, ACCEPTED])
    reporter.report(GOOD, stopped=True)

    assert rows(connection, "SELECT accepted, stopped FROM worker_report ORDER BY at") == [(1, False), (2, True)]


def test_reports_are_written_when_they_are_due_and_no_sooner(reporter: StatusReporter, connection: Connection) -> None:
    assert reporter.seconds_until_due() == 0.0
    for _ in range(3):
        reporter.report(GOOD)

    assert value(connection, "SELECT count(*) FROM worker_report") == 1
    assert EVERY - 2 < reporter.seconds_until_due() <= EVERY


def test_trouble_is_said_in_the_gateway_s_words(reporter: StatusReporter, connection: Connection) -> None:
    reporter.count([REFUSED])
    reporter.report(BAD)

    told = rows(connection, "SELECT gateway, detail FROM worker_report")
    assert told == [("refused", "HTTP 401: the gateway does not accept the token")]


def test_old_reports_are_removed_in_passing(reporter: StatusReporter, connection: Connection) -> None:
    reporter.report(GOOD)
    execute(connection, "UPDATE worker_report SET at = now() - interval '61 min', worker = 'gone'")
    reporter.report(GOOD, stopped=True)

    assert rows(connection, "SELECT worker FROM worker_report") == [("left",)]


CONTACT = """
SELECT outcome::text, detail, answered_at IS NOT NULL, accepted_at IS NOT NULL, asked_at > now() - interval '1 min'
FROM gateway_contact
"""


def report_again(reporter: StatusReporter, *answers: SubmitResult) -> None:
    reporter.count(answers)
    reporter.report(GOOD, stopped=True)  # it is not due


def test_the_last_request_and_the_last_answer_are_kept_for_good(
    reporter: StatusReporter, connection: Connection
) -> None:
    report_again(reporter)
    assert rows(connection, CONTACT) == []
    report_again(reporter, TIMED_OUT)
    assert rows(connection, CONTACT) == [("ambiguous", "timed out", False, False, True)]
    report_again(reporter, ACCEPTED, REFUSED)
    told = "HTTP 401: the gateway does not accept the token"
    assert rows(connection, CONTACT) == [("unauthorized", told, True, True, True)]
    assert value(connection, "SELECT asked_at = answered_at AND answered_at = accepted_at FROM gateway_contact")
    report_again(reporter, TIMED_OUT)
    assert value(connection, "SELECT asked_at > answered_at FROM gateway_contact")
    before = rows(connection, "SELECT * FROM gateway_contact")
    report_again(reporter)
    assert rows(connection, "SELECT * FROM gateway_contact") == before


def test_of_two_workers_the_later_contact_counts_and_none_of_the_future(
    reporter: StatusReporter, connection: Connection
) -> None:
    report_again(reporter, ACCEPTED)
    seen = rows(connection, CONTACT)
    for ahead in ("-1 hour", "1 hour"):
        moved = "UPDATE gateway_contact SET asked_at = now() + %s::interval, answered_at = now() + %s::interval"
        execute(connection, f"{moved}, outcome = 'refused'", ahead, ahead)
        report_again(reporter, ACCEPTED)
        assert rows(connection, CONTACT) == seen, ahead
    earlier = Contact()
    earlier.note([TIMED_OUT], time.monotonic() - 60)
    with connection.cursor() as cursor:
        earlier.write(cursor)
    assert rows(connection, CONTACT) == seen
